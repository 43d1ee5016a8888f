#include "formats/json.h"

#include <string.h>

int json_unexpected(JsonReader *r, const char *expected)
{
    return err_set(r->e, ERR_FORMAT, "header byte %zu: expected %s", (size_t)(r->at - r->start), expected);
}

void json_skip_space(JsonReader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) r->at++;
}

static bool json_take(JsonReader *r, char c)
{
    json_skip_space(r);
    if (r->at == r->end || *r->at != c) return false;
    r->at++;
    return true;
}

static int json_expect(JsonReader *r, char c, const char *what)
{
    return json_take(r, c) ? 0 : json_unexpected(r, what);
}

static int read_hex4(JsonReader *r, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        const char c = r->at < r->end ? *r->at : '\0';
        if (c >= '0' && c <= '9') *code = *code << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f') *code = *code << 4 | (uint32_t)(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F') *code = *code << 4 | (uint32_t)(c - 'A' + 10);
        else return json_unexpected(r, "four hexadecimal digits");
    }
    return 0;
}

/* What follows "\u": one code point, perhaps as two surrogates, added as UTF-8. */
static int read_unicode_escape(JsonReader *r)
{
    uint32_t code, low;
    TRY(read_hex4(r, &code));
    const bool pair = r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u';
    if (pair && code >= 0xd800 && code < 0xdc00) {
        r->at += 2;
        TRY(read_hex4(r, &low));
        if (low < 0xdc00 || low > 0xdfff) return json_unexpected(r, "a complete surrogate pair before this byte");
        code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
    }
    if (!code || (code >= 0xd800 && code <= 0xdfff)) return json_unexpected(r, "a valid character before this byte");
    text_add_utf8(&r->string, code);
    return 0;
}

static int read_escape(JsonReader *r)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char c = r->at < r->end ? *r->at++ : '\0';
    if (c == 'u') return read_unicode_escape(r);
    const char *found = c ? strchr(from, c) : NULL;
    if (!found) return json_unexpected(r, "a JSON escape before this byte");
    text_add_bytes(&r->string, &to[found - from], 1);
    return 0;
}

int json_string(JsonReader *r, const char *what)
{
    TRY(json_expect(r, '"', what));
    r->string.length = 0;
    text_add(&r->string, "%s", "");
    for (;;) {
        const char *run = r->at;
        while (r->at < r->end && *r->at != '"' && *r->at != '\\' && (unsigned char)*r->at >= 0x20) r->at++;
        text_add_bytes(&r->string, run, (size_t)(r->at - run));
        if (r->at == r->end || (*r->at != '"' && *r->at != '\\')) return json_unexpected(r, "the end of a string");
        if (*r->at++ == '"') return text_check(&r->string, r->e);
        TRY(read_escape(r));
    }
}

static int json_integer(JsonReader *r, int64_t *value)
{
    json_skip_space(r);
    const char *first = r->at;
    *value = 0;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        if (__builtin_mul_overflow(*value, 10, value) || __builtin_add_overflow(*value, *r->at - '0', value))
            return json_unexpected(r, "an integer below 2^63");
        r->at++;
    }
    if (r->at == first) return json_unexpected(r, "an integer >= 0");
    if (*first == '0' && r->at > first + 1) return json_unexpected(r, "an integer without leading zeros");
    return 0;
}

int json_integers(JsonReader *r, int64_t *values, int most, int *count)
{
    *count = 0;
    TRY(json_expect(r, '[', "'['"));
    if (json_take(r, ']')) return 0;
    do {
        if (*count == most) return json_unexpected(r, "fewer integers in this list");
        TRY(json_integer(r, &values[(*count)++]));
    } while (json_take(r, ','));
    return json_expect(r, ']', "',' or ']'");
}

int json_object(JsonReader *r, int (*member)(JsonReader *, void *), void *context)
{
    TRY(json_expect(r, '{', "'{'"));
    if (json_take(r, '}')) return 0;
    do {
        TRY(json_string(r, "a name in double quotes"));
        TRY(json_expect(r, ':', "':'"));
        TRY(member(r, context));
    } while (json_take(r, ','));
    return json_expect(r, '}', "',' or '}'");
}
