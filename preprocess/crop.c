#include "preprocess/crop.h"

#include <stdbool.h>
#include <string.h>

#include "base/memory.h"

int nonzero_mask(Array *mask, const Volume *channels, int count, Err *e)
{
    TRY(array_new(mask, DTYPE_U8, 3, channels[0].shape, e));
    const Volume inside = volume_of_array(mask);
    for (int c = 0; c < count; c++) {
        const Volume *v = &channels[c];
        for (int64_t z = 0; z < v->shape[0]; z++)
            for (int64_t y = 0; y < v->shape[1]; y++) {
                const char *from = volume_row(v, z, y);
                char *to = volume_row(&inside, z, y);
                for (int64_t x = 0; x < v->shape[2]; x++)
                    to[x] |= *(const float *)(from + x * v->stride[2]) != 0;
            }
    }
    const int code = fill_holes(mask, e);
    if (code) array_free(mask);
    return code;
}

/* A run of zeros along x; runs that touch form a tree, whose root stands for the whole piece. */
typedef struct Run {
    int32_t first, past; /* x */
    int64_t parent;      /* OUTSIDE is run 0 */
} Run;

enum { OUTSIDE = 0 };

typedef struct Runs {
    Run *runs;
    int64_t count;
    int64_t *row_first; /* rows + 1: the first run of each row */
} Runs;

static int64_t run_root(Run *runs, int64_t i)
{
    while (runs[i].parent != i) i = runs[i].parent = runs[runs[i].parent].parent;
    return i;
}

static void runs_join(Run *runs, int64_t a, int64_t b)
{
    a = run_root(runs, a);
    b = run_root(runs, b);
    if (a < b) runs[b].parent = a; /* the smaller wins: OUTSIDE stays a root */
    else runs[a].parent = b;
}

static int64_t count_runs(const uint8_t *voxels, int64_t rows, int64_t width)
{
    int64_t count = 0;
    for (int64_t row = 0; row < rows; row++, voxels += width) {
        count += !voxels[0];
        for (int64_t x = 1; x < width; x++) count += voxels[x] < voxels[x - 1];
    }
    return count;
}

static void runs_add(Runs *r, int64_t first, int64_t past)
{
    r->runs[r->count] = (Run){(int32_t)first, (int32_t)past, r->count};
    r->count++;
}

static void runs_add_row(Runs *r, const uint8_t *row, int64_t width)
{
    for (int64_t x = 0; x < width;) {
        if (row[x]) {
            x++;
            continue;
        }
        const uint8_t *end = memchr(row + x, 1, (size_t)(width - x));
        const int64_t past = end ? end - row : width;
        runs_add(r, x, past);
        x = past;
    }
}

static void runs_join_rows(Runs *r, int64_t row, int64_t other)
{
    int64_t a = r->row_first[row], b = r->row_first[other];
    while (a < r->row_first[row + 1] && b < r->row_first[other + 1]) {
        const Run *ra = &r->runs[a], *rb = &r->runs[b];
        if (ra->first < rb->past && rb->first < ra->past) runs_join(r->runs, a, b);
        if (ra->past < rb->past) a++;
        else b++;
    }
}

static void runs_join_border(Runs *r, int64_t row, bool whole_row, int64_t width)
{
    for (int64_t i = r->row_first[row]; i < r->row_first[row + 1]; i++)
        if (whole_row || r->runs[i].first == 0 || r->runs[i].past == width) runs_join(r->runs, OUTSIDE, i);
}

static void runs_find(Runs *r, const uint8_t *voxels, const int64_t shape[3])
{
    const int64_t depth = shape[0], height = shape[1], width = shape[2];
    runs_add(r, 0, 0); /* OUTSIDE */
    for (int64_t z = 0; z < depth; z++)
        for (int64_t y = 0; y < height; y++) {
            const int64_t row = z * height + y;
            r->row_first[row] = r->count;
            runs_add_row(r, voxels + row * width, width);
            r->row_first[row + 1] = r->count;
            runs_join_border(r, row, z == 0 || z == depth - 1 || y == 0 || y == height - 1, width);
            if (y) runs_join_rows(r, row, row - 1);
            if (z) runs_join_rows(r, row, row - height);
        }
}

/* In an array of one or two voxels along an axis every voxel is at the border. */
static bool can_have_holes(const int64_t shape[3]) { return shape[0] > 2 && shape[1] > 2 && shape[2] > 2; }

int fill_holes(Array *mask, Err *e)
{
    const int64_t rows = mask->shape[0] * mask->shape[1], width = mask->shape[2];
    uint8_t *voxels = mask->data;
    Runs r = {0};
    if (!can_have_holes(mask->shape)) return 0;
    const size_t most = (size_t)count_runs(voxels, rows, width) + 1;
    r.runs = mem_alloc(mem_product(most, sizeof *r.runs), e);
    r.row_first = mem_zalloc((size_t)(rows + 1), sizeof *r.row_first, e);
    const int code = r.runs && r.row_first ? 0 : ERR_NOMEM;
    if (!code) runs_find(&r, voxels, mask->shape);
    for (int64_t row = 0; row < rows && !code; row++)
        for (int64_t i = r.row_first[row]; i < r.row_first[row + 1]; i++)
            if (run_root(r.runs, i) != OUTSIDE)
                memset(voxels + row * width + r.runs[i].first, 1, (size_t)(r.runs[i].past - r.runs[i].first));
    mem_free(r.runs);
    mem_free(r.row_first);
    return code;
}

int64_t fill_holes_bytes(const int64_t shape[3])
{
    const int64_t rows = shape[0] * shape[1], most_runs = rows * ((shape[2] + 1) / 2) + 1;
    if (!can_have_holes(shape)) return 0;
    return most_runs * (int64_t)sizeof(Run) + (rows + 1) * (int64_t)sizeof(int64_t);
}

Box mask_box(const Array *mask)
{
    const int64_t *shape = mask->shape;
    Box box = {.first = {shape[0], shape[1], shape[2]}};
    const uint8_t *row = mask->data;
    for (int64_t z = 0; z < shape[0]; z++)
        for (int64_t y = 0; y < shape[1]; y++, row += shape[2]) {
            const uint8_t *first = memchr(row, 1, (size_t)shape[2]);
            if (!first) continue;
            const uint8_t *last = memrchr(row, 1, (size_t)shape[2]);
            const int64_t low[3] = {z, y, first - row}, high[3] = {z + 1, y + 1, last - row + 1};
            for (int i = 0; i < 3; i++) {
                if (low[i] < box.first[i]) box.first[i] = low[i];
                if (high[i] > box.past[i]) box.past[i] = high[i];
            }
        }
    if (!box.past[0]) box = (Box){{0, 0, 0}, {shape[0], shape[1], shape[2]}};
    return box;
}

void mark_outside(Array *labels, const Array *mask, const Box *box)
{
    const Volume inside = volume_cropped(volume_of_array(mask), box);
    int16_t *label = labels->data;
    for (int64_t z = 0; z < inside.shape[0]; z++)
        for (int64_t y = 0; y < inside.shape[1]; y++) {
            const char *row = volume_row(&inside, z, y);
            for (int64_t x = 0; x < inside.shape[2]; x++, label++)
                if (!*label && !row[x]) *label = -1;
        }
}
