#include "base/plain.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

/* Of a character of two or three bytes: U+0080 to U+009F, U+202A to U+202E, U+2066 to U+2069. */
static bool is_command(const unsigned char *c, int length)
{
    if (length == 2) return c[0] == 0xc2 && c[1] < 0xa0;
    if (length != 3 || c[0] != 0xe2) return false;
    return (c[1] == 0x80 && c[2] >= 0xaa && c[2] <= 0xae) || (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9);
}

/* Takes the next character of a text. Returns how many bytes of `shown` stand for it. */
static int take(const char **text, const char *kept, const char **shown)
{
    const unsigned char first = (unsigned char)**text;
    const int length = first < 0x80 ? 1 : (int)utf8_length(*text, strnlen(*text, 4));
    const bool is_control = (first < 0x20 && !strchr(kept, first)) || first == 0x7f;
    const bool is_shown = length && !is_control && !is_command((const unsigned char *)*text, length);
    *shown = is_shown ? *text : "?";
    *text += length ? length : 1;
    return is_shown ? length : 1;
}

static void make_plain(char *text, const char *kept)
{
    const char *from = text, *shown;
    char *to = text;
    while (*from) {
        const int length = take(&from, kept, &shown);
        memmove(to, shown, (size_t)length);
        to += length;
    }
    *to = '\0';
}

static const char lines[] = "\n\t";

void plain_text(char *text) { make_plain(text, lines); }

void plain_line(char *text) { make_plain(text, ""); }

void plain_write(FILE *f, const char *text)
{
    const char *shown;
    while (*text) {
        const int length = take(&text, lines, &shown);
        fwrite(shown, 1, (size_t)length, f);
    }
}
