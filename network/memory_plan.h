/* Memory planning: places for blocks of known size and lifetime in one arena, so that blocks that live at
 * the same time never overlap. Greedy by size: the largest block first, each at the lowest place that is
 * free throughout its life (Pisarchyk & Lee 2020, "greedy by size"). */
#ifndef NETWORK_MEMORY_PLAN_H
#define NETWORK_MEMORY_PLAN_H

#include <stddef.h>

#include "base/error.h"

typedef struct Block {
    size_t bytes;
    int first, last;   /* steps of the run in which it is used, both included */
    size_t offset;     /* result; a multiple of MEM_ALIGN */
} Block;

/* Sets every offset and *total. Fails: ERR_NOMEM. */
int memory_plan(Block *blocks, int count, size_t *total, Err *e);

/* The most bytes that live at one time: no plan can be smaller. */
size_t memory_plan_bound(const Block *blocks, int count);

#endif
