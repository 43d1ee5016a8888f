/* Helpers for the kernels of several ops: loops over tensors with any pitch, and division of work into pieces. The
 * pieces do not depend on the number of threads, so sums have the same bits for any number of threads. Only for files
 * in network/ops. */
#ifndef NETWORK_OPS_KERNEL_H
#define NETWORK_OPS_KERNEL_H

#include <inttypes.h>
#include <string.h>

#include "network/graph/op.h"
#include "network/ops/simd.h"

/* ---- elementwise ops: dense runs of elements in several tensors of the same shape ---- */

typedef struct ElementRuns {
    int64_t count, length, total; /* number of runs; elements of each (the last may be shorter); all elements */
    bool dense;                   /* all tensors have pitch = c: runs of any length; else each run is a pixel */
} ElementRuns;

enum { RUN_ELEMENTS = 8192 };

static inline ElementRuns runs_of(Tensor *const *tensors, int tensor_count)
{
    const Shape s = tensors[0]->shape;
    ElementRuns r = {.length = RUN_ELEMENTS, .total = shape_count(s), .dense = true};
    for (int i = 0; i < tensor_count; i++) r.dense = r.dense && tensors[i]->pitch == s.c;
    if (!r.dense) r.length = s.c;
    r.count = (r.total + r.length - 1) / r.length;
    return r;
}

/* Runs over a node's inputs and first output. */
static inline ElementRuns runs_of_node(const Node *node)
{
    Tensor *tensors[NODE_INPUTS + 1] = {node->out[0]};
    for (int i = 0; i < node->input_count; i++) tensors[i + 1] = node->in[i];
    return runs_of(tensors, node->input_count + 1);
}

/* The first element of run i in t. */
static inline int64_t run_start(const ElementRuns *r, const Tensor *t, int64_t i)
{
    return i * (r->dense ? r->length : t->pitch);
}

static inline int64_t run_length(const ElementRuns *r, int64_t i)
{
    const int64_t left = r->total - i * r->length;
    return left < r->length ? left : r->length;
}

/* ---- reductions: fixed pieces ---- */

typedef struct Pieces {
    int64_t count, size, total; /* number of pieces; units of each (the last may have fewer); all units */
} Pieces;

/* Divides `total` units (rows, pixels …) into at most `most` pieces of at least `least` units. */
static inline Pieces pieces_of(int64_t total, int64_t least, int64_t most)
{
    int64_t size = (total + most - 1) / most;
    if (size < least) size = least;
    return (Pieces){(total + size - 1) / size, size, total};
}

static inline int64_t piece_end(const Pieces *p, int64_t i)
{
    const int64_t end = (i + 1) * p->size;
    return end < p->total ? end : p->total;
}

/* sums[j] = Σ over the pieces of partial[piece · stride + j], added in double in the order of pieces. sums may be NULL.
 * */
static inline void sum_pieces(float *sums, const float *partial, int64_t pieces, int64_t stride, int64_t count)
{
    enum { BLOCK = 64 };
    if (!sums) return;
#pragma omp parallel for schedule(static)
    for (int64_t start = 0; start < count; start += BLOCK) {
        const int64_t n = count - start < BLOCK ? count - start : BLOCK;
        double sum[BLOCK] = {0};
        for (int64_t piece = 0; piece < pieces; piece++)
            for (int64_t j = 0; j < n; j++) sum[j] += (double)partial[piece * stride + start + j];
        for (int64_t j = 0; j < n; j++) sums[start + j] = (float)sum[j];
    }
}

/* ---- copies ---- */

/* The number of elements in the next vector if `left` remain. */
static inline int lanes_left(int64_t left) { return left < SIMD_LANES ? (int)left : SIMD_LANES; }

static inline void move_elements(Elem *to, const Elem *from, int64_t count, bool accumulate)
{
    if (!accumulate) {
        memcpy(to, from, (size_t)count * sizeof *to);
        return;
    }
    for (int64_t i = 0; i < count; i += SIMD_LANES) {
        const int n = lanes_left(count - i);
        v_put(to + i, v_get(to + i, n) + v_get(from + i, n), n);
    }
}

/* Copies (accumulate: adds) `pixels` pixels of c channels. Does nothing if to == from. */
static inline void move_pixels(Elem *to, int64_t to_pitch, const Elem *from, int64_t from_pitch, int64_t pixels,
                               int64_t c, bool accumulate)
{
    if (to == from) return;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < pixels; p++) move_elements(to + p * to_pitch, from + p * from_pitch, c, accumulate);
}

static inline void clear_pixels(Elem *to, int64_t pitch, int64_t pixels, int64_t c)
{
    for (int64_t p = 0; p < pixels; p++) memset(to + p * pitch, 0, (size_t)c * sizeof *to);
}

/* ---- shapes ---- */

#define SHAPE_FORMAT "(%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ")"
#define SHAPE_ARGS(s) (s).n, (s).h, (s).w, (s).c

/* out[0] gets in[0]'s shape and type; further inputs must have the same. */
static inline int shape_of_inputs(Node *node, Err *e)
{
    const Shape a = node->in[0]->shape;
    for (int i = 1; i < node->input_count; i++) {
        const Shape b = node->in[i]->shape;
        if (!shape_equal(a, b))
            return err_set(e, ERR_SHAPE, "inputs of the same shape expected, found " SHAPE_FORMAT " and " SHAPE_FORMAT,
                           SHAPE_ARGS(a), SHAPE_ARGS(b));
    }
    node->out[0]->shape = a;
    node->out[0]->dtype = node->in[0]->dtype;
    return 0;
}

#endif
