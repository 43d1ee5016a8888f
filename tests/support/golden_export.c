#include "tests/support/golden_export.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/half.h"
#include "base/memory.h"
#include "inference/export.h"
#include "inference/label_rule.h"
#include "inference/probabilities.h"
#include "tests/support/golden_nnunet.h"

enum { MAX_LABELS = 64 };

static const double probability_bound = 1e-6;

static float half(double value) { return (float)half_to_double(half_from_double(value)); }

/* ---- datasets ---- */

/* A DatasetInfo and the memory that it points to. */
typedef struct Labels {
    DatasetInfo info;
    DatasetLabel list[MAX_LABELS];
    int values[MAX_LABELS][MAX_LABELS], order[MAX_LABELS];
} Labels;

static void labels_close(Labels *l)
{
    l->info.labels = l->list;
    l->info.regions_class_order = l->order;
}

/* Background and heads - 1 classes. */
static void plain_labels(Labels *l, int heads)
{
    *l = (Labels){.info = {.ignore_value = -1, .max_value = heads - 1, .label_count = heads}};
    for (int i = 0; i < heads; i++) {
        l->values[i][0] = i;
        l->list[i] = (DatasetLabel){"", l->values[i], 1, false};
    }
    labels_close(l);
}

static void add_label(Labels *l, const DocNode *node)
{
    DatasetInfo *info = &l->info;
    int *values = l->values[info->label_count], count = 0;
    const bool is_region = node->kind == DOC_SEQUENCE;
    for (const DocNode *n = is_region ? node->first : node; n && count < MAX_LABELS; n = is_region ? n->next : NULL) {
        int64_t value = -1;
        doc_get_int(n, 0, MAX_LABELS, &value, NULL);
        values[count++] = (int)value;
        if (strcmp(node->key, "ignore") && value > info->max_value) info->max_value = (int)value;
    }
    if (!strcmp(node->key, "ignore")) {
        info->ignore_value = values[0];
        return;
    }
    info->has_regions |= count > 1;
    l->list[info->label_count++] = (DatasetLabel){node->key, values, count, count > 1};
}

static void read_labels(Labels *l, const DocNode *item)
{
    const DocNode *labels = doc_find(item, "labels"), *order = doc_find(item, "regions_class_order");
    *l = (Labels){.info = {.ignore_value = -1}};
    for (const DocNode *n = labels ? labels->first : NULL; n && l->info.label_count < MAX_LABELS; n = n->next)
        add_label(l, n);
    for (const DocNode *n = order ? order->first : NULL; n && l->info.regions_class_count < MAX_LABELS; n = n->next) {
        int64_t value = 0;
        doc_get_int(n, 0, MAX_LABELS, &value, NULL);
        l->order[l->info.regions_class_count++] = (int)value;
    }
    labels_close(l);
}

/* ---- numbers in nested lists ---- */

static int count_numbers(const DocNode *node)
{
    int count = node->kind == DOC_SCALAR;
    for (const DocNode *n = node->first; n; n = n->next) count += count_numbers(n);
    return count;
}

static float *put_numbers(float *to, const DocNode *node)
{
    double value = NAN;
    if (node->kind == DOC_SCALAR) {
        doc_get_double(node, &value, NULL);
        *to++ = (float)value;
    }
    for (const DocNode *n = node->first; n; n = n->next) to = put_numbers(to, n);
    return to;
}

/* Reads the values (classes, Z,Y,X) into a new array; empty if the key is missing. */
static int read_numbers(Array *a, const DocNode *item, const char *key, Err *e)
{
    const DocNode *node = doc_find(item, key);
    *a = (Array){0};
    if (!node) return err_set(e, ERR_FORMAT, "%s is missing", key);
    TRY(array_new(a, DTYPE_F32, 2, (int64_t[]){node->count, count_numbers(node) / (node->count ? node->count : 1)}, e));
    put_numbers(a->data, node);
    return 0;
}

static void expect_labels(Golden *g, const DocNode *item, const uint16_t *labels, int64_t count)
{
    double *found = mem_alloc((size_t)count * sizeof *found, NULL);
    for (int64_t i = 0; found && i < count; i++) found[i] = labels[i];
    if (found) golden_expect_numbers(g, "segmentation", doc_find(item, "segmentation"), found, (int)count, 0);
    mem_free(found);
}

/* ---- export ---- */

/* case CASE's properties and plan, as the item has them. */
static int read_case(CaseProperties *p, Plan *plan, const DocNode *item, Err *e)
{
    int64_t shape[4], order[3];
    const DocNode *box = doc_find(item, "bbox"), *n = box ? box->first : NULL;
    *p = (CaseProperties){.axes = grid_axes_stored()};
    plan_defaults(plan);
    if (golden_shape(item, "logits_shape", shape, 4) != 4 || golden_shape(item, "transpose_forward", order, 3) != 3 ||
        golden_shape(item, "shape_before_cropping", p->shape_before_crop, 3) != 3)
        return err_set(e, ERR_FORMAT, "logits_shape, transpose_forward or shape_before_cropping is missing");
    for (int i = 0; i < 3 && n; i++, n = n->next) {
        int64_t range[2];
        if (golden_shape(n, NULL, range, 2) != 2) return err_set(e, ERR_FORMAT, "bbox");
        p->box.first[i] = range[0];
        p->box.past[i] = range[1];
        p->shape[i] = shape[i + 1];
        p->transpose_forward[i] = plan->transpose_forward[i] = (int)order[i];
    }
    const DocNode *spacing = doc_find(item, "spacing"), *config = doc_find(item, "config_spacing");
    if (!spacing || !config || spacing->count != 3 || config->count != 2) return err_set(e, ERR_FORMAT, "no spacing");
    n = spacing->first;
    for (int i = 0; i < 3; i++, n = n->next) TRY(doc_get_double(n, &p->spacing_mm[i], e));
    n = config->first;
    for (int i = 0; i < 2; i++, n = n->next) TRY(doc_get_double(n, &plan->configuration.spacing_mm[i], e));
    return 0;
}

/* The formula of the goldens' logits; u, v, w: the position in the volume, 0 … 1. */
static float rule_logit(int64_t k, double u, double v, double w)
{
    switch (k) {
    case 0: return 0.6f;
    case 1: return (float)(sin(9 * v + 2 * u) * cos(7 * w));
    case 2: return (float)(cos(11 * w - 3 * u) * sin(5 * v + 1));
    default: return (float)(sin(6 * (v + w)) * cos(8 * (w - v) + 4 * u));
    }
}

/* Sends the rows of the logits: stored ones (classes, Z,Y,X), else (stored empty) those of the formula. */
static int send_rows(const RowSink *sink, const CaseProperties *p, int heads, const Array *stored, bool halves, Err *e)
{
    const int64_t *s = p->shape, plane = s[0] * s[1] * s[2];
    float *row = mem_alloc((size_t)(s[2] * heads) * sizeof *row, e);
    if (!row) return ERR_NOMEM;
    int code = 0;
    for (int64_t r = 0; r < s[0] * s[1] && !code; r++) {
        for (int64_t i = 0; i < s[2] * heads; i++) {
            const int64_t k = i % heads, x = i / heads, z = r / s[1], y = r % s[1];
            const float value = stored->data ? (float)golden_value(stored, k * plane + r * s[2] + x)
                                             : rule_logit(k, (double)z / (double)s[0], (double)y / (double)s[1],
                                                          (double)x / (double)s[2]);
            row[i] = halves ? half(value) : value;
        }
        code = sink->rows(sink->context, &(RowBlock){r / s[1], r % s[1], 1, row, 0}, e);
    }
    mem_free(row);
    return code;
}

/* Exports the item's case; probabilities may be NULL. */
static int export_case(Array *labels, const Labels *l, const Golden *g, const DocNode *item,
                       PlanCompatibility compatibility, const ProbabilitySink *probabilities, Err *e)
{
    CaseProperties p;
    Plan plan;
    Exporter *x = NULL;
    Array stored = {0};
    const char *dtype = golden_string(item, "logits_dtype");
    const bool halves = !strcmp(dtype, "float16");
    *labels = (Array){0};
    TRY(read_case(&p, &plan, item, e));
    plan.compatibility = compatibility;
    golden_array(&stored, g, NULL, "inference/export_%s_%s_%s_logits.npy", golden_string(item, "case"),
                 golden_string(item, "configuration"), dtype);
    int code = export_labels_new(labels, &l->info, &p, e);
    if (!code && probabilities) code = probabilities->begin(probabilities->rows.context, &p, &l->info, e);
    if (!code) code = exporter_new(&x, &plan, &l->info, &p, labels, probabilities ? &probabilities->rows : NULL, e);
    if (!code) {
        const RowSink sink = exporter_sink(x);
        code = send_rows(&sink, &p, dataset_head_count(&l->info), &stored, halves, e);
    }
    exporter_free(x);
    array_free(&stored);
    return code;
}

static void compare_labels(Golden *g, const Array *labels, const char *file)
{
    Array wanted;
    Err e = {0};
    double differ = 0;
    if (golden_array(&wanted, g, &e, "inference/%s", file)) {
        golden_fail(g, "%s", e.text);
        return;
    }
    if (labels->dtype != wanted.dtype || labels->rank != wanted.rank ||
        memcmp(labels->shape, wanted.shape, sizeof(int64_t) * (size_t)wanted.rank))
        golden_fail(g, "the labels have another type or shape");
    else
        for (int64_t i = 0; i < array_count(&wanted); i++)
            differ += golden_value(labels, i) != golden_value(&wanted, i);
    golden_expect(g, "voxels that differ", differ, 0);
    array_free(&wanted);
}

/* values: (Z,Y,X,classes); the item's are (classes, samples), at flat indices of (Z,Y,X). */
static void compare_probabilities(Golden *g, const Array *values, const DocNode *item)
{
    const DocNode *at = doc_find(item, "flat_index_per_class"), *of_class = doc_find(item, "values");
    const DocNode *mean = doc_find(item, "class_mean");
    const int64_t heads = values->shape[3], voxels = array_count(values) / heads;
    const float *v = values->data;
    const DocNode *samples = of_class ? of_class->first : NULL;
    mean = mean ? mean->first : NULL;
    for (int64_t k = 0; k < heads && samples && mean && at; k++, samples = samples->next, mean = mean->next) {
        const DocNode *sample = samples->first;
        double sum = 0, wanted = NAN;
        for (const DocNode *n = at->first; n && sample; n = n->next, sample = sample->next) {
            int64_t index = 0;
            doc_get_int(n, 0, voxels - 1, &index, NULL);
            doc_get_double(sample, &wanted, NULL);
            golden_expect(g, "probabilities", fabs(v[index * heads + k] - wanted), probability_bound);
        }
        for (int64_t i = 0; i < voxels; i++) sum += v[i * heads + k];
        doc_get_double(mean, &wanted, NULL);
        golden_expect(g, "mean probability", fabs(sum / (double)voxels - wanted), probability_bound);
    }
}

void golden_export(Golden *g, const DocNode *root, const DocNode *item)
{
    (void)root;
    int64_t shape[4] = {0};
    Labels l;
    Array labels;
    Err e = {0};
    char file[128];
    const DocNode *probabilities = doc_find(item, "probabilities");
    const char *dtype = golden_string(item, "logits_dtype");
    const PlanCompatibility compatibility = !strcmp(dtype, "float16") ? COMPATIBILITY_NNUNET : COMPATIBILITY_NONE;
    golden_shape(item, "logits_shape", shape, 4);
    plain_labels(&l, (int)shape[0]);
    snprintf(file, sizeof file, "export_%s_%s_%s_seg.npy", golden_string(item, "case"),
             golden_string(item, "configuration"), dtype);
    for (int with = 0; with < (probabilities ? 2 : 1); with++) {
        ProbabilityArray values;
        const ProbabilitySink sink = probability_array_sink(&values, NULL);
        if (export_case(&labels, &l, g, item, compatibility, with ? &sink : NULL, &e)) golden_fail(g, "%s", e.text);
        else compare_labels(g, &labels, file);
        if (with && values.values.data) compare_probabilities(g, &values.values, probabilities);
        array_free(&values.values);
        array_free(&labels);
    }
}

void golden_export_old(Golden *g, const DocNode *root, const DocNode *item)
{
    const DocNode *list = doc_find(root, "export"), *n = list ? list->first : NULL;
    while (n && (strcmp(golden_string(n, "case"), golden_string(item, "case")) ||
                 strcmp(golden_string(n, "logits_dtype"), "float16")))
        n = n->next;
    int64_t shape[4] = {0};
    Labels l;
    Array labels = {0};
    Err e = {0};
    golden_shape(n, "logits_shape", shape, 4);
    plain_labels(&l, (int)shape[0]);
    if (!n) golden_fail(g, "no export of the case %s", golden_string(item, "case"));
    else if (export_case(&labels, &l, g, n, COMPATIBILITY_NNUNET_2_1, NULL, &e)) golden_fail(g, "%s", e.text);
    else compare_labels(g, &labels, golden_string(item, "file"));
    array_free(&labels);
}

/* ---- labels ---- */

/* in (classes, voxels) to (voxels, classes). */
static int transpose(Array *out, const Array *in, Err *e)
{
    TRY(array_new(out, DTYPE_F32, 2, (int64_t[]){in->shape[1], in->shape[0]}, e));
    golden_to_nhwc(out->data, in->data, 1, in->shape[0], 1, in->shape[1]);
    return 0;
}

static void convert(Golden *g, const DocNode *item, const Array *scores, const DatasetInfo *info,
                    void (*rule)(uint16_t *, const float *, int64_t, const DatasetInfo *))
{
    Array pixels = {0};
    Err e = {0};
    uint16_t *labels = mem_alloc((size_t)scores->shape[1] * sizeof *labels, &e);
    if (!labels || transpose(&pixels, scores, &e)) golden_fail(g, "%s", e.text);
    else {
        rule(labels, pixels.data, scores->shape[1], info);
        expect_labels(g, item, labels, scores->shape[1]);
    }
    mem_free(labels);
    array_free(&pixels);
}

void golden_label_conversion(Golden *g, const DocNode *root, const DocNode *item)
{
    (void)root;
    Labels l;
    Array logits;
    Err e = {0};
    read_labels(&l, item);
    const double heads = dataset_head_count(&l.info);
    golden_expect_numbers(g, "heads", doc_find(item, "num_segmentation_heads"), &heads, 1, 0);
    if (read_numbers(&logits, item, "logits", &e)) golden_fail(g, "%s", e.text);
    else if (logits.shape[0] != (int64_t)heads) golden_fail(g, "logits of %lld heads", (long long)logits.shape[0]);
    else {
        convert(g, item, &logits, &l.info, labels_of_logits);
    }
    array_free(&logits);
}

void golden_ensemble(Golden *g, const DocNode *root, const DocNode *item)
{
    (void)root;
    Labels l;
    Array members[2] = {{0}}, rounded = {0}, wanted = {0}, mean = {0};
    Err e = {0};
    if (read_numbers(&members[0], item, "p0", &e) || read_numbers(&rounded, item, "p1_f16", &e) ||
        read_numbers(&wanted, item, "mean", &e) || array_new(&members[1], DTYPE_F16, 2, wanted.shape, &e) ||
        array_new(&mean, DTYPE_F32, 2, wanted.shape, &e)) {
        golden_fail(g, "%s", e.text);
    } else {
        const int64_t count = array_count(&mean);
        double worst = 0;
        for (int64_t i = 0; i < count; i++)
            ((uint16_t *)members[1].data)[i] = half_from_double(((const float *)rounded.data)[i]);
        probabilities_mean(mean.data, members, 2, 0, count);
        for (int64_t i = 0; i < count; i++)
            worst = fmax(worst, fabs(golden_value(&mean, i) - golden_value(&wanted, i)));
        golden_expect(g, "mean", worst, 0);
        plain_labels(&l, (int)mean.shape[0]);
        convert(g, item, &mean, &l.info, labels_of_probabilities);
    }
    array_free(&members[0]);
    array_free(&members[1]);
    array_free(&rounded);
    array_free(&wanted);
    array_free(&mean);
}
