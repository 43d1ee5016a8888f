/* Resamples labels by the scores of their resized 0/1 maps. Between voxels of one label no scores are needed.
 * Elsewhere there are at most eight labels; their scores are summed corner by corner in scipy's order, so that
 * exact ties are the same as in scipy. */
#include <string.h>

#include "preprocess/axis_map.h"
#include "preprocess/resample.h"

typedef struct LabelMaps {
    AxisMap nearest[3], linear[3];
    int64_t in_step, out_step; /* from voxel to voxel along axis 2, in labels */
    bool labels_at_half;
} LabelMaps;

static void maps_free(LabelMaps *m)
{
    for (int i = 0; i < 3; i++) {
        axis_map_free(&m->nearest[i]);
        axis_map_free(&m->linear[i]);
    }
}

static int maps_new(LabelMaps *m, const Volume *in, const Volume *out, bool at_half, Err *e)
{
    const int64_t item = sizeof(int16_t);
    *m = (LabelMaps){.in_step = in->stride[2] / item, .out_step = out->stride[2] / item, .labels_at_half = at_half};
    int code = 0;
    for (int i = 0; i < 3 && !code; i++) {
        code = axis_map_new(&m->nearest[i], in->shape[i], out->shape[i], 0, e);
        if (!code) code = axis_map_new(&m->linear[i], in->shape[i], out->shape[i], 1, e);
    }
    if (code) maps_free(m);
    return code;
}

static double score_of(int16_t label, const int16_t *corners, const double *weights, int count)
{
    double score = 0;
    for (int i = 0; i < count; i++)
        if (corners[i] == label) score += weights[i];
    return score;
}

/* The label of one output voxel from its 4 or 8 corners. */
static int16_t winner(const int16_t *corners, const double *weights, int count, int16_t nearest, bool at_half)
{
    int16_t best = 0;
    double best_score = -1;
    for (int i = 0; i < count; i++) {
        const int16_t label = corners[i];
        const double score = score_of(label, corners, weights, count);
        if (at_half) {
            if (score >= 0.5 && (best_score < 0 || label > best)) best = label, best_score = score;
        } else if (score > best_score || (score == best_score && label < best)) {
            best = label;
            best_score = score;
        }
    }
    if (!at_half && score_of(nearest, corners, weights, count) == best_score) return nearest;
    return best;
}

/* One output row from 2 or 4 input rows with their weights. */
static void label_row(const LabelMaps *m, const int16_t *const rows[4], const double row_weights[4], int count,
                      const int16_t *nearest_row, int16_t *out)
{
    const AxisMap *x = &m->linear[2];
    for (int64_t k = 0; k < x->out; k++) {
        const int64_t left = axis_clamp(x, x->first[k]) * m->in_step;
        const int64_t right = axis_clamp(x, x->first[k] + 1) * m->in_step;
        int16_t corners[8];
        double weights[8];
        bool same = true;
        for (int i = 0; i < count; i++) {
            corners[2 * i] = rows[i][left];
            corners[2 * i + 1] = rows[i][right];
            same = same && corners[2 * i] == corners[0] && corners[2 * i + 1] == corners[0];
        }
        if (same) {
            out[k * m->out_step] = corners[0];
            continue;
        }
        for (int i = 0; i < 2 * count; i++) weights[i] = row_weights[i / 2] * x->weights[2 * k + i % 2];
        const int16_t nearest = nearest_row[m->nearest[2].first[k] * m->in_step];
        out[k * m->out_step] = winner(corners, weights, 2 * count, nearest, m->labels_at_half);
    }
}

/* One output slice of linear scores: from slices z[0] and z[1] of `in`, whose weights are wz. */
static void label_slice(const LabelMaps *m, const Volume *in, const int64_t z[2], const double wz[2], int64_t nearest_z,
                        const Volume *out, int64_t slice)
{
    const AxisMap *y = &m->linear[1];
    const int depth = wz[1] != 0 ? 2 : 1;
    for (int64_t k = 0; k < y->out; k++) {
        const int64_t up = axis_clamp(y, y->first[k]), down = axis_clamp(y, y->first[k] + 1);
        const int16_t *rows[4];
        double weights[4];
        for (int i = 0; i < depth; i++) {
            rows[2 * i] = (const int16_t *)volume_row(in, z[i], up);
            rows[2 * i + 1] = (const int16_t *)volume_row(in, z[i], down);
            weights[2 * i] = wz[i] * y->weights[2 * k];
            weights[2 * i + 1] = wz[i] * y->weights[2 * k + 1];
        }
        label_row(m, rows, weights, 2 * depth, (const int16_t *)volume_row(in, nearest_z, m->nearest[1].first[k]),
                  (int16_t *)volume_row(out, slice, k));
    }
}

static void nearest_slice(const LabelMaps *m, const Volume *in, int64_t z, const Volume *out, int64_t slice)
{
    for (int64_t y = 0; y < out->shape[1]; y++) {
        const int16_t *from = (const int16_t *)volume_row(in, z, m->nearest[1].first[y]);
        int16_t *to = (int16_t *)volume_row(out, slice, y);
        for (int64_t x = 0; x < out->shape[2]; x++) to[x * m->out_step] = from[m->nearest[2].first[x] * m->in_step];
    }
}

/* Resizes a single slice within its plane. */
static void flat_slice(const LabelMaps *m, int order, const Volume *in, int64_t z, const Volume *out, int64_t slice)
{
    if (order == 0) nearest_slice(m, in, z, out, slice);
    else label_slice(m, in, (const int64_t[2]){z, z}, (const double[2]){1, 0}, z, out, slice);
}

/* Between two slices of labels, a label with more than half of the weight; 0 where there is none. */
static void blend_slices(const LabelMaps *m, const Volume *slices, int64_t k, const Volume *out)
{
    const AxisMap *across = &m->linear[0];
    const int64_t low = axis_clamp(across, across->first[k]), high = axis_clamp(across, across->first[k] + 1);
    const double *w = across->weights + 2 * k;
    for (int64_t y = 0; y < out->shape[1]; y++) {
        const int16_t *a = (const int16_t *)volume_row(slices, low, y),
                      *b = (const int16_t *)volume_row(slices, high, y);
        int16_t *to = (int16_t *)volume_row(out, k, y);
        for (int64_t x = 0; x < out->shape[2]; x++)
            to[x * m->out_step] = a[x] == b[x] || w[0] > 0.5 ? a[x] : w[1] > 0.5 ? b[x] : 0;
    }
}

static int resample_by_slices(LabelMaps *m, const Volume *in, const Volume *out, const PlanResampling *how, Err *e)
{
    const bool blend = how->order_z == 1 && in->shape[0] != out->shape[0];
    if (!blend) {
        for (int64_t k = 0; k < out->shape[0]; k++) flat_slice(m, how->order, in, m->nearest[0].first[k], out, k);
        return 0;
    }
    Array slices;
    TRY(array_new(&slices, DTYPE_I16, 3, (const int64_t[]){in->shape[0], out->shape[1], out->shape[2]}, e));
    const Volume flat = volume_of_array(&slices);
    const int64_t out_step = m->out_step;
    m->out_step = 1;
    for (int64_t k = 0; k < in->shape[0]; k++) flat_slice(m, how->order, in, k, &flat, k);
    m->out_step = out_step;
    for (int64_t k = 0; k < out->shape[0]; k++) blend_slices(m, &flat, k, out);
    array_free(&slices);
    return 0;
}

static void resample_in_space(const LabelMaps *m, const Volume *in, const Volume *out, int order)
{
    const AxisMap *z = &m->linear[0];
    for (int64_t k = 0; k < out->shape[0]; k++) {
        const int64_t near[2] = {axis_clamp(z, z->first[k]), axis_clamp(z, z->first[k] + 1)};
        if (order == 0) nearest_slice(m, in, m->nearest[0].first[k], out, k);
        else label_slice(m, in, near, z->weights + 2 * k, m->nearest[0].first[k], out, k);
    }
}

int resample_labels(const Volume *in, const Volume *out, const PlanResampling *how, bool at_half, int axis, Err *e)
{
    if (how->order > 1 || how->order_z > 1)
        return err_set(e, ERR_VALUE, "labels with resampling orders %d and %d (across slices): expected 0 or 1",
                       how->order, how->order_z);
    if (!memcmp(in->shape, out->shape, sizeof in->shape)) {
        volume_copy(in, out);
        return 0;
    }
    const Volume from = volume_with_first(*in, axis), to = volume_with_first(*out, axis);
    LabelMaps m;
    TRY(maps_new(&m, &from, &to, at_half, e));
    int code = 0;
    if (axis >= 0) code = resample_by_slices(&m, &from, &to, how, e);
    else resample_in_space(&m, &from, &to, how->order);
    maps_free(&m);
    return code;
}
