/* inference: steps, importance maps and the sliding window; the rest of the part is in golden_export.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "inference/sliding_window.h"
#include "tests/support/golden_export.h"
#include "tests/support/golden_nnunet.h"

enum { MAX_AXES = 3, BATCH = 5 };

static const double unequal_bound = 0.03; /* for float32 accumulators: those of the references are half precision */

/* ---- steps, importance ---- */

static void run_steps(Golden *g, const DocNode *root, const DocNode *item)
{
    (void)root;
    int64_t image[MAX_AXES], tile[MAX_AXES], starts[1024];
    double found[1024];
    const int axes = golden_shape(item, "image", image, MAX_AXES);
    const DocNode *axis = doc_find(item, "steps") ? doc_find(item, "steps")->first : NULL;
    const double step = golden_number(item, "step", 0.5);
    if (!axes || golden_shape(item, "tile", tile, MAX_AXES) != axes) golden_fail(g, "no sizes of image and tile");
    for (int a = 0; a < axes && axis; a++, axis = axis->next) {
        const int64_t count = window_starts(image[a], tile[a], step, NULL);
        if (count < 1 || count > 1024) {
            golden_fail(g, "axis %d: %lld steps", a, (long long)count);
            return;
        }
        window_starts(image[a], tile[a], step, starts);
        for (int64_t i = 0; i < count; i++) found[i] = (double)starts[i];
        golden_expect_numbers(g, "steps", axis, found, (int)count, 0);
    }
}

/* Compares the map with its file, if there is one: gaussian_64x64_f16.npy. */
static void compare_map_file(Golden *g, const float *map, const int64_t *tile, int axes, int64_t count)
{
    char name[64] = "";
    Array wanted;
    double worst = 0;
    for (int a = 0; a < axes; a++)
        snprintf(name + strlen(name), sizeof name - strlen(name), "%s%d", a ? "x" : "", (int)tile[a]);
    if (golden_array(&wanted, g, NULL, "inference/gaussian_%s_f16.npy", name)) return;
    if (array_count(&wanted) != count) golden_fail(g, "gaussian_%s_f16.npy has another size", name);
    for (int64_t i = 0; i < count && array_count(&wanted) == count; i++)
        worst = fmax(worst, fabs(map[i] - golden_value(&wanted, i)));
    golden_expect(g, "map", worst, 0);
    array_free(&wanted);
}

static void compare_map(Golden *g, const float *map, int64_t count, const DocNode *item)
{
    double low = INFINITY, high = -INFINITY, sum = 0, samples[256];
    const DocNode *at = doc_find(item, "flat_index");
    int used = 0;
    for (int64_t i = 0; i < count; i++) {
        low = fmin(low, map[i]);
        high = fmax(high, map[i]);
        sum += map[i];
    }
    for (const DocNode *n = at ? at->first : NULL; n && used < 256; n = n->next) {
        int64_t index = 0;
        if (doc_get_int(n, 0, count - 1, &index, NULL)) golden_fail(g, "flat_index beyond the map");
        samples[used++] = map[index];
    }
    golden_expect(g, "min", fabs(low - golden_number(item, "min", NAN)), 0);
    golden_expect(g, "max", fabs(high - golden_number(item, "max", NAN)), 0);
    const double whole = golden_number(item, "sum_of_half_values_in_float64", NAN);
    golden_expect(g, "sum", fabs(sum - whole), 1e-12 * whole);
    golden_expect_numbers(g, "values", doc_find(item, "half_values"), samples, used, 0);
}

static void run_gaussian(Golden *g, const DocNode *root, const DocNode *item)
{
    (void)root;
    int64_t tile[MAX_AXES], count = 1;
    Err e = {0};
    const int axes = golden_shape(item, "tile", tile, MAX_AXES);
    for (int a = 0; a < axes; a++) count *= tile[a];
    float *map = mem_alloc((size_t)count * sizeof *map, &e);
    if (!axes || strcmp(golden_string(item, "dtype"), "float16")) golden_fail(g, "not a map in half precision");
    else if (!map || window_importance(map, tile, axes, true, &e)) golden_fail(g, "%s", e.text);
    else {
        compare_map(g, map, count, item);
        compare_map_file(g, map, tile, axes, count);
    }
    mem_free(map);
}

/* ---- the formula network: a 3x3 convolution with zero padding, exact in fp32 ---- */

typedef struct Formula {
    Array weights, bias; /* (classes, channels, 3, 3), (classes) */
    int64_t height, width, channels, classes;
    float *images, *logits; /* of the tiles */
} Formula;

static float logit_at(const Formula *f, const float *image, int64_t y, int64_t x, int64_t k)
{
    const float *w = (const float *)f->weights.data + k * f->channels * 9;
    float sum = ((const float *)f->bias.data)[k];
    for (int64_t t = 0; t < f->channels * 9; t++) {
        const int64_t v = y + t % 9 / 3 - 1, u = x + t % 3 - 1;
        const bool inside = v >= 0 && u >= 0 && v < f->height && u < f->width;
        const volatile float product = w[t] * (inside ? image[(v * f->width + u) * f->channels + t / 9] : 0);
        sum += product; /* volatile: no fused multiply-add */
    }
    return sum;
}

static int run_formula(void *context, Err *e)
{
    (void)e;
    const Formula *f = context;
    const int64_t pixels = f->height * f->width;
    for (int64_t i = 0; i < BATCH * pixels * f->classes; i++) {
        const int64_t pixel = i / f->classes % pixels;
        f->logits[i] = logit_at(f, f->images + i / f->classes / pixels * pixels * f->channels, pixel / f->width,
                                pixel % f->width, i % f->classes);
    }
    return 0;
}

static int formula_open(Formula *f, const Golden *g, const int64_t patch[2], Err *e)
{
    *f = (Formula){.height = patch[0], .width = patch[1]};
    TRY(golden_array(&f->weights, g, e, "inference/net_w.npy"));
    TRY(golden_array(&f->bias, g, e, "inference/net_b.npy"));
    f->classes = f->weights.shape[0];
    f->channels = f->weights.shape[1];
    const size_t pixels = (size_t)(BATCH * patch[0] * patch[1]);
    f->images = mem_zalloc(pixels * (size_t)f->channels, sizeof *f->images, e);
    f->logits = mem_zalloc(pixels * (size_t)f->classes, sizeof *f->logits, e);
    return f->images && f->logits ? 0 : ERR_NOMEM;
}

static void formula_close(Formula *f)
{
    array_free(&f->weights);
    array_free(&f->bias);
    mem_free(f->images);
    mem_free(f->logits);
}

/* ---- the sliding window ---- */

/* Compares rows as they come with the reference, half logits (classes, Z, Y, X). */
typedef struct Comparison {
    const Array *wanted;
    double worst;
    int64_t rows;
} Comparison;

static int compare_row(Comparison *c, int64_t z, int64_t y, const float *logits, Err *e)
{
    const int64_t *shape = c->wanted->shape, plane = shape[1] * shape[2] * shape[3];
    if (z * shape[2] + y != c->rows++) return err_set(e, ERR_VALUE, "row %d comes out of order", (int)y);
    for (int64_t i = 0; i < shape[3] * shape[0]; i++) {
        const int64_t at = i % shape[0] * plane + (z * shape[2] + y) * shape[3] + i / shape[0];
        c->worst = fmax(c->worst, fabs(logits[i] - golden_value(c->wanted, at)));
    }
    return 0;
}

static int compare_rows(void *context, const RowBlock *rows, Err *e)
{
    for (int64_t y = rows->y; y < rows->y + rows->count; y++) TRY(compare_row(context, rows->z, y, row_of(rows, y), e));
    return 0;
}

static int channels_last(Array *out, const Array *in, Err *e)
{
    const int64_t *s = in->shape;
    TRY(array_new(out, DTYPE_F32, 4, (int64_t[]){s[1], s[2], s[3], s[0]}, e));
    golden_to_nhwc(out->data, in->data, 1, s[0], s[1] * s[2], s[3]);
    return 0;
}

static int compare_window(Golden *g, WindowOptions *o, Formula *f, const Array *in, const Array *wanted, Err *e)
{
    Array image;
    TRY(channels_last(&image, in, e));
    int code = 0;
    for (int half = 0; half < 2 && !code; half++) {
        Comparison c = {.wanted = wanted};
        const TileNetwork network = {BATCH, (int)f->channels, (int)f->classes, f->images, f->logits, run_formula, f,
                                     NULL};
        o->half = half;
        code = window_predict(o, &network, image.data, image.shape, &(RowSink){compare_rows, &c}, e);
        if (c.rows != image.shape[0] * image.shape[1]) golden_fail(g, "%lld rows", (long long)c.rows);
        golden_expect(g, half ? "half" : "fp32", c.worst, half ? 0 : unequal_bound);
    }
    array_free(&image);
    return code;
}

static bool is_true(const DocNode *item, const char *key) { return !strcmp(golden_string(item, key), "true"); }

static void run_window(Golden *g, const DocNode *root, const DocNode *item)
{
    (void)root;
    const char *name = golden_string(item, "name");
    WindowOptions o = {.step = golden_number(item, "tile_step_size", NAN), .gaussian = is_true(item, "use_gaussian")};
    int64_t axes[2];
    Formula f = {0};
    Array in = {0}, wanted = {0};
    Err e = {0};
    const int mirrored = is_true(item, "use_mirroring") ? golden_shape(item, "mirror_axes", axes, 2) : 0;
    for (int i = 0; i < mirrored; i++) o.mirror_yx[axes[i] & 1] = true;
    if (golden_shape(item, "patch", o.tile_yx, 2) != 2) golden_fail(g, "no patch");
    else if (formula_open(&f, g, o.tile_yx, &e) || golden_array(&in, g, &e, "inference/sw_%s_in.npy", name) ||
             golden_array(&wanted, g, &e, "inference/sw_%s_logits.npy", name) ||
             compare_window(g, &o, &f, &in, &wanted, &e))
        golden_fail(g, "%s", e.text);
    formula_close(&f);
    array_free(&in);
    array_free(&wanted);
}

/* ---- the part ---- */

static const struct {
    const char *key;
    void (*run)(Golden *g, const DocNode *root, const DocNode *item);
} kinds[] = {
    {"steps", run_steps},
    {"gaussian", run_gaussian},
    {"sliding_window", run_window},
    {"export", golden_export},
    {"export_old_version", golden_export_old},
    {"label_conversion", golden_label_conversion},
    {"ensemble", golden_ensemble},
};

static void run_kind(Golden *g, const char *file, const DocNode *root, const DocNode *kind)
{
    size_t k = 0;
    int index = 0;
    while (k < sizeof kinds / sizeof *kinds && strcmp(kinds[k].key, kind->key)) k++;
    const bool is_list = kind->kind == DOC_SEQUENCE;
    for (const DocNode *n = is_list ? kind->first : kind; n; n = is_list ? n->next : NULL, index++) {
        if (!golden_begin(g, is_list ? "inference/%s/%s/%d" : "inference/%s/%s", file, kind->key, index)) continue;
        if (k < sizeof kinds / sizeof *kinds) kinds[k].run(g, root, n);
        else golden_fail(g, "unknown kind of entry");
        golden_end(g);
    }
}

void golden_inference(Golden *g)
{
    FileList list;
    golden_files(g, "inference", &list);
    for (int i = 0; i < list.count; i++) {
        Doc doc;
        if (!path_ends_with(list.names[i], ".json")) continue;
        const DocNode *root = golden_document(g, &doc, "inference", list.names[i]);
        for (const DocNode *kind = root ? root->first : NULL; kind; kind = kind->next)
            run_kind(g, list.names[i], root, kind);
        doc_free(&doc);
    }
    file_list_free(&list);
}
