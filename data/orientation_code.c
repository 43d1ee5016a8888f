#include "data/orientation_code.h"

#include <stdio.h>
#include <string.h>

static bool is_plane(const char *code) { return strlen(code) == 2; }

static bool is_none(const char *code) { return !strcmp(code, "none"); }

const char *orientation_as_read(const char *code, ReaderAxes reader)
{
    if (reader == READER_STORED || is_plane(code)) return code;
    return is_none(code) && reader == READER_RAS ? code : "RAS";
}

bool orientation_same(const char *a, const char *b)
{
    if (is_none(a) || is_none(b)) return is_none(a) && is_none(b);
    return is_plane(a) || is_plane(b) ? !strncmp(a, b, 2) : !strcmp(a, b);
}

const char *orientation_unturned(const char *code, ReaderAxes reader)
{
    if (is_none(code) && orientation_as_read(code, reader) == code)
        return "an image without orientation is never reoriented: add one to its header (NIfTI: the sform; TIFF, PNG and BMP have "
               "none: store it as NIfTI)";
    if (!is_plane(code)) return NULL;
    return reader == READER_STORED
               ? "a 2-D image is never turned, by \"orientation: canonical\" neither: reorient it, or store it as a volume of one "
                 "slice (a third axis of length 1), which can be turned"
               : "a 2-D image is never turned: store it as a volume of one slice (a third axis of length 1), which is";
}

void orientation_volume_codes(char *codes, size_t bytes, const char *orientations)
{
    size_t length = 0;
    codes[0] = '\0';
    for (const char *at = orientations; *at && length + 5 < bytes; at += strspn(at, ", ")) {
        const size_t letters = strcspn(at, ", ");
        if (letters == 3 && strspn(at, "RLAPSI") >= 3)
            length += (size_t)snprintf(codes + length, bytes - length, "%s%.3s", length ? "," : "", at);
        at += letters;
    }
}
