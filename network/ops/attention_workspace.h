/* What the implementations of attention prepare, and the memory that each of their threads works in. Only for
 * attention.c: compiled once for each SIMD level. */
#ifndef NETWORK_OPS_ATTENTION_WORKSPACE_H
#define NETWORK_OPS_ATTENTION_WORKSPACE_H

#include <omp.h>

#include "base/memory.h"
#include "network/ops/attention_windows.h"
#include "network/ops/simd.h"

/* A block of scores: its queries are whole tiles of a product, its keys whole vectors. */
enum { QUERIES = 40, KEYS = 128 };

/* Rounded up to whole vectors. */
static inline int64_t padded(int64_t c) { return (c + SIMD_LANES - 1) / SIMD_LANES * SIMD_LANES; }

/* What a thread works with, in floats (pixel: int64_t). n: tokens of a window, padded; d: channels of a head, padded. */
typedef struct Workspace {
    WindowTokens tokens;
    float *k, *k_turned, *v, *v_turned; /* (n,d), (d,n) */
    float *dk, *dv;                     /* (n,d) */
    float *q, *g, *sum, *score, *slope; /* of a block of queries: (QUERIES,d) thrice, (QUERIES,KEYS) twice */
    float *bias_slope;                  /* (heads,tokens,n): sums of the gradients of b over windows */
} Workspace;

typedef struct PreparedAttention {
    WindowGrid grid;
    int64_t heads, channels; /* channels of a head */
    int64_t n, d;            /* as in Workspace */
    int threads;
    bool has_table;
    float *bias; /* b, packed: (heads, tokens, n); NULL: none */
} PreparedAttention;

/* Memory that is divided; start NULL: only its size is found. */
typedef struct Room {
    char *start;
    size_t used;
} Room;

static inline void *take(Room *room, size_t bytes)
{
    void *block = room->start ? room->start + room->used : NULL;
    room->used += (bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
    return block;
}

static inline void divide(Workspace *w, const PreparedAttention *p, Room *room, bool backward)
{
    const size_t rows = (size_t)(p->n * p->d) * sizeof(float), block = (size_t)(QUERIES * p->d) * sizeof(float);
    const size_t scores = (size_t)(QUERIES * KEYS) * sizeof(float);
    float **const of_both[] = {&w->k_turned, &w->v}, **const of_backward[] = {&w->k, &w->v_turned, &w->dk, &w->dv};
    float **const of_block[] = {&w->q, &w->g, &w->sum};
    w->tokens.pixel = take(room, (size_t)p->n * sizeof(int64_t));
    w->tokens.part = take(room, (size_t)p->n * sizeof(float));
    for (int i = 0; i < 2; i++) *of_both[i] = take(room, rows);
    for (int i = 0; i < 3; i++) *of_block[i] = take(room, block);
    w->score = take(room, scores);
    if (!backward) return;
    for (int i = 0; i < 4; i++) *of_backward[i] = take(room, rows);
    w->slope = take(room, scores);
    if (p->has_table) w->bias_slope = take(room, (size_t)(p->heads * p->grid.tokens * p->n) * sizeof(float));
}

static inline size_t workspace_bytes(const PreparedAttention *p, bool backward)
{
    Workspace w;
    Room room = {NULL, 0};
    divide(&w, p, &room, backward);
    return room.used;
}

/* The calling thread's part of the node's scratch memory. */
static inline Workspace workspace_of_thread(const PreparedAttention *p, void *scratch, bool backward)
{
    const size_t bytes = workspace_bytes(p, backward);
    Workspace w = {.k = NULL};
    Room room = {(char *)scratch + (size_t)omp_get_thread_num() * bytes, 0};
    divide(&w, p, &room, backward);
    return w;
}

#endif
