/* inference/: sliding window and export. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "inference/export.h"
#include "inference/probabilities.h"
#include "inference/results.h"
#include "inference/slice_axes.h"
#include "inference/sliding_window.h"
#include "network/models/network.h"

static void steps_are_nnunets(void **state)
{
    (void)state;
    static const struct {
        int64_t image, tile;
        double step;
        int count;
        int64_t starts[8];
    } cases[] = {{110, 64, 0.5, 3, {0, 23, 46}},
                 {64, 64, 0.5, 1, {0}},
                 {65, 64, 0.5, 2, {0, 1}},
                 {97, 64, 0.5, 3, {0, 16, 33}},
                 {129, 64, 0.5, 4, {0, 22, 43, 65}},
                 {640, 320, 0.5, 3, {0, 160, 320}},
                 {500, 192, 0.5, 5, {0, 77, 154, 231, 308}},
                 {333, 100, 1.0, 4, {0, 78, 155, 233}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t starts[8];
        assert_int_equal(window_starts(cases[i].image, cases[i].tile, cases[i].step, NULL), cases[i].count);
        window_starts(cases[i].image, cases[i].tile, cases[i].step, starts);
        for (int k = 0; k < cases[i].count; k++) assert_int_equal(starts[k], cases[i].starts[k]);
    }
}

/* ---- the sliding window ---- */

enum { CHANNELS = 2, CLASSES = 3, BATCH = 5, TILE_Y = 12, TILE_X = 16 };

/* A network for tests: logits of a pixel from it and its neighbour below, so that results depend on the position in a
 * tile. */
typedef struct Toy {
    float images[BATCH * TILE_Y * TILE_X * CHANNELS], logits[BATCH * TILE_Y * TILE_X * CLASSES];
} Toy;

static float toy_logit(const float *image, int64_t y, int64_t x, int k)
{
    const float *pixel = image + (y * TILE_X + x) * CHANNELS, *below = pixel + (y + 1 < TILE_Y ? TILE_X * CHANNELS : 0);
    return pixel[0] * (float)(k + 1) - pixel[1] * 0.7f + below[0] * 0.3f + 0.01f * (float)(y + k * x);
}

static int run_toy(void *context, Err *e)
{
    (void)e;
    Toy *t = context;
    for (int64_t i = 0; i < BATCH * TILE_Y * TILE_X * CLASSES; i++) {
        const int64_t pixel = i / CLASSES, tile = pixel / (TILE_Y * TILE_X);
        t->logits[i] = toy_logit(t->images + tile * TILE_Y * TILE_X * CHANNELS, pixel / TILE_X % TILE_Y, pixel % TILE_X,
                                 (int)(i % CLASSES));
    }
    return 0;
}

typedef struct Collected {
    float *logits; /* (Z,Y,X,CLASSES) */
    int64_t height, width, rows;
} Collected;

static int collect(void *context, const RowBlock *rows, Err *e)
{
    (void)e;
    Collected *c = context;
    const int64_t values = c->width * CLASSES, first = rows->z * c->height;
    for (int64_t y = rows->y; y < rows->y + rows->count; y++) {
        assert_int_equal(first + y, c->rows++);
        memcpy(c->logits + (first + y) * values, row_of(rows, y), (size_t)values * sizeof(float));
    }
    return 0;
}

static float halved(float value) { return (float)half_to_double(half_from_double(value)); }

/* A simple implementation: accumulators of the size of the padded slice, one tile after the other. */
static void accumulate_slice(const WindowOptions *o, const float *image, int64_t height, int64_t width, float *logits)
{
    enum { MOST = 64 };
    static float sums[MOST][MOST][CLASSES], weights[MOST][MOST], map[TILE_Y * TILE_X], tile[TILE_Y * TILE_X * CHANNELS];
    const int64_t padded[2] = {height < TILE_Y ? TILE_Y : height, width < TILE_X ? TILE_X : width};
    const int64_t before[2] = {(padded[0] - height) / 2, (padded[1] - width) / 2};
    int64_t starts[2][MOST], count[2];
    Err e = {0};
    memset(sums, 0, sizeof sums);
    memset(weights, 0, sizeof weights);
    assert_int_equal(window_importance(map, o->tile_yx, 2, o->gaussian, &e), 0);
    for (int a = 0; a < 2; a++) count[a] = window_starts(padded[a], o->tile_yx[a], o->step, starts[a]);
    for (int64_t t = 0; t < count[0] * count[1]; t++) {
        const int64_t y0 = starts[0][t / count[1]], x0 = starts[1][t % count[1]];
        for (int64_t i = 0; i < TILE_Y * TILE_X * CHANNELS; i++) {
            const int64_t y = y0 + i / CHANNELS / TILE_X - before[0], x = x0 + i / CHANNELS % TILE_X - before[1];
            const bool inside = y >= 0 && y < height && x >= 0 && x < width;
            tile[i] = inside ? image[(y * width + x) * CHANNELS + i % CHANNELS] : 0;
        }
        for (int64_t i = 0; i < TILE_Y * TILE_X; i++) {
            const int64_t y = i / TILE_X, x = i % TILE_X;
            float *sum = sums[y0 + y][x0 + x], *weight = &weights[y0 + y][x0 + x];
            for (int k = 0; k < CLASSES; k++) sum[k] += toy_logit(tile, y, x, k) * map[i];
            *weight += map[i];
            for (int k = 0; k < CLASSES && o->half; k++) sum[k] = halved(sum[k]);
            if (o->half) *weight = halved(*weight);
        }
    }
    for (int64_t i = 0; i < height * width * CLASSES; i++) {
        const int64_t y = i / CLASSES / width + before[0], x = i / CLASSES % width + before[1];
        logits[i] = sums[y][x][i % CLASSES] / weights[y][x];
        if (o->half) logits[i] = halved(logits[i]);
    }
}

static void rolling_rows_equal_whole_slices(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{2, 40, 50}, {1, 12, 16}, {3, 7, 9}, {2, 13, 60}, {1, 60, 11}};
    Toy *toy = calloc(1, sizeof *toy);
    for (size_t n = 0; n < 4 * sizeof shapes / sizeof shapes[0]; n++) {
        const int64_t *shape = shapes[n / 4], plane = shape[1] * shape[2];
        const WindowOptions o = {{TILE_Y, TILE_X}, n % 4 < 2 ? 0.5 : 0.8, n % 4 != 3, {false, false}, n % 2, 0};
        float *image = malloc((size_t)(shape[0] * plane * CHANNELS) * sizeof *image);
        float *wanted = malloc((size_t)(shape[0] * plane * CLASSES) * sizeof *wanted);
        Collected out = {malloc((size_t)(shape[0] * plane * CLASSES) * sizeof(float)), shape[1], shape[2], 0};
        for (int64_t i = 0; i < shape[0] * plane * CHANNELS; i++) image[i] = (float)sin(0.37 * (double)i);
        for (int64_t z = 0; z < shape[0]; z++)
            accumulate_slice(&o, image + z * plane * CHANNELS, shape[1], shape[2], wanted + z * plane * CLASSES);
        for (int batch = 1; batch <= BATCH; batch += 2) {
            const TileNetwork network = {batch, CHANNELS, CLASSES, toy->images, toy->logits, run_toy, toy, NULL};
            const RowSink sink = {collect, &out};
            Err e = {0};
            out.rows = 0;
            assert_int_equal(window_predict(&o, &network, image, shape, &sink, &e), 0);
            assert_int_equal(out.rows, shape[0] * shape[1]);
            assert_memory_equal(out.logits, wanted, (size_t)(shape[0] * plane * CLASSES) * sizeof(float));
        }
        free(out.logits);
        free(wanted);
        free(image);
    }
    free(toy);
}

/* A network whose logits are its input. */
static int copy_images(void *context, Err *e)
{
    (void)e;
    const TileNetwork *n = context;
    memcpy(n->images + BATCH * TILE_Y * TILE_X * CLASSES, n->images, BATCH * TILE_Y * TILE_X * CLASSES * sizeof(float));
    return 0;
}

static void adjacent_slices_are_further_channels(void **state)
{
    (void)state;
    enum { SLICES = 4, HEIGHT = 20, WIDTH = 26, PLANE = HEIGHT * WIDTH, SIZE = BATCH * TILE_Y * TILE_X * CLASSES };
    static float image[SLICES][PLANE], stack[SLICES][PLANE][CLASSES], memory[2 * SIZE],
        outs[2][SLICES * PLANE * CLASSES];
    const int64_t shape[3] = {SLICES, HEIGHT, WIDTH};
    for (int i = 0; i < SLICES * PLANE; i++) image[i / PLANE][i % PLANE] = (float)sin(0.37 * i);
    for (int i = 0; i < SLICES * PLANE * CLASSES; i++) {
        const int c = i % CLASSES, pixel = i / CLASSES % PLANE, own = i / CLASSES / PLANE, z = own + c - 1;
        stack[own][pixel][c] = image[z < 0 ? 0 : z >= SLICES ? SLICES - 1 : z][pixel];
    }
    for (int k = 0; k < 2; k++) {
        const WindowOptions o = {.tile_yx = {TILE_Y, TILE_X},
                                 .step = 0.5,
                                 .gaussian = true,
                                 .mirror_yx = {true, true},
                                 .adjacent_slices = k ? 0 : 1};
        TileNetwork network = {BATCH, CLASSES, CLASSES, memory, memory + SIZE, copy_images, NULL, NULL};
        network.context = &network;
        Collected out = {outs[k], HEIGHT, WIDTH, 0};
        const RowSink sink = {collect, &out};
        Err e = {0};
        assert_int_equal(window_predict(&o, &network, k ? stack[0][0] : image[0], shape, &sink, &e), 0);
        assert_int_equal(out.rows, SLICES * HEIGHT);
    }
    assert_memory_equal(outs[0], outs[1], sizeof outs[0]);
}

/* ---- slices across several axes ---- */

enum { AXES_Z = 5, AXES_Y = 7, AXES_X = 6, AXES_CHANNELS = 2, AXES_VOXELS = AXES_Z * AXES_Y * AXES_X };

/* Logits that depend on the values and on the place within the slice. The rows are padded, as those of the window. */
static int predict_rows(void *context, const float *image, const int64_t shape[3], const RowSink *sink, Err *e)
{
    enum { PAD = 3 };
    float rows[(AXES_Y + 2) * (AXES_Y + PAD) * CLASSES];
    const int64_t pitch = (shape[2] + PAD) * CLASSES;
    int *calls = context;
    ++*calls;
    for (int64_t z = 0; z < shape[0]; z++)
        for (int64_t y = 0; y < shape[1]; y += 2) {
            const int64_t count = y + 2 <= shape[1] ? 2 : 1;
            for (int64_t i = 0; i < count * pitch; i++) rows[i] = NAN;
            for (int64_t i = 0; i < count * shape[2]; i++) {
                const int64_t row = y + i / shape[2], x = i % shape[2];
                const float *voxel = image + ((z * shape[1] + row) * shape[2] + x) * AXES_CHANNELS;
                for (int k = 0; k < CLASSES; k++)
                    rows[(row - y) * pitch + x * CLASSES + k] =
                        voxel[0] * (float)(k + row + 1) - voxel[1] * (float)(x - z);
            }
            TRY(sink->rows(sink->context, &(RowBlock){z, y, count, rows, pitch}, e));
        }
    return 0;
}

static void take_volume(double *volume, const float *image, int axis, double part)
{
    const int64_t shape[3] = {AXES_Z, AXES_Y, AXES_X}, steps[3] = {AXES_Y * AXES_X, AXES_X, 1};
    int order[3];
    plan_slice_order(order, axis);
    for (int64_t z = 0; z < shape[order[0]]; z++)
        for (int64_t y = 0; y < shape[order[1]]; y++)
            for (int64_t x = 0; x < shape[order[2]]; x++) {
                const int64_t at = z * steps[order[0]] + y * steps[order[1]] + x * steps[order[2]];
                for (int k = 0; k < CLASSES; k++)
                    volume[at * CLASSES + k] += part * (image[at * AXES_CHANNELS] * (float)(k + y + 1) -
                                                        image[at * AXES_CHANNELS + 1] * (float)(x - z));
            }
}

static void several_axes_give_the_mean_of_their_logits(void **state)
{
    (void)state;
    static const struct {
        int axes[3], count;
    } cases[] = {{{0}, 1}, {{1}, 1}, {{2}, 1}, {{0, 1, 2}, 3}, {{2, 0}, 2}};
    const int64_t shape[3] = {AXES_Z, AXES_Y, AXES_X};
    static float image[AXES_VOXELS * AXES_CHANNELS], logits[AXES_VOXELS * CLASSES];
    for (int i = 0; i < AXES_VOXELS * AXES_CHANNELS; i++) image[i] = (float)sin(0.7 * i);
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        Plan plan;
        Err e = {0};
        int calls = 0;
        double wanted[AXES_VOXELS * CLASSES] = {0};
        Collected out = {logits, AXES_Y, AXES_X, 0};
        plan_defaults(&plan);
        plan.configuration.slice_axes_count = cases[n].count;
        memcpy(plan.configuration.slice_axes, cases[n].axes, sizeof cases[n].axes);
        for (int i = 0; i < cases[n].count; i++) take_volume(wanted, image, cases[n].axes[i], 1.0 / cases[n].count);
        const SlicePredictor p = {predict_rows, &calls, AXES_CHANNELS, CLASSES};
        assert_int_equal(slice_axes_predict(&plan.configuration, &p, image, shape, &(RowSink){collect, &out}, &e), 0);
        assert_int_equal(calls, cases[n].count);
        assert_int_equal(out.rows, AXES_Z * AXES_Y);
        for (int i = 0; i < AXES_VOXELS * CLASSES; i++) assert_true(fabs(logits[i] - wanted[i]) < 1e-5);
    }
}

/* ---- export ---- */

static void regions_overwrite_in_their_order(void **state)
{
    (void)state;
    static const int whole[] = {1, 2, 3}, core[] = {2, 3}, inner[] = {3}, order[] = {1, 2, 3};
    const DatasetLabel regions[] = {{"background", (int[]){0}, 1, false},
                                    {"whole", whole, 3, true},
                                    {"core", core, 2, true},
                                    {"inner", inner, 1, true}};
    const DatasetInfo info = {.label_count = 4,
                              .labels = regions,
                              .max_value = 3,
                              .ignore_value = -1,
                              .has_regions = true,
                              .regions_class_order = order,
                              .regions_class_count = 3};
    const CaseProperties p = {.shape_before_crop = {1, 1, 4},
                              .box = {{0, 0, 0}, {1, 1, 4}},
                              .shape = {1, 1, 4},
                              .axes = {.from = {0, 1, 2}},
                              .transpose_forward = {0, 1, 2},
                              .spacing_mm = {1, 1, 1}};
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
    assert_int_equal(sink.rows(sink.context, &(RowBlock){0, 0, 1, logits, 0}, &e), 0);
    assert_memory_equal(labels.data, ((uint8_t[]){1, 2, 0, 3}), 4);
    for (int i = 0; i < 3; i++) { /* no label follows from what is no number */
        float strange[12];
        memcpy(strange, logits, sizeof strange);
        strange[11 - i] = i == 0 ? NAN : i == 1 ? INFINITY : -INFINITY;
        assert_int_equal(sink.rows(sink.context, &(RowBlock){0, 0, 1, strange, 0}, &e), ERR_VALUE);
        assert_non_null(strstr(e.text, "output is not a number, first in slice 0, row 0"));
    }
    exporter_free(x);
    array_free(&labels);
}

/* ---- threads ---- */

enum { WIDE_Y = 64, WIDE_X = 96, HEADS = 4 };

/* Logits by a formula of pixel and image. */
static int run_wide(void *context, Err *e)
{
    (void)e;
    const TileNetwork *n = context;
    float *logits = (float *)n->logits;
    for (int64_t i = 0; i < (int64_t)n->batch * WIDE_Y * WIDE_X * HEADS; i++)
        logits[i] = n->images[i / HEADS] + (float)(i % 7 * (i % HEADS)) * 0.13f;
    return 0;
}

typedef struct Exported {
    Array labels;
    ProbabilityArray probabilities;
} Exported;

/* A volume with a border, on another grid than the preprocessed one, predicted with mirror images. */
static void export_wide(Exported *out, PlanCompatibility compatibility, bool probable)
{
    const DatasetLabel labels[] = {{"background", (int[]){0}, 1, false},
                                   {"a", (int[]){1}, 1, false},
                                   {"b", (int[]){2}, 1, false},
                                   {"c", (int[]){3}, 1, false}};
    const DatasetInfo info = {.label_count = HEADS, .labels = labels, .max_value = 3, .ignore_value = -1};
    static const CaseProperties p = {.shape_before_crop = {3, 190, 230},
                                     .box = {{1, 7, 3}, {3, 186, 226}},
                                     .shape = {2, 151, 247},
                                     .axes = {.from = {0, 1, 2}},
                                     .transpose_forward = {0, 1, 2},
                                     .spacing_mm = {1, 1, 1}};
    const int64_t values = p.shape[0] * p.shape[1] * p.shape[2];
    const WindowOptions o = {{WIDE_Y, WIDE_X}, 0.5, true, {true, true}, compatibility != COMPATIBILITY_NONE, 0};
    float *image = malloc((size_t)values * sizeof *image),
          *memory = calloc(3 * WIDE_Y * WIDE_X * (HEADS + 1), sizeof *memory);
    TileNetwork network = {3, 1, HEADS, memory, memory + 3 * WIDE_Y * WIDE_X, run_wide, &network, NULL};
    Plan plan;
    Exporter *x;
    Err e = {0};
    plan_defaults(&plan);
    plan.compatibility = compatibility;
    plan.configuration.spacing_mm[0] = 1.2;
    plan.configuration.spacing_mm[1] = 0.9;
    for (int64_t i = 0; i < values; i++) image[i] = (float)sin(0.0137 * (double)i);
    const ProbabilitySink sink = probability_array_sink(&out->probabilities, NULL);
    assert_int_equal(export_labels_new(&out->labels, &info, &p, &e), 0);
    if (probable) assert_int_equal(sink.begin(sink.rows.context, &p, &info, &e), 0);
    assert_int_equal(exporter_new(&x, &plan, &info, &p, &out->labels, probable ? &sink.rows : NULL, &e), 0);
    const RowSink rows = exporter_sink(x);
    assert_int_equal(window_predict(&o, &network, image, p.shape, &rows, &e), 0);
    exporter_free(x);
    free(image);
    free(memory);
}

static void exported_free(Exported *out)
{
    array_free(&out->labels);
    array_free(&out->probabilities.values);
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    static const PlanCompatibility compatibilities[] = {COMPATIBILITY_NONE, COMPATIBILITY_NNUNET};
    const int before = omp_get_max_threads();
    for (int n = 0; n < 4; n++) {
        Exported one, many;
        omp_set_num_threads(1);
        export_wide(&one, compatibilities[n / 2], n % 2);
        for (int threads = 2; threads <= 4; threads++) {
            omp_set_num_threads(threads);
            export_wide(&many, compatibilities[n / 2], n % 2);
            assert_memory_equal(one.labels.data, many.labels.data, array_bytes(&one.labels));
            if (n % 2)
                assert_memory_equal(one.probabilities.values.data, many.probabilities.values.data,
                                    array_bytes(&one.probabilities.values));
            exported_free(&many);
        }
        exported_free(&one);
    }
    omp_set_num_threads(before);
}

static void official_trainers_name_their_network(void **state)
{
    (void)state;
    assert_string_equal(network_of_trainer("nnUNetTrainerSwinUMambaDScratch")->name, "swin_umamba_d");
    assert_string_equal(network_of_trainer("nnUNetTrainerSwinUMambaScratch")->name, "swin_umamba");
    assert_string_equal(network_of_trainer("nnUNetTrainer_250epochs")->name, "nnunet");
    assert_null(network_of_trainer("nnUNetTrainerMedNeXt"));
    assert_null(network_of_trainer("SomebodysTrainer"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_nnunets),
        cmocka_unit_test(rolling_rows_equal_whole_slices),
        cmocka_unit_test(adjacent_slices_are_further_channels),
        cmocka_unit_test(several_axes_give_the_mean_of_their_logits),
        cmocka_unit_test(regions_overwrite_in_their_order),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(official_trainers_name_their_network),
    };
    return cmocka_run_group_tests_name("inference", tests, NULL, NULL);
}
