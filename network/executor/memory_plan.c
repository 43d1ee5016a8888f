#include "network/executor/memory_plan.h"

#include <stdlib.h>

#include "base/memory.h"

static size_t aligned(size_t bytes, size_t alignment) { return (bytes + alignment - 1) / alignment * alignment; }

static int larger_first(const void *a, const void *b)
{
    const Block *x = *(Block *const *)a, *y = *(Block *const *)b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    const int x_first = x->lifetime[0].first, y_first = y->lifetime[0].first;
    return x_first != y_first ? (x_first > y_first ? 1 : -1) : (x > y ? 1 : -1);
}

static bool blocks_meet(const Block *a, const Block *b)
{
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++)
            if (lifetimes_overlap(a->lifetime[i], b->lifetime[k])) return true;
    return false;
}

/* Places `block` at the lowest free offset, and inserts it in `placed`, which is sorted by offset. */
static void place(Block **placed, int count, size_t alignment, Block *block)
{
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        const Block *other = placed[i];
        if (!blocks_meet(other, block)) continue;
        const size_t end = other->offset + aligned(other->bytes, alignment);
        if (other->offset >= at + aligned(block->bytes, alignment)) break;
        if (end > at) at = end;
    }
    block->offset = at;
    int i = count;
    for (; i > 0 && placed[i - 1]->offset > at; i--) placed[i] = placed[i - 1];
    placed[i] = block;
}

int memory_plan(Block *blocks, int count, size_t alignment, size_t *total, Err *e)
{
    *total = 0;
    Block **order = mem_alloc(2 * (size_t)count * sizeof *order, e);
    if (!order) return ERR_NOMEM;
    Block **placed = order + count;
    for (int i = 0; i < count; i++) order[i] = &blocks[i];
    qsort(order, (size_t)count, sizeof *order, larger_first);
    for (int i = 0; i < count; i++) {
        place(placed, i, alignment, order[i]);
        const size_t end = order[i]->offset + aligned(order[i]->bytes, alignment);
        if (end > *total) *total = end;
    }
    mem_free(order);
    return 0;
}

static size_t live_at(const Block *blocks, int count, size_t alignment, int step)
{
    const Block now = {.lifetime = {{step, step}, no_lifetime}};
    size_t live = 0;
    for (int k = 0; k < count; k++)
        if (blocks_meet(&blocks[k], &now)) live += aligned(blocks[k].bytes, alignment);
    return live;
}

size_t memory_plan_bound(const Block *blocks, int count, size_t alignment)
{
    size_t most = 0;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < 2; k++) {
            const Lifetime lifetime = blocks[i].lifetime[k];
            const size_t live = lifetime_is_none(lifetime) ? 0 : live_at(blocks, count, alignment, lifetime.first);
            if (live > most) most = live;
        }
    return most;
}
