#include "preprocess/crop.h"

#include <stdbool.h>
#include <string.h>

#include "data/mask_runs.h"

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
                for (int64_t x = 0; x < v->shape[2]; x++) to[x] |= *(const float *)(from + x * v->stride[2]) != 0;
            }
    }
    const int code = fill_holes(mask, e);
    if (code) array_free(mask);
    return code;
}

enum { OUTSIDE = 0 }; /* run 0 of MaskRuns: what is joined with it is connected with the border */

static void join_border(MaskRuns *r, int64_t row, bool whole_row, int64_t width)
{
    for (int64_t i = r->row_first[row]; i < r->row_first[row + 1]; i++)
        if (whole_row || r->runs[i].first == 0 || r->runs[i].past == width) mask_runs_join(r, OUTSIDE, i);
}

static void join_all(MaskRuns *r, const int64_t shape[3])
{
    const int64_t depth = shape[0], height = shape[1];
    for (int64_t z = 0; z < depth; z++)
        for (int64_t y = 0; y < height; y++) {
            const int64_t row = z * height + y;
            join_border(r, row, z == 0 || z == depth - 1 || y == 0 || y == height - 1, shape[2]);
            if (y) mask_runs_join_rows(r, row, row - 1, 0);
            if (z) mask_runs_join_rows(r, row, row - height, 0);
        }
}

/* In an array of one or two voxels along an axis every voxel is at the border. */
static bool can_have_holes(const int64_t shape[3]) { return shape[0] > 2 && shape[1] > 2 && shape[2] > 2; }

int fill_holes(Array *mask, Err *e)
{
    const int64_t width = mask->shape[2];
    uint8_t *row = mask->data;
    MaskRuns r;
    if (!can_have_holes(mask->shape)) return 0;
    TRY(mask_runs_new(&r, row, mask->shape, 0, e));
    join_all(&r, mask->shape);
    for (int64_t n = 0; n < r.rows; n++, row += width)
        for (int64_t i = r.row_first[n]; i < r.row_first[n + 1]; i++)
            if (mask_runs_root(&r, i) != OUTSIDE)
                memset(row + r.runs[i].first, 1, (size_t)(r.runs[i].past - r.runs[i].first));
    mask_runs_free(&r);
    return 0;
}

int64_t fill_holes_bytes(const int64_t shape[3]) { return can_have_holes(shape) ? mask_runs_bytes(shape) : 0; }

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
