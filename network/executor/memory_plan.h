/* Memory planning: offsets in one arena for blocks of known size and lifetime, such that blocks whose lifetimes overlap
 * do not overlap in memory. Greedy by size: from the largest block to the smallest, each at the lowest offset that is
 * free during its lifetime (Pisarchyk & Lee 2020, "greedy by size"). */
#ifndef NETWORK_EXECUTOR_MEMORY_PLAN_H
#define NETWORK_EXECUTOR_MEMORY_PLAN_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* A range of steps of the run, both included. */
typedef struct Lifetime {
    int first, last;
} Lifetime;

static const Lifetime no_lifetime = {INT_MAX, -1};

static inline bool lifetime_is_none(Lifetime lifetime) { return lifetime.first > lifetime.last; }
static inline bool lifetimes_overlap(Lifetime a, Lifetime b) { return a.first <= b.last && b.first <= a.last; }

/* The shortest lifetime that includes both. */
static inline Lifetime lifetimes_joined(Lifetime a, Lifetime b)
{
    return (Lifetime){a.first < b.first ? a.first : b.first, a.last > b.last ? a.last : b.last};
}

/* A block has two lifetimes if its value is discarded and later recomputed: other blocks may use the memory between. */
typedef struct Block {
    size_t bytes;
    Lifetime lifetime[2]; /* each may be no_lifetime */
    size_t offset;        /* result; a multiple of the alignment */
} Block;

/* Sets every offset and *total, the size of the arena in bytes. alignment: of every offset, a power of 2. Fails:
 * ERR_NOMEM. */
int memory_plan(Block *blocks, int count, size_t alignment, size_t *total, Err *e);

/* The maximum over all steps of the bytes of the blocks in use: a lower bound of the arena's size. */
size_t memory_plan_bound(const Block *blocks, int count, size_t alignment);

#endif
