#include "evaluation/instances.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "data/components.h"

/* ---- from labels to instances ---- */

/* State of growing instances breadth-first on a grid. */
typedef struct Growth {
    int32_t *map;
    const int16_t *labels;
    int64_t *queue; /* voxel indices, each at most once */
    int64_t head, tail;
    int64_t nz, ny, nx;
} Growth;

static bool is_open(const Growth *g, int64_t i) { return g->labels[i] == INSTANCE_BOUNDARY && !g->map[i]; }

/* Assigns a voxel's instance to its neighbours in the boundary that have none, and queues them. */
static void spread(Growth *g, int64_t at)
{
    const int64_t x = at % g->nx, y = at / g->nx % g->ny, z = at / (g->nx * g->ny);
    for (int64_t k = z ? z - 1 : 0; k <= z + 1 && k < g->nz; k++) {
        for (int64_t j = y ? y - 1 : 0; j <= y + 1 && j < g->ny; j++) {
            for (int64_t i = x ? x - 1 : 0; i <= x + 1 && i < g->nx; i++) {
                const int64_t to = (k * g->ny + j) * g->nx + i;
                if (!is_open(g, to)) continue;
                g->map[to] = g->map[at];
                g->queue[g->tail++] = to;
            }
        }
    }
}

/* Grows by one step at a time. Within a step voxels are in the order of their instances' numbers: the first step
 * is, and the queue preserves it. */
static int grow_over_boundary(int32_t *map, int32_t count, const int16_t *labels, const int64_t shape_zyx[3], Err *e)
{
    const int64_t voxels = shape_zyx[0] * shape_zyx[1] * shape_zyx[2];
    Growth g = {.map = map, .labels = labels, .nz = shape_zyx[0], .ny = shape_zyx[1], .nx = shape_zyx[2]};
    int64_t *first = mem_zalloc((size_t)count + 2, sizeof *first, e);
    g.queue = mem_alloc(mem_product((size_t)voxels, sizeof *g.queue), e);
    int code = ERR_NOMEM;
    if (!first || !g.queue) goto done;
    for (int64_t i = 0; i < voxels; i++) first[map[i] + 1] += map[i] != 0;
    for (int32_t id = 1; id <= count + 1; id++) first[id] += first[id - 1];
    for (int64_t i = 0; i < voxels; i++)
        if (map[i]) g.queue[first[map[i]]++] = i;
    g.tail = first[count];
    while (g.head < g.tail) spread(&g, g.queue[g.head++]);
    code = 0;
done:
    mem_free(first);
    mem_free(g.queue);
    return code;
}

int instances_from_labels(int32_t *map, int32_t *count, const int16_t *labels, const int64_t shape_zyx[3], bool grow,
                          Err *e)
{
    const int64_t voxels = shape_zyx[0] * shape_zyx[1] * shape_zyx[2];
    uint8_t *interior = mem_alloc((size_t)voxels, e);
    if (!interior) return ERR_NOMEM;
    for (int64_t i = 0; i < voxels; i++) interior[i] = labels[i] == INSTANCE_INTERIOR;
    const int code = components_label(map, count, interior, shape_zyx, e);
    mem_free(interior);
    return code || !grow ? code : grow_over_boundary(map, *count, labels, shape_zyx, e);
}

/* ---- maps ---- */

static int ascending(const void *a, const void *b)
{
    const int32_t p = *(const int32_t *)a, q = *(const int32_t *)b;
    return (p > q) - (p < q);
}

/* The distinct values above 0 of a map, ascending; *values owned by the caller. */
static int distinct_values(int32_t **values, int32_t *count, const int32_t *map, int64_t voxels, Err *e)
{
    int64_t runs = 0, n = 0;
    for (int64_t i = 0; i < voxels; i++) runs += map[i] > 0 && (!i || map[i] != map[i - 1]);
    int32_t *list = *values = mem_alloc(mem_product((size_t)runs, sizeof *list), e);
    if (!list) return ERR_NOMEM;
    for (int64_t i = 0; i < voxels; i++)
        if (map[i] > 0 && (!i || map[i] != map[i - 1])) list[n++] = map[i];
    qsort(list, (size_t)runs, sizeof *list, ascending);
    int32_t kept = 0;
    for (int64_t i = 0; i < runs; i++)
        if (!kept || list[i] != list[kept - 1]) list[kept++] = list[i];
    *count = kept;
    return 0;
}

int instances_renumber(int32_t *map, int32_t *count, int64_t voxels, Err *e)
{
    int32_t *values, last = 0, id = 0;
    TRY(distinct_values(&values, count, map, voxels, e));
    for (int64_t i = 0; i < voxels; i++) {
        if (map[i] != last) {
            last = map[i];
            const int32_t *found = bsearch(&last, values, (size_t)*count, sizeof *values, ascending);
            id = found ? (int32_t)(found - values) + 1 : 0;
        }
        map[i] = id;
    }
    mem_free(values);
    return 0;
}

int instances_drop_at_frame(int32_t *map, int32_t *count, const int64_t shape_zyx[3], int frame, Err *e)
{
    const int64_t ny = shape_zyx[1], nx = shape_zyx[2], voxels = shape_zyx[0] * ny * nx;
    bool *touches = mem_zalloc((size_t)*count + 1, sizeof *touches, e);
    if (!touches) return ERR_NOMEM;
    for (int64_t i = 0; i < voxels; i++) {
        const int64_t x = i % nx, y = i / nx % ny;
        if (x < frame || y < frame || x >= nx - frame || y >= ny - frame) touches[map[i]] = true;
    }
    for (int64_t i = 0; i < voxels; i++)
        if (touches[map[i]]) map[i] = 0;
    mem_free(touches);
    return instances_renumber(map, count, voxels, e);
}

/* ---- matching ---- */

/* Number of voxels that two instances, one of each map, share. */
typedef struct Shared {
    int32_t reference, prediction;
    int64_t voxels;
} Shared;

static int by_pair(const void *a, const void *b)
{
    const Shared *p = a, *q = b;
    if (p->reference != q->reference) return p->reference < q->reference ? -1 : 1;
    return (p->prediction > q->prediction) - (p->prediction < q->prediction);
}

/* Sizes of the instances of both maps and the pairs that overlap, counted by runs of equal pairs. */
static int count_shared(Shared **list, int64_t *count, int64_t *reference_size, int64_t *prediction_size,
                        const int32_t *reference, const int32_t *prediction, int64_t voxels, Err *e)
{
    int64_t runs = 0, n = 0;
    for (int64_t i = 0; i < voxels; i++)
        runs += !i || reference[i] != reference[i - 1] || prediction[i] != prediction[i - 1];
    Shared *pairs = *list = mem_alloc(mem_product((size_t)runs, sizeof *pairs), e);
    if (!pairs) return ERR_NOMEM;
    for (int64_t i = 0, start = 0; i < voxels; i++) {
        const int32_t r = reference[i], p = prediction[i];
        if (i + 1 < voxels && reference[i + 1] == r && prediction[i + 1] == p) continue;
        reference_size[r] += i + 1 - start;
        prediction_size[p] += i + 1 - start;
        if (r && p) pairs[n++] = (Shared){r, p, i + 1 - start};
        start = i + 1;
    }
    qsort(pairs, (size_t)n, sizeof *pairs, by_pair);
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++) {
        if (kept && !by_pair(&pairs[kept - 1], &pairs[i])) pairs[kept - 1].voxels += pairs[i].voxels;
        else pairs[kept++] = pairs[i];
    }
    *count = kept;
    return 0;
}

int instances_match(InstanceScore *scores, const double *thresholds, int threshold_count, const int32_t *reference,
                    int32_t reference_count, const int32_t *prediction, int32_t prediction_count, int64_t voxels,
                    Err *e)
{
    Shared *pairs = NULL;
    int64_t pair_count = 0;
    int64_t *reference_size = mem_zalloc((size_t)reference_count + 1, sizeof *reference_size, e);
    int64_t *prediction_size = mem_zalloc((size_t)prediction_count + 1, sizeof *prediction_size, e);
    int *taken = mem_zalloc((size_t)reference_count + (size_t)prediction_count + 2, sizeof *taken, e);
    int code = ERR_NOMEM;
    if (!reference_size || !prediction_size || !taken) goto done;
    code = count_shared(&pairs, &pair_count, reference_size, prediction_size, reference, prediction, voxels, e);
    if (code) goto done;
    for (int t = 0; t < threshold_count; t++) {
        int64_t tp = 0;
        for (int64_t i = 0; i < pair_count; i++) {
            const Shared *s = &pairs[i];
            const int64_t joint = reference_size[s->reference] + prediction_size[s->prediction] - s->voxels;
            int *first = &taken[s->reference], *second = &taken[reference_count + 1 + s->prediction];
            if ((double)s->voxels / (double)joint < thresholds[t] || *first > t || *second > t) continue;
            *first = *second = t + 1;
            tp++;
        }
        scores[t] = (InstanceScore){tp, prediction_count - tp, reference_count - tp};
    }
done:
    mem_free(pairs);
    mem_free(reference_size);
    mem_free(prediction_size);
    mem_free(taken);
    return code;
}

static double ratio(int64_t part, int64_t whole, const InstanceScore *s)
{
    if (s->tp + s->fp + s->fn == 0) return NAN;
    return whole ? (double)part / (double)whole : 0;
}

double instance_precision(const InstanceScore *s) { return ratio(s->tp, s->tp + s->fp, s); }

double instance_recall(const InstanceScore *s) { return ratio(s->tp, s->tp + s->fn, s); }

double instance_f1(const InstanceScore *s) { return ratio(2 * s->tp, 2 * s->tp + s->fp + s->fn, s); }

double instance_ap(const InstanceScore *s) { return ratio(s->tp, s->tp + s->fp + s->fn, s); }
