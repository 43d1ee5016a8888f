#include "base/look_alike.h"

#include <string.h>

/* A character and the accents behind it. */
typedef struct Letter {
    const char *at;
    size_t bytes;
    int accents;
} Letter;

/* What decomposed names have behind a character: accents, voicing of kana, vowels and finals of Hangul. */
static bool is_accent(unsigned code)
{
    return (code >= 0x300 && code <= 0x36f) || code == 0x3099 || code == 0x309a || (code >= 0x1160 && code <= 0x11ff);
}

static const char *next_letter(Letter *l, const char *text)
{
    int bytes;
    *l = (Letter){.at = text};
    text_code_point(text, &bytes);
    for (text += bytes; *text && is_accent(text_code_point(text, &bytes)); text += bytes) l->accents++;
    l->bytes = (size_t)(text - l->at);
    return text;
}

static bool is_composed_of(const Letter *composed, const Letter *parts)
{
    return (unsigned char)*composed->at >= 0x80 && composed->accents < parts->accents;
}

bool looks_alike(const char *a, const char *b)
{
    bool differ = false;
    while (*a && *b) {
        Letter x, y;
        a = next_letter(&x, a);
        b = next_letter(&y, b);
        if (x.bytes == y.bytes && !memcmp(x.at, y.at, x.bytes)) continue;
        if (!is_composed_of(&x, &y) && !is_composed_of(&y, &x)) return false;
        differ = true;
    }
    return differ && !*a && !*b;
}

const char *look_alike_find(const char *name, char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (looks_alike(name, names[i])) return names[i];
    return NULL;
}

void look_alike_tell(Text *text, const char *found)
{
    if (found)
        text_add(text, "; %s is there and looks the same, but its letters are stored in another Unicode form (an accent may be a "
                 "character of its own, as macOS stores file names): give both the same name, files for instance by "
                 "convmv -f utf8 -t utf8 --nfc -r --notest FOLDER", found);
}
