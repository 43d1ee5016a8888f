#include "base/look_alike.h"

#include <ctype.h>
#include <string.h>

/* A character and the accents behind it. */
typedef struct Letter {
    const char *at;
    size_t bytes;
    int accents;
} Letter;

/* Combining characters of decomposed names: accents, voicing marks of kana, vowels and finals of Hangul. */
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

/* Compares two letters with their accents; *forms: whether they differ in Unicode form. */
static bool same_letters(const char *a, const char *a_end, const char *b, const char *b_end, bool any_case, bool *forms)
{
    *forms = false;
    while (a < a_end && b < b_end) {
        Letter x, y;
        a = next_letter(&x, a);
        b = next_letter(&y, b);
        if (x.bytes == y.bytes && !memcmp(x.at, y.at, x.bytes)) continue;
        if (any_case && x.bytes == 1 && y.bytes == 1 && tolower((unsigned char)*x.at) == tolower((unsigned char)*y.at))
            continue;
        if (!is_composed_of(&x, &y) && !is_composed_of(&y, &x)) return false;
        *forms = true;
    }
    return a == a_end && b == b_end;
}

bool differ_in_form(const char *a, const char *b)
{
    bool forms;
    return same_letters(a, a + strlen(a), b, b + strlen(b), false, &forms) && forms;
}

static const char *trim(const char *text, const char **end)
{
    text += strspn(text, " ");
    *end = text + strlen(text);
    while (*end > text && (*end)[-1] == ' ') --*end;
    return text;
}

static bool same_at_a_glance(const char *a, const char *b, bool *forms)
{
    const char *a_end, *b_end;
    a = trim(a, &a_end);
    b = trim(b, &b_end);
    return a < a_end && same_letters(a, a_end, b, b_end, true, forms);
}

bool looks_alike(const char *a, const char *b)
{
    bool forms;
    return strcmp(a, b) && same_at_a_glance(a, b, &forms);
}

const char *look_alike_find(const char *name, char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (looks_alike(name, names[i])) return names[i];
    return NULL;
}

void look_alike_tell(Text *text, const char *name, const char *found)
{
    bool forms;
    if (!found) return;
    if (!same_at_a_glance(name, found, &forms) || !forms)
        text_add(
            text,
            "; \"%s\" is there, which differs from \"%s\" in capital letters or blanks only: give both the same name",
            found, name);
    else
        text_add(
            text,
            "; %s is there and looks the same, but its letters are stored in another Unicode form (an accent may be a "
            "character of its own, as macOS stores file names): give both the same name, files for instance by "
            "convmv -f utf8 -t utf8 --nfc -r --notest FOLDER",
            found);
}
