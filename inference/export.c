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
    float *rows[2];               /* (preprocessed width, heads): rows y - 1 and y */
    const RowSink *probabilities; /* NULL: not requested */
    bool by_probability;          /* compute labels from probabilities, not from logits */
    float *logits;                /* (cropped width, heads); probabilities if by_probability */
    uint16_t *row;                /* (cropped width): labels */
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
    const size_t values = (size_t)(x->x_map.in * x->heads);
    x->rows[0] = mem_zalloc(values, sizeof(float), e);
    x->rows[1] = mem_zalloc(values, sizeof(float), e);
    x->logits = mem_alloc((size_t)(x->x_map.out * x->heads) * sizeof(float), e);
    x->row = mem_alloc((size_t)x->x_map.out * sizeof *x->row, e);
    return x->rows[0] && x->rows[1] && x->logits && x->row ? 0 : ERR_NOMEM;
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
    mem_free(x->rows[0]);
    mem_free(x->rows[1]);
    mem_free(x->logits);
    mem_free(x->row);
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

/* x->logits = cropped row k, from the preprocessed rows y - 1 and y. */
static void resample_row(Exporter *x, int64_t k, int64_t y)
{
    const AxisMap *m = &x->y_map;
    const float *const rows[2] = {x->rows[tap(m, k, 0) == y], x->rows[tap(m, k, m->taps - 1) == y]};
    if (m->identity && x->x_map.identity) {
        memcpy(x->logits, rows[0], (size_t)(x->x_map.out * x->heads) * sizeof(float));
        return;
    }
    for (int64_t i = 0; i < x->x_map.out * x->heads; i++) {
        const double value = sample(x, rows, m->weights + k * m->taps, i / x->heads, (int)(i % x->heads));
        x->logits[i] = x->half ? half_rounded(value) : (float)value;
    }
}

/* x->row = labels of x->logits; passes probabilities to their sink. */
static int label_row(Exporter *x, int64_t z, int64_t k, Err *e)
{
    const int64_t width = x->x_map.out;
    if (!x->by_probability) {
        labels_of_logits(x->row, x->logits, width, x->info);
        return 0;
    }
    probabilities_of_logits(x->logits, x->logits, width, x->info);
    labels_of_probabilities(x->row, x->logits, width, x->info);
    return x->probabilities ? x->probabilities->row(x->probabilities->context, z, k, x->logits, e) : 0;
}

static int take_row(void *context, int64_t z, int64_t y, const float *logits, Err *e)
{
    Exporter *x = context;
    const AxisMap *m = &x->y_map;
    float *oldest = x->rows[0];
    x->rows[0] = x->rows[1];
    x->rows[1] = oldest;
    memcpy(oldest, logits, (size_t)(x->x_map.in * x->heads) * sizeof(float));
    if (y == 0) x->next_y = 0;
    for (; x->next_y < m->out && tap(m, x->next_y, m->taps - 1) <= y; x->next_y++) {
        resample_row(x, x->next_y, y);
        TRY(label_row(x, z, x->next_y, e));
        label_row_put(&x->labels, z, x->next_y, x->row);
    }
    return 0;
}

RowSink exporter_sink(Exporter *x) { return (RowSink){take_row, x}; }

int64_t exporter_bytes(const DatasetInfo *info, const int64_t shape[3], const int64_t crop[3])
{
    const int64_t heads = dataset_head_count(info), taps = 2 * (int64_t)(sizeof(double) + sizeof(int32_t));
    return (2 * shape[2] + crop[2]) * heads * (int64_t)sizeof(float) + crop[2] * (int64_t)sizeof(uint16_t) +
           (crop[1] + crop[2]) * taps;
}
