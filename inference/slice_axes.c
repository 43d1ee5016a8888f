#include "inference/slice_axes.h"

#include "base/memory.h"

/* The mean of the logits so far, and the axis that is being predicted. */
typedef struct Mean {
    const PlanConfiguration *c;
    const SlicePredictor *predictor;
    const int64_t *shape; /* of the volume */
    float *logits;        /* (Z, Y, X, classes) */
    int64_t width;        /* pixels of a row of the axis */
    int64_t steps[3];     /* voxels of the volume from one slice, row and pixel of the axis to the next */
} Mean;

/* Only the first axis: the slices are those of the volume as it is stored. */
static bool is_plain(const PlanConfiguration *c) { return c->slice_axes_count == 1 && !c->slice_axes[0]; }

static void shape_of(int64_t turned[3], int64_t steps[3], const int64_t shape[3], int axis)
{
    int order[3];
    const int64_t stored[3] = {shape[1] * shape[2], shape[2], 1};
    plan_slice_order(order, axis);
    for (int i = 0; i < 3; i++) {
        turned[i] = shape[order[i]];
        steps[i] = stored[order[i]];
    }
}

static int64_t voxels_of(const int64_t shape[3]) { return shape[0] * shape[1] * shape[2]; }

/* ---- one axis ---- */

static int add_rows(void *context, const RowBlock *b, Err *e)
{
    const Mean *m = context;
    const int classes = m->predictor->classes;
    const float part = 1 / (float)m->c->slice_axes_count;
    (void)e;
#pragma omp parallel for schedule(static)
    for (int64_t y = b->y; y < b->y + b->count; y++) {
        const float *row = row_of(b, y);
        float *to = m->logits + (b->z * m->steps[0] + y * m->steps[1]) * classes;
        for (int64_t x = 0; x < m->width; x++)
            for (int k = 0; k < classes; k++) to[x * m->steps[2] * classes + k] += part * row[x * classes + k];
    }
    return 0;
}

/* The image (Z, Y, X, channels) with its axes in the order of the slices. */
static void turn_image(float *to, const float *image, const int64_t turned[3], const int64_t steps[3], int channels)
{
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t z = 0; z < turned[0]; z++)
        for (int64_t y = 0; y < turned[1]; y++) {
            const float *from = image + (z * steps[0] + y * steps[1]) * channels;
            float *row = to + (z * turned[1] + y) * turned[2] * channels;
            for (int64_t x = 0; x < turned[2]; x++)
                for (int k = 0; k < channels; k++) row[x * channels + k] = from[x * steps[2] * channels + k];
        }
}

static int predict_axis(Mean *m, int axis, float *copy, const float *image, Err *e)
{
    int64_t turned[3];
    const SlicePredictor *p = m->predictor;
    shape_of(turned, m->steps, m->shape, axis);
    m->width = turned[2];
    if (axis) turn_image(copy, image, turned, m->steps, p->channels);
    return p->predict(p->context, axis ? copy : image, turned, &(RowSink){add_rows, m}, e);
}

/* ---- all axes ---- */

static int pass_on(const Mean *m, const RowSink *sink, Err *e)
{
    const int64_t pitch = m->shape[2] * m->predictor->classes;
    for (int64_t z = 0; z < m->shape[0]; z++) {
        const RowBlock slice = {z, 0, m->shape[1], m->logits + z * m->shape[1] * pitch, pitch};
        TRY(sink->rows(sink->context, &slice, e));
    }
    return 0;
}

int slice_axes_predict(const PlanConfiguration *c, const SlicePredictor *p, const float *image, const int64_t shape[3],
                       const RowSink *sink, Err *e)
{
    if (is_plain(c)) return p->predict(p->context, image, shape, sink, e);
    Mean m = {.c = c, .predictor = p, .shape = shape};
    m.logits = mem_zalloc((size_t)(voxels_of(shape) * p->classes), sizeof *m.logits, e);
    float *copy = mem_alloc((size_t)(voxels_of(shape) * p->channels) * sizeof *copy, e);
    int code = m.logits && copy ? 0 : ERR_NOMEM;
    for (int i = 0; i < c->slice_axes_count && !code; i++) code = predict_axis(&m, c->slice_axes[i], copy, image, e);
    mem_free(copy);
    if (!code) code = pass_on(&m, sink, e);
    mem_free(m.logits);
    return code;
}

int64_t slice_axes_tiles(const PlanConfiguration *c, const WindowOptions *o, const int64_t shape[3])
{
    int64_t turned[3], steps[3], tiles = 0;
    for (int i = 0; i < c->slice_axes_count; i++) {
        shape_of(turned, steps, shape, c->slice_axes[i]);
        tiles += window_tiles(o, turned);
    }
    return tiles;
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

WindowBytes slice_axes_bytes(const PlanConfiguration *c, const WindowOptions *o, const Device *device,
                             int window_classes, int channels, int classes, const int64_t shape[3])
{
    WindowBytes most = {0, 0};
    int64_t turned[3], steps[3];
    for (int i = 0; i < c->slice_axes_count; i++) {
        shape_of(turned, steps, shape, c->slice_axes[i]);
        const WindowBytes bytes = window_bytes(o, device, window_classes, turned);
        most = (WindowBytes){larger(most.host, bytes.host), larger(most.device, bytes.device)};
    }
    if (!is_plain(c)) most.host += voxels_of(shape) * (channels + classes) * (int64_t)sizeof(float);
    return most;
}
