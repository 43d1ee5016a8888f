#include "base/utf8.h"

size_t utf8_length(const char *bytes, size_t count)
{
    const unsigned char *at = (const unsigned char *)bytes, c = *at++;
    if (c < 0x80) return 1;
    const size_t more = c >= 0xc2 && c < 0xe0 ? 1 : (c & 0xf0) == 0xe0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : 0;
    if (!more || count <= more) return 0;
    const unsigned char second = *at;
    /* Overlong forms (e0, f0), surrogates (ed), beyond 0x10ffff (f4). */
    if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f)) return 0;
    if ((c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f)) return 0;
    for (size_t i = 0; i < more; i++)
        if ((*at++ & 0xc0) != 0x80) return 0;
    return more + 1;
}
