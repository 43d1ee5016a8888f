#include "data/mask_runs.h"

#include <string.h>

#include "base/memory.h"

/* Runs of ones begin where the mask rises, runs of zeros where it falls. */
static int64_t count_runs(const uint8_t *mask, int64_t rows, int64_t width, uint8_t value)
{
    int64_t count = 0;
    for (int64_t row = 0; row < rows && width; row++, mask += width) {
        count += mask[0] == value;
        for (int64_t x = 1; x < width && value; x++) count += mask[x] > mask[x - 1];
        for (int64_t x = 1; x < width && !value; x++) count += mask[x] < mask[x - 1];
    }
    return count;
}

/* The first x from `from` on with that value; width if there is none. */
static int64_t next_x(const uint8_t *row, int64_t from, int64_t width, uint8_t value)
{
    const uint8_t *at = memchr(row + from, value, (size_t)(width - from));
    return at ? at - row : width;
}

static void find_runs(MaskRuns *r, const uint8_t *row, int64_t width, uint8_t value)
{
    int64_t n = 0;
    r->runs[n++] = (MaskRun){0};
    for (int64_t i = 0; i < r->rows; i++, row += width) {
        r->row_first[i] = n;
        for (int64_t x = next_x(row, 0, width, value); x < width; x = next_x(row, x, width, value)) {
            const int64_t past = next_x(row, x, width, !value);
            r->runs[n] = (MaskRun){(int32_t)x, (int32_t)past, n};
            n++;
            x = past;
        }
    }
    r->row_first[r->rows] = n;
}

int mask_runs_new(MaskRuns *r, const uint8_t *mask, const int64_t shape_zyx[3], uint8_t value, Err *e)
{
    const int64_t rows = shape_zyx[0] * shape_zyx[1], width = shape_zyx[2];
    *r = (MaskRuns){.rows = rows};
    if (width > INT32_MAX)
        return err_set(e, ERR_UNSUPPORTED, "a mask with rows of %lld voxels: at most 2^31 - 1", (long long)width);
    r->count = count_runs(mask, rows, width, value) + 1;
    r->runs = mem_alloc(mem_product((size_t)r->count, sizeof *r->runs), e);
    r->row_first = mem_alloc((size_t)(rows + 1) * sizeof *r->row_first, e);
    if (!r->runs || !r->row_first) {
        mask_runs_free(r);
        return ERR_NOMEM;
    }
    find_runs(r, mask, width, value);
    return 0;
}

void mask_runs_free(MaskRuns *r)
{
    mem_free(r->runs);
    mem_free(r->row_first);
    *r = (MaskRuns){0};
}

int64_t mask_runs_root(MaskRuns *r, int64_t run)
{
    MaskRun *runs = r->runs;
    while (runs[run].parent != run) run = runs[run].parent = runs[runs[run].parent].parent;
    return run;
}

void mask_runs_join(MaskRuns *r, int64_t a, int64_t b)
{
    a = mask_runs_root(r, a);
    b = mask_runs_root(r, b);
    if (a < b) r->runs[b].parent = a;
    else r->runs[a].parent = b;
}

void mask_runs_join_rows(MaskRuns *r, int64_t row, int64_t other, int reach)
{
    int64_t a = r->row_first[row], b = r->row_first[other];
    const int64_t a_end = r->row_first[row + 1], b_end = r->row_first[other + 1];
    while (a < a_end && b < b_end) {
        const MaskRun *p = &r->runs[a], *q = &r->runs[b];
        if (p->first < q->past + reach && q->first < p->past + reach) mask_runs_join(r, a, b);
        if (p->past < q->past) a++;
        else b++;
    }
}

int64_t mask_runs_bytes(const int64_t shape_zyx[3])
{
    const int64_t rows = shape_zyx[0] * shape_zyx[1], most_runs = rows * ((shape_zyx[2] + 1) / 2) + 1;
    return most_runs * (int64_t)sizeof(MaskRun) + (rows + 1) * (int64_t)sizeof(int64_t);
}
