#include "inference/export.h"

#include <string.h>

#include "base/half.h"
#include "base/memory.h"
#include "inference/label_rule.h"
#include "preprocess/axis_map.h"

struct Exporter {
    const DatasetInfo *info;
    int heads;
    bool half;                    /* round results to half precision, as nnU-Net does */
    AxisMap y_map, x_map;         /* from the preprocessed to the cropped grid */
    Volume labels;                /* the box of the file's image, in the plan's order of axes */
    float *before;                /* (preprocessed width, heads): the last row of the block before */
    const RowSink *probabilities; /* NULL: not requested */
    bool by_probability;          /* compute labels from probabilities, not from logits */
    float *logits;                /* (ROWS_AT_ONCE, cropped width, heads); probabilities if by_probability */
    uint16_t *codes;              /* (ROWS_AT_ONCE, cropped width): labels */
    int64_t next_y;               /* cropped row to write next */
};

int export_labels_new(Array *labels, const DatasetInfo *info, const CaseProperties *p, Err *e)
{
    int64_t shape[3];
    case_raw_shape(p, shape);
    return array_new(labels, label_dtype(info), 3, shape, e);
}

static int plan_axes(Exporter *x, const Plan *plan, const CaseProperties *p, Err *e)
{
    const PlanResampling *how = &plan->configuration.resampling_probabilities;
    const int apart = case_separate_axis_back(plan, p);
    const int y_order = apart == 1 ? how->order_z : how->order, x_order = apart == 2 ? how->order_z : how->order;
    if (y_order > 1 || x_order > 1)
        return err_set(e, ERR_UNSUPPORTED, "resampling of probabilities with order %d: 0 and 1 are possible",
                       y_order > 1 ? y_order : x_order);
    int64_t crop[3];
    case_crop_shape(p, crop);
    TRY(axis_map_new(&x->y_map, p->shape[1], crop[1], y_order, e));
    return axis_map_new(&x->x_map, p->shape[2], crop[2], x_order, e);
}

static int make_rows(Exporter *x, Err *e)
{
    const size_t pixels = (size_t)(ROWS_AT_ONCE * x->x_map.out), heads = (size_t)x->heads;
    x->before = mem_zalloc((size_t)x->x_map.in * heads, sizeof(float), e);
    x->logits = mem_alloc(pixels * heads * sizeof(float), e);
    x->codes = mem_alloc(pixels * sizeof *x->codes, e);
    return x->before && x->logits && x->codes ? 0 : ERR_NOMEM;
}

int exporter_new(Exporter **result, const Plan *plan, const DatasetInfo *info, const CaseProperties *p,
                 const Array *labels, const RowSink *probabilities, Err *e)
{
    Exporter *x = *result = mem_zalloc(1, sizeof *x, e);
    if (!x) return ERR_NOMEM;
    x->info = info;
    x->heads = dataset_head_count(info);
    x->half = plan->compatibility != COMPATIBILITY_NONE;
    x->probabilities = probabilities;
    x->by_probability = probabilities || plan->compatibility == COMPATIBILITY_NNUNET_2_1;
    x->labels = volume_cropped(case_view(p, volume_of_array(labels)), &p->box);
    int code = plan_axes(x, plan, p, e);
    if (!code) code = make_rows(x, e);
    if (code) {
        exporter_free(x);
        *result = NULL;
    }
    return code;
}

void exporter_free(Exporter *x)
{
    if (!x) return;
    axis_map_free(&x->y_map);
    axis_map_free(&x->x_map);
    mem_free(x->before);
    mem_free(x->logits);
    mem_free(x->codes);
    mem_free(x);
}

static int64_t tap(const AxisMap *m, int64_t k, int t)
{
    const int64_t source = m->first[k] + t;
    return source < 0 ? 0 : source < m->in ? source : m->in - 1;
}

/* Adds the corners in scipy's order, so that the result is rounded to the same half-precision number. */
static double sample(const Exporter *x, const float *const rows[2], const double *wy, int64_t i, int head)
{
    const AxisMap *m = &x->x_map;
    double sum = 0;
    for (int v = 0; v < x->y_map.taps; v++)
        for (int h = 0; h < m->taps; h++)
            sum += rows[v][tap(m, i, h) * x->heads + head] * wy[v] * m->weights[i * m->taps + h];
    return sum;
}

/* A row of logits on the preprocessed grid: of the block, or the last before it. */
static const float *source_row(const Exporter *x, const RowBlock *b, int64_t y)
{
    return y < b->y ? x->before : row_of(b, y);
}

/* logits = cropped row k. */
static void resample_row(const Exporter *x, const RowBlock *b, int64_t k, float *logits)
{
    const AxisMap *m = &x->y_map;
    const float *const rows[2] = {source_row(x, b, tap(m, k, 0)), source_row(x, b, tap(m, k, m->taps - 1))};
    if (m->identity && x->x_map.identity) {
        memcpy(logits, rows[0], (size_t)(x->x_map.out * x->heads) * sizeof(float));
        return;
    }
    for (int64_t i = 0; i < x->x_map.out * x->heads; i++) {
        const double value = sample(x, rows, m->weights + k * m->taps, i / x->heads, (int)(i % x->heads));
        logits[i] = x->half ? half_rounded(value) : (float)value;
    }
}

/* Computes cropped row k, whose logits (or probabilities) and labels are row `place` of the Exporter's memory. */
static void export_row(const Exporter *x, const RowBlock *b, int64_t k, int64_t place)
{
    const int64_t width = x->x_map.out;
    float *logits = x->logits + place * width * x->heads;
    uint16_t *codes = x->codes + place * width;
    resample_row(x, b, k, logits);
    if (x->by_probability) {
        probabilities_of_logits(logits, logits, width, x->info);
        labels_of_probabilities(codes, logits, width, x->info);
    } else labels_of_logits(codes, logits, width, x->info);
    label_row_put(&x->labels, b->z, k, codes);
}

/* Computes the cropped rows first … first + count - 1, and passes their probabilities to their sink. */
static int export_rows(const Exporter *x, const RowBlock *b, int64_t first, int64_t count, Err *e)
{
    const int64_t pitch = x->x_map.out * x->heads;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) export_row(x, b, first + i, i);
    const RowBlock rows = {b->z, first, count, x->logits, pitch};
    return x->probabilities ? x->probabilities->rows(x->probabilities->context, &rows, e) : 0;
}

/* The exponent of infinity and NaN has all bits. Whole numbers, so that the loop is vectorised. */
static bool are_numbers(const float *values, int64_t count)
{
    uint32_t strange = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        strange |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !strange;
}

/* Without this, a voxel whose logits are NaN would be labelled as background. */
static int expect_numbers(const Exporter *x, const RowBlock *b, Err *e)
{
    const int64_t values = x->x_map.in * x->heads;
    int64_t first = INT64_MAX;
#pragma omp parallel for schedule(static) reduction(min : first)
    for (int64_t y = b->y; y < b->y + b->count; y++)
        if (!are_numbers(row_of(b, y), values) && y < first) first = y;
    if (first == INT64_MAX) return 0;
    return err_set(
        e, ERR_VALUE,
        "the network's output is not a number, first in slice %lld, row %lld of the preprocessed image (from "
        "0): its intensities are beyond what the network can compute with; are they in the units of the "
        "training images, and is each channel normalised (normalization_schemes of plans.yaml)?",
        (long long)b->z, (long long)first);
}

static int take_rows(void *context, const RowBlock *b, Err *e)
{
    Exporter *x = context;
    TRY(expect_numbers(x, b, e));
    const AxisMap *m = &x->y_map;
    const int64_t past = b->y + b->count;
    int64_t first = b->y ? x->next_y : 0, end = first;
    while (end < m->out && tap(m, end, m->taps - 1) < past) end++;
    for (int64_t count; first < end; first += count) {
        count = end - first < ROWS_AT_ONCE ? end - first : ROWS_AT_ONCE;
        TRY(export_rows(x, b, first, count, e));
    }
    x->next_y = end;
    memcpy(x->before, row_of(b, past - 1), (size_t)(x->x_map.in * x->heads) * sizeof(float));
    return 0;
}

RowSink exporter_sink(Exporter *x) { return (RowSink){take_rows, x}; }

int64_t exporter_bytes(const DatasetInfo *info, const int64_t shape[3], const int64_t crop[3])
{
    const int64_t heads = dataset_head_count(info), taps = 2 * (int64_t)(sizeof(double) + sizeof(int32_t));
    const int64_t pixel = heads * (int64_t)sizeof(float) + (int64_t)sizeof(uint16_t);
    return shape[2] * heads * (int64_t)sizeof(float) + ROWS_AT_ONCE * crop[2] * pixel + (crop[1] + crop[2]) * taps;
}
