#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "weights/pickle_machine.h"

enum {
    BLOCK_BYTES = 1 << 16,
    VALUES_PER_BYTE = 64 /* bytes that values may take per byte of pickle read so far */
};

typedef struct PickleBlock {
    struct PickleBlock *next;
    size_t used, bytes;
    _Alignas(16) char data[];
} PickleBlock;

void *machine_take(PickleMachine *m, size_t bytes)
{
    bytes = (bytes + 15) / 16 * 16;
    m->taken += bytes;
    if (m->taken > VALUES_PER_BYTE * m->at + BLOCK_BYTES) {
        machine_fail(m, ERR_FORMAT, "its values take too much memory for its length; is the file malicious?");
        return NULL;
    }
    PickleBlock *block = m->out->blocks;
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

Value *machine_value(PickleMachine *m, ValueKind kind)
{
    Value *v = machine_take(m, sizeof *v);
    if (v) v->kind = kind;
    return v;
}

Value *machine_text(PickleMachine *m, ValueKind kind, const char *data, size_t bytes)
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

int machine_append(PickleMachine *m, Value *list, Value *item)
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

void pickle_free(Pickle *p)
{
    while (p->blocks) {
        PickleBlock *next = p->blocks->next;
        mem_free(p->blocks);
        p->blocks = next;
    }
    *p = (Pickle){0};
}
