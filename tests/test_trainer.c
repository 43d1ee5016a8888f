/* trainer/: patches, augmentation kernels, sampling, loading, schedules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/npy.h"
#include "network/executor/executor.h"
#include "network/ops/ops.h"
#include "plans/splits.h"
#include "preprocess/class_locations.h"
#include "recipe/run_length.h"
#include "tests/support/exists.h"
#include "tests/support/gold.h"
#include "tests/support/stepped.h"
#include "trainer/augment.h"
#include "trainer/checkpoint.h"
#include "trainer/intensity.h"
#include "trainer/loader.h"
#include "trainer/pseudo_dice.h"
#include "trainer/schedule.h"
#include "weights/safetensors.h"

#define GOLDEN gold_path("nnunet/augment")
static const double PI = 3.14159265358979323846;

/* ---- geometry ---- */

static void initial_patches_are_nnunets(void **state)
{
    (void)state;
    static const int64_t cases[][4] = {{56, 40, 65, 65},         {64, 64, 75, 75},     {160, 192, 225, 225},
                                       {224, 288, 338, 338},     {320, 320, 376, 376}, {384, 640, 631, 752},
                                       {1024, 1280, 1505, 1505}, {40, 61, 64, 71},     {48, 72, 84, 84},
                                       {33, 50, 52, 58}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const PatchGeometry g = patch_geometry(cases[i]);
        assert_int_equal(g.initial_yx[0], cases[i][2]);
        assert_int_equal(g.initial_yx[1], cases[i][3]);
    }
}

static void corners_are_nnunets(void **state)
{
    (void)state;
    int64_t low, high;
    patch_corner_range(51, 56, 78, &low, &high); /* augment.json, patch_bbox 0 */
    assert_int_equal(low, -14);
    assert_int_equal(high, -13);
    patch_corner_range(35, 40, 55, &low, &high);
    assert_int_equal(low, -10);
    assert_int_equal(high, -10);
    patch_corner_range(146, 160, 263, &low, &high);
    assert_int_equal(low, -59);
    assert_int_equal(high, -58);
    patch_corner_range(100, 64, 64, &low, &high); /* validation: no enlarged crop */
    assert_int_equal(low, 0);
    assert_int_equal(high, 36);
    assert_int_equal(patch_corner_around(44, 78, -14), 5);
    assert_int_equal(patch_corner_around(3, 78, -14), -14);
}

static void the_last_third_of_a_batch_is_forced(void **state)
{
    (void)state;
    static const int expected[][2] = {{2, 1}, {3, 1}, {4, 1},  {5, 2},  {6, 2},
                                      {7, 2}, {9, 3}, {12, 4}, {13, 4}, {90, 30}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        int forced = 0;
        for (int item = 0; item < expected[i][0]; item++) forced += patch_is_forced(item, expected[i][0], 0.33);
        assert_int_equal(forced, expected[i][1]);
        assert_true(patch_is_forced(expected[i][0] - 1, expected[i][0], 0.33));
    }
}

/* ---- kernels against batchgeneratorsv2 ---- */

enum { CHANNELS = 2, HEIGHT = 70, WIDTH = 61, PIXELS = HEIGHT * WIDTH };

static bool golden_is_there(void) { return exists(GOLDEN); }

static Array golden(const char *name)
{
    Err e = {0};
    Array a = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/%s.npy", GOLDEN, name);
    assert_int_equal(npy_read(&a, path, &e), 0);
    return a;
}

typedef void (*Kernel)(float *plane, const double *parameters, float *scratch);

static void blur(float *plane, const double *p, float *scratch) { intensity_blur(plane, HEIGHT, WIDTH, p, scratch); }

static void gamma_kernel(float *plane, const double *p, float *scratch)
{
    (void)scratch;
    intensity_gamma(plane, PIXELS, p[0], p[1] != 0, p[2] != 0);
}

static void contrast(float *plane, const double *p, float *scratch)
{
    (void)scratch;
    intensity_contrast(plane, PIXELS, p[0], p[1] != 0);
}

static void low_resolution(float *plane, const double *p, float *scratch)
{
    intensity_low_resolution(plane, HEIGHT, WIDTH, p[0], scratch);
}

static void intensity_kernels_are_batchgenerators(void **state)
{
    (void)state;
    if (!golden_is_there()) skip();
    static const struct {
        const char *file;
        Kernel kernel;
        double parameters[3];
    } cases[] = {
        {"new_blur_0", blur, {0.5, 0.5}},           {"new_blur_1", blur, {0.6, 0.93}},
        {"new_blur_2", blur, {1.0, 0.75}},          {"new_blur_3", blur, {1.0, 1.0}},
        {"new_gamma_0", gamma_kernel, {0.7, 0, 1}}, {"new_gamma_1", gamma_kernel, {1.5, 0, 1}},
        {"new_gamma_2", gamma_kernel, {0.8, 1, 1}}, {"new_gamma_3", gamma_kernel, {1.3, 1, 1}},
        {"new_gamma_4", gamma_kernel, {1.2, 0, 0}}, {"new_gamma_5", gamma_kernel, {0.9, 1, 0}},
        {"new_contrast_0", contrast, {0.75, 1}},    {"new_contrast_1", contrast, {1.25, 1}},
        {"new_contrast_2", contrast, {1.25, 0}},    {"new_lowres_0", low_resolution, {0.5}},
        {"new_lowres_1", low_resolution, {0.63}},   {"new_lowres_2", low_resolution, {0.777}},
        {"new_lowres_3", low_resolution, {0.9}},    {"new_lowres_4", low_resolution, {1.0}},
    };
    Array image = golden("img");
    float plane[PIXELS], scratch[PIXELS];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Array expected = golden(cases[i].file);
        double worst = 0;
        for (int c = 0; c < CHANNELS; c++) {
            memcpy(plane, (const float *)image.data + c * PIXELS, sizeof plane);
            cases[i].kernel(plane, cases[i].parameters, scratch);
            for (int k = 0; k < PIXELS; k++)
                worst = fmax(worst, fabs(plane[k] - ((const float *)expected.data)[c * PIXELS + k]));
        }
        if (worst > 2e-5) print_error("%s: off by %g\n", cases[i].file, worst);
        assert_true(worst <= 2e-5);
        array_free(&expected);
    }
    array_free(&image);
}

static float *interleaved(const Array *image)
{
    float *out = malloc((size_t)(CHANNELS * PIXELS) * sizeof *out);
    for (int c = 0; c < CHANNELS; c++)
        for (int i = 0; i < PIXELS; i++) out[i * CHANNELS + c] = ((const float *)image->data)[c * PIXELS + i];
    return out;
}

static void spatial_transform_is_batchgenerators(void **state)
{
    (void)state;
    if (!golden_is_there()) skip();
    static const struct {
        int64_t patch[2];
        double angle, scale;
    } cases[] = {{{48, 40}, 0.3, 1},    {{48, 40}, 0, 0.7},    {{48, 40}, 0, 1.4},
                 {{48, 40}, -0.2, 1.2}, {{48, 40}, 0, 0},      {{47, 41}, 0, 0},
                 {{70, 61}, PI / 2, 1}, {{60, 60}, 2.5, 0.85}, {{48, 40}, 0, 1}};
    Array image = golden("img"), labels = golden("seg");
    float *pixels = interleaved(&image);
    const SliceView slice = slice_view(pixels, labels.data, HEIGHT, WIDTH, CHANNELS);
    float planes[CHANNELS * PIXELS];
    int16_t sampled[PIXELS];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "new_spatial_%zu", i);
        Array expected = golden(name);
        strcat(name, "_seg");
        Array expected_labels = golden(name);
        const int64_t count = cases[i].patch[0] * cases[i].patch[1];
        Patch patch = {planes, sampled, cases[i].patch[0], cases[i].patch[1], CHANNELS};
        const Crop whole = {0, 0, HEIGHT, WIDTH};
        if (cases[i].scale > 0) spatial_transform(&slice, whole, cases[i].angle, cases[i].scale, &patch);
        else spatial_copy(&slice, patch_center(whole, cases[i].patch), &patch);
        double worst = 0;
        int wrong = 0;
        for (int64_t k = 0; k < CHANNELS * count; k++)
            worst = fmax(worst, fabs(planes[k] - ((const float *)expected.data)[k]));
        for (int64_t k = 0; k < count; k++) wrong += sampled[k] != ((const int16_t *)expected_labels.data)[k];
        if (worst > 5e-5 || wrong) print_error("%s: image off by %g, %d labels differ\n", name, worst, wrong);
        assert_true(worst <= 5e-5);
        assert_int_equal(wrong, 0);
        array_free(&expected);
        array_free(&expected_labels);
    }
    free(pixels);
    array_free(&image);
    array_free(&labels);
}

/* ---- sampler and loader, on a folder of three small cases ---- */

enum { CASES = 3, BATCH = 5 };

static void write_part(const char *folder, int i, const char *ending, Array *a)
{
    Err e = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/case_%d%s", folder, i, ending);
    assert_int_equal(npy_write(path, a, &e), 0);
    array_free(a);
}

static char *const case_list[CASES] = {"case_0", "case_1", "case_2"};

/* Labels are -1, 0, 1 and 2; the last case has no foreground. */
static char *write_cases(void)
{
    static const int values[] = {1, 2};
    const DatasetLabel declared[] = {
        {"background", (int[]){0}, 1, false}, {"one", values, 1, false}, {"two", values + 1, 1, false}};
    const DatasetInfo info = {.label_count = 3, .labels = declared, .max_value = 2, .ignore_value = -1};
    char template[] = "/tmp/test_trainer_XXXXXX";
    char *folder = strdup(mkdtemp(template));
    Rng rng = rng_make(3, 0, 0, 0, RNG_TEST);
    for (int i = 0; i < CASES; i++) {
        Err e = {0};
        Array image, labels, locations;
        const int64_t shape[4] = {2 + i, 30 + 7 * i, 50 - 9 * i, 2};
        assert_int_equal(array_new(&image, DTYPE_F32, 4, shape, &e), 0);
        assert_int_equal(array_new(&labels, DTYPE_I16, 3, shape, &e), 0);
        for (int64_t k = 0; k < array_count(&image); k++) ((float *)image.data)[k] = (float)rng_normal(&rng) + 5;
        for (int64_t k = 0; i < 2 && k < array_count(&labels); k++)
            ((int16_t *)labels.data)[k] = (int16_t)(k % 400 == 0 ? 1 : k % 411 == 0 ? 2 : k % 5 == 0 ? -1 : 0);
        assert_int_equal(class_locations_sample(&locations, &labels, &info, &e), 0);
        write_part(folder, i, ".npy", &image);
        write_part(folder, i, "_seg.npy", &labels);
        write_part(folder, i, "_locations.npy", &locations);
    }
    return folder;
}

static void remove_cases(char *folder)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    free(folder);
}

static void open_cases(CaseSet *set, const char *folder)
{
    Err e = {0};
    assert_int_equal(case_set_open(set, folder, case_list, CASES, 2, &e), 0);
}

static Sampler small_sampler(CaseSet *set, bool augment)
{
    static const int64_t patch[2] = {32, 24};
    return (Sampler){.cases = set,
                     .geometry = patch_geometry(patch),
                     .batch_size = BATCH,
                     .oversample_foreground = 0.33,
                     .class_count = 2,
                     .largest_label = 2,
                     .augment = augment,
                     .rules = {PI, 1, {true, true}, false},
                     .seed = 7};
}

static void forced_patches_show_foreground(void **state)
{
    (void)state;
    char *folder = write_cases();
    CaseSet set;
    open_cases(&set, folder);
    Sampler sampler = small_sampler(&set, false);
    sampler.oversample_foreground = 1;
    SamplerWorkspace w;
    Err e = {0};
    assert_int_equal(sampler_workspace_new(&w, &sampler, &e), 0);
    float image[32 * 24 * 2];
    int16_t labels[32 * 24];
    int shown[3] = {0}, items = 0;
    for (int iteration = 0; iteration < 100; iteration++)
        for (int item = 0; item < BATCH; item++, items++) {
            assert_int_equal(sampler_fill(&sampler, &w, 0, iteration, item, image, labels, &e), 0);
            bool seen[3] = {false};
            for (int k = 0; k < 32 * 24; k++) {
                assert_in_range(labels[k], 0, 2);
                seen[labels[k]] = true;
            }
            if (seen[1] || seen[2]) shown[0]++;
            shown[1] += seen[1];
            shown[2] += seen[2];
        }
    assert_true(shown[0] > items / 2 && shown[0] < items * 3 / 4); /* two cases of three have foreground */
    assert_true(shown[1] > items / 4 && shown[2] > items / 4);
    sampler_workspace_free(&w);
    case_set_close(&set);
    remove_cases(folder);
}

/* (Z,Y,X,channels) with the channels of the slices z - 2 … z + 2 one after another. */
static Array stacked(const Array *image)
{
    const int64_t *s = image->shape, shape[4] = {s[0], s[1], s[2], 5 * s[3]};
    Array all;
    Err e = {0};
    assert_int_equal(array_new(&all, DTYPE_F32, 4, shape, &e), 0);
    for (int64_t i = 0; i < array_count(&all); i++) {
        const int64_t channel = i % shape[3], pixel = i / shape[3], plane = s[1] * s[2];
        const int64_t wanted = pixel / plane + channel / s[3] - 2;
        const int64_t z = wanted < 0 ? 0 : wanted >= s[0] ? s[0] - 1 : wanted;
        ((float *)all.data)[i] = ((const float *)image->data)[(z * plane + pixel % plane) * s[3] + channel % s[3]];
    }
    return all;
}

enum { AREA = 32 * 24, ADJACENT = 2, OF_ALL = 2 * (2 * ADJACENT + 1) };

static void fill_item(const Sampler *s, int item, float *image, int16_t *labels)
{
    SamplerWorkspace w;
    Err e = {0};
    assert_int_equal(sampler_workspace_new(&w, s, &e), 0);
    assert_int_equal(sampler_fill(s, &w, 0, item / BATCH, item % BATCH, image, labels, &e), 0);
    sampler_workspace_free(&w);
}

/* Without changes of intensities, which are drawn for each channel of the image. */
static void adjacent_slices_are_further_channels(void **state)
{
    (void)state;
    static float images[2][AREA * OF_ALL];
    static int16_t labels[2][AREA];
    char *folder = write_cases();
    CaseSet set;
    open_cases(&set, folder);
    TrainingCase cases[CASES];
    CaseSet stack = {.cases = cases, .count = CASES, .channels = OF_ALL};
    for (int i = 0; i < CASES; i++) {
        cases[i] = set.cases[i];
        cases[i].image = stacked(&set.cases[i].image);
    }
    Sampler samplers[2] = {small_sampler(&set, true), small_sampler(&stack, true)};
    samplers[0].adjacent_slices = ADJACENT;
    for (int k = 0; k < 2; k++) samplers[k].mask_channel[2 * ADJACENT] = true;
    for (int k = 0; k < 2; k++) samplers[k].rules.strength = 0;
    assert_int_equal(sampler_channels(&samplers[0]), OF_ALL);
    for (int item = 0; item < 20 * BATCH; item++) {
        for (int k = 0; k < 2; k++) fill_item(&samplers[k], item, images[k], labels[k]);
        assert_memory_equal(images[0], images[1], sizeof images[0]);
        assert_memory_equal(labels[0], labels[1], sizeof labels[0]);
    }
    for (int i = 0; i < CASES; i++) array_free(&cases[i].image);
    case_set_close(&set);
    remove_cases(folder);
}

/* ---- slices across other axes ---- */

/* The image or labels (Z,Y,X,…) with the axis in the first one's place. */
static Array turned(const Array *a, int axis)
{
    int order[3];
    Array to;
    Err e = {0};
    const int64_t *s = a->shape, steps[3] = {s[1] * s[2], s[2], 1};
    plan_slice_order(order, axis);
    const int64_t shape[4] = {s[order[0]], s[order[1]], s[order[2]], a->rank > 3 ? s[3] : 1};
    const size_t voxel = (size_t)shape[3] * dtype_size(a->dtype);
    assert_int_equal(array_new(&to, a->dtype, a->rank, shape, &e), 0);
    for (int64_t i = 0; i < shape[0] * shape[1] * shape[2]; i++) {
        const int64_t z = i / shape[2] / shape[1], y = i / shape[2] % shape[1], x = i % shape[2];
        const int64_t from = z * steps[order[0]] + y * steps[order[1]] + x * steps[order[2]];
        memcpy((char *)to.data + (size_t)i * voxel, (const char *)a->data + (size_t)from * voxel, voxel);
    }
    return to;
}

static Array turned_locations(const Array *a, int axis)
{
    Array to;
    Err e = {0};
    assert_int_equal(array_new(&to, DTYPE_I32, 2, a->shape, &e), 0);
    memcpy(to.data, a->data, (size_t)array_count(a) * sizeof(int32_t));
    for (int64_t i = 0; i < a->shape[0]; i++) {
        int32_t *voxel = (int32_t *)to.data + 4 * i + 1, first = voxel[0];
        voxel[0] = voxel[axis];
        voxel[axis] = first;
    }
    return to;
}

static void slices_across_an_axis_are_those_of_a_turned_volume(void **state)
{
    static float images[2][AREA * OF_ALL];
    static int16_t labels[2][AREA];
    const bool older = *state;
    char *folder = write_cases();
    CaseSet set;
    open_cases(&set, folder);
    for (int n = 0; n < 4; n++) {
        const int axis = 1 + n / 2, adjacent = n % 2;
        TrainingCase cases[CASES];
        CaseSet all = {.cases = cases, .count = CASES, .channels = 2};
        for (int i = 0; i < CASES; i++) {
            cases[i].name = set.cases[i].name;
            cases[i].image = turned(&set.cases[i].image, axis);
            cases[i].labels = turned(&set.cases[i].labels, axis);
            cases[i].locations = turned_locations(&set.cases[i].locations, axis);
        }
        Sampler samplers[2] = {small_sampler(&set, n < 3), small_sampler(&all, n < 3)};
        samplers[0].slice_axes[0] = axis;
        samplers[0].slice_axes_count = 1;
        for (int k = 0; k < 2; k++) {
            samplers[k].adjacent_slices = adjacent;
            samplers[k].rules.older = older;
        }
        for (int item = 0; item < 10 * BATCH; item++) {
            for (int k = 0; k < 2; k++) fill_item(&samplers[k], item, images[k], labels[k]);
            assert_memory_equal(images[0], images[1], sizeof(float) * AREA * (size_t)sampler_channels(samplers));
            assert_memory_equal(labels[0], labels[1], sizeof labels[0]);
        }
        for (int i = 0; i < CASES; i++) {
            array_free(&cases[i].image);
            array_free(&cases[i].labels);
            array_free(&cases[i].locations);
        }
    }
    case_set_close(&set);
    remove_cases(folder);
}

/* In the volume a voxel's value is the number of its slice: only a patch across the first axis has one value. */
static void axes_are_equally_frequent(void **state)
{
    (void)state;
    static float image[AREA * OF_ALL];
    static int16_t labels[AREA];
    enum { SIDE = 40, ITEMS = 150 * BATCH };
    int across_first = 0;
    char *folder = write_cases();
    CaseSet set;
    Err e = {0};
    open_cases(&set, folder);
    TrainingCase one = set.cases[0];
    const int64_t shape[4] = {SIDE, SIDE, SIDE, 2};
    assert_int_equal(array_new(&one.image, DTYPE_F32, 4, shape, &e), 0);
    assert_int_equal(array_new(&one.labels, DTYPE_I16, 3, shape, &e), 0);
    for (int64_t i = 0; i < array_count(&one.image); i++) ((float *)one.image.data)[i] = (float)(i / (2 * SIDE * SIDE));
    CaseSet cubes = {.cases = &one, .count = 1, .channels = 2};
    Sampler sampler = small_sampler(&cubes, false);
    sampler.oversample_foreground = 0;
    sampler.slice_axes_count = 3;
    for (int i = 0; i < 3; i++) sampler.slice_axes[i] = i;
    for (int item = 0; item < ITEMS; item++) {
        bool same = true;
        fill_item(&sampler, item, image, labels);
        for (int i = 0; i < AREA * 2; i++) same = same && image[i] == image[0];
        across_first += same;
    }
    assert_true(abs(across_first - ITEMS / 3) < ITEMS / 20);
    array_free(&one.image);
    array_free(&one.labels);
    case_set_close(&set);
    remove_cases(folder);
}

/* An image whose slices are all like its first one. */
static Array repeated(const Array *image)
{
    Array all;
    Err e = {0};
    assert_int_equal(array_new(&all, DTYPE_F32, 4, image->shape, &e), 0);
    const size_t slice = (size_t)(array_count(&all) / all.shape[0]) * sizeof(float);
    for (int64_t z = 0; z < all.shape[0]; z++) memcpy((char *)all.data + (size_t)z * slice, image->data, slice);
    return all;
}

static void slices_are_changed_alike(void **state)
{
    (void)state;
    static float image[AREA * OF_ALL];
    static int16_t labels[AREA];
    int compared = 0, changed = 0;
    char *folder = write_cases();
    CaseSet set;
    open_cases(&set, folder);
    TrainingCase cases[CASES];
    for (int i = 0; i < CASES; i++) {
        cases[i] = set.cases[i];
        cases[i].image = repeated(&set.cases[i].image);
    }
    CaseSet alike = {.cases = cases, .count = CASES, .channels = 2};
    Sampler sampler = small_sampler(&alike, true);
    sampler.adjacent_slices = ADJACENT;
    for (int item = 0; item < 60 * BATCH; item++) {
        Rng rng = rng_make(sampler.seed, 0, (uint32_t)(item / BATCH), (uint32_t)(item % BATCH), RNG_AUGMENT);
        const AugmentDraw draw = augment_draw(&rng, &sampler.rules, 2);
        if (draw.noise_sigma > 0) continue; /* each voxel has its own */
        fill_item(&sampler, item, image, labels);
        for (int i = 0; i < AREA * OF_ALL; i++) assert_true(image[i] == image[i - i % OF_ALL + i % 2]);
        compared++;
        changed += draw.channel[0].contrast > 0 || draw.channel[0].gamma > 0;
    }
    assert_true(compared > 40 * BATCH && changed > 10 * BATCH);
    for (int i = 0; i < CASES; i++) array_free(&cases[i].image);
    case_set_close(&set);
    remove_cases(folder);
}

static void batches_do_not_depend_on_threads(void **state)
{
    char *folder = write_cases();
    CaseSet set;
    open_cases(&set, folder);
    const bool older = *state;
    Sampler training = small_sampler(&set, true);
    training.rules.older = older;
    const Sampler validation = small_sampler(&set, false);
    enum { EPOCHS = 3, ITERATIONS = 4, VALIDATION = 2, ALL = EPOCHS * (ITERATIONS + VALIDATION) };
    const size_t image_bytes = BATCH * 32 * 24 * 2 * sizeof(float), label_bytes = BATCH * 32 * 24 * sizeof(int16_t);
    char *first = malloc(ALL * (image_bytes + label_bytes));
    for (int threads = 1; threads <= 4; threads += 3) {
        /* The second time starts in the middle, like a resumed run, and two batches are borrowed at a time. */
        const bool again = threads > 1;
        const int start = again ? ITERATIONS + VALIDATION + 2 : 0;
        const LoaderOptions o = {.training = &training,
                                 .validation = &validation,
                                 .part = {0, BATCH},
                                 .device = device_cpu(),
                                 .iterations = ITERATIONS,
                                 .validation_iterations = VALIDATION,
                                 .epochs = EPOCHS,
                                 .first_epoch = again,
                                 .first_iteration = again ? 2 : 0,
                                 .threads = threads,
                                 .ring = again ? 3 : 2};
        Loader *loader;
        Err e = {0};
        assert_int_equal(loader_new(&loader, &o, &e), 0);
        const Batch *before = NULL;
        for (int n = start; n < ALL; n++) {
            const Batch *batch;
            assert_int_equal(loader_borrow(loader, &batch, &e), 0);
            assert_int_equal(batch->epoch, n / (ITERATIONS + VALIDATION));
            assert_int_equal(batch->is_validation, n % (ITERATIONS + VALIDATION) >= ITERATIONS);
            char *at = first + (size_t)n * (image_bytes + label_bytes);
            if (!again) {
                memcpy(at, batch->images, image_bytes);
                memcpy(at + image_bytes, batch->labels, label_bytes);
            }
            assert_memory_equal(at, batch->images, image_bytes);
            assert_memory_equal(at + image_bytes, batch->labels, label_bytes);
            if (before) assert_memory_equal(at - image_bytes - label_bytes, before->images, image_bytes);
            if (before || !again) loader_give_back(loader);
            if (again) before = batch;
        }
        const Batch *none;
        assert_int_equal(loader_borrow(loader, &none, &e), ERR_VALUE);
        loader_free(loader);
    }
    free(first);
    case_set_close(&set);
    remove_cases(folder);
}

/* The batches of two ranks, one after the other, are those of one process. */
static void ranks_make_the_batch_of_one_process(void **state)
{
    (void)state;
    enum { WHOLE = 5, FIRST = 2, BATCHES = 4, PATCH = 32 * 24 };
    char *folder = write_cases();
    CaseSet set;
    open_cases(&set, folder);
    Sampler training = small_sampler(&set, true), validation = small_sampler(&set, false);
    training.batch_size = validation.batch_size = WHOLE;
    const BatchPart parts[] = {{0, WHOLE}, {0, FIRST}, {FIRST, WHOLE - FIRST}};
    Loader *loaders[3];
    for (int i = 0; i < 3; i++) {
        const LoaderOptions o = {&training, &validation, parts[i], device_cpu(), BATCHES / 2, BATCHES / 2, 1, 0,
                                 0,         1,           2};
        assert_int_equal(loader_new(&loaders[i], &o, NULL), 0);
    }
    for (int n = 0; n < BATCHES; n++) {
        const Batch *batch[3];
        for (int i = 0; i < 3; i++) assert_int_equal(loader_borrow(loaders[i], &batch[i], NULL), 0);
        for (int i = 1; i < 3; i++) {
            const int64_t first = parts[i].first_item * PATCH, count = parts[i].items * PATCH;
            assert_memory_equal(batch[0]->images + first * 2, batch[i]->images, (size_t)count * 2 * sizeof(float));
            assert_memory_equal(batch[0]->labels + first, batch[i]->labels, (size_t)count * sizeof(int16_t));
        }
        for (int i = 0; i < 3; i++) loader_give_back(loaders[i]);
    }
    for (int i = 0; i < 3; i++) loader_free(loaders[i]);
    case_set_close(&set);
    remove_cases(folder);
}

static void a_loader_can_stop_early(void **state)
{
    (void)state;
    char *folder = write_cases();
    CaseSet set;
    open_cases(&set, folder);
    const Sampler sampler = small_sampler(&set, true);
    for (int used = 0; used < 4; used++) {
        const LoaderOptions o = {&sampler, &sampler, {0, BATCH}, device_cpu(), 100, 1, 1, 0, 0, 2, 3};
        Loader *loader;
        Err e = {0};
        assert_int_equal(loader_new(&loader, &o, &e), 0);
        for (int i = 0; i < used; i++) {
            const Batch *batch;
            assert_int_equal(loader_borrow(loader, &batch, &e), 0);
            loader_give_back(loader);
        }
        loader_free(loader);
    }
    case_set_close(&set);
    remove_cases(folder);
}

static void cases_that_do_not_fit_are_named(void **state)
{
    (void)state;
    char *folder = write_cases();
    CaseSet set;
    Err e = {0};
    char *names[] = {"case_0", "nowhere"};
    assert_int_equal(case_set_open(&set, folder, names, 1, 3, &e), ERR_SHAPE);
    assert_non_null(strstr(e.text, "case_0.npy: 2 channels, but the plan has 3"));
    assert_int_equal(case_set_open(&set, folder, names, 2, 2, &e), ERR_IO);
    assert_non_null(strstr(e.text, "nowhere.npy"));
    Array far;
    const int64_t shape[2] = {1, 4};
    assert_int_equal(array_new(&far, DTYPE_I32, 2, shape, &e), 0);
    ((int32_t *)far.data)[2] = 30;
    write_part(folder, 0, "_locations.npy", &far);
    assert_int_equal(case_set_open(&set, folder, names, 1, 2, &e), ERR_SHAPE);
    assert_non_null(strstr(e.text, "case_0_locations.npy"));
    remove_cases(folder);
}

/* ---- masks ---- */

static void masks_are_random_squares(void **state)
{
    (void)state;
    enum { ROWS = 20, COLUMNS = 30, SIZE = 8, SQUARES = 3 * 4, DRAWS = 400 };
    const NetworkMask mask = {SIZE, 0.4}; /* 5 of 12 squares, those of the lower and right border are cut */
    static int16_t labels[ROWS * COLUMNS];
    int often[SQUARES] = {0};
    for (uint32_t draw = 0; draw < DRAWS; draw++) {
        Rng rng = rng_make(3, 0, 0, draw, RNG_MASK);
        int masked = 0;
        patch_mask(labels, ROWS, COLUMNS, mask, &rng);
        for (int k = 0; k < SQUARES; k++) {
            const int first = labels[k / 4 * SIZE * COLUMNS + k % 4 * SIZE];
            masked += first;
            often[k] += first;
        }
        assert_int_equal(masked, 5);
        for (int i = 0; i < ROWS * COLUMNS; i++)
            assert_int_equal(labels[i], labels[i / COLUMNS / SIZE * SIZE * COLUMNS + i % COLUMNS / SIZE * SIZE]);
    }
    for (int k = 0; k < SQUARES; k++) assert_true(abs(often[k] - DRAWS * 5 / 12) < 50); /* 5 standard deviations */
}

/* ---- schedules ---- */

static void learning_rates_are_the_trainers(void **state)
{
    (void)state;
    PlanTraining t = {.epochs = 1000,
                      .iterations_per_epoch = 250,
                      .learning_rate = 1e-4,
                      .final_learning_rate = 1e-6,
                      .schedule = SCHEDULE_COSINE};
    assert_true(fabs(schedule_learning_rate(&t, 0, 0) - 1e-4) <= 1e-18);
    assert_true(fabs(schedule_learning_rate(&t, 99, 0) - 9.763e-5) <=
                5e-9); /* docs/reference.md, Training of Swin-UMamba */
    assert_true(fabs(schedule_learning_rate(&t, 249, 0) - 8.561e-5) <= 5e-9);
    assert_true(fabs(schedule_learning_rate(&t, 349, 0) - 7.311e-5) <= 5e-9);
    t.schedule_epochs = 10;
    assert_true(fabs(schedule_learning_rate(&t, 10, 0) - 1e-6) <= 1e-18);
    assert_true(fabs(schedule_learning_rate(&t, 500, 0) - 1e-6) <= 1e-18);
    t = (PlanTraining){.epochs = 1000,
                       .iterations_per_epoch = 250,
                       .learning_rate = 0.01,
                       .schedule = SCHEDULE_POLY,
                       .poly_power = 0.9};
    assert_true(fabs(schedule_learning_rate(&t, 500, 0) - 0.01 * pow(0.5, 0.9)) <= 1e-15);
    assert_true(schedule_learning_rate(&t, 500, 0) == schedule_learning_rate(&t, 500, 249));
}

static void learning_rates_change_with_iterations(void **state)
{
    (void)state;
    PlanTraining t = {.epochs = 10,
                      .iterations_per_epoch = 100,
                      .learning_rate = 1,
                      .schedule = SCHEDULE_POLY,
                      .poly_power = 1,
                      .schedule_step = SCHEDULE_BY_ITERATION};
    assert_true(fabs(schedule_learning_rate(&t, 4, 50) - (1 - 0.45)) < 1e-15);
    t.warmup_iterations = 120;
    assert_true(fabs(schedule_learning_rate(&t, 0, 0) - 1.0 / 120) < 1e-15);
    assert_true(fabs(schedule_learning_rate(&t, 1, 9) - 110.0 / 120 * (1 - 0.109)) < 1e-15);
    assert_true(fabs(schedule_learning_rate(&t, 1, 20) - (1 - 0.12)) < 1e-15);
    t.schedule_step = SCHEDULE_BY_EPOCH;
    assert_true(fabs(schedule_learning_rate(&t, 0, 59) - 0.5) < 1e-15);
}

/* ---- checkpoints and records of a run ---- */

static void curves_read_back(void **state)
{
    (void)state;
    History h = {0}, again = {0};
    Err e = {0};
    const double dice[] = {NAN, 0.5, 0.7, NAN, 0.1};
    for (int i = 0; i < 5; i++) {
        const EpochRecord r = {i, 1e-4 / (i + 1), -0.1 * i, i == 2 ? NAN : 0.3, dice[i], 0, 1.0 / 3, 0.5};
        assert_int_equal(history_add(&h, r, &e), 0);
    }
    assert_true(isnan(h.records[0].ema_pseudo_dice));
    assert_true(fabs(h.records[2].ema_pseudo_dice - (0.9 * 0.5 + 0.1 * 0.7)) < 1e-15);
    assert_true(h.records[3].ema_pseudo_dice == h.records[2].ema_pseudo_dice);
    Text text = {0};
    history_text(&h, &text);
    assert_int_equal(history_parse(&again, text.data, &e), 0);
    Text second = {0};
    history_text(&again, &second);
    assert_string_equal(text.data, second.data);
    history_free(&again);
    text.data[text.length - 3] = ',';
    assert_int_equal(history_parse(&again, text.data, &e), ERR_FORMAT);
    assert_int_equal(history_parse(&again, "epoch\n", &e), ERR_FORMAT);
    history_free(&again);
    static const char earlier[] = "epoch,learning_rate,train_loss,val_loss,pseudo_dice,ema_pseudo_dice,seconds\n"
                                  "0,0.1,1,1,0.5,0.5,2.5\n";
    assert_int_equal(history_parse(&again, earlier, &e), 0);
    assert_true(again.records[0].seconds == 2.5 && isnan(again.records[0].cpu_seconds));
    history_free(&again);
    history_free(&h);
    text_free(&text);
    text_free(&second);
}

static void pseudo_dice_counts_like_its_definition(void **state)
{
    (void)state;
    static const float counts[] = {0, 1, 1, /**/ 1, 1, 1, /**/ 2, 1, 0}; /* true, false positives, false negatives */
    PseudoDice d;
    Err e = {0};
    assert_int_equal(pseudo_dice_new(&d, 3, PSEUDO_DICE_LABELS, &e), 0);
    assert_true(isnan(pseudo_dice_mean(&d)));
    pseudo_dice_add(&d, counts, 1);
    assert_true(fabs(pseudo_dice_of(&d, 1) - 2.0 / 4) < 1e-15);
    assert_true(fabs(pseudo_dice_of(&d, 2) - 2.0 / 3) < 1e-15);
    assert_true(fabs(pseudo_dice_mean(&d) - (0.5 + 2.0 / 3) / 2) < 1e-15);
    pseudo_dice_clear(&d);
    assert_true(isnan(pseudo_dice_of(&d, 1)));
    pseudo_dice_free(&d);
}

static void pseudo_dice_of_regions_counts_each_alone(void **state)
{
    (void)state;
    static const float counts[] = {3, 1, /**/ 0, 1, /**/ 1, 1};
    PseudoDice d;
    Err e = {0};
    assert_int_equal(pseudo_dice_new(&d, 2, PSEUDO_DICE_REGIONS, &e), 0);
    pseudo_dice_add(&d, counts, 1);
    assert_true(fabs(pseudo_dice_of(&d, 0) - 6.0 / 7) < 1e-15);
    assert_true(fabs(pseudo_dice_of(&d, 1) - 2.0 / 4) < 1e-15);
    assert_true(fabs(pseudo_dice_mean(&d) - (6.0 / 7 + 0.5) / 2) < 1e-15);
    pseudo_dice_free(&d);
}

/* A network of two convolutions; the second output's parameters are never trained. */
static Graph *small_network(void)
{
    Err e = {0};
    Graph *g = graph_new(&e);
    const Ref image = graph_input(g, "image", (Shape){1, 8, 8, 2}, DTYPE_F32);
    graph_output(g, "head0", op_conv2d(g, "first", image, 3, conv_square(3, 1, 1, true)));
    graph_output(g, "head1", op_conv2d(g, "second", image, 2, conv_square(1, 1, 0, false)));
    assert_int_equal(graph_check(g, &e), 0);
    return g;
}

typedef struct Small {
    Parameters *parameters, *average; /* average: NULL for none */
    Executor *executor;
    Optimizer *optimizer;
} Small;

static CheckpointWeights small_weights(const Small *s) { return (CheckpointWeights){s->parameters, s->average}; }

/* decay: of the average of the weights; 0: none */
static Small small_training(const Graph *g, NetworkOptimizer kind, double decay, const char *checkpoint, RunState *run)
{
    Small s = {0};
    Err e = {0};
    Ref head;
    const AdamW adamw = {0.9, 0.999, 1e-5, 0.05, 12};
    const SGD sgd = {0.99, 3e-5, 12};
    assert_true(graph_find(g, "head0", &head));
    const ExecutorOptions options = {.outputs = &head, .output_count = 1, .train = true};
    assert_int_equal(parameters_new(&s.parameters, g, &e), 0);
    parameters_initialize(s.parameters, 5);
    assert_int_equal(executor_new(&s.executor, g, s.parameters, &options, &e), 0);
    assert_int_equal(kind == OPTIMIZER_SGD ? optimizer_new_sgd(&s.optimizer, s.parameters, &sgd, &e)
                                           : optimizer_new_adamw(&s.optimizer, s.parameters, &adamw, &e),
                     0);
    if (decay > 0) {
        assert_int_equal(parameters_new(&s.average, g, &e), 0);
        parameters_copy(s.average, s.parameters);
        optimizer_average(s.optimizer, s.average, decay);
    }
    const CheckpointWeights weights = small_weights(&s);
    if (checkpoint) assert_int_equal(checkpoint_read(checkpoint, &weights, s.optimizer, run, &e), 0);
    assert_int_equal(optimizer_adopt(s.optimizer, executor_gradients(s.executor), &e), 0);
    return s;
}

static void small_step(Small *s, int iteration)
{
    Tensor *image = executor_input(s->executor, 0), *head = executor_output(s->executor, 0);
    Rng rng = rng_make(1, 0, (uint32_t)iteration, 0, RNG_TEST);
    const Step step = {0};
    for (int64_t i = 0; i < shape_count(image->shape); i++) ((float *)image->data)[i] = (float)rng_normal(&rng);
    assert_int_equal(executor_forward(s->executor, &step, NULL), 0);
    for (int64_t i = 0; i < shape_count(head->shape); i++)
        ((float *)head->grad)[i] = ((const float *)head->data)[i] - (float)rng_normal(&rng);
    assert_int_equal(executor_backward(s->executor, &step, NULL), 0);
    assert_true(isfinite(stepped(s->optimizer, 1e-2)));
}

static void small_free(Small *s)
{
    optimizer_free(s->optimizer);
    executor_free(s->executor);
    parameters_free(s->parameters);
    parameters_free(s->average);
}

static void goes_on_bit_for_bit(NetworkOptimizer kind, double decay)
{
    char folder[] = "/tmp/test_trainer_XXXXXX", path[128];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/checkpoint_latest.safetensors", folder);
    Graph *g = small_network();
    Err e = {0};
    RunState run = {
        .epoch = 3, .iteration = 5, .loss_sum = 1.0 / 3, .seconds = 2.5, .cpu_seconds = 4.5, .best_ema = NAN};
    text_add(&run.plan, "network: {name: \"x\"}\n");
    assert_int_equal(history_add(&run.history, (EpochRecord){.epoch = 2, .pseudo_dice = 0.4}, &e), 0);
    Small undisturbed = small_training(g, kind, decay, NULL, NULL);
    for (int i = 0; i < 4; i++) small_step(&undisturbed, i);
    const CheckpointWeights written = small_weights(&undisturbed);
    assert_int_equal(checkpoint_write(path, &written, undisturbed.optimizer, &run, &e), 0);
    RunState again = {0};
    Small resumed = small_training(g, kind, decay, path, &again);
    assert_int_equal(again.epoch, 3);
    assert_int_equal(again.iteration, 5);
    assert_true(again.loss_sum == run.loss_sum && again.seconds == run.seconds &&
                again.cpu_seconds == run.cpu_seconds && isnan(again.best_ema));
    assert_int_equal(again.history.count, 1);
    assert_string_equal(again.plan.data, run.plan.data);
    for (int i = 4; i < 7; i++) {
        small_step(&undisturbed, i);
        small_step(&resumed, i);
    }
    assert_memory_equal(undisturbed.parameters->values, resumed.parameters->values,
                        (size_t)graph_parameter_span(g) * sizeof(float));
    if (decay > 0)
        assert_memory_equal(undisturbed.average->values, resumed.average->values,
                            (size_t)graph_parameter_span(g) * sizeof(float));
    assert_false(optimizer_has_state(resumed.optimizer, graph_find_param(g, "second.weight")));

    /* Weights without the other state are no checkpoint; those of another network are rejected. */
    WeightsFile weights = {0};
    const Param *p = &graph_params(g)[0];
    assert_int_equal(
        weights_add(&weights, p->name, array_view(DTYPE_F32, p->rank, p->shape, undisturbed.parameters->values), &e),
        0);
    assert_int_equal(safetensors_write(&weights, path, &e), 0);
    weights_close(&weights);
    const CheckpointWeights filled = small_weights(&resumed);
    assert_int_equal(checkpoint_read(path, &filled, resumed.optimizer, &again, &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "are missing, first first.bias"));
    small_free(&undisturbed);
    small_free(&resumed);
    history_free(&run.history);
    history_free(&again.history);
    text_free(&run.plan);
    text_free(&again.plan);
    graph_free(g);
    assert_int_equal(file_remove(path, &e), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void a_checkpoint_goes_on_bit_for_bit(void **state)
{
    (void)state;
    goes_on_bit_for_bit(OPTIMIZER_ADAMW, 0);
    goes_on_bit_for_bit(OPTIMIZER_SGD, 0);
    goes_on_bit_for_bit(OPTIMIZER_ADAMW, 0.9);
}

/* A checkpoint has the average under the network's own names, so that everything that reads weights takes it. */
static void a_checkpoint_predicts_with_the_average(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_trainer_XXXXXX", path[128];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/checkpoint_final.safetensors", folder);
    Graph *g = small_network();
    Err e = {0};
    RunState run = {0};
    WeightsFile file = {0};
    Small s = small_training(g, OPTIMIZER_ADAMW, 0.9, NULL, NULL);
    for (int i = 0; i < 3; i++) small_step(&s, i);
    const CheckpointWeights weights = small_weights(&s);
    assert_int_equal(checkpoint_write(path, &weights, s.optimizer, &run, &e), 0);
    assert_int_equal(safetensors_open(&file, path, &e), 0);
    const Param *p = &graph_params(g)[0];
    Text name = {0};
    text_add(&name, "optimizer.weights.%s", p->name);
    const size_t bytes = (size_t)p->count * sizeof(float);
    assert_memory_equal(weights_find(&file, p->name)->data, parameters_of(s.average, 0), bytes);
    assert_memory_equal(weights_find(&file, name.data)->data, parameters_of(s.parameters, 0), bytes);
    assert_memory_not_equal(parameters_of(s.average, 0), parameters_of(s.parameters, 0), bytes);
    text_free(&name);
    weights_close(&file);
    small_free(&s);
    graph_free(g);
    assert_int_equal(file_remove(path, &e), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* ---- length of a run ---- */

static double seconds_of(const PlanTraining *t, IterationTimes times)
{
    return t->epochs * (t->iterations_per_epoch * times.training + t->validation_iterations * times.validation);
}

static void a_run_is_as_long_as_there_is_time(void **state)
{
    (void)state;
    const PlanTraining planned = {.epochs = 1000, .iterations_per_epoch = 250, .validation_iterations = 50};
    PlanTraining t = planned;
    run_length_fit(&t, 600, (IterationTimes){1, 0.5}); /* ten hours: many epochs of the planned length */
    assert_int_equal(t.iterations_per_epoch, 250);
    assert_int_equal(t.validation_iterations, 50);
    assert_true(seconds_of(&t, (IterationTimes){1, 0.5}) <= 36000);
    assert_true(seconds_of(&t, (IterationTimes){1, 0.5}) >= 0.93 * 36000);
    t = planned;
    run_length_fit(&t, 30, (IterationTimes){0.7, 0.2}); /* half an hour: shorter epochs */
    assert_true(t.epochs >= 20 && t.epochs <= 21);
    assert_true(abs(t.iterations_per_epoch - 5 * t.validation_iterations) < 5);
    assert_true(seconds_of(&t, (IterationTimes){0.7, 0.2}) <= 1800);
    assert_true(seconds_of(&t, (IterationTimes){0.7, 0.2}) >= 0.9 * 1800);
    t = planned;
    run_length_fit(&t, 0.1, (IterationTimes){60, 20}); /* no time: the minimum */
    assert_int_equal(t.epochs * t.iterations_per_epoch * t.validation_iterations, 1);
}

static bool older_rules = true;

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_patches_are_nnunets),
        cmocka_unit_test(corners_are_nnunets),
        cmocka_unit_test(the_last_third_of_a_batch_is_forced),
        cmocka_unit_test(intensity_kernels_are_batchgenerators),
        cmocka_unit_test(spatial_transform_is_batchgenerators),
        cmocka_unit_test(forced_patches_show_foreground),
        cmocka_unit_test(adjacent_slices_are_further_channels),
        cmocka_unit_test(slices_are_changed_alike),
        cmocka_unit_test_prestate(slices_across_an_axis_are_those_of_a_turned_volume, NULL),
        cmocka_unit_test_prestate(slices_across_an_axis_are_those_of_a_turned_volume, &older_rules),
        cmocka_unit_test(axes_are_equally_frequent),
        cmocka_unit_test_prestate(batches_do_not_depend_on_threads, NULL),
        cmocka_unit_test_prestate(batches_do_not_depend_on_threads, &older_rules),
        cmocka_unit_test(ranks_make_the_batch_of_one_process),
        cmocka_unit_test(a_loader_can_stop_early),
        cmocka_unit_test(cases_that_do_not_fit_are_named),
        cmocka_unit_test(masks_are_random_squares),
        cmocka_unit_test(learning_rates_are_the_trainers),
        cmocka_unit_test(learning_rates_change_with_iterations),
        cmocka_unit_test(a_run_is_as_long_as_there_is_time),
        cmocka_unit_test(curves_read_back),
        cmocka_unit_test(pseudo_dice_counts_like_its_definition),
        cmocka_unit_test(pseudo_dice_of_regions_counts_each_alone),
        cmocka_unit_test(a_checkpoint_goes_on_bit_for_bit),
        cmocka_unit_test(a_checkpoint_predicts_with_the_average),
    };
    return cmocka_run_group_tests_name("trainer", tests, NULL, NULL);
}
