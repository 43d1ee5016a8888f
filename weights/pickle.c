#include "weights/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "weights/pickle_machine.h"

/* ---- the finished tree ---- */

static int compare_keys(const void *a, const void *b)
{
    const Value *x = *(Value *const *)a, *y = *(Value *const *)b;
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    if (x->kind == VALUE_INT) return (x->integer > y->integer) - (x->integer < y->integer);
    const size_t shorter = x->text.bytes < y->text.bytes ? x->text.bytes : y->text.bytes;
    const int order = memcmp(x->text.data, y->text.data, shorter);
    return order ? order : (x->text.bytes > y->text.bytes) - (x->text.bytes < y->text.bytes);
}

/* Fails where a dictionary has the same string or integer as a key twice. */
static int check_keys(const Value *dict, Err *e)
{
    Value **keys = mem_alloc(dict->list.count / 2 * sizeof *keys, e);
    if (!keys) return ERR_NOMEM;
    size_t count = 0;
    for (uint32_t i = 0; i < dict->list.count; i += 2) {
        Value *key = dict->list.items[i];
        if (key->kind == VALUE_STRING || key->kind == VALUE_INT) keys[count++] = key;
    }
    qsort(keys, count, sizeof *keys, compare_keys);
    int failed = 0;
    for (size_t i = 1; i < count && !failed; i++) {
        if (compare_keys(&keys[i - 1], &keys[i])) continue;
        failed = err_set(e, ERR_FORMAT, "key '%s' occurs twice in a dictionary",
                         keys[i]->kind == VALUE_STRING ? keys[i]->text.data : "(an integer)");
    }
    mem_free(keys);
    return failed;
}

/* Sets the heights of v and of all values below it. A height of -1 marks a value that is being visited, so that
 * cycles are found. A shared value is visited once. */
static int measure(Value *v, int depth, Err *e)
{
    if (v->height > 0) return 0;
    if (v->height < 0) return err_set(e, ERR_FORMAT, "the pickle's values contain themselves");
    int below = 0;
    if (v->kind == VALUE_LIST || v->kind == VALUE_TUPLE || v->kind == VALUE_DICT) {
        v->height = -1;
        for (uint32_t i = 0; i < v->list.count && depth <= PICKLE_MAX_DEPTH; i++) {
            TRY(measure(v->list.items[i], depth + 1, e));
            if (v->list.items[i]->height > below) below = v->list.items[i]->height;
        }
        if (v->kind == VALUE_DICT) TRY(check_keys(v, e));
    }
    v->height = below + 1;
    if (depth <= PICKLE_MAX_DEPTH && v->height <= PICKLE_MAX_DEPTH) return 0;
    return err_set(e, ERR_FORMAT, "the pickle's values are nested deeper than %d", PICKLE_MAX_DEPTH);
}

int pickle_read(Pickle *p, const char *data, size_t bytes, size_t *used, Err *e)
{
    *p = (Pickle){0};
    PickleMachine m = {.data = data, .bytes = bytes, .out = p};
    Value *root = machine_run(&m);
    if (root) measure(root, 1, &m.error);
    if (used) *used = m.at;
    p->root = root;
    if (!m.error.code) return 0;
    pickle_free(p);
    if (e) *e = m.error;
    return m.error.code;
}

static bool is_key(const Value *key, const char *text, size_t bytes)
{
    if (key->kind == VALUE_STRING) return key->text.bytes == bytes && !memcmp(key->text.data, text, bytes);
    char *end;
    return key->kind == VALUE_INT && bytes && strtoll(text, &end, 10) == key->integer && end == text + bytes;
}

static const Value *find(const Value *v, const char *text, size_t bytes)
{
    if (v->kind == VALUE_DICT) {
        for (uint32_t i = 0; i < v->list.count; i += 2)
            if (is_key(v->list.items[i], text, bytes)) return v->list.items[i + 1];
    } else if (v->kind == VALUE_LIST || v->kind == VALUE_TUPLE) {
        char *end;
        const unsigned long long index = strtoull(text, &end, 10);
        if (bytes && end == text + bytes && index < v->list.count) return v->list.items[index];
    }
    return NULL;
}

const Value *value_get(const Value *v, const char *key)
{
    return v && v->kind == VALUE_DICT ? find(v, key, strlen(key)) : NULL;
}

const Value *value_at(const Value *v, const char *path)
{
    while (v) {
        const size_t bytes = strcspn(path, "/");
        v = find(v, path, bytes);
        if (!path[bytes]) break;
        path += bytes + 1;
    }
    return v;
}
