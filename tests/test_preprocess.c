/* preprocess/: every kernel against a simple implementation of its definition; a case preprocessed and exported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/half.h"
#include "base/memory.h"
#include "base/random.h"
#include "preprocess/case.h"
#include "preprocess/case_settings.h"
#include "preprocess/class_locations.h"
#include "preprocess/crop.h"
#include "preprocess/normalize.h"
#include "preprocess/resample.h"
#include "tests/support/says.h"

enum { MOST = 4096 };

static Array new_array(DType dtype, int64_t z, int64_t y, int64_t x)
{
    Array a;
    assert_int_equal(array_new(&a, dtype, 3, (const int64_t[]){z, y, x}, NULL), 0);
    return a;
}

static void fill_normal(Array *a, Rng *rng)
{
    for (int64_t i = 0; i < array_count(a); i++) ((double *)a->data)[i] = rng_normal(rng);
}

/* ---- crop ---- */

/* Holes by their definition: zeros that are not connected with the outside. */
static void fill_by_walking(uint8_t *mask, const int64_t s[3])
{
    static uint8_t outside[MOST];
    memset(outside, 0, sizeof outside);
    for (bool changed = true; changed;) {
        changed = false;
        for (int64_t z = 0; z < s[0]; z++)
            for (int64_t y = 0; y < s[1]; y++)
                for (int64_t x = 0; x < s[2]; x++) {
                    const int64_t i = (z * s[1] + y) * s[2] + x, plane = s[1] * s[2];
                    if (mask[i] || outside[i]) continue;
                    const bool reached = z == 0 || y == 0 || x == 0 || z == s[0] - 1 || y == s[1] - 1 ||
                                         x == s[2] - 1 || outside[i - plane] || outside[i + plane] ||
                                         outside[i - s[2]] || outside[i + s[2]] || outside[i - 1] || outside[i + 1];
                    if (reached) outside[i] = 1, changed = true;
                }
    }
    for (int64_t i = 0; i < s[0] * s[1] * s[2]; i++) mask[i] = !outside[i];
}

static void holes_are_what_no_path_reaches(void **state)
{
    (void)state;
    Rng rng = rng_make(1, 0, 0, 0, RNG_TEST);
    for (int round = 0; round < 60; round++) {
        Array mask = new_array(DTYPE_U8, 1 + rng_below(&rng, 9), 1 + rng_below(&rng, 14), 1 + rng_below(&rng, 19));
        static uint8_t expected[MOST];
        const double density = 0.2 + 0.6 * rng_uniform(&rng);
        const int64_t count = array_count(&mask);
        for (int64_t i = 0; i < count; i++) ((uint8_t *)mask.data)[i] = rng_uniform(&rng) < density;
        memcpy(expected, mask.data, (size_t)count);
        fill_by_walking(expected, mask.shape);
        assert_int_equal(fill_holes(&mask, NULL), 0);
        assert_memory_equal(mask.data, expected, (size_t)count);
        array_free(&mask);
    }
}

static void boxes_hold_all_voxels(void **state)
{
    (void)state;
    Array mask = new_array(DTYPE_U8, 5, 6, 7);
    Box box = mask_box(&mask);
    assert_int_equal(box.past[0] * box.past[1] * box.past[2], 5 * 6 * 7);
    ((uint8_t *)mask.data)[(1 * 6 + 2) * 7 + 6] = 1;
    ((uint8_t *)mask.data)[(3 * 6 + 1) * 7 + 4] = 1;
    box = mask_box(&mask);
    const Box expected = {{1, 1, 4}, {4, 3, 7}};
    assert_memory_equal(&box, &expected, sizeof box);
    array_free(&mask);
}

/* ---- normalisation ---- */

static void schemes_equal_their_formulas(void **state)
{
    (void)state;
    enum { N = 60 };
    Array a = new_array(DTYPE_F32, 3, 4, 5), inside = new_array(DTYPE_I16, 3, 4, 5);
    float *v = a.data, raw[N];
    int16_t *label = inside.data;
    Rng rng = rng_make(2, 0, 0, 0, RNG_TEST);
    double sum = 0, squares = 0, low = INFINITY, high = -INFINITY;
    int count = 0;
    for (int i = 0; i < N; i++) {
        raw[i] = (float)(100 + 50 * rng_normal(&rng));
        label[i] = (int16_t)(i % 3 - 1);
        low = fmin(low, raw[i]);
        high = fmax(high, raw[i]);
        if (label[i] < 0) continue;
        sum += raw[i];
        squares += (double)raw[i] * raw[i];
        count++;
    }
    const double mean = sum / count, std = sqrt(squares / count - mean * mean);
    Volume volume = volume_of_array(&a), mask = volume_of_array(&inside);
    const IntensityProperties dataset = {.mean = 90, .std = 40, .percentile_00_5 = 20, .percentile_99_5 = 160};

    memcpy(v, raw, sizeof raw);
    assert_int_equal(normalize_channel(&volume, NORMALIZE_ZSCORE, NULL, &mask, NULL), 0);
    for (int i = 0; i < N; i++) assert_true(fabs(v[i] - (label[i] < 0 ? raw[i] : (raw[i] - mean) / std)) < 1e-5);
    memcpy(v, raw, sizeof raw);
    assert_int_equal(normalize_channel(&volume, NORMALIZE_CT, &dataset, NULL, NULL), 0);
    for (int i = 0; i < N; i++) assert_true(fabs(v[i] - (fmin(fmax(raw[i], 20), 160) - 90) / 40) < 1e-6);
    memcpy(v, raw, sizeof raw);
    assert_int_equal(normalize_channel(&volume, NORMALIZE_RESCALE_0_1, NULL, NULL, NULL), 0);
    for (int i = 0; i < N; i++) assert_true(fabs(v[i] - (raw[i] - low) / (high - low)) < 1e-6);
    for (int i = 0; i < N; i++) v[i] = (float)i;
    assert_int_equal(normalize_channel(&volume, NORMALIZE_RGB_0_1, NULL, NULL, NULL), 0);
    for (int i = 0; i < N; i++) assert_true(v[i] == (float)i / 255);
    v[7] = 256;
    Err e = {0};
    assert_int_equal(normalize_channel(&volume, NORMALIZE_RGB_0_1, NULL, NULL, &e), ERR_VALUE);
    assert_says(&e, "256");
    array_free(&a);
    array_free(&inside);
}

/* Values that float32 has, whose differences it has not. */
static void values_that_differ_by_more_than_float_are_refused(void **state)
{
    (void)state;
    static const PlanNormalization schemes[] = {NORMALIZE_ZSCORE, NORMALIZE_RESCALE_0_1};
    Array a = new_array(DTYPE_F32, 2, 3, 4);
    Volume volume = volume_of_array(&a);
    float *v = a.data;
    for (int i = 0; i < 2; i++) {
        Err e = {0};
        for (int k = 0; k < 24; k++) v[k] = k ? 3e38f : -3e38f;
        assert_int_equal(normalize_channel(&volume, schemes[i], NULL, NULL, &e), ERR_VALUE);
        assert_says(&e, "values from -3e+38 to 3e+38: normalised, they are beyond float32");
        for (int k = 0; k < 24; k++) v[k] = k % 2 ? 1e38f : -1e38f;
        assert_int_equal(normalize_channel(&volume, schemes[i], NULL, NULL, &e), 0);
        for (int k = 0; k < 24; k++) assert_true(fabsf(v[k] - (i ? (float)(k % 2) : k % 2 ? 1 : -1)) < 1e-6f);
    }
    array_free(&a);
}

static void constant_channels_stay_finite(void **state)
{
    (void)state;
    const PlanNormalization schemes[] = {NORMALIZE_ZSCORE, NORMALIZE_RESCALE_0_1};
    for (int s = 0; s < 2; s++) {
        Array a = new_array(DTYPE_F32, 2, 2, 2);
        for (int i = 0; i < 8; i++) ((float *)a.data)[i] = 7;
        Volume v = volume_of_array(&a);
        assert_int_equal(normalize_channel(&v, schemes[s], NULL, NULL, NULL), 0);
        for (int i = 0; i < 8; i++) assert_true(((float *)a.data)[i] == 0);
        array_free(&a);
    }
}

/* ---- resampling ---- */

static double bspline3(double x)
{
    x = fabs(x);
    return x < 1 ? 2.0 / 3 - x * x + x * x * x / 2 : x < 2 ? (2 - x) * (2 - x) * (2 - x) / 6 : 0;
}

/* A line by definition: the edge value is repeated for PAD samples, the coefficients solve a tridiagonal system. */
static void resize_line(const double *in, int64_t n, double *out, int64_t m, int order)
{
    enum { PAD = 40, LONGEST = 128 };
    double c[LONGEST], upper[LONGEST];
    const int64_t all = n + 2 * PAD;
    for (int64_t i = 0; i < all; i++) c[i] = in[i < PAD ? 0 : i - PAD < n ? i - PAD : n - 1];
    for (int64_t i = 0; order == 3 && i < all; i++) {
        const double below = i ? 1.0 / 6 : 0, pivot = 2.0 / 3 - below * (i ? upper[i - 1] : 0);
        upper[i] = 1.0 / 6 / pivot;
        c[i] = (c[i] - below * (i ? c[i - 1] : 0)) / pivot;
    }
    for (int64_t i = all - 2; order == 3 && i >= 0; i--) c[i] -= upper[i] * c[i + 1];
    for (int64_t k = 0; k < m; k++) {
        const double t = ((double)k + 0.5) * (double)n / (double)m - 0.5 + PAD;
        const int64_t whole = (int64_t)floor(order ? t : t + 0.5);
        out[k] = order ? 0 : c[whole];
        for (int64_t i = whole - 1; order && i <= whole + 2; i++)
            out[k] += c[i] * (order == 3 ? bspline3(t - (double)i) : fmax(0, 1 - fabs(t - (double)i)));
    }
}

static void resize_axis_plainly(const Array *in, Array *out, int axis, int64_t m, int order)
{
    int64_t shape[3] = {in->shape[0], in->shape[1], in->shape[2]};
    shape[axis] = m;
    *out = new_array(DTYPE_F64, shape[0], shape[1], shape[2]);
    const int64_t n = in->shape[axis], a = axis == 0 ? 1 : 0, b = axis == 2 ? 1 : 2;
    const int64_t in_stride[3] = {in->shape[1] * in->shape[2], in->shape[2], 1};
    const int64_t out_stride[3] = {shape[1] * shape[2], shape[2], 1};
    for (int64_t i = 0; i < shape[a]; i++)
        for (int64_t j = 0; j < shape[b]; j++) {
            double line[64], resized[64];
            for (int64_t k = 0; k < n; k++)
                line[k] = ((double *)in->data)[i * in_stride[a] + j * in_stride[b] + k * in_stride[axis]];
            resize_line(line, n, resized, m, order);
            for (int64_t k = 0; k < m; k++)
                ((double *)out->data)[i * out_stride[a] + j * out_stride[b] + k * out_stride[axis]] = resized[k];
        }
}

static void clip_plainly(Array *out, int64_t first, int64_t count, const double *in, int64_t in_count)
{
    double low = INFINITY, high = -INFINITY, *v = (double *)out->data + first;
    for (int64_t i = 0; i < in_count; i++) low = fmin(low, in[i]), high = fmax(high, in[i]);
    for (int64_t i = 0; i < count; i++) v[i] = fmin(fmax(v[i], low), high);
}

/* Axis 0 separately (or not): first each plane, clipped; then across the planes. */
static Array resample_plainly(const Array *in, const int64_t shape[3], int order, int order_z, bool apart)
{
    Array y, plane, out;
    resize_axis_plainly(in, &y, 1, shape[1], order);
    resize_axis_plainly(&y, &plane, 2, shape[2], order);
    const int64_t area = shape[1] * shape[2], in_area = in->shape[1] * in->shape[2];
    for (int64_t z = 0; apart && order && z < in->shape[0]; z++)
        clip_plainly(&plane, z * area, area, (double *)in->data + z * in_area, in_area);
    resize_axis_plainly(&plane, &out, 0, shape[0], apart ? order_z : order);
    if (!apart && order) clip_plainly(&out, 0, array_count(&out), in->data, array_count(in));
    array_free(&y);
    array_free(&plane);
    return out;
}

static void values_equal_the_definition(void **state)
{
    (void)state;
    static const int orders[] = {0, 1, 3};
    Rng rng = rng_make(3, 0, 0, 0, RNG_TEST);
    for (int round = 0; round < 90; round++) {
        int64_t shape[3];
        Array in = new_array(DTYPE_F64, 1 + rng_below(&rng, 6), 1 + rng_below(&rng, 20), 1 + rng_below(&rng, 20));
        fill_normal(&in, &rng);
        for (int i = 0; i < 3; i++) shape[i] = rng_below(&rng, 4) ? 1 + rng_below(&rng, 24) : in.shape[i];
        const PlanResampling how = {.order = orders[round % 3], .order_z = orders[round / 3 % 3]};
        const bool apart = round % 2;
        Array expected = resample_plainly(&in, shape, how.order, how.order_z, apart);
        Array out = new_array(DTYPE_F64, shape[0], shape[1], shape[2]);
        const Volume from = volume_of_array(&in), to = volume_of_array(&out);
        assert_int_equal(resample_values(&from, &to, &how, apart ? 0 : -1, NULL), 0);
        for (int64_t i = 0; i < array_count(&out); i++)
            assert_true(fabs(((double *)out.data)[i] - ((double *)expected.data)[i]) < 1e-12);
        array_free(&in);
        array_free(&out);
        array_free(&expected);
    }
}

/* Layouts do not matter: a transposed, channel-last, half-precision volume gives the same values. */
static void values_do_not_depend_on_layout(void **state)
{
    (void)state;
    Rng rng = rng_make(4, 0, 0, 0, RNG_TEST);
    const PlanResampling how = {.order = 3, .order_z = 0};
    Array in = new_array(DTYPE_F64, 4, 17, 9), out = new_array(DTYPE_F64, 5, 21, 8), turned, turned_out;
    fill_normal(&in, &rng);
    for (int64_t i = 0; i < array_count(&in); i++)
        ((double *)in.data)[i] = half_to_double(half_from_double(((double *)in.data)[i]));
    Volume from = volume_of_array(&in), to = volume_of_array(&out);
    assert_int_equal(resample_values(&from, &to, &how, 0, NULL), 0);

    /* (X,Z,Y) with 2 channels last: axis 1 is resampled separately. */
    static const int order[3] = {2, 0, 1}, inverse[3] = {1, 2, 0};
    assert_int_equal(array_new(&turned, DTYPE_F16, 4, (const int64_t[]){9, 4, 17, 2}, NULL), 0);
    assert_int_equal(array_new(&turned_out, DTYPE_F64, 4, (const int64_t[]){8, 5, 21, 2}, NULL), 0);
    const Volume half = volume_of_channel_last(&turned, 1), seen = volume_transposed(from, order);
    for (int64_t z = 0; z < 9; z++)
        for (int64_t y = 0; y < 4; y++)
            for (int64_t x = 0; x < 17; x++)
                *(uint16_t *)(volume_row(&half, z, y) + x * half.stride[2]) =
                    half_from_double(*(double *)(volume_row(&seen, z, y) + x * seen.stride[2]));
    const Volume half_out = volume_of_channel_last(&turned_out, 1);
    assert_int_equal(resample_values(&half, &half_out, &how, 1, NULL), 0);
    const Volume back = volume_transposed(half_out, inverse);
    for (int64_t z = 0; z < 5; z++)
        for (int64_t y = 0; y < 21; y++)
            for (int64_t x = 0; x < 8; x++) {
                const double a = *(double *)(volume_row(&to, z, y) + x * to.stride[2]);
                assert_true(fabs(a - *(double *)(volume_row(&back, z, y) + x * back.stride[2])) < 1e-13);
            }
    array_free(&in);
    array_free(&out);
    array_free(&turned);
    array_free(&turned_out);
}

/* Labels by definition: the 0/1 map of each label is resized, the largest score wins, ties get the nearest label. */
static void label_plainly(const Array *in, Array *out, bool apart, bool at_half)
{
    enum { LABELS = 5 };
    Array score[LABELS], map = new_array(DTYPE_F64, in->shape[0], in->shape[1], in->shape[2]), nearest;
    for (int64_t i = 0; i < array_count(in); i++) ((double *)map.data)[i] = ((int16_t *)in->data)[i];
    nearest = resample_plainly(&map, out->shape, 0, 0, apart);
    for (int l = 0; l < LABELS; l++) {
        for (int64_t i = 0; i < array_count(in); i++) ((double *)map.data)[i] = ((int16_t *)in->data)[i] == l - 1;
        score[l] = resample_plainly(&map, out->shape, 1, 0, apart);
    }
    for (int64_t i = 0; i < array_count(out); i++) {
        int16_t *label = (int16_t *)out->data + i;
        double best = -1;
        for (int l = 0; l < LABELS; l++) {
            const double s = ((double *)score[l].data)[i];
            if (at_half ? s >= 0.5 : s > best) *label = (int16_t)(l - 1), best = s;
        }
        const int16_t near = (int16_t)((double *)nearest.data)[i];
        if (!at_half && ((double *)score[near + 1].data)[i] == best) *label = near;
    }
    for (int l = 0; l < LABELS; l++) array_free(&score[l]);
    array_free(&map);
    array_free(&nearest);
}

/* Factors whose weights are exact in binary, so that ties are exact in both implementations. */
static void labels_equal_the_definition(void **state)
{
    (void)state;
    Rng rng = rng_make(5, 0, 0, 0, RNG_TEST);
    for (int round = 0; round < 60; round++) {
        static const int64_t doubled[] = {1, 2, 4};
        Array in = new_array(DTYPE_I16, 1 + rng_below(&rng, 4), 2 + 2 * rng_below(&rng, 4), 4 + 2 * rng_below(&rng, 4));
        for (int64_t i = 0; i < array_count(&in); i++) ((int16_t *)in.data)[i] = (int16_t)(rng_below(&rng, 5) - 1);
        const bool apart = round % 2, at_half = round % 3 == 2;
        Array out = new_array(DTYPE_I16, in.shape[0] * doubled[rng_below(&rng, apart ? 3 : 2)],
                              in.shape[1] * doubled[1 + rng_below(&rng, 2)], in.shape[2] / 2);
        Array expected = new_array(DTYPE_I16, out.shape[0], out.shape[1], out.shape[2]);
        label_plainly(&in, &expected, apart, at_half);
        const PlanResampling how = {.is_seg = true, .order = 1};
        const Volume from = volume_of_array(&in), to = volume_of_array(&out);
        assert_int_equal(resample_labels(&from, &to, &how, at_half, apart ? 0 : -1, NULL), 0);
        assert_memory_equal(out.data, expected.data, array_bytes(&out));
        array_free(&in);
        array_free(&out);
        array_free(&expected);
    }
}

static void orders_that_we_lack_are_refused(void **state)
{
    (void)state;
    Array in = new_array(DTYPE_F64, 2, 3, 4), out = new_array(DTYPE_F64, 2, 3, 5);
    Array labels = new_array(DTYPE_I16, 2, 3, 4);
    const Volume from = volume_of_array(&in), to = volume_of_array(&out), seg = volume_of_array(&labels);
    Err e = {0};
    assert_int_equal(resample_values(&from, &to, &(PlanResampling){.order = 2}, -1, &e), ERR_VALUE);
    assert_says(&e, "order of 2");
    assert_int_equal(resample_labels(&seg, &seg, &(PlanResampling){.order = 3}, false, -1, &e), ERR_VALUE);
    assert_says(&e, "orders 3");
    array_free(&in);
    array_free(&out);
    array_free(&labels);
}

static void separate_axis_follows_the_spacing(void **state)
{
    (void)state;
    static const struct {
        PlanSwitch force;
        double current[3], new[3];
        int axis;
    } cases[] = {
        {SWITCH_AUTO, {5, 1, 1}, {5, 1, 1}, 0},  {SWITCH_AUTO, {1, 1, 3.1}, {1, 1, 1}, 2},
        {SWITCH_AUTO, {3, 1, 1}, {3, 1, 1}, -1}, {SWITCH_AUTO, {3, 1, 1}, {3, .9, .9}, 0},
        {SWITCH_AUTO, {1, 4, 4}, {1, 4, 4}, -1}, {SWITCH_OFF, {9, 1, 1}, {9, 1, 1}, -1},
        {SWITCH_ON, {1, 1.5, 1}, {1, 1, 1}, 1},  {SWITCH_ON, {1, 1, 1}, {1, 1, 1}, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(resample_separate_axis(cases[i].force, cases[i].current, cases[i].new), cases[i].axis);
}

/* ---- class locations ---- */

static const int none[] = {0}, one[] = {1}, two[] = {2}, whole[] = {1, 2};
static const DatasetLabel plain_labels[] = {{"background", none, 1, false}, {"a", one, 1, false}, {"b", two, 1, false}};
static const DatasetInfo plain_info = {.label_count = 3, .labels = plain_labels, .max_value = 2, .ignore_value = -1};

static void locations_follow_numpy(void **state)
{
    (void)state;
    /* numpy.random.RandomState(1234).choice(30, 8, replace=False) */
    static const int drawn[] = {7, 10, 4, 1, 28, 8, 3, 23};
    Array labels = new_array(DTYPE_I16, 2, 5, 6), locations;
    for (int i = 0; i < 30; i++) ((int16_t *)labels.data)[2 * i] = 1;
    assert_int_equal(class_locations_sample(&locations, &labels, &plain_info, NULL), 0);
    assert_int_equal(locations.shape[0], 30);
    for (int i = 0; i < 8; i++) {
        const int32_t *row = (int32_t *)locations.data + 4 * i, voxel = 2 * drawn[i];
        assert_int_equal(row[0], 0);
        assert_int_equal((row[1] * 5 + row[2]) * 6 + row[3], voxel);
    }
    int64_t first, past;
    class_locations_range(&locations, 0, &first, &past);
    assert_true(first == 0 && past == 30);
    class_locations_range(&locations, 1, &first, &past);
    assert_true(first == 30 && past == 30);
    array_free(&labels);
    array_free(&locations);
}

static void locations_know_regions_and_ignore(void **state)
{
    (void)state;
    static const DatasetLabel regions[] = {
        {"background", none, 1, false}, {"whole", whole, 2, true}, {"core", two, 1, false}};
    const DatasetInfo info = {
        .label_count = 3, .labels = regions, .max_value = 2, .ignore_value = 3, .has_regions = true};
    Array labels = new_array(DTYPE_I16, 1, 4, 5), locations;
    for (int i = 0; i < 20; i++) ((int16_t *)labels.data)[i] = (int16_t)(i % 5 - 1);
    assert_int_equal(class_locations_classes(&info), 3);
    assert_int_equal(class_locations_sample(&locations, &labels, &info, NULL), 0);
    static const int counts[] = {8, 4, 16};
    for (int c = 0; c < 3; c++) {
        int64_t first, past;
        class_locations_range(&locations, c, &first, &past);
        assert_int_equal(past - first, counts[c]);
        for (int64_t i = first; i < past; i++) {
            const int32_t *row = (int32_t *)locations.data + 4 * i;
            const int16_t label = ((int16_t *)labels.data)[row[2] * 5 + row[3]];
            assert_true(c == 0 ? label == 1 || label == 2 : c == 1 ? label == 2 : label < 3);
        }
    }
    array_free(&labels);
    array_free(&locations);
}

/* ---- a case ---- */

static Plan plan_for(double y_mm, double x_mm)
{
    Plan plan;
    plan_defaults(&plan);
    plan.configuration.channel_count = plan.configuration.mask_count = 1;
    plan.configuration.spacing_mm[0] = y_mm;
    plan.configuration.spacing_mm[1] = x_mm;
    static const int forward[] = {2, 0, 1}, backward[] = {1, 2, 0};
    memcpy(plan.transpose_forward, forward, sizeof forward);
    memcpy(plan.transpose_backward, backward, sizeof backward);
    return plan;
}

/* A box of ones with a hole and labels within zeros; the slices lie along the last axis. */
static void make_case(Array *image, Array *labels)
{
    assert_int_equal(array_new(image, DTYPE_F32, 4, (const int64_t[]){1, 12, 14, 5}, NULL), 0);
    *labels = new_array(DTYPE_I16, 12, 14, 5);
    for (int64_t z = 2; z < 10; z++)
        for (int64_t y = 3; y < 13; y++)
            for (int64_t x = 0; x < 5; x++) {
                ((float *)image->data)[(z * 14 + y) * 5 + x] = (float)(1 + z + y);
                ((int16_t *)labels->data)[(z * 14 + y) * 5 + x] = z > 5 ? 1 + (y > 7) : 0;
            }
    ((float *)image->data)[(5 * 14 + 5) * 5] = 0;     /* open to the border: stays outside */
    ((float *)image->data)[(5 * 14 + 5) * 5 + 2] = 0; /* closed: a hole, filled */
}

static void cases_go_there_and_back(void **state)
{
    (void)state;
    Array image, labels;
    PreprocessedCase c;
    Plan plan = plan_for(1, 1);
    make_case(&image, &labels);
    assert_int_equal(case_preprocess(&c, &image, (const double[]){1, 1, 4}, NULL, &labels, &plan, &plain_info, NULL),
                     0);
    static const int64_t shape[] = {5, 8, 10};
    assert_memory_equal(c.labels.shape, shape, sizeof shape);
    assert_int_equal(c.image.shape[3], 1);
    const int16_t *seg = c.labels.data;
    assert_int_equal(seg[(0 * 8 + 3) * 10 + 2], -1);
    assert_int_equal(seg[(2 * 8 + 3) * 10 + 2], 0);
    assert_int_equal(c.locations.shape[0], 4 * 10 * 5);

    Array raw = new_array(DTYPE_I16, 12, 14, 5);
    const Volume back = volume_of_array(&raw), made = volume_of_array(&c.labels);
    int64_t raw_shape[3];
    case_raw_shape(&c.properties, raw_shape);
    assert_memory_equal(raw_shape, raw.shape, sizeof raw_shape);
    case_paste(&made, &c.properties, &back);
    for (int64_t i = 0; i < array_count(&raw); i++) {
        const int16_t found = ((int16_t *)raw.data)[i];
        assert_int_equal(found < 0 ? 0 : found, ((int16_t *)labels.data)[i]);
    }
    array_free(&raw);
    array_free(&image);
    array_free(&labels);
    case_free(&c);
}

static void predictions_return_to_the_crop(void **state)
{
    (void)state;
    Array image, labels;
    PreprocessedCase c;
    Plan plan = plan_for(0.5, 2);
    make_case(&image, &labels);
    assert_int_equal(case_preprocess(&c, &image, (const double[]){1, 1, 4}, NULL, NULL, &plan, NULL, NULL), 0);
    assert_null(c.labels.data);
    static const int64_t shape[] = {5, 16, 5};
    assert_memory_equal(c.properties.shape, shape, sizeof shape);
    int64_t crop[3];
    case_crop_shape(&c.properties, crop);
    Array ramp = new_array(DTYPE_F64, 5, 16, 5), out = new_array(DTYPE_F64, crop[0], crop[1], crop[2]);
    for (int64_t i = 0; i < array_count(&ramp); i++) ((double *)ramp.data)[i] = (double)(i / 5 % 16);
    const Volume from = volume_of_array(&ramp), to = volume_of_array(&out);
    assert_int_equal(case_resample_back(&from, &to, &plan, &c.properties, NULL), 0);
    for (int64_t i = 0; i < array_count(&out); i++) /* half as many rows, each between two */
        assert_true(fabs(((double *)out.data)[i] - (2 * (double)(i / 10 % 8) + 0.5)) < 1e-12);
    array_free(&ramp);
    array_free(&out);
    array_free(&image);
    array_free(&labels);
    case_free(&c);
}

static void cases_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    Array image, labels;
    PreprocessedCase c;
    Err e = {0};
    Plan plan = plan_for(1, 1);
    make_case(&image, &labels);
    plan.configuration.channel_count = 2;
    assert_int_equal(case_preprocess(&c, &image, (const double[]){1, 1, 4}, NULL, NULL, &plan, NULL, &e), ERR_SHAPE);
    assert_says(&e, "1 channels, the plan has 2");
    plan = plan_for(1, 1);
    labels.shape[0] = 11;
    assert_int_equal(case_preprocess(&c, &image, (const double[]){1, 1, 4}, NULL, &labels, &plan, &plain_info, &e),
                     ERR_SHAPE);
    assert_says(&e, "labels");
    plan = plan_for(100, 1);
    assert_int_equal(case_preprocess(&c, &image, (const double[]){1, 1, 4}, NULL, NULL, &plan, NULL, &e), ERR_SHAPE);
    assert_says(&e, "100 mm");
    assert_null(c.image.data);
    array_free(&image);
    array_free(&labels);
}

static void properties_read_back(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_preprocess_XXXXXX", path[128];
    MadeFrom made_from = {0};
    CaseRecord record;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/c.yaml", folder);
    Array image, labels;
    PreprocessedCase c;
    CaseProperties p;
    Err e = {0};
    Plan plan = plan_for(1, 1);
    make_case(&image, &labels);
    assert_int_equal(
        case_preprocess(&c, &image, (const double[]){0.1, 1.0 / 3, 4}, NULL, &labels, &plan, &plain_info, NULL), 0);
    made_from_add(&made_from, "label", "0123abc");
    case_settings_add(&made_from, &plan, &plain_info);
    assert_int_equal(case_write(&c, folder, "c", &made_from, NULL), 0);
    assert_int_equal(case_properties_read(&p, path, &record, NULL), 0);
    assert_true(made_from_same(&record.made_from, &made_from));
    assert_true(case_content_is(&record, "image", &c.image));
    assert_true(case_content_is(&record, "labels", &c.labels));
    assert_true(case_content_is(&record, "locations", &c.locations));
    ((int16_t *)c.labels.data)[1] += 1;
    assert_false(case_content_is(&record, "labels", &c.labels));
    case_record_free(&record);
    made_from_free(&made_from);
    assert_memory_equal(&p, &c.properties, sizeof p);

    static const struct {
        const char *from, *to, *says;
    } faults[] = {
        {"crop_past: [5", "crop_past: [6", "axis 0 is cropped"},
        {"forward: [2, 0", "forward: [1, 0", "transpose_forward"},
        {"shape: [5", "shape: [x", "c.yaml:"},
        {"format: 1", "format: 2", "format"},
    };
    char *text;
    size_t length;
    assert_int_equal(file_get(path, &text, &length, NULL), 0);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        char changed[8192];
        const char *at = strstr(text, faults[i].from);
        assert_non_null(at);
        snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, faults[i].to,
                 at + strlen(faults[i].from));
        assert_int_equal(file_put(path, changed, strlen(changed), NULL), 0);
        assert_int_equal(case_properties_read(&p, path, NULL, &e), ERR_FORMAT);
        assert_says(&e, faults[i].says);
    }
    static const char *const names[] = {"c.yaml", "c.npy", "c_seg.npy", "c_locations.npy"};
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(file_remove(path, NULL), 0);
    }
    rmdir(folder);
    mem_free(text);
    array_free(&image);
    array_free(&labels);
    case_free(&c);
}

static void halves_round_to_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        const uint16_t half = (uint16_t)h;
        if ((half & 0x7c00) == 0x7c00 && (half & 1023)) continue;
        assert_int_equal(half_from_double(half_to_double(half)), half);
    }
    assert_int_equal(half_from_double(1 + 0x1p-11), 0x3c00);
    assert_int_equal(half_from_double(1 + 3 * 0x1p-11), 0x3c02);
    assert_int_equal(half_from_double(2047.5 / 2048 * 2), 0x4000);
    assert_int_equal(half_from_double(65519.99), 0x7bff);
    assert_int_equal(half_from_double(-65520), 0xfc00);
    assert_int_equal(half_from_double(0x1p-25), 0);
    assert_int_equal(half_from_double(-1.5 * 0x1p-24), 0x8002);
    assert_int_equal(half_from_double(NAN) & 0x7fff, 0x7e00);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holes_are_what_no_path_reaches),
        cmocka_unit_test(boxes_hold_all_voxels),
        cmocka_unit_test(schemes_equal_their_formulas),
        cmocka_unit_test(constant_channels_stay_finite),
        cmocka_unit_test(values_that_differ_by_more_than_float_are_refused),
        cmocka_unit_test(values_equal_the_definition),
        cmocka_unit_test(values_do_not_depend_on_layout),
        cmocka_unit_test(labels_equal_the_definition),
        cmocka_unit_test(orders_that_we_lack_are_refused),
        cmocka_unit_test(separate_axis_follows_the_spacing),
        cmocka_unit_test(locations_follow_numpy),
        cmocka_unit_test(locations_know_regions_and_ignore),
        cmocka_unit_test(cases_go_there_and_back),
        cmocka_unit_test(predictions_return_to_the_crop),
        cmocka_unit_test(cases_that_do_not_fit_are_refused),
        cmocka_unit_test(properties_read_back),
        cmocka_unit_test(halves_round_to_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
