#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

static bool reserve(Text *t, size_t more)
{
    if (t->failed) return false;
    if (t->length + more + 1 <= t->capacity) return true;
    size_t capacity = t->capacity ? t->capacity * 2 : 256;
    while (capacity < t->length + more + 1) capacity *= 2;
    if (mem_grow((void **)&t->data, t->length, capacity, NULL)) t->failed = true;
    else t->capacity = capacity;
    return !t->failed;
}

void text_add_bytes(Text *t, const char *bytes, size_t count)
{
    if (!reserve(t, count)) return;
    memcpy(t->data + t->length, bytes, count);
    t->length += count;
    t->data[t->length] = '\0';
}

void text_add_text(Text *t, const Text *other)
{
    t->failed |= other->failed;
    if (other->length) text_add_bytes(t, other->data, other->length);
}

void text_add(Text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_add_args(t, format, args);
    va_end(args);
}

void text_add_args(Text *t, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    const int needed = vsnprintf(NULL, 0, format, args);
    if (needed >= 0 && reserve(t, (size_t)needed)) {
        vsnprintf(t->data + t->length, (size_t)needed + 1, format, again);
        t->length += (size_t)needed;
    }
    va_end(again);
}

#define SPECIAL " \t\n\"'\\$`!*?[](){}<>|&;#~" /* to a shell */

static void add_quoted(Text *t, const char *argument)
{
    text_add(t, "'");
    for (; *argument; argument++) {
        if (*argument == '\'') text_add(t, "'\\''");
        else text_add_bytes(t, argument, 1);
    }
    text_add(t, "'");
}

void text_add_argument(Text *t, const char *format, ...)
{
    Text argument = {0};
    va_list args;
    va_start(args, format);
    text_add_args(&argument, format, args);
    va_end(args);
    const char *text = argument.data ? argument.data : "";
    if (!*text || text[strcspn(text, SPECIAL)]) add_quoted(t, text);
    else text_add_bytes(t, text, argument.length);
    t->failed |= argument.failed;
    text_free(&argument);
}

bool text_is_arguments(const char *text)
{
    while (text && *text) {
        if (*text == '\'') {
            text = strchr(text + 1, '\'');
            if (!text) return false;
        } else if (text[0] == '\\' && text[1] == '\'') {
            text++;
        } else if (*text != ' ' && strchr(SPECIAL, *text)) return false;
        text++;
    }
    return true;
}

unsigned text_code_point(const char *text, int *bytes)
{
    const unsigned char lead = (unsigned char)*text;
    const int length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    *bytes = 1;
    if (length == 1 || strnlen(text, (size_t)length) < (size_t)length || !text_is_utf8(text, (size_t)length))
        return lead;
    unsigned code = lead & (0x7fu >> length);
    for (int i = 1; i < length; i++) code = code << 6 | ((unsigned char)text[i] & 0x3f);
    *bytes = length;
    return code;
}

/* Unicode's blocks of combining marks and of wide letters (UAX #11), as far as names have them. */
static int code_columns(unsigned code)
{
    static const unsigned wide[][2] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
                                       {0xf900, 0xfaff}, {0xfe30, 0xfe6f},   {0xff00, 0xff60},
                                       {0xffe0, 0xffe6}, {0x1f300, 0x1f9ff}, {0x20000, 0x3fffd}};
    if ((code >= 0x300 && code <= 0x36f) || (code >= 0x200b && code <= 0x200d)) return 0;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (code >= wide[i][0] && code <= wide[i][1]) return 2;
    return 1;
}

int text_columns(const char *text)
{
    int columns = 0, bytes;
    for (; *text; text += bytes) columns += code_columns(text_code_point(text, &bytes));
    return columns;
}

void text_add_padded(Text *t, const char *text, int columns)
{
    const int blanks = columns - text_columns(text);
    text_add(t, "%s%*s", text, blanks > 0 ? blanks : 0, "");
}

const char *text_next_line(const char *line, int *length)
{
    const size_t bytes = strcspn(line, "\n");
    *length = (int)bytes;
    return line + bytes + (line[bytes] == '\n');
}

char *text_format(Err *e, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : mem_alloc((size_t)length + 1, e);
    if (text) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void text_add_html(Text *t, const char *value)
{
    for (; *value; value++) {
        switch (*value) {
        case '&': text_add(t, "&amp;"); break;
        case '<': text_add(t, "&lt;"); break;
        case '>': text_add(t, "&gt;"); break;
        case '"': text_add(t, "&quot;"); break;
        default: text_add_bytes(t, value, 1);
        }
    }
}

/* What YAML does not allow as it is, or takes for a line break: such text is read again only if it is escaped. */
static bool is_escaped(unsigned code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 || code == 0xfeff ||
           code == 0xfffe || code == 0xffff;
}

void text_add_json_string(Text *t, const char *value)
{
    int bytes;
    text_add(t, "\"");
    for (const char *c = value, *end = value + strlen(value); c < end;) {
        const size_t length = utf8_length(c, (size_t)(end - c));
        const unsigned code = length ? text_code_point(c, &bytes) : 0;
        if (*c == '"' || *c == '\\') text_add(t, "\\%c", *c);
        else if (*c == '\n') text_add(t, "\\n");
        else if (length && is_escaped(code)) text_add(t, "\\u%04x", code);
        else if (length) text_add_bytes(t, c, length);
        else text_add(t, "\\ufffd"); /* such as in names of files in another encoding */
        c += length ? length : 1;
    }
    text_add(t, "\"");
}

void text_add_double(Text *t, double value)
{
    char digits[40];
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value || value != value) break;
    }
    text_add(t, "%s", digits);
}

void text_add_utf8(Text *t, unsigned code)
{
    char bytes[4];
    const int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char first[4] = {0x00, 0xc0, 0xe0, 0xf0};
    for (int i = more; i > 0; i--, code >>= 6) bytes[i] = (char)(0x80 | (code & 0x3f));
    bytes[0] = (char)(first[more] | code);
    text_add_bytes(t, bytes, (size_t)more + 1);
}

bool text_is_utf8(const char *bytes, size_t count)
{
    for (size_t at = 0, length; at < count; at += length)
        if (!(length = utf8_length(bytes + at, count - at))) return false;
    return true;
}

int text_check(const Text *t, Err *e)
{
    return t->failed ? err_set(e, ERR_NOMEM, "out of memory while composing text") : 0;
}

void text_free(Text *t)
{
    mem_free(t->data);
    *t = (Text){0};
}
