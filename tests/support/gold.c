#include "tests/support/gold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

enum { HEADER_MAX = 512 };

static int dtype_of(const char *code, DType *dtype)
{
    static const struct {
        char code[3];
        DType dtype;
    } codes[] = {{"f4", DTYPE_F32}, {"f8", DTYPE_F64}, {"i4", DTYPE_I32}, {"u1", DTYPE_U8}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (strcmp(code, codes[i].code)) continue;
        *dtype = codes[i].dtype;
        return 0;
    }
    return ERR_FORMAT;
}

/* One header line (without its newline) into name, dtype and shape. */
static int read_header(const char *line, char *name, DType *dtype, int *rank, int64_t *shape)
{
    char code[8];
    int at = 0;
    if (sscanf(line, "%511s %7s %d%n", name, code, rank, &at) != 3 || dtype_of(code, dtype)) return ERR_FORMAT;
    if (*rank < 0 || *rank > ARRAY_MAX_RANK) return ERR_FORMAT;
    for (int i = 0; i < *rank; i++) {
        long long extent;
        int more = 0;
        if (sscanf(line + at, "%lld%n", &extent, &more) != 1 || extent < 0) return ERR_FORMAT;
        shape[i] = extent;
        at += more;
    }
    return 0;
}

static int add_record(Gold *g, const char *name, DType dtype, int rank, const int64_t *shape, Err *e)
{
    const size_t used = (size_t)g->count * sizeof *g->records;
    TRY(mem_grow((void **)&g->records, used, used + sizeof *g->records, e));
    GoldRecord *r = &g->records[g->count];
    TRY(array_new(&r->array, dtype, rank, shape, e));
    r->name = mem_strdup(name, e);
    if (!r->name) {
        array_free(&r->array);
        return ERR_NOMEM;
    }
    g->count++;
    return 0;
}

/* Reads the record at *at and advances *at to its end. */
static int read_record(Gold *g, const char *data, size_t bytes, size_t *at, Err *e)
{
    char line[HEADER_MAX], name[HEADER_MAX];
    const size_t limit = bytes - *at < sizeof line ? bytes - *at : sizeof line - 1;
    const char *end = memchr(data + *at, '\n', limit);
    if (!end) return err_set(e, ERR_FORMAT, "record %d: its header does not end", g->count);
    const size_t length = (size_t)(end - data) - *at;
    memcpy(line, data + *at, length);
    line[length] = '\0';
    DType dtype;
    int rank;
    int64_t shape[ARRAY_MAX_RANK];
    if (read_header(line, name, &dtype, &rank, shape))
        return err_set(e, ERR_FORMAT, "record %d: cannot read its header '%s'", g->count, line);
    *at += length + 1;
    size_t wanted = dtype_size(dtype);
    for (int i = 0; i < rank; i++) wanted = mem_product(wanted, (size_t)shape[i]);
    if (wanted > bytes - *at) return err_set(e, ERR_FORMAT, "record %s: the file ends within it", name);
    TRY(add_record(g, name, dtype, rank, shape, e));
    memcpy(g->records[g->count - 1].array.data, data + *at, wanted);
    *at += wanted;
    return 0;
}

int gold_open(Gold *g, const char *path, Err *e)
{
    void *data;
    size_t bytes, at = 0;
    *g = (Gold){0};
    TRY(file_map(path, &data, &bytes, e));
    int failed = 0;
    while (!failed && at < bytes) failed = read_record(g, data, bytes, &at, e);
    file_unmap(data, bytes);
    if (!failed) return 0;
    gold_close(g);
    return err_context(e, "%s", path);
}

const Array *gold_find(const Gold *g, const char *name)
{
    for (int i = 0; i < g->count; i++)
        if (!strcmp(g->records[i].name, name)) return &g->records[i].array;
    return NULL;
}

void gold_close(Gold *g)
{
    for (int i = 0; i < g->count; i++) {
        mem_free(g->records[i].name);
        array_free(&g->records[i].array);
    }
    mem_free(g->records);
    *g = (Gold){0};
}

const char *gold_path(const char *below)
{
    enum { PATHS = 4 };
    static char paths[PATHS][1024];
    static int next;
    const char *folder = getenv("GOLDEN");
    char *path = paths[next++ % PATHS];
    snprintf(path, sizeof *paths, "%s/%s", folder && *folder ? folder : "../shared/golden", below);
    return path;
}
