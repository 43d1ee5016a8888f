#include "data/image_content.h"

#include <stdint.h>
#include <string.h>

#include "data/byte_stream.h"

enum { HEAD_BYTES = 512 };

typedef struct Kind {
    const char *name; /* an ImageFormat's name, or another one with its article */
    size_t at, length;
    const char *first;  /* these bytes are at offset `at` */
    const char *advice; /* NULL: a format that is read */
} Kind;

#define BYTES(text) sizeof(text) - 1, text
static const Kind kinds[] = {
    {"PNG", 0, BYTES("\x89PNG"), NULL},
    {"TIFF", 0, BYTES("II*\0"), NULL},
    {"TIFF", 0, BYTES("MM\0*"), NULL},
    {"TIFF", 0, BYTES("II+\0"), NULL},
    {"TIFF", 0, BYTES("MM\0+"), NULL},
    {"NRRD", 0, BYTES("NRRD000"), NULL},
    {"MetaImage", 0, BYTES("ObjectType"), NULL},
    {"MetaImage", 0, BYTES("NDims"), NULL},
    {"NIfTI", 0, BYTES("\x5c\x01\0\0"), NULL},
    {"NIfTI", 0, BYTES("\0\0\x01\x5c"), NULL},
    {"NIfTI", 0, BYTES("\x1c\x02\0\0"), NULL},
    {"NIfTI", 0, BYTES("\0\0\x02\x1c"), NULL},
    {"JPEG", 0, BYTES("\xff\xd8\xff"), NULL},
    {"a GIF image", 0, BYTES("GIF8"), "convert it"},
    {"a DICOM file", 128, BYTES("DICM"), "convert its series (convert_dicom FOLDER -o image.nii.gz)"},
    {"an HDF5 file", 0, BYTES("\x89HDF"), "convert it"},
    {"a NumPy array", 0, BYTES("\x93NUMPY"), "convert it"},
    {"a zip archive", 0, BYTES("PK\x03\x04"), "unpack it"},
    {"packed by bzip2", 0, BYTES("BZh"), "unpack it"},
    {"packed by xz", 0,
     BYTES("\xfd"
           "7zXZ"),
     "unpack it"},
    {"compressed by gzip twice", 0, BYTES("\x1f\x8b"), "unpack it once"}, /* found in unpacked data */
    {"a pointer of Git LFS", 0, BYTES("version https://git-lfs"), "fetch the file itself (git lfs pull)"},
    {"a pointer of git-annex", 0, BYTES("/annex/objects"), "fetch the file itself (git annex get FILE)"},
    {"a web page", 0, BYTES("<!DOCTYPE"), "the download failed, fetch it again"},
    {"a web page", 0, BYTES("<!doctype"), "the download failed, fetch it again"},
    {"a web page", 0, BYTES("<html"), "the download failed, fetch it again"},
    {"BMP", 0, BYTES("BM"), NULL},
};

static const Kind *kind_of(const uint8_t head[HEAD_BYTES])
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!memcmp(head + kinds[i].at, kinds[i].first, kinds[i].length)) return &kinds[i];
    return NULL;
}

/* The first bytes, decompressed if they are gzip; padded with zeros for a shorter file. */
static bool read_head(uint8_t head[HEAD_BYTES], bool *packed, bool *empty, const char *path)
{
    ByteSource s;
    Err short_or_damaged;
    memset(head, 0, HEAD_BYTES);
    const int failed = source_open(&s, path, &short_or_damaged);
    *packed = s.packed;
    *empty = !s.count;
    if (!failed) source_read(&s, head, s.packed || s.count > HEAD_BYTES ? HEAD_BYTES : s.count, &short_or_damaged);
    source_close(&s);
    return !failed;
}

int image_content_explain(const char *path, const ImageFormat *format, int code, Err *e)
{
    uint8_t head[HEAD_BYTES];
    bool packed, empty;
    if (!e || code == ERR_NOMEM || code == ERR_INTERRUPTED || !read_head(head, &packed, &empty, path)) return code;
    const Kind *kind = kind_of(head);
    const Err before = *e;
    if (empty) return err_set(e, code, "%s; the file is empty", before.text);
    if (!kind) return code;
    if (kind->advice) return err_set(e, code, "%s; by its content it is %s: %s", before.text, kind->name, kind->advice);
    const bool unpack = packed && strcmp(kind->name, "NIfTI");
    if (!strcmp(kind->name, format->name) && !unpack) return code;
    return err_set(e, code, "%s; by its content it is a %s file%s: %s it the ending of one", before.text, kind->name,
                   unpack ? " packed by gzip" : "", unpack ? "unpack it (gunzip) and give" : "give");
}

int image_content_name(const char **name, const char *path, Err *e)
{
    uint8_t head[HEAD_BYTES];
    bool packed, empty;
    *name = NULL;
    if (!read_head(head, &packed, &empty, path)) return err_set(e, ERR_IO, "%s: cannot be read", path);
    const Kind *kind = kind_of(head);
    if (empty) return err_set(e, ERR_UNSUPPORTED, "%s: the file is empty: expected an image", path);
    if (!kind) return err_set(e, ERR_UNSUPPORTED, "%s: by its content it is no known image", path);
    if (kind->advice)
        return err_set(e, ERR_UNSUPPORTED, "%s: by its content it is %s: %s", path, kind->name, kind->advice);
    *name = kind->name;
    return 0;
}
