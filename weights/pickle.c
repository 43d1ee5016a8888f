#include "weights/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "weights/pickle_machine.h"

enum {
    BLOCK_BYTES = 1 << 16,
    VALUES_PER_BYTE = 64       /* bytes that values may take per byte of pickle read so far */
};

/* ---- memory of values ---- */

typedef struct Block {
    struct Block *next;
    size_t used, bytes;
    _Alignas(16) char data[];
} Block;

void *machine_take(Machine *m, size_t bytes)
{
    bytes = (bytes + 15) / 16 * 16;
    m->taken += bytes;
    if (m->taken > VALUES_PER_BYTE * m->at + BLOCK_BYTES) {
        machine_fail(m, ERR_FORMAT, "it unfolds to too much memory; a hostile file?");
        return NULL;
    }
    Block *block = m->out->blocks;
    if (!block || block->bytes - block->used < bytes) {
        const size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        block = mem_zalloc(1, sizeof *block + size, &m->error);
        if (!block) return NULL;
        block->bytes = size;
        block->next = m->out->blocks;
        m->out->blocks = block;
    }
    void *taken = block->data + block->used;
    block->used += bytes;
    return taken;
}

Value *machine_value(Machine *m, ValueKind kind)
{
    Value *v = machine_take(m, sizeof *v);
    if (v) v->kind = kind;
    return v;
}

Value *machine_text(Machine *m, ValueKind kind, const char *data, size_t bytes)
{
    if (kind == VALUE_STRING && !text_is_utf8(data, bytes)) {
        machine_fail(m, ERR_FORMAT, "a string that is no UTF-8");
        return NULL;
    }
    Value *v = machine_value(m, kind);
    char *copy = v ? machine_take(m, bytes + 1) : NULL;
    if (!copy) return NULL;
    memcpy(copy, data, bytes);
    v->text.data = copy;
    v->text.bytes = bytes;
    return v;
}

int machine_append(Machine *m, Value *list, Value *item)
{
    if (list->list.count == list->list.capacity) {
        const uint32_t larger = list->list.capacity ? 2 * list->list.capacity : 2;
        Value **items = machine_take(m, larger * sizeof *items);
        if (!items) return m->error.code;
        if (list->list.count) memcpy(items, list->list.items, list->list.count * sizeof *items);
        list->list.items = items;
        list->list.capacity = larger;
    }
    list->list.items[list->list.count++] = item;
    return 0;
}

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

/* No string or integer may be a dictionary's key twice. */
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
        failed = err_set(e, ERR_FORMAT, "key '%s' stands twice in a dictionary",
                         keys[i]->kind == VALUE_STRING ? keys[i]->text.data : "(an integer)");
    }
    mem_free(keys);
    return failed;
}

/* Sets the heights of v and of all below; a height of -1 marks what is being measured. Every value is
 * visited once however often it is shared. */
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
    Machine m = {.data = data, .bytes = bytes, .out = p};
    Value *root = machine_run(&m);
    if (root) measure(root, 1, &m.error);
    if (used) *used = m.at;
    p->root = root;
    if (!m.error.code) return 0;
    pickle_free(p);
    if (e) *e = m.error;
    return m.error.code;
}

void pickle_free(Pickle *p)
{
    while (p->blocks) {
        Block *next = p->blocks->next;
        mem_free(p->blocks);
        p->blocks = next;
    }
    *p = (Pickle){0};
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
