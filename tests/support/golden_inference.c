/* inference: steps, importance maps, the sliding window over a formula network, export, labels, ensembles. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/half.h"
#include "base/memory.h"
#include "data/npy.h"
#include "inference/ensemble.h"
#include "inference/export.h"
#include "inference/label_rule.h"
#include "inference/sliding_window.h"
#include "tests/support/golden_nnunet.h"

static int read_array(Array *a, const Golden *g, const char *format, const char *name, Err *e)
{
    char file[160];
    *a = (Array){0};
    snprintf(file, sizeof file, format, g->folder, name);
    return npy_read(a, file, e);
}

static bool flag(const DocNode *item, const char *key) { return !strcmp(golden_string(item, key), "true"); }

/* ---- steps ---- */

static void run_steps(Golden *g, const DocNode *item)
{
    enum { MOST = 4096 };
    static int64_t starts[MOST];
    static double found[3 * MOST];
    int64_t image[3], tile[3];
    const int rank = golden_shape(item, "image", image, 3);
    int count = 0;
    golden_shape(item, "tile", tile, 3);
    for (int axis = 0; axis < rank; axis++) {
        const double step = golden_number(item, "step", NAN);
        const int64_t n = window_starts(image[axis], tile[axis], step, NULL);
        if (n > MOST) continue;
        window_starts(image[axis], tile[axis], step, starts);
        for (int64_t i = 0; i < n; i++) found[count++] = (double)starts[i];
    }
    golden_expect_numbers(g, "steps", doc_find(item, "steps"), found, count, 0);
}

/* ---- importance maps ---- */

static void run_gaussian(Golden *g, const DocNode *item)
{
    enum { MOST = 1024 };
    Err e = {0};
    int64_t tile[3], pixels = 1;
    double found[MOST], sum = 0;
    const int rank = golden_shape(item, "tile", tile, 3);
    for (int axis = 0; axis < rank; axis++) pixels *= tile[axis];
    float *map = mem_alloc((size_t)pixels * sizeof *map, &e);
    if (!map || window_importance(map, tile, rank, &e)) {
        golden_fail(g, "%s", e.text);
        mem_free(map);
        return;
    }
    int count = 0;
    const DocNode *list = doc_find(item, "flat_index");
    for (const DocNode *n = list ? list->first : NULL; n && count < MOST; n = n->next) {
        int64_t index = 0;
        doc_get_int(n, 0, pixels - 1, &index, NULL);
        found[count++] = map[index];
    }
    for (int64_t i = 0; i < pixels; i++) sum += map[i];
    golden_expect_numbers(g, "half_values", doc_find(item, "half_values"), found, count, 0);
    golden_expect_numbers(g, "sum", doc_find(item, "sum_of_half_values_in_float64"), &sum, 1, 1e-12);
    mem_free(map);
}

/* ---- sliding window ---- */

enum { BATCH = 4 };

/* A 3x3 convolution with zero padding, bias first, then channels, rows, columns; no fused multiply-add. */
typedef struct Formula {
    int64_t height, width, channels, classes;
    float *images, *logits;
    const float *weights, *bias;
} Formula;

static float formula_at(const Formula *f, const float *image, int64_t y, int64_t x, int64_t k)
{
    float sum = f->bias[k];
    for (int64_t t = 0; t < f->channels * 9; t++) {
        const int64_t row = y + t % 9 / 3 - 1, column = x + t % 3 - 1;
        if (row < 0 || column < 0 || row >= f->height || column >= f->width) continue;
        const volatile float product =
            f->weights[k * f->channels * 9 + t] * image[(row * f->width + column) * f->channels + t / 9];
        sum += product;
    }
    return sum;
}

static void run_formula(void *context)
{
    const Formula *f = context;
    const int64_t pixels = f->height * f->width;
    for (int64_t i = 0; i < BATCH * pixels; i++)
        for (int64_t k = 0; k < f->classes; k++)
            f->logits[i * f->classes + k] = formula_at(f, f->images + i / pixels * pixels * f->channels,
                                                       i % pixels / f->width, i % f->width, k);
}

typedef struct Collected {
    Array values;   /* (Z,Y,X,classes) */
} Collected;

static int collect(void *context, int64_t z, int64_t y, const float *logits, Err *e)
{
    (void)e;
    const Collected *c = context;
    const int64_t row = c->values.shape[2] * c->values.shape[3];
    memcpy((float *)c->values.data + (z * c->values.shape[1] + y) * row, logits, (size_t)row * sizeof(float));
    return 0;
}

static int channels_last(Array *out, const Array *in, Err *e)
{
    const int64_t *s = in->shape, shape[4] = {s[1], s[2], s[3], s[0]}, voxels = s[1] * s[2] * s[3];
    TRY(array_new(out, DTYPE_F32, 4, shape, e));
    for (int64_t i = 0; i < voxels; i++)
        for (int64_t c = 0; c < s[0]; c++)
            ((float *)out->data)[i * s[0] + c] = ((const float *)in->data)[c * voxels + i];
    return 0;
}

static double half_difference(const Array *found, const Array *expected, bool *equal)
{
    const int64_t classes = found->shape[3], voxels = array_count(found) / classes;
    double worst = 0;
    *equal = true;
    if (array_count(expected) != array_count(found)) return NAN;
    for (int64_t i = 0; i < voxels * classes; i++) {
        const double wanted = half_to_double(
            ((const uint16_t *)expected->data)[i % classes * voxels + i / classes]);
        const double difference = fabs(((const float *)found->data)[i] - wanted);
        if (!(difference <= worst)) worst = difference;
    }
    *equal = worst == 0;
    return worst;
}

static int predict(const DocNode *item, Formula *f, const Array *image, bool half, Collected *out, Err *e)
{
    const bool mirror = flag(item, "use_mirroring");
    WindowOptions o = {.step = golden_number(item, "tile_step_size", NAN),
                       .gaussian = flag(item, "use_gaussian"),
                       .half = half};
    golden_shape(item, "patch", o.tile_yx, 2);
    const DocNode *axes = doc_find(item, "mirror_axes");
    for (const DocNode *n = axes && mirror ? axes->first : NULL; n; n = n->next)
        o.mirror_yx[*n->text == '1'] = true;
    f->height = o.tile_yx[0];
    f->width = o.tile_yx[1];
    const size_t pixels = (size_t)(BATCH * f->height * f->width);
    f->images = mem_zalloc(pixels * (size_t)f->channels, sizeof(float), e);
    f->logits = mem_zalloc(pixels * (size_t)f->classes, sizeof(float), e);
    const TileNetwork network = {BATCH, (int)f->channels, (int)f->classes, f->images, f->logits, run_formula,
                                 f};
    const RowSink sink = {collect, out};
    const int64_t shape[4] = {image->shape[0], image->shape[1], image->shape[2], f->classes};
    int code = f->images && f->logits ? array_new(&out->values, DTYPE_F32, 4, shape, e) : ERR_NOMEM;
    if (!code) code = window_predict(&o, &network, image->data, image->shape, &sink, e);
    mem_free(f->images);
    mem_free(f->logits);
    return code;
}

static void run_window(Golden *g, const DocNode *item)
{
    Err e = {0};
    const char *name = golden_string(item, "name");
    Array weights = {0}, bias = {0}, raw = {0}, expected = {0}, image = {0};
    int code = read_array(&weights, g, "%s/inference/%s.npy", "net_w", &e);
    if (!code) code = read_array(&bias, g, "%s/inference/%s.npy", "net_b", &e);
    if (!code) code = read_array(&raw, g, "%s/inference/sw_%s_in.npy", name, &e);
    if (!code) code = read_array(&expected, g, "%s/inference/sw_%s_logits.npy", name, &e);
    if (!code) code = channels_last(&image, &raw, &e);
    Formula f = {.channels = raw.shape[0],
                 .classes = bias.shape[0],
                 .weights = weights.data,
                 .bias = bias.data};
    for (int half = 0; half < 2 && !code; half++) {
        Collected out = {{0}};
        bool equal;
        code = predict(item, &f, &image, half, &out, &e);
        if (!code)
            golden_expect(g, half ? "half" : "float32", half_difference(&out.values, &expected, &equal),
                          half ? 0 : 0.03);
        array_free(&out.values);
    }
    if (code) golden_fail(g, "%s", e.text);
    Array *const all[] = {&weights, &bias, &raw, &expected, &image};
    for (int i = 0; i < 5; i++) array_free(all[i]);
}

/* ---- export ---- */

enum { HEADS = 4 };

static const DatasetLabel plain_labels[HEADS] = {
    {"background", (int[]){0}, 1}, {"a", (int[]){1}, 1}, {"b", (int[]){2}, 1}, {"c", (int[]){3}, 1}};
static const DatasetInfo plain_info = {
    .label_count = HEADS, .labels = plain_labels, .max_value = HEADS - 1, .ignore_value = -1};

/* The README's rule, at (z,y,x) of the preprocessed shape. */
static float rule_logit(int k, double u, double v, double w)
{
    switch (k) {
    case 0: return 0.6f;
    case 1: return (float)(sin(9 * v + 2 * u) * cos(7 * w));
    case 2: return (float)(cos(11 * w - 3 * u) * sin(5 * v + 1));
    default: return (float)(sin(6 * (v + w)) * cos(8 * (w - v) + 4 * u));
    }
}

static void read_properties(CaseProperties *p, Plan *plan, const DocNode *item)
{
    int64_t shape[4], axes[3];
    const DocNode *box = doc_find(item, "bbox");
    *p = (CaseProperties){0};
    golden_shape(item, "logits_shape", shape, 4);
    golden_shape(item, "shape_before_cropping", p->shape_before_crop, 3);
    golden_shape(item, "transpose_forward", axes, 3);
    int i = 0;
    for (const DocNode *n = box ? box->first : NULL; n && i < 3; n = n->next, i++) {
        doc_get_int(n->first, 0, INT32_MAX, &p->box.first[i], NULL);
        doc_get_int(n->first->next, 0, INT32_MAX, &p->box.past[i], NULL);
    }
    i = 0;
    for (const DocNode *n = doc_find(item, "spacing")->first; n && i < 3; n = n->next)
        doc_get_double(n, &p->spacing_mm[i++], NULL);
    i = 0;
    for (const DocNode *n = doc_find(item, "config_spacing")->first; n && i < 2; n = n->next)
        doc_get_double(n, &plan->configuration.spacing_mm[i++], NULL);
    for (i = 0; i < 3; i++) {
        p->shape[i] = shape[i + 1];
        p->transpose_forward[i] = (int)axes[i];
    }
}

static int feed_rule(Exporter *x, const int64_t shape[3], bool half, Err *e)
{
    const RowSink sink = exporter_sink(x);
    float *row = mem_alloc((size_t)(shape[2] * HEADS) * sizeof *row, e);
    int code = row ? 0 : ERR_NOMEM;
    for (int64_t n = 0; n < shape[0] * shape[1] && !code; n++) {
        const double u = (double)(n / shape[1]) / (double)shape[0],
                     v = (double)(n % shape[1]) / (double)shape[1];
        for (int64_t i = 0; i < shape[2] * HEADS; i++) {
            row[i] = rule_logit((int)(i % HEADS), u, v, (double)(i / HEADS) / (double)shape[2]);
            if (half) row[i] = (float)half_to_double(half_from_double(row[i]));
        }
        code = sink.row(sink.context, n / shape[1], n % shape[1], row, e);
    }
    mem_free(row);
    return code;
}

static void compare_probabilities(Golden *g, const DocNode *expected, const Array *found)
{
    enum { MOST = 4096 };
    static double values[HEADS * MOST];
    const int64_t voxels = array_count(found) / HEADS;
    const DocNode *list = doc_find(expected, "flat_index_per_class");
    int count = 0;
    double means[HEADS];
    for (int h = 0; h < HEADS; h++) {
        const float *of_head = (const float *)found->data + h * voxels;
        for (const DocNode *n = list ? list->first : NULL; n && count < HEADS * MOST; n = n->next) {
            int64_t index = 0;
            doc_get_int(n, 0, voxels - 1, &index, NULL);
            values[count++] = of_head[index];
        }
        means[h] = 0;
        for (int64_t i = 0; i < voxels; i++) means[h] += of_head[i];
        means[h] /= (double)voxels;
    }
    golden_expect_numbers(g, "probabilities", doc_find(expected, "values"), values, count, 1e-6);
    golden_expect_numbers(g, "class_mean", doc_find(expected, "class_mean"), means, HEADS, 1e-6);
}

/* How many voxels differ; NaN for another shape or type. */
static double labels_that_differ(const Array *found, const Array *expected)
{
    if (found->dtype != expected->dtype || array_count(found) != array_count(expected)) return NAN;
    double count = 0;
    for (int64_t i = 0; i < array_count(found); i++)
        count += ((const uint8_t *)found->data)[i] != ((const uint8_t *)expected->data)[i];
    return count;
}

/* item: the case's properties; file: its segmentation. */
static void run_export(Golden *g, const DocNode *item, PlanCompatibility compatibility, const char *file)
{
    Err e = {0};
    Plan plan;
    CaseProperties p;
    Array labels = {0}, probabilities = {0}, expected = {0};
    Exporter *x = NULL;
    const DocNode *wanted = compatibility == COMPATIBILITY_NNUNET_2_1 ? NULL
                                                                      : doc_find(item, "probabilities");
    plan_defaults(&plan);
    plan.compatibility = compatibility;
    read_properties(&p, &plan, item);
    int code = read_array(&expected, g, "%s/inference/%s.npy", file, &e);
    if (!code) code = export_labels_new(&labels, &plain_info, &p, &e);
    if (!code && wanted) code = export_probabilities_new(&probabilities, &plain_info, &p, &e);
    if (!code) code = exporter_new(&x, &plan, &plain_info, &p, &labels, wanted ? &probabilities : NULL, &e);
    if (!code) code = feed_rule(x, p.shape, compatibility != COMPATIBILITY_NONE, &e);
    if (code) golden_fail(g, "%s", e.text);
    else golden_expect(g, "labels", labels_that_differ(&labels, &expected), 0);
    if (!code && wanted) compare_probabilities(g, wanted, &probabilities);
    exporter_free(x);
    array_free(&labels);
    array_free(&probabilities);
    array_free(&expected);
}

/* The properties of a case, which stand with its half-precision entry. */
static const DocNode *export_entry(const DocNode *root, const char *name)
{
    const DocNode *list = doc_find(root, "export");
    for (const DocNode *n = list ? list->first : NULL; n; n = n->next)
        if (!strcmp(golden_string(n, "case"), name)) return n;
    return NULL;
}

static void run_exports(Golden *g, const DocNode *root)
{
    char file[128];
    const DocNode *list = doc_find(root, "export"), *old = doc_find(root, "export_old_version");
    for (const DocNode *n = list ? list->first : NULL; n; n = n->next) {
        const char *dtype = golden_string(n, "logits_dtype");
        if (!golden_begin(g, "inference/export_%s_%s", golden_string(n, "case"), dtype)) continue;
        snprintf(file, sizeof file, "export_%s_%s_%s_seg", golden_string(n, "case"),
                 golden_string(n, "configuration"), dtype);
        run_export(g, n, strcmp(dtype, "float16") ? COMPATIBILITY_NONE : COMPATIBILITY_NNUNET, file);
        golden_end(g);
    }
    if (!old || !golden_begin(g, "inference/export_old_version")) return;
    const DocNode *item = export_entry(root, golden_string(old, "case"));
    snprintf(file, sizeof file, "%s", golden_string(old, "file"));
    if (path_ends_with(file, ".npy")) file[strlen(file) - 4] = '\0';
    if (item) run_export(g, item, COMPATIBILITY_NNUNET_2_1, file);
    else golden_fail(g, "its case is not among the exports");
    golden_end(g);
}

/* ---- labels of logits ---- */

enum { MAX_LABELS = 64, MAX_VALUES = 256 };

/* A dataset.json's labels as the entry has them. */
typedef struct Labels {
    DatasetLabel items[MAX_LABELS];
    int values[MAX_VALUES], order[MAX_LABELS];
    DatasetInfo info;
} Labels;

static void read_labels(Labels *l, const DocNode *item)
{
    int used = 0;
    *l = (Labels){.info = {.labels = l->items, .ignore_value = -1, .regions_class_order = l->order}};
    for (const DocNode *n = doc_find(item, "labels")->first; n && l->info.label_count < MAX_LABELS;
         n = n->next) {
        const DocNode *first = n->kind == DOC_SEQUENCE ? n->first : n;
        DatasetLabel label = {n->key, l->values + used, 0};
        for (const DocNode *v = first; v && used < MAX_VALUES; v = n->kind == DOC_SEQUENCE ? v->next : NULL) {
            int64_t value = 0;
            doc_get_int(v, 0, INT16_MAX, &value, NULL);
            l->values[used++] = (int)value;
            label.value_count++;
            if (value > l->info.max_value && strcmp(n->key, "ignore")) l->info.max_value = (int)value;
        }
        if (!strcmp(n->key, "ignore")) l->info.ignore_value = label.values[0];
        else l->items[l->info.label_count++] = label;
        l->info.has_regions |= label.value_count > 1;
    }
    const DocNode *order = doc_find(item, "regions_class_order");
    for (const DocNode *n = order ? order->first : NULL; n && l->info.regions_class_count < MAX_LABELS;
         n = n->next) {
        int64_t value = 0;
        doc_get_int(n, 0, INT16_MAX, &value, NULL);
        l->order[l->info.regions_class_count++] = (int)value;
    }
}

/* All numbers of a node, in order, into values; returns how many. */
static int collect_numbers(const DocNode *node, double *values, int most)
{
    if (node->kind == DOC_SCALAR) {
        if (most > 0) doc_get_double(node, values, NULL);
        return 1;
    }
    int count = 0;
    for (const DocNode *n = node->first; n; n = n->next)
        count += collect_numbers(n, values + count, most - count);
    return count;
}

enum { MOST_NUMBERS = 1 << 16 };

static void run_labels(Golden *g, const DocNode *item)
{
    static double logits[MOST_NUMBERS], found[MOST_NUMBERS];
    Labels l;
    read_labels(&l, item);
    const double heads = dataset_head_count(&l.info);
    const int count = collect_numbers(doc_find(item, "logits"), logits, MOST_NUMBERS),
              voxels = count / (int)heads;
    float pixel[MAX_LABELS];
    for (int i = 0; i < voxels; i++) {
        for (int h = 0; h < (int)heads; h++) pixel[h] = (float)logits[h * voxels + i];
        found[i] = label_of_logits(&l.info, (int)heads, pixel);
    }
    golden_expect_numbers(g, "num_segmentation_heads", doc_find(item, "num_segmentation_heads"), &heads, 1,
                          0);
    golden_expect_numbers(g, "segmentation", doc_find(item, "segmentation"), found, voxels, 0);
}

/* ---- ensembles ---- */

static void run_ensemble(Golden *g, const DocNode *item)
{
    static double first[MOST_NUMBERS], second[MOST_NUMBERS], found[MOST_NUMBERS];
    Err e = {0};
    const DocNode *p0 = doc_find(item, "p0"), *p1 = doc_find(item, "p1_f16");
    const int count = collect_numbers(p0, first, MOST_NUMBERS);
    const int64_t heads = p0->count, shape[2] = {heads, count / heads};
    Array sum = {0}, halves = {0}, floats = {0}, labels = {0};
    int code = collect_numbers(p1, second, MOST_NUMBERS) == count ? 0 : ERR_SHAPE;
    if (!code) code = array_new(&sum, DTYPE_F32, 2, shape, &e);
    if (!code) code = array_new(&floats, DTYPE_F32, 2, shape, &e);
    if (!code) code = array_new(&halves, DTYPE_F16, 2, shape, &e);
    if (!code) code = array_new(&labels, DTYPE_U8, 1, shape + 1, &e);
    for (int i = 0; i < count && !code; i++) {
        ((float *)floats.data)[i] = (float)first[i];
        ((uint16_t *)halves.data)[i] = half_from_double(second[i]);
    }
    if (!code) code = ensemble_add(&sum, &floats, &e);
    if (!code) code = ensemble_add(&sum, &halves, &e);
    if (code) {
        golden_fail(g, "%s", e.text);
    } else {
        ensemble_finish(&sum, 2, &plain_info, &labels);
        for (int i = 0; i < count; i++) found[i] = ((float *)sum.data)[i];
        golden_expect_numbers(g, "mean", doc_find(item, "mean"), found, count, 1e-7);
        for (int i = 0; i < count / heads; i++) found[i] = ((uint8_t *)labels.data)[i];
        golden_expect_numbers(g, "segmentation", doc_find(item, "segmentation"), found, count / (int)heads,
                              0);
    }
    Array *const all[] = {&sum, &halves, &floats, &labels};
    for (int i = 0; i < 4; i++) array_free(all[i]);
}

/* ---- the part ---- */

static void run_list(Golden *g, const DocNode *list, const char *name,
                     void (*run)(Golden *g, const DocNode *item))
{
    int number = 0;
    for (const DocNode *n = list ? list->first : NULL; n; n = n->next, number++) {
        const char *own = golden_string(n, "name");
        const bool wanted = *own ? golden_begin(g, "inference/%s_%s", name, own)
                                 : golden_begin(g, "inference/%s_%d", name, number);
        if (!wanted) continue;
        run(g, n);
        golden_end(g);
    }
}

void golden_inference(Golden *g)
{
    static const char *const known[] = {"steps", "gaussian", "sliding_window", "label_conversion", "export",
                                        "export_old_version", "ensemble"};
    void (*const runs[])(Golden *, const DocNode *) = {run_steps, run_gaussian, run_window, run_labels};
    Doc doc;
    const DocNode *root = golden_document(g, &doc, "inference", "inference.json");
    if (!root) return;
    for (int i = 0; i < 4; i++) run_list(g, doc_find(root, known[i]), known[i], runs[i]);
    run_exports(g, root);
    const DocNode *ensemble = doc_find(root, "ensemble");
    if (ensemble && golden_begin(g, "inference/ensemble")) {
        run_ensemble(g, ensemble);
        golden_end(g);
    }
    for (const DocNode *n = root->first; n; n = n->next) {
        size_t k = 0;
        while (k < sizeof known / sizeof *known && strcmp(known[k], n->key)) k++;
        if (k < sizeof known / sizeof *known || !golden_begin(g, "inference/%s", n->key)) continue;
        golden_fail(g, "an entry that this program does not understand");
        golden_end(g);
    }
    doc_free(&doc);
}
