#include "evaluation/joint_histogram.h"

#include <string.h>

#include "base/memory.h"

enum { LABELS = 65536, FIRST_CAPACITY = 1024 };

int histogram_new(JointHistogram *h, Err *e)
{
    *h = (JointHistogram){.slots = 1};
    h->slot_of = mem_zalloc(LABELS, sizeof *h->slot_of, e);
    return h->slot_of ? 0 : ERR_NOMEM;
}

void histogram_free(JointHistogram *h)
{
    mem_free(h->slot_of);
    mem_free(h->boxes);
    mem_free(h->dense);
    mem_free(h->cells);
}

int histogram_slot(const JointHistogram *h, int16_t label) { return h->slot_of[label - INT16_MIN]; }

void histogram_name(JointHistogram *h, int16_t label)
{
    uint16_t *slot = &h->slot_of[label - INT16_MIN];
    if (*slot == HISTOGRAM_OTHER) *slot = (uint16_t)h->slots++;
}

/* ---- counting ---- */

static HistogramCell *find_cell(HistogramCell *cells, int64_t capacity, uint32_t reference, uint32_t prediction)
{
    const uint64_t hash = ((uint64_t)reference << 32 | prediction) * 0x9E3779B97F4A7C15u;
    for (uint64_t at = hash >> 32;; at++) {
        HistogramCell *cell = &cells[at & (uint64_t)(capacity - 1)];
        if (!cell->count || (cell->reference == reference && cell->prediction == prediction)) return cell;
    }
}

static int grow(JointHistogram *h, Err *e)
{
    const int64_t capacity = h->capacity ? 2 * h->capacity : FIRST_CAPACITY;
    HistogramCell *cells = mem_zalloc((size_t)capacity, sizeof *cells, e);
    if (!cells) return ERR_NOMEM;
    for (int64_t i = 0; i < h->capacity; i++)
        if (h->cells[i].count) *find_cell(cells, capacity, h->cells[i].reference, h->cells[i].prediction) = h->cells[i];
    mem_free(h->cells);
    h->cells = cells;
    h->capacity = capacity;
    return 0;
}

static int count_sparse(JointHistogram *h, int reference, int prediction, int64_t voxels, Err *e)
{
    if (2 * h->used >= h->capacity) TRY(grow(h, e));
    HistogramCell *cell = find_cell(h->cells, h->capacity, (uint32_t)reference, (uint32_t)prediction);
    h->used += !cell->count;
    *cell = (HistogramCell){(uint32_t)reference, (uint32_t)prediction, cell->count + voxels};
    return 0;
}

/* Length of the run of equal pairs at the start; neighbours are mostly equal, so four are compared at once. */
static int64_t run_length(const int16_t *reference, const int16_t *prediction, int64_t left)
{
    const uint64_t four = 0x0001000100010001u;
    const uint64_t r = four * (uint16_t)reference[0], p = four * (uint16_t)prediction[0];
    int64_t run = 1;
    for (; run + 4 <= left; run += 4) {
        uint64_t next_r, next_p;
        memcpy(&next_r, reference + run, sizeof next_r);
        memcpy(&next_p, prediction + run, sizeof next_p);
        if ((next_r ^ r) | (next_p ^ p)) break;
    }
    while (run < left && reference[run] == reference[0] && prediction[run] == prediction[0]) run++;
    return run;
}

void box_join(Box *box, const Box *more)
{
    if (more->past[0] == 0) return;
    if (box->past[0] == 0) *box = *more;
    for (int d = 0; d < 3; d++) {
        if (more->first[d] < box->first[d]) box->first[d] = more->first[d];
        if (more->past[d] > box->past[d]) box->past[d] = more->past[d];
    }
}

static int fill_row(JointHistogram *h, const int16_t *reference, const int16_t *prediction, int64_t width, int64_t z,
                    int64_t y, Err *e)
{
    for (int64_t x = 0; x < width;) {
        const int64_t run = run_length(reference + x, prediction + x, width - x);
        const int r = histogram_slot(h, reference[x]), p = histogram_slot(h, prediction[x]);
        const Box box = {{z, y, x}, {z + 1, y + 1, x + run}};
        if (h->dense) h->dense[r * h->slots + p] += run;
        else TRY(count_sparse(h, r, p, run, e));
        box_join(&h->boxes[r], &box);
        box_join(&h->boxes[p], &box);
        x += run;
    }
    return 0;
}

int histogram_fill(JointHistogram *h, const int16_t *reference, const int16_t *prediction, const int64_t shape_zyx[3],
                   Err *e)
{
    const int64_t ny = shape_zyx[1], nx = shape_zyx[2];
    const size_t slots = (size_t)h->slots;
    if (!(h->boxes = mem_zalloc(slots, sizeof *h->boxes, e))) return ERR_NOMEM;
    if (slots <= HISTOGRAM_DENSE && !(h->dense = mem_zalloc(slots * slots, sizeof *h->dense, e))) return ERR_NOMEM;
    for (int64_t row = 0; row < shape_zyx[0] * ny; row++, reference += nx, prediction += nx)
        TRY(fill_row(h, reference, prediction, nx, row / ny, row % ny, e));
    return 0;
}

/* ---- reading ---- */

bool histogram_next(const JointHistogram *h, int64_t *at, HistogramCell *cell)
{
    const int64_t count = h->dense ? (int64_t)h->slots * h->slots : h->capacity;
    for (; *at < count; ++*at) {
        if (h->dense) *cell = (HistogramCell){(uint32_t)(*at / h->slots), (uint32_t)(*at % h->slots), h->dense[*at]};
        else *cell = h->cells[*at];
        if (!cell->count) continue;
        ++*at;
        return true;
    }
    return false;
}
