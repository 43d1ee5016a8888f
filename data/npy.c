#include "data/npy.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

static const char magic[] = "\x93NUMPY";
enum { MAGIC_BYTES = 6, HEADER_ALIGN = 64 };

static const char *const type_codes[DTYPE_COUNT] = {
    [DTYPE_F32] = "<f4", [DTYPE_F64] = "<f8", [DTYPE_F16] = "<f2",  [DTYPE_BF16] = "<V2", [DTYPE_I8] = "|i1",
    [DTYPE_I16] = "<i2", [DTYPE_I32] = "<i4", [DTYPE_I64] = "<i8",  [DTYPE_U8] = "|u1",   [DTYPE_U16] = "<u2",
    [DTYPE_U32] = "<u4", [DTYPE_U64] = "<u8", [DTYPE_BOOL] = "|b1",
};

/* A position in the header, which is a Python dict literal; more bytes follow the header. */
typedef struct Cursor {
    const char *at, *end;
    const char *path;
    Err *e;
} Cursor;

static int malformed(const Cursor *c, const char *expected)
{
    return err_set(c->e, ERR_FORMAT, "%s: bad .npy header: expected %s at '%.*s'", c->path, expected,
                   (int)(c->end - c->at < 20 ? c->end - c->at : 20), c->at);
}

static void skip_spaces(Cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n')) c->at++;
}

/* Skips spaces; skips `what` and returns true if it follows. */
static bool take(Cursor *c, const char *what)
{
    const size_t length = strlen(what);
    skip_spaces(c);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, what, length)) return false;
    c->at += length;
    return true;
}

/* A quoted string without escapes, into text. */
static int take_string(Cursor *c, char *text, size_t capacity)
{
    const char *quote = take(c, "'") ? "'" : take(c, "\"") ? "\"" : NULL;
    if (!quote) return malformed(c, "a quoted string");
    const char *closing = memchr(c->at, *quote, (size_t)(c->end - c->at));
    if (!closing || (size_t)(closing - c->at) >= capacity) return malformed(c, "a short string");
    memcpy(text, c->at, (size_t)(closing - c->at));
    text[closing - c->at] = '\0';
    c->at = closing + 1;
    return 0;
}

static int take_type(Cursor *c, DType *dtype)
{
    char code[16] = "";
    TRY(take_string(c, code, sizeof code));
    if (code[0] == '<' && code[1] && code[2] == '1') code[0] = '|'; /* types of one byte have no byte order */
    for (int i = 0; i < DTYPE_COUNT; i++) {
        if (strcmp(code, type_codes[i])) continue;
        *dtype = (DType)i;
        return 0;
    }
    return err_set(c->e, ERR_UNSUPPORTED, "%s: .npy type '%s': expected a little-endian number or bool, such as '<f4'",
                   c->path, code);
}

static int take_shape(Cursor *c, Array *a)
{
    if (!take(c, "(")) return malformed(c, "a shape");
    skip_spaces(c);
    for (a->rank = 0; !take(c, ")"); a->rank++) {
        if (a->rank == ARRAY_MAX_RANK)
            return err_set(c->e, ERR_SHAPE, "%s: more than %d axes", c->path, ARRAY_MAX_RANK);
        int64_t extent = 0;
        const char *first = c->at;
        for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
            if (extent > (INT64_MAX - 9) / 10) return malformed(c, "an extent below 2^63");
            extent = 10 * extent + (*c->at - '0');
        }
        if (c->at == first) return malformed(c, "an extent");
        a->shape[a->rank] = extent;
        if (take(c, ",")) skip_spaces(c);
        else if (c->at >= c->end || *c->at != ')') return malformed(c, "',' or ')'");
    }
    return 0;
}

static int take_dict(Cursor *c, Array *a)
{
    unsigned seen = 0;
    if (!take(c, "{")) return malformed(c, "'{'");
    while (!take(c, "}")) {
        char key[32];
        TRY(take_string(c, key, sizeof key));
        if (!take(c, ":")) return malformed(c, "':'");
        skip_spaces(c);
        if (!strcmp(key, "descr")) {
            TRY(take_type(c, &a->dtype));
            seen |= 1;
        } else if (!strcmp(key, "shape")) {
            TRY(take_shape(c, a));
            seen |= 2;
        } else if (!strcmp(key, "fortran_order")) {
            if (take(c, "True"))
                return err_set(c->e, ERR_UNSUPPORTED, "%s: Fortran order: expected C order (numpy.ascontiguousarray)",
                               c->path);
            if (!take(c, "False")) return malformed(c, "True or False");
            seen |= 4;
        } else {
            return malformed(c, "'descr', 'fortran_order' or 'shape' before this");
        }
        if (!take(c, ",") && (c->at >= c->end || *c->at != '}')) return malformed(c, "',' or '}'");
    }
    return seen == 7 ? 0 : malformed(c, "'descr', 'fortran_order' and 'shape' before this");
}

/* Reads type, shape and the offset of the data. */
static int parse_header(Array *a, size_t *data_at, const char *bytes, size_t count, const char *path, Err *e)
{
    const uint8_t *head = (const uint8_t *)bytes;
    if (count < 12 || memcmp(bytes, magic, MAGIC_BYTES))
        return err_set(e, ERR_FORMAT, "%s: not a .npy file (it must begin with \\x93NUMPY)", path);
    if (head[6] < 1 || head[6] > 3)
        return err_set(e, ERR_UNSUPPORTED, "%s: .npy version %d: expected 1, 2 or 3", path, head[6]);
    const size_t start = head[6] == 1 ? 10 : 12;
    size_t length = (size_t)head[8] | (size_t)head[9] << 8;
    if (head[6] > 1) length |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
    if (length > count - start)
        return err_set(e, ERR_FORMAT, "%s: the header has %zu bytes, the file ends after %zu", path, length,
                       count - start);
    Cursor c = {bytes + start, bytes + start + length, path, e};
    TRY(take_dict(&c, a));
    *data_at = start + length;
    size_t wanted;
    Err why;
    if (array_check_shape(a->dtype, a->rank, a->shape, &wanted, &why))
        return err_set(e, ERR_FORMAT, "%s: the .npy header's shape: %s", path, why.text);
    if (wanted != count - *data_at)
        return err_set(e, ERR_FORMAT, "%s: shape and type need %zu bytes of data, the file has %zu: %s", path, wanted,
                       count - *data_at, wanted > count - *data_at ? "it is cut short" : "there are bytes behind them");
    return 0;
}

int npy_read(Array *a, const char *path, Err *e)
{
    void *mapping;
    size_t bytes, data_at = 0;
    *a = (Array){0};
    TRY(file_map(path, &mapping, &bytes, e));
    Array found = {.owner = ARRAY_MAPPED, .mapping = mapping, .mapping_bytes = bytes};
    int failed = parse_header(&found, &data_at, mapping, bytes, path, e);
    if (failed) goto done;
    found.data = (char *)mapping + data_at;
    if (array_count(&found) && data_at % dtype_size(found.dtype) == 0) {
        *a = found;
        return 0;
    }
    failed = array_new(a, found.dtype, found.rank, found.shape, e);
    if (!failed) memcpy(a->data, found.data, array_bytes(a));
done:
    array_free(&found);
    return failed;
}

int npy_create(OutFile *f, const char *path, DType dtype, int rank, const int64_t *shape, Err *e)
{
    char header[512];
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    size_t length = 10;
    length += (size_t)snprintf(header + length, sizeof header - length,
                               "{'descr': '%s', 'fortran_order': False, 'shape': (", type_codes[dtype]);
    for (int i = 0; i < rank; i++)
        length += (size_t)snprintf(header + length, sizeof header - length, i ? ", %lld" : "%lld", (long long)shape[i]);
    length += (size_t)snprintf(header + length, sizeof header - length, rank == 1 ? ",), }" : "), }");
    const size_t padded = (length + 1 + HEADER_ALIGN - 1) / HEADER_ALIGN * HEADER_ALIGN;
    memset(header + length, ' ', padded - length);
    header[padded - 1] = '\n';
    header[8] = (char)((padded - 10) & 0xff);
    header[9] = (char)((padded - 10) >> 8);

    TRY(file_create(f, path, e));
    const int failed = file_write(f, header, padded, e);
    if (failed) file_abort(f);
    return failed;
}

int npy_write(const char *path, const Array *a, Err *e)
{
    OutFile f;
    TRY(npy_create(&f, path, a->dtype, a->rank, a->shape, e));
    const int failed = file_write(&f, a->data, array_bytes(a), e);
    if (!failed) return file_commit(&f, e);
    file_abort(&f);
    return failed;
}
