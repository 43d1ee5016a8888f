/* Memory planning: places for blocks of known size and lifetime in one arena, so that blocks that live at
 * the same time never overlap. Greedy by size: the largest block first, each at the lowest place that is
 * free throughout its life (Pisarchyk & Lee 2020, "greedy by size"). */
#ifndef NETWORK_EXECUTOR_MEMORY_PLAN_H
#define NETWORK_EXECUTOR_MEMORY_PLAN_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Steps of the run, both included. */
typedef struct Life {
    int first, last;
} Life;

static const Life no_life = {INT_MAX, -1};

static inline bool life_is_none(Life life) { return life.first > life.last; }
static inline bool lives_meet(Life a, Life b) { return a.first <= b.last && b.first <= a.last; }

/* The shortest life that holds both. */
static inline Life lives_joined(Life a, Life b)
{
    return (Life){a.first < b.first ? a.first : b.first, a.last > b.last ? a.last : b.last};
}

/* A place that is used, left to others, and used again (what is computed twice) has two lives. */
typedef struct Block {
    size_t bytes;
    Life life[2];      /* each may be no_life */
    size_t offset;     /* result; a multiple of the alignment */
} Block;

/* Sets every offset and *total (bytes); alignment: of each block, a power of 2. Fails: ERR_NOMEM. */
int memory_plan(Block *blocks, int count, size_t alignment, size_t *total, Err *e);

/* The most bytes that live at one time: no plan can be smaller. */
size_t memory_plan_bound(const Block *blocks, int count, size_t alignment);

#endif
