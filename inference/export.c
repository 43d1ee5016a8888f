#include "inference/export.h"

#include <math.h>
#include <string.h>

#include "base/half.h"
#include "base/memory.h"
#include "preprocess/axis_map.h"

struct Exporter {
    const DatasetInfo *info;
    int heads;
    bool half;                    /* results rounded as nnU-Net does */
    AxisMap y_map, x_map;         /* from the preprocessed to the cropped grid */
    Volume labels;                /* the box of the file's image, in the plan's order of axes */
    double *rows[2];              /* (cropped width, heads): preprocessed rows y - 1 and y, stretched along x */
    float *logits;                /* (cropped width, heads) */
    int64_t next_y;               /* cropped row to write next */
};

int export_labels_new(Array *labels, const DatasetInfo *info, const CaseProperties *p, Err *e)
{
    int64_t shape[3];
    case_raw_shape(p, shape);
    return array_new(labels, info->max_value < 255 ? DTYPE_U8 : DTYPE_U16, 3, shape, e);
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

int exporter_new(Exporter **result, const Plan *plan, const DatasetInfo *info, const CaseProperties *p,
                 const Array *labels, Err *e)
{
    Exporter *x = *result = mem_zalloc(1, sizeof *x, e);
    if (!x) return ERR_NOMEM;
    x->info = info;
    x->heads = dataset_head_count(info);
    x->half = plan->compatibility != COMPATIBILITY_NONE;
    x->labels = volume_cropped(volume_transposed(volume_of_array(labels), p->transpose_forward), &p->box);
    int code = plan_axes(x, plan, p, e);
    if (!code) {
        const size_t values = (size_t)(x->x_map.out * x->heads);
        x->rows[0] = mem_zalloc(values, sizeof(double), e);
        x->rows[1] = mem_zalloc(values, sizeof(double), e);
        x->logits = mem_alloc(values * sizeof(float), e);
        if (!x->rows[0] || !x->rows[1] || !x->logits) code = ERR_NOMEM;
    }
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
    mem_free(x->rows[0]);
    mem_free(x->rows[1]);
    mem_free(x->logits);
    mem_free(x);
}

static int64_t tap(const AxisMap *m, int64_t k, int t)
{
    const int64_t source = m->first[k] + t;
    return source < 0 ? 0 : source < m->in ? source : m->in - 1;
}

static void stretch_row(const Exporter *x, const float *logits, double *out)
{
    const AxisMap *m = &x->x_map;
    for (int64_t k = 0; k < m->out; k++)
        for (int h = 0; h < x->heads; h++) {
            double sum = 0;
            for (int t = 0; t < m->taps; t++)
                sum += m->weights[k * m->taps + t] * (double)logits[tap(m, k, t) * x->heads + h];
            out[k * x->heads + h] = sum;
        }
}

/* x->logits = cropped row k, from the preprocessed rows y - 1 and y. */
static void blend_rows(Exporter *x, int64_t k, int64_t y)
{
    const AxisMap *m = &x->y_map;
    const double *upper = x->rows[tap(m, k, 0) == y], *lower = x->rows[tap(m, k, m->taps - 1) == y];
    const double *w = m->weights + k * m->taps, second = m->taps > 1 ? w[1] : 0;
    for (int64_t i = 0; i < x->x_map.out * x->heads; i++) {
        const double value = w[0] * upper[i] + second * lower[i];
        x->logits[i] = x->half ? (float)half_to_double(half_from_double(value)) : (float)value;
    }
}

/* nnU-Net's rule: the first of the largest; of regions, the last whose sigmoid is above one half. */
static int label_of(const Exporter *x, const float *pixel)
{
    int label = 0;
    if (!x->info->has_regions) {
        for (int h = 1; h < x->heads; h++)
            if (pixel[h] > pixel[label]) label = h;
        return label;
    }
    for (int h = 0; h < x->heads; h++)
        if (1.0f / (1.0f + expf(-pixel[h])) > 0.5f) label = x->info->regions_class_order[h];
    return label;
}

static void write_labels(const Exporter *x, int64_t z, int64_t k)
{
    char *to = volume_row(&x->labels, z, k);
    for (int64_t i = 0; i < x->x_map.out; i++, to += x->labels.stride[2]) {
        const int label = label_of(x, x->logits + i * x->heads);
        if (x->labels.dtype == DTYPE_U8) *(uint8_t *)to = (uint8_t)label;
        else *(uint16_t *)(void *)to = (uint16_t)label;
    }
}

static int take_row(void *context, int64_t z, int64_t y, const float *logits, Err *e)
{
    (void)e;
    Exporter *x = context;
    const AxisMap *m = &x->y_map;
    double *oldest = x->rows[0];
    x->rows[0] = x->rows[1];
    x->rows[1] = oldest;
    stretch_row(x, logits, oldest);
    if (y == 0) x->next_y = 0;
    for (; x->next_y < m->out && tap(m, x->next_y, m->taps - 1) <= y; x->next_y++) {
        blend_rows(x, x->next_y, y);
        write_labels(x, z, x->next_y);
    }
    return 0;
}

RowSink exporter_sink(Exporter *x) { return (RowSink){take_row, x}; }
