#include "network/memory_plan.h"

#include <stdlib.h>

#include "base/memory.h"

static size_t aligned(size_t bytes) { return (bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN; }

static int larger_first(const void *a, const void *b)
{
    const Block *x = *(Block *const *)a, *y = *(Block *const *)b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->first != y->first ? (x->first > y->first ? 1 : -1) : (x > y ? 1 : -1);
}

/* Puts `block` at the lowest free offset among `placed`, which is kept sorted by offset. */
static void place(Block **placed, int count, Block *block)
{
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        const Block *other = placed[i];
        if (other->first > block->last || other->last < block->first) continue;
        if (other->offset >= at + aligned(block->bytes)) break;
        if (other->offset + aligned(other->bytes) > at) at = other->offset + aligned(other->bytes);
    }
    block->offset = at;
    int i = count;
    for (; i > 0 && placed[i - 1]->offset > at; i--) placed[i] = placed[i - 1];
    placed[i] = block;
}

int memory_plan(Block *blocks, int count, size_t *total, Err *e)
{
    *total = 0;
    Block **order = mem_alloc(2 * (size_t)count * sizeof *order, e);
    if (!order) return ERR_NOMEM;
    Block **placed = order + count;
    for (int i = 0; i < count; i++) order[i] = &blocks[i];
    qsort(order, (size_t)count, sizeof *order, larger_first);
    for (int i = 0; i < count; i++) {
        place(placed, i, order[i]);
        const size_t end = order[i]->offset + aligned(order[i]->bytes);
        if (end > *total) *total = end;
    }
    mem_free(order);
    return 0;
}

size_t memory_plan_bound(const Block *blocks, int count)
{
    size_t most = 0;
    for (int i = 0; i < count; i++) {
        size_t live = 0;
        for (int k = 0; k < count; k++)
            if (blocks[k].first <= blocks[i].first && blocks[i].first <= blocks[k].last) live += aligned(blocks[k].bytes);
        if (live > most) most = live;
    }
    return most;
}
