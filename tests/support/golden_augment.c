/* augment: the transforms one by one, patch geometry and sampling; `new` is 2.8.1, `old` what Swin-UMamba
 * used. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "data/npy.h"
#include "network/ops/ops.h"
#include "tests/support/golden_nnunet.h"
#include "trainer/intensity.h"
#include "trainer/older_transforms.h"

static const double new_bound = 2e-5, new_spatial_bound = 5e-5, old_bound = 2e-6;

/* The input of every entry: img.npy (C,H,W) and seg.npy (H,W). */
typedef struct Picture {
    Array image, labels;
    int64_t channels, height, width;
    double *doubles; /* (H,W), working memory */
    float *scratch;  /* (H,W) */
} Picture;

static int read_array(Array *a, const Golden *g, const char *name, const char *suffix, Err *e)
{
    char *path = path_format(e, "%s/augment/%s%s.npy", g->folder, name, suffix);
    *a = (Array){0};
    const int code = path ? npy_read(a, path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

static int picture_open(Picture *p, const Golden *g, Err *e)
{
    *p = (Picture){0};
    TRY(read_array(&p->image, g, "img", "", e));
    TRY(read_array(&p->labels, g, "seg", "", e));
    if (p->image.rank != 3 || p->labels.rank != 2)
        return err_set(e, ERR_SHAPE, "img.npy, seg.npy: other shapes than expected");
    p->channels = p->image.shape[0];
    p->height = p->image.shape[1];
    p->width = p->image.shape[2];
    p->doubles = mem_alloc((size_t)(p->height * p->width) * sizeof(double), e);
    p->scratch = mem_alloc((size_t)(p->height * p->width) * sizeof(float), e);
    return p->doubles && p->scratch ? 0 : ERR_NOMEM;
}

static void picture_close(Picture *p)
{
    array_free(&p->image);
    array_free(&p->labels);
    mem_free(p->doubles);
    mem_free(p->scratch);
}

/* ---- transforms of single channels ---- */

typedef int (*Kernel)(const Picture *p, float *plane, int channel, const DocNode *item, Err *e);

static double at_index(const DocNode *item, const char *key, int index)
{
    double value = NAN;
    const DocNode *list = doc_find(item, key), *n = list ? list->first : NULL;
    for (; n && index > 0; n = n->next) index--;
    if (n) doc_get_double(n, &value, NULL);
    return value;
}

static bool flag(const DocNode *item, const char *key) { return !strcmp(golden_string(item, key), "true"); }

static int new_blur(const Picture *p, float *plane, int channel, const DocNode *item, Err *e)
{
    (void)channel, (void)e;
    const double sigma[] = {golden_number(item, "sigma_axis0", NAN), golden_number(item, "sigma_axis1", NAN)};
    intensity_blur(plane, p->height, p->width, sigma, p->scratch);
    return 0;
}

static int old_blur(const Picture *p, float *plane, int channel, const DocNode *item, Err *e)
{
    (void)channel, (void)e;
    older_blur(plane, p->height, p->width, golden_number(item, "sigma", NAN), p->scratch);
    return 0;
}

static int new_gamma(const Picture *p, float *plane, int channel, const DocNode *item, Err *e)
{
    (void)channel, (void)e;
    intensity_gamma(plane, p->height * p->width, golden_number(item, "gamma", NAN), flag(item, "invert"),
                    flag(item, "retain_stats"));
    return 0;
}

static int old_gamma(const Picture *p, float *plane, int channel, const DocNode *item, Err *e)
{
    (void)e;
    older_gamma(plane, p->height * p->width, at_index(item, "gamma_per_channel", channel), flag(item, "invert"),
                flag(item, "retain_stats"));
    return 0;
}

static int contrast(const Picture *p, float *plane, int channel, const DocNode *item, Err *e)
{
    (void)channel, (void)e;
    intensity_contrast(plane, p->height * p->width, golden_number(item, "factor", NAN), flag(item, "preserve_range"));
    return 0;
}

static int brightness(const Picture *p, float *plane, int channel, const DocNode *item, Err *e)
{
    (void)e;
    intensity_brightness(plane, p->height * p->width, at_index(item, "multipliers", channel));
    return 0;
}

static int new_lowres(const Picture *p, float *plane, int channel, const DocNode *item, Err *e)
{
    (void)channel, (void)e;
    intensity_low_resolution(plane, p->height, p->width, golden_number(item, "scale", NAN), p->scratch);
    return 0;
}

static int old_lowres(const Picture *p, float *plane, int channel, const DocNode *item, Err *e)
{
    (void)channel;
    return older_low_resolution(plane, p->height, p->width, golden_number(item, "zoom", NAN), p->doubles, e);
}

static double image_difference(const float *found, const Array *expected, int64_t count)
{
    double worst = 0;
    if (expected->dtype != DTYPE_F32 || array_count(expected) != count) return NAN;
    for (int64_t i = 0; i < count; i++) {
        const double difference = fabs(found[i] - ((const float *)expected->data)[i]);
        if (!(difference <= worst)) worst = difference;
    }
    return worst;
}

static void run_kernel(Golden *g, const Picture *p, Kernel kernel, double bound, const DocNode *item)
{
    Err e = {0};
    Array expected;
    const int64_t pixels = p->height * p->width, count = p->channels * pixels;
    float *found = mem_alloc((size_t)count * sizeof *found, &e);
    int code = read_array(&expected, g, golden_string(item, "file"), "", &e);
    if (!code && found) memcpy(found, p->image.data, (size_t)count * sizeof *found);
    for (int c = 0; c < p->channels && !code && found; c++) code = kernel(p, found + c * pixels, c, item, &e);
    if (code || !found) golden_fail(g, "%s", e.text);
    else golden_expect(g, "values", image_difference(found, &expected, count), bound);
    array_free(&expected);
    mem_free(found);
}

/* ---- spatial ---- */

typedef struct Cut {
    float *interleaved, *planes;
    int16_t *labels;
} Cut;

static int cut_new(Cut *cut, const Picture *p, int64_t out_pixels, Err *e)
{
    const int64_t pixels = p->height * p->width;
    cut->interleaved = mem_alloc((size_t)(p->channels * pixels) * sizeof(float), e);
    cut->planes = mem_alloc((size_t)(p->channels * out_pixels) * sizeof(float), e);
    cut->labels = mem_alloc((size_t)out_pixels * sizeof(int16_t), e);
    if (!cut->interleaved || !cut->planes || !cut->labels) return ERR_NOMEM;
    for (int64_t c = 0; c < p->channels; c++)
        for (int64_t i = 0; i < pixels; i++)
            cut->interleaved[i * p->channels + c] = ((const float *)p->image.data)[c * pixels + i];
    return 0;
}

static void cut_free(Cut *cut)
{
    mem_free(cut->interleaved);
    mem_free(cut->planes);
    mem_free(cut->labels);
}

static void compare_cut(Golden *g, const Cut *cut, const Picture *p, int64_t count, bool old, const DocNode *item)
{
    Err e = {0};
    Array image, labels;
    if (read_array(&image, g, golden_string(item, "file"), "", &e) ||
        read_array(&labels, g, golden_string(item, "file"), "_seg", &e)) {
        golden_fail(g, "%s", e.text);
    } else {
        double differ = labels.dtype == DTYPE_I16 && array_count(&labels) == count ? 0 : NAN;
        for (int64_t i = 0; i < count && !isnan(differ); i++)
            differ += cut->labels[i] != ((const int16_t *)labels.data)[i];
        golden_expect(g, "image", image_difference(cut->planes, &image, p->channels * count),
                      old ? old_bound : new_spatial_bound);
        golden_expect(g, "labels", differ, 0);
        array_free(&labels);
    }
    array_free(&image);
}

static void run_spatial(Golden *g, const Picture *p, bool old, const DocNode *item)
{
    Err e = {0};
    Cut cut = {0};
    int64_t size[2];
    if (golden_shape(item, "final_patch", size, 2) != 2 || cut_new(&cut, p, size[0] * size[1], &e)) {
        golden_fail(g, "final_patch or memory is missing");
        cut_free(&cut);
        return;
    }
    const DocNode *angle = doc_find(item, "angle"), *scale = doc_find(item, "scale");
    const bool plain = (!angle || doc_is_null(angle)) && (!scale || doc_is_null(scale));
    const double a = golden_number(item, "angle", 0), s = golden_number(item, "scale", 1);
    const SliceView slice = slice_view(cut.interleaved, p->labels.data, p->height, p->width, (int)p->channels);
    const Crop whole = {0, 0, p->height, p->width};
    Patch patch = {cut.planes, cut.labels, size[0], size[1], (int)p->channels};
    if (plain) spatial_copy(&slice, patch_center(whole, size), &patch);
    else if (old)
        older_spatial_transform(&slice, whole, a, s, (int)golden_number(item, "order_seg", 1), &patch, p->doubles);
    else spatial_transform(&slice, whole, a, s, &patch);
    compare_cut(g, &cut, p, size[0] * size[1], old, item);
    cut_free(&cut);
}

/* ---- the targets of deep supervision ---- */

static void run_downsampling(Golden *g, const Picture *p, const char *file)
{
    Err e = {0};
    Array expected;
    if (read_array(&expected, g, file, "", &e)) {
        golden_fail(g, "%s", e.text);
        return;
    }
    const int64_t h = expected.shape[expected.rank - 2], w = expected.shape[expected.rank - 1];
    double differ = expected.dtype == DTYPE_I16 ? 0 : NAN;
    for (int64_t i = 0; i < h * w && !isnan(differ); i++) {
        const int64_t y = loss_label_source(i / w, p->height, h), x = loss_label_source(i % w, p->width, w);
        differ += ((const int16_t *)p->labels.data)[y * p->width + x] != ((const int16_t *)expected.data)[i];
    }
    golden_expect(g, "labels", differ, 0);
    array_free(&expected);
}

/* ---- geometry and sampling ---- */

static void run_initial_patch(Golden *g, const DocNode *item)
{
    int64_t patch[2];
    golden_shape(item, "patch", patch, 2);
    const PatchGeometry geometry = patch_geometry(patch);
    const double found[] = {(double)geometry.initial_yx[0], (double)geometry.initial_yx[1]};
    const double degrees = geometry.largest_angle * 180 / 3.14159265358979323846;
    golden_expect_numbers(g, "initial_patch", doc_find(item, "initial_patch"), found, 2, 0);
    golden_expect_numbers(g, "rotation_deg", doc_find(item, "rotation_deg"), &degrees, 1, 1e-12);
}

static void run_flags(Golden *g, const DocNode *item)
{
    enum { MOST = 4096 };
    static double found[MOST];
    const int batch = atoi(item->key);
    for (int i = 0; i < batch && i < MOST; i++) found[i] = patch_is_forced(i, batch, 0.33);
    golden_expect_numbers(g, "forced", item, found, batch < MOST ? batch : MOST, 0);
}

/* np.random.randint(low, high + 1) of the legacy generator. */
static int64_t draw(Mt19937 *m, int64_t low, int64_t high) { return low + mt_bounded(m, (uint32_t)(high - low)); }

static int class_rows(const DocNode *locations, int wanted, const DocNode **rows)
{
    int present = 0;
    for (const DocNode *c = locations ? locations->first : NULL; c; c = c->next) {
        if (!c->count) continue;
        if (present == wanted) *rows = c;
        present++;
    }
    return present;
}

static void foreground_corner(const DocNode *item, Mt19937 *m, const int64_t init[2], const int64_t low[3],
                              double corner[3])
{
    const DocNode *rows = NULL, *locations = doc_find(item, "class_locations");
    const int present = class_rows(locations, -1, &rows);
    class_rows(locations, (int)draw(m, 0, present - 1), &rows);
    int64_t which = draw(m, 0, rows->count - 1);
    const DocNode *row = rows->first;
    while (which-- > 0) row = row->next;
    int64_t voxel[4] = {0};
    int i = 0;
    for (const DocNode *n = row->first; n && i < 4; n = n->next)
        doc_get_int(n, INT64_MIN, INT64_MAX, &voxel[i++], NULL);
    corner[0] = (double)voxel[1];
    for (int axis = 0; axis < 2; axis++)
        corner[axis + 1] = (double)patch_corner_around(voxel[axis + 2], init[axis], low[axis + 1]);
}

static void run_corners(Golden *g, const DocNode *item)
{
    enum { DRAWS = 6 };
    int64_t shape[3], final[2], init[2], low[3], high[3];
    golden_shape(item, "shape", shape, 3);
    golden_shape(item, "final_patch", final, 2);
    golden_shape(item, "initial_patch", init, 2);
    low[0] = 0;
    high[0] = shape[0] - 1;
    for (int axis = 0; axis < 2; axis++)
        patch_corner_range(shape[axis + 1], final[axis], init[axis], &low[axis + 1], &high[axis + 1]);
    const double lows[] = {(double)low[0], (double)low[1], (double)low[2]};
    const double highs[] = {(double)high[0], (double)high[1], (double)high[2]};
    golden_expect_numbers(g, "lower_bound", doc_find(item, "lower_bound"), lows, 3, 0);
    golden_expect_numbers(g, "upper_bound", doc_find(item, "upper_bound_inclusive"), highs, 3, 0);
    Mt19937 random, foreground;
    mt_seed(&random, 42);
    mt_seed(&foreground, 43);
    double corners[3 * DRAWS], centred[3 * DRAWS];
    for (int i = 0; i < DRAWS; i++) {
        for (int axis = 0; axis < 3; axis++) corners[3 * i + axis] = (double)draw(&random, low[axis], high[axis]);
        foreground_corner(item, &foreground, init, low, centred + 3 * i);
    }
    golden_expect_numbers(g, "random_seed42", doc_find(item, "random_seed42"), corners, 3 * DRAWS, 0);
    golden_expect_numbers(g, "foreground_seed43", doc_find(item, "foreground_seed43"), centred, 3 * DRAWS, 0);
}

/* The blurs test kernel lengths, too; this table tests only their rule. */
static void run_lengths(Golden *g, const DocNode *item)
{
    const double found = intensity_blur_length(atof(item->key));
    golden_expect_numbers(g, "length", item, &found, 1, 0);
}

/* ---- the part ---- */

static const struct {
    const char *key;
    Kernel kernel;
    double bound;
} kernels[] = {
    {"new_blur", new_blur, new_bound},         {"new_gamma", new_gamma, new_bound},
    {"new_contrast", contrast, new_bound},     {"new_brightness", brightness, new_bound},
    {"new_lowres", new_lowres, new_bound},     {"old_blur", old_blur, old_bound},
    {"old_gamma", old_gamma, old_bound},       {"old_contrast", contrast, old_bound},
    {"old_brightness", brightness, old_bound}, {"old_lowres", old_lowres, old_bound},
};

static void run_item(Golden *g, const Picture *p, const char *key, const DocNode *item)
{
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++)
        if (!strcmp(key, kernels[k].key)) {
            run_kernel(g, p, kernels[k].kernel, kernels[k].bound, item);
            return;
        }
    if (!strcmp(key, "new_spatial") || !strcmp(key, "old_spatial")) run_spatial(g, p, *key == 'o', item);
    else if (!strcmp(key, "initial_patch_size")) run_initial_patch(g, item);
    else if (!strcmp(key, "oversample_flags")) run_flags(g, item);
    else if (!strcmp(key, "patch_bbox")) run_corners(g, item);
    else if (!strcmp(key, "kernel_sizes_truncate6")) run_lengths(g, item);
    else golden_fail(g, "unknown kind of entry");
}

/* The name of an entry: that of its file, or that of its group with its number or key. */
static void run_entry(Golden *g, const Picture *p, const char *key, const DocNode *item, int number)
{
    const char *file = item->kind == DOC_MAPPING ? golden_string(item, "file") : "";
    const bool wanted = *file       ? golden_begin(g, "augment/%s", file)
                        : item->key ? golden_begin(g, "augment/%s_%s", key, item->key)
                                    : golden_begin(g, "augment/%s_%d", key, number);
    if (!wanted) return;
    run_item(g, p, key, item);
    golden_end(g);
}

static void run_group(Golden *g, const Picture *p, const DocNode *group)
{
    const DocNode *files = group->kind == DOC_MAPPING ? doc_find(group, "files") : NULL;
    for (const DocNode *n = files ? files->first : NULL; n; n = n->next) {
        if (!golden_begin(g, "augment/%s", n->text)) continue;
        run_downsampling(g, p, n->text);
        golden_end(g);
    }
    if (files) return;
    if (group->kind == DOC_MAPPING && doc_find(group, "file")) {
        run_entry(g, p, group->key, group, 0);
        return;
    }
    int number = 0;
    for (const DocNode *n = group->first; n; n = n->next) run_entry(g, p, group->key, n, number++);
}

void golden_augment(Golden *g)
{
    Doc doc;
    Err e = {0};
    Picture p;
    const DocNode *root = golden_document(g, &doc, "augment", "augment.json");
    if (!root) return;
    if (picture_open(&p, g, &e)) {
        if (golden_begin(g, "augment/img")) {
            golden_fail(g, "%s", e.text);
            golden_end(g);
        }
    } else {
        for (const DocNode *n = root->first; n; n = n->next) run_group(g, &p, n);
    }
    picture_close(&p);
    doc_free(&doc);
}
