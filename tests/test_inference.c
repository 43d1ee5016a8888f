/* inference/: sliding window and export. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/half.h"
#include "base/memory.h"
#include "data/npy.h"
#include "inference/export.h"
#include "inference/results.h"
#include "inference/sliding_window.h"

static const char GOLDEN[] = "../shared/golden/nnunet/inference";

static Array golden(const char *format, const char *name)
{
    Err e = {0};
    Array a = {0};
    char file[64], path[256];
    snprintf(file, sizeof file, format, name);
    snprintf(path, sizeof path, "%s/%s.npy", GOLDEN, file);
    assert_int_equal(npy_read(&a, path, &e), 0);
    return a;
}

static void steps_are_nnunets(void **state)
{
    (void)state;
    static const struct {
        int64_t image, tile;
        double step;
        int count;
        int64_t starts[8];
    } cases[] = {{110, 64, 0.5, 3, {0, 23, 46}},         {64, 64, 0.5, 1, {0}},
                 {65, 64, 0.5, 2, {0, 1}},               {97, 64, 0.5, 3, {0, 16, 33}},
                 {129, 64, 0.5, 4, {0, 22, 43, 65}},     {640, 320, 0.5, 3, {0, 160, 320}},
                 {500, 192, 0.5, 5, {0, 77, 154, 231, 308}}, {333, 100, 1.0, 4, {0, 78, 155, 233}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t starts[8];
        assert_int_equal(window_starts(cases[i].image, cases[i].tile, cases[i].step, NULL), cases[i].count);
        window_starts(cases[i].image, cases[i].tile, cases[i].step, starts);
        for (int k = 0; k < cases[i].count; k++) assert_int_equal(starts[k], cases[i].starts[k]);
    }
}

static void importance_is_nnunets(void **state)
{
    (void)state;
    if (!file_is_folder(GOLDEN)) skip();
    static const int64_t tiles[][2] = {{64, 64}, {56, 40}, {7, 9}, {320, 320}};
    for (size_t i = 0; i < sizeof tiles / sizeof tiles[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "%dx%d", (int)tiles[i][0], (int)tiles[i][1]);
        Array expected = golden("gaussian_%s_f16", name);
        const int64_t pixels = tiles[i][0] * tiles[i][1];
        float *map = malloc((size_t)pixels * sizeof *map);
        Err e = {0};
        assert_int_equal(window_importance(map, tiles[i], 2, &e), 0);
        int wrong = 0;
        for (int64_t k = 0; k < pixels; k++)
            wrong += map[k] != half_to_double(((uint16_t *)expected.data)[k]);
        if (wrong) print_error("%s: %d of %d values differ\n", name, wrong, (int)pixels);
        assert_int_equal(wrong, 0);
        free(map);
        array_free(&expected);
    }
}

/* ---- the formula network of the goldens: 3x3 convolution, zero padding, exact in fp32 ---- */

enum { CHANNELS = 2, CLASSES = 3, BATCH = 5 };

typedef struct Formula {
    int64_t height, width;
    float *images, *logits;
    const float *weights, *bias;    /* (CLASSES, CHANNELS, 3, 3), (CLASSES) */
    int runs;
} Formula;

static float pixel_of(const Formula *f, const float *image, int64_t y, int64_t x, int c)
{
    return y < 0 || x < 0 || y >= f->height || x >= f->width ? 0 : image[(y * f->width + x) * CHANNELS + c];
}

static void run_formula(void *context)
{
    Formula *f = context;
    f->runs++;
    for (int b = 0; b < BATCH; b++) {
        const float *image = f->images + b * f->height * f->width * CHANNELS;
        float *logits = f->logits + b * f->height * f->width * CLASSES;
        for (int64_t y = 0; y < f->height; y++)
            for (int64_t x = 0; x < f->width; x++)
                for (int k = 0; k < CLASSES; k++) {
                    float sum = f->bias[k];
                    for (int t = 0; t < CHANNELS * 9; t++) {
                        const volatile float product = f->weights[k * CHANNELS * 9 + t] *
                                                       pixel_of(f, image, y + t % 9 / 3 - 1, x + t % 3 - 1,
                                                                t / 9);
                        sum += product; /* volatile: no fused multiply-add */
                    }
                    logits[(y * f->width + x) * CLASSES + k] = sum;
                }
    }
}

typedef struct Collected {
    float *logits;    /* (Z,Y,X,CLASSES) */
    int64_t height, width, rows;
} Collected;

static int collect(void *context, int64_t z, int64_t y, const float *logits, Err *e)
{
    (void)e;
    Collected *c = context;
    assert_int_equal(z * c->height + y, c->rows++);
    memcpy(c->logits + (z * c->height + y) * c->width * CLASSES, logits,
           (size_t)(c->width * CLASSES) * sizeof(float));
    return 0;
}

static Array channels_last(const Array *in)
{
    Err e = {0};
    Array out;
    const int64_t *s = in->shape, shape[4] = {s[1], s[2], s[3], s[0]}, voxels = s[1] * s[2] * s[3];
    assert_int_equal(array_new(&out, DTYPE_F32, 4, shape, &e), 0);
    for (int64_t i = 0; i < voxels; i++)
        for (int64_t c = 0; c < s[0]; c++)
            ((float *)out.data)[i * s[0] + c] = ((const float *)in->data)[c * voxels + i];
    return out;
}

static const struct {
    const char *name;
    bool mirror, gaussian;
    double step;
} windows[] = {
    {"big_nomirror", false, true, 0.5}, {"big_mirror", true, true, 0.5},       {"nogauss", true, false, 0.5},
    {"smaller", true, true, 0.5},       {"smaller_one_axis", true, true, 0.5}, {"exact", true, true, 0.5},
    {"step1", false, true, 1}};

static void window_is_nnunets(void **state)
{
    (void)state;
    if (!file_is_folder(GOLDEN)) skip();
    Array weights = golden("%s", "net_w"), bias = golden("%s", "net_b");
    for (size_t i = 0; i < 2 * sizeof windows / sizeof windows[0]; i++) {
        const bool half = i % 2;
        Array raw = golden("sw_%s_in", windows[i / 2].name),
              expected = golden("sw_%s_logits", windows[i / 2].name);
        Array image = channels_last(&raw);
        const WindowOptions o = {{32, 40}, windows[i / 2].step, windows[i / 2].gaussian,
                                 {windows[i / 2].mirror, windows[i / 2].mirror}, half};
        float tiles[BATCH * 32 * 40 * CHANNELS] = {0}, tile_logits[BATCH * 32 * 40 * CLASSES];
        Formula formula = {32, 40, tiles, tile_logits, weights.data, bias.data, 0};
        const TileNetwork network = {BATCH, CHANNELS, CLASSES, tiles, tile_logits, run_formula, &formula};
        const int64_t voxels = array_count(&image) / CHANNELS;
        Collected out = {malloc((size_t)(voxels * CLASSES) * sizeof(float)), image.shape[1], image.shape[2],
                         0};
        const RowSink sink = {collect, &out};
        Err e = {0};
        assert_int_equal(window_predict(&o, &network, image.data, image.shape, &sink, &e), 0);
        assert_int_equal(out.rows, image.shape[0] * image.shape[1]);
        double worst = 0;
        int differ = 0;
        for (int64_t v = 0; v < voxels; v++)
            for (int k = 0; k < CLASSES; k++) {
                const double wanted = half_to_double(((uint16_t *)expected.data)[k * voxels + v]);
                worst = fmax(worst, fabs(out.logits[v * CLASSES + k] - wanted));
                differ += out.logits[v * CLASSES + k] != wanted;
            }
        if (half ? differ : worst > 0.03)
            print_error("%s: %d logits differ, worst %g\n", windows[i / 2].name, differ, worst);
        assert_true(half ? differ == 0 : worst <= 0.03);
        free(out.logits);
        array_free(&image);
        array_free(&raw);
        array_free(&expected);
    }
    array_free(&weights);
    array_free(&bias);
}

/* ---- export ---- */

static const struct {
    const char *name;
    int64_t shape[3], before[3], first[3], past[3];
    double spacing_mm[3];
} exports[] = {
    {"case_000",
     {22, 131, 153},
     {25, 173, 193},
     {1, 20, 19},
     {23, 161, 184},
     {0.7570000290870667, 0.7570000290870667, 4.980000019073486}},
    {"case_005",
     {20, 147, 205},
     {22, 169, 209},
     {1, 15, 11},
     {21, 156, 196},
     {0.8500000238418579, 0.9010000228881836, 5.179999828338623}},
    {"case_002",
     {27, 145, 175},
     {30, 178, 195},
     {2, 17, 18},
     {29, 163, 194},
     {0.8090000152587891, 0.8090000152587891, 2.200000047683716}},
};

static float rule_logit(int k, double u, double v, double w)
{
    switch (k) {
    case 0: return 0.6f;
    case 1: return (float)(sin(9 * v + 2 * u) * cos(7 * w));
    case 2: return (float)(cos(11 * w - 3 * u) * sin(5 * v + 1));
    default: return (float)(sin(6 * (v + w)) * cos(8 * (w - v) + 4 * u));
    }
}

static const DatasetLabel four_labels[] = {
    {"background", (int[]){0}, 1}, {"a", (int[]){1}, 1}, {"b", (int[]){2}, 1}, {"c", (int[]){3}, 1}};

/* How many voxels differ from the golden segmentation of that name. */
static int64_t export_differences(int which, PlanCompatibility compatibility, const char *file)
{
    enum { HEADS = 4 };
    const DatasetInfo info = {.label_count = 4, .labels = four_labels, .max_value = 3, .ignore_value = -1};
    const int64_t *shape = exports[which].shape;
    CaseProperties p = {.transpose_forward = {2, 0, 1}};
    for (int i = 0; i < 3; i++) {
        p.shape_before_crop[i] = exports[which].before[i];
        p.box.first[i] = exports[which].first[i];
        p.box.past[i] = exports[which].past[i];
        p.shape[i] = shape[i];
        p.spacing_mm[i] = exports[which].spacing_mm[i];
    }
    Plan plan;
    plan_defaults(&plan);
    plan.compatibility = compatibility;
    plan.configuration.spacing_mm[0] = plan.configuration.spacing_mm[1] = 0.8140000104904175;
    Err e = {0};
    Array labels;
    Exporter *x;
    assert_int_equal(export_labels_new(&labels, &info, &p, &e), 0);
    assert_int_equal(exporter_new(&x, &plan, &info, &p, &labels, NULL, &e), 0);
    const RowSink sink = exporter_sink(x);
    float *row = malloc((size_t)shape[2] * HEADS * sizeof *row);
    for (int64_t z = 0; z < shape[0]; z++)
        for (int64_t y = 0; y < shape[1]; y++) {
            for (int64_t i = 0; i < shape[2] * HEADS; i++) {
                row[i] = rule_logit((int)(i % HEADS), (double)z / (double)shape[0],
                                    (double)y / (double)shape[1], (double)(i / HEADS) / (double)shape[2]);
                if (compatibility != COMPATIBILITY_NONE)
                    row[i] = (float)half_to_double(half_from_double(row[i]));
            }
            assert_int_equal(sink.row(sink.context, z, y, row, &e), 0);
        }
    Array expected = golden("%s", file);
    assert_int_equal(labels.dtype, DTYPE_U8);
    assert_int_equal(array_count(&labels), array_count(&expected));
    int64_t differences = 0;
    for (int64_t i = 0; i < array_count(&labels); i++)
        differences += ((uint8_t *)labels.data)[i] != ((uint8_t *)expected.data)[i];
    free(row);
    exporter_free(x);
    array_free(&labels);
    array_free(&expected);
    return differences;
}

static void export_is_nnunets(void **state)
{
    (void)state;
    if (!file_is_folder(GOLDEN)) skip();
    for (int which = 0; which < 3; which++) {
        char file[64];
        snprintf(file, sizeof file, "export_%s_2d_float16_seg", exports[which].name);
        assert_int_equal(export_differences(which, COMPATIBILITY_NNUNET, file), 0);
        snprintf(file, sizeof file, "export_%s_2d_float32_seg", exports[which].name);
        assert_int_equal(export_differences(which, COMPATIBILITY_NONE, file), 0);
    }
    assert_int_equal(export_differences(0, COMPATIBILITY_NNUNET_2_1, "export_old_case_000_2d_float16_seg"),
                     0);
}

static void regions_overwrite_in_their_order(void **state)
{
    (void)state;
    static const int whole[] = {1, 2, 3}, core[] = {2, 3}, inner[] = {3}, order[] = {1, 2, 3};
    const DatasetLabel regions[] = {{"background", (int[]){0}, 1},
                                    {"whole", whole, 3},
                                    {"core", core, 2},
                                    {"inner", inner, 1}};
    const DatasetInfo info = {.label_count = 4, .labels = regions, .max_value = 3, .ignore_value = -1,
                              .has_regions = true, .regions_class_order = order, .regions_class_count = 3};
    const CaseProperties p = {{1, 1, 4}, {{0, 0, 0}, {1, 1, 4}}, {1, 1, 4}, {0, 1, 2}, {1, 1, 1}};
    Plan plan;
    plan_defaults(&plan);
    plan.configuration.spacing_mm[0] = plan.configuration.spacing_mm[1] = 1;
    Array labels;
    Exporter *x;
    Err e = {0};
    assert_int_equal(export_labels_new(&labels, &info, &p, &e), 0);
    assert_int_equal(exporter_new(&x, &plan, &info, &p, &labels, NULL, &e), 0);
    static const float logits[] = {1, -1, -1, /**/ -1, 2, -3, /**/ -1, -1, -1e-3f, /**/ -1, 1, 0.1f};
    const RowSink sink = exporter_sink(x);
    assert_int_equal(sink.row(sink.context, 0, 0, logits, &e), 0);
    assert_memory_equal(labels.data, ((uint8_t[]){1, 2, 0, 3}), 4);
    exporter_free(x);
    array_free(&labels);
}

static void official_trainers_name_their_network(void **state)
{
    (void)state;
    assert_string_equal(results_network_of("nnUNetTrainerSwinUMambaDScratch"), "swin_umamba_d");
    assert_string_equal(results_network_of("nnUNetTrainerSwinUMambaScratch"), "swin_umamba");
    assert_string_equal(results_network_of("nnUNetTrainer"), "nnunet");
    assert_null(results_network_of("SomebodysTrainer"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_nnunets),
        cmocka_unit_test(importance_is_nnunets),
        cmocka_unit_test(window_is_nnunets),
        cmocka_unit_test(export_is_nnunets),
        cmocka_unit_test(regions_overwrite_in_their_order),
        cmocka_unit_test(official_trainers_name_their_network),
    };
    return cmocka_run_group_tests_name("inference", tests, NULL, NULL);
}
