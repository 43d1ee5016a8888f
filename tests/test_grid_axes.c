/* data/grid_axes: all 48 ways of storing one grid, against plain world coordinates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/grid_axes.h"

/* A grid with its geometry in the sform: steps[i] is the displacement of one voxel along array axis i (Z,Y,X). */
static Geometry grid(const int64_t shape[3], double (*steps)[3], const double origin[3])
{
    Geometry g = {.dimensions = 3, .orientation = {.qfac = 1, .depth = 1, .sform_code = 1}};
    for (int i = 0; i < 3; i++) {
        double square = 0;
        g.shape_zyx[i] = shape[i];
        for (int world = 0; world < 3; world++) {
            square += steps[i][world] * steps[i][world];
            g.orientation.sform[world][2 - i] = steps[i][world];
            g.orientation.sform[world][3] = origin[world];
        }
        g.spacing_zyx_mm[i] = sqrt(square);
    }
    return g;
}

/* An oblique grid of 2x3x4 voxels: a rotation about two axes, three spacings. */
static Geometry oblique(void)
{
    const double a = 0.3, b = -0.2;
    const double r[3][3] = {
        {cos(a), -sin(a) * cos(b), sin(a) * sin(b)}, {sin(a), cos(a) * cos(b), -cos(a) * sin(b)}, {0, sin(b), cos(b)}};
    const double mm[3] = {2.5, 0.8, 0.7};
    double steps[3][3];
    for (int i = 0; i < 3; i++)
        for (int world = 0; world < 3; world++) steps[i][world] = r[world][2 - i] * mm[i];
    return grid((int64_t[]){2, 3, 4}, steps, (double[]){-31, 12.5, 400});
}

static void world_of(const Geometry *g, const int64_t zyx[3], double xyz[3])
{
    double affine[3][4];
    geometry_affine(g, affine);
    for (int w = 0; w < 3; w++)
        xyz[w] = affine[w][0] * (double)zyx[2] + affine[w][1] * (double)zyx[1] + affine[w][2] * (double)zyx[0] +
                 affine[w][3];
}

static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

static GridAxes way(int n)
{
    GridAxes axes;
    for (int i = 0; i < 3; i++) {
        axes.from[i] = orders[n / 8][i];
        axes.flip[i] = n >> i & 1;
    }
    return axes;
}

/* Sets each voxel to its index in g. */
static Array numbered(const Geometry *g, DType type, int64_t channels)
{
    Array a;
    const int64_t *s = g->shape_zyx, four[4] = {channels, s[0], s[1], s[2]};
    assert_int_equal(array_new(&a, type, channels ? 4 : 3, channels ? four : four + 1, NULL), 0);
    for (int64_t i = 0; i < array_count(&a); i++) {
        if (type == DTYPE_F32) ((float *)a.data)[i] = (float)i;
        else if (type == DTYPE_I16) ((int16_t *)a.data)[i] = (int16_t)i;
        else ((uint8_t *)a.data)[i] = (uint8_t)i;
    }
    return a;
}

static double value(const Array *a, int64_t i)
{
    return a->dtype == DTYPE_F32   ? (double)((const float *)a->data)[i]
           : a->dtype == DTYPE_I16 ? ((const int16_t *)a->data)[i]
                                   : ((const uint8_t *)a->data)[i];
}

/* Every voxel of `found`, reoriented to `expected`, must have the index of the voxel at the same position. */
static void expect_same_places(const Geometry *found, const Geometry *expected, const Array *brought)
{
    const int64_t *s = expected->shape_zyx, *f = found->shape_zyx;
    for (int64_t i = 0; i < s[0] * s[1] * s[2]; i++) {
        const int64_t at[3] = {i / (s[1] * s[2]), i / s[2] % s[1], i % s[2]};
        const int64_t number = (int64_t)value(brought, i);
        const int64_t from[3] = {number / (f[1] * f[2]), number / f[2] % f[1], number % f[2]};
        double a[3], b[3];
        world_of(expected, at, a);
        world_of(found, from, b);
        for (int w = 0; w < 3; w++) assert_true(fabs(a[w] - b[w]) < 1e-6);
    }
}

static void all_48_ways_are_found_and_undone(void **state)
{
    (void)state;
    static const DType types[] = {DTYPE_F32, DTYPE_I16, DTYPE_U8};
    const Geometry expected = oblique();
    for (int n = 0; n < 48; n++) {
        const GridAxes stored_so = way(n);
        const Geometry found = grid_axes_apply(&stored_so, &expected);
        GridAxes axes;
        assert_int_equal(grid_match(&found, &expected, &axes), n == 0 ? GRID_SAME : GRID_TURNED);
        const Geometry back = grid_axes_apply(&axes, &found);
        assert_memory_equal(back.shape_zyx, expected.shape_zyx, sizeof back.shape_zyx);
        Array a = numbered(&found, types[n % 3], 0);
        assert_int_equal(grid_axes_turn(&axes, &a, NULL), 0);
        assert_memory_equal(a.shape, expected.shape_zyx, sizeof expected.shape_zyx);
        expect_same_places(&found, &expected, &a);
        const GridAxes inverse = grid_axes_inverse(&axes);
        assert_int_equal(grid_axes_turn(&inverse, &a, NULL), 0);
        assert_memory_equal(a.shape, found.shape_zyx, sizeof found.shape_zyx);
        for (int64_t i = 0; i < array_count(&a); i++) assert_true(value(&a, i) == (double)i);
        array_free(&a);
    }
}

static void channels_are_turned_one_by_one(void **state)
{
    (void)state;
    const Geometry g = oblique();
    for (int n = 1; n < 48; n++) {
        const GridAxes axes = way(n);
        Array all = numbered(&g, DTYPE_F32, 3), one = numbered(&g, DTYPE_F32, 0);
        assert_int_equal(grid_axes_turn(&axes, &all, NULL), 0);
        assert_int_equal(grid_axes_turn(&axes, &one, NULL), 0);
        for (int64_t i = 0; i < 24; i++)
            for (int64_t c = 0; c < 3; c++) assert_true(value(&all, c * 24 + i) == value(&one, i) + (double)(24 * c));
        array_free(&all);
        array_free(&one);
    }
}

static void rounding_is_no_difference(void **state)
{
    (void)state;
    const Geometry expected = oblique();
    Geometry found = expected;
    GridAxes axes;
    for (int i = 0; i < 12; i++)
        found.orientation.sform[i / 4][i % 4] = (double)(float)found.orientation.sform[i / 4][i % 4];
    assert_int_equal(grid_match(&found, &expected, &axes), GRID_SAME);
    found.orientation.sform[0][3] += 1e-3; /* between qform and sform */
    assert_int_equal(grid_match(&found, &expected, &axes), GRID_SAME);
    found.spacing_zyx_mm[1] *= 1 + 1e-6;
    assert_int_equal(grid_match(&found, &expected, &axes), GRID_SAME);
    assert_true(grid_axes_is_stored(&axes));
}

static void other_places_are_told_apart(void **state)
{
    (void)state;
    const Geometry expected = oblique();
    GridAxes axes;
    Geometry found = expected;
    found.orientation.sform[0][3] += 0.35; /* half a voxel */
    assert_int_equal(grid_match(&found, &expected, &axes), GRID_MOVED);
    found.orientation.sform[0][3] += 100;
    assert_int_equal(grid_match(&found, &expected, &axes), GRID_MOVED);
    found = expected;
    for (int w = 0; w < 3; w++) found.orientation.sform[w][0] *= -1; /* a flip about the first voxel */
    assert_int_equal(grid_match(&found, &expected, &axes), GRID_DIFFERENT);
    assert_true(grid_axes_is_stored(&axes));
    found = expected;
    found.spacing_zyx_mm[0] = 2.6;
    assert_int_equal(grid_match(&found, &expected, &axes), GRID_DIFFERENT);
    found = expected;
    found.shape_zyx[2] = 5;
    assert_int_equal(grid_match(&found, &expected, &axes), GRID_DIFFERENT);
}

static void without_a_place_shape_and_spacing_decide(void **state)
{
    (void)state;
    const Geometry expected = oblique();
    GridAxes axes;
    Geometry found = expected;
    found.orientation.sform_code = 0;
    assert_false(grid_has_place(&found));
    assert_int_equal(grid_match(&found, &expected, &axes), GRID_SAME);
    assert_int_equal(grid_match(&expected, &found, &axes), GRID_SAME);
    found.spacing_zyx_mm[0] = 2.6;
    assert_int_equal(grid_match(&found, &expected, &axes), GRID_DIFFERENT);
    const Geometry a = geometry_plane(5, 6), b = geometry_plane(6, 5);
    assert_int_equal(grid_match(&a, &a, &axes), GRID_SAME);
    assert_int_equal(grid_match(&a, &b, &axes), GRID_DIFFERENT);
}

static void planes_turn_in_the_plane(void **state)
{
    (void)state;
    double steps[3][3] = {{0, 0, 0}, {0, -0.5, 0}, {0.5, 0, 0}};
    Geometry expected = grid((int64_t[]){1, 5, 6}, steps, (double[]){3, 4, 0}), found;
    expected.dimensions = 2;
    expected.spacing_zyx_mm[0] = 999 * 0.5;
    GridAxes axes;
    for (int n = 0; n < 16; n++) { /* z unchanged; y and x in both orders and directions */
        const GridAxes stored_so = {.from = {0, n & 4 ? 2 : 1, n & 4 ? 1 : 2}, .flip = {false, n & 1, n & 2}};
        found = grid_axes_apply(&stored_so, &expected);
        assert_int_equal(grid_match(&found, &expected, &axes), n & 7 ? GRID_TURNED : GRID_SAME);
        Array a = numbered(&found, DTYPE_I16, 0);
        assert_int_equal(grid_axes_turn(&axes, &a, NULL), 0);
        expect_same_places(&found, &expected, &a);
        array_free(&a);
    }
    /* a volume of one slice that lies on it, whatever its thickness */
    double thick[3][3] = {{0, 0, 7}, {0, -0.5, 0}, {0.5, 0, 0}};
    found = grid((int64_t[]){1, 5, 6}, thick, (double[]){3, 4, 0});
    assert_int_equal(grid_match(&found, &expected, &axes), GRID_SAME);
    assert_int_equal(grid_match(&expected, &found, &axes), GRID_SAME);
    Text note = {0};
    Err e = {0};
    assert_int_equal(grid_bring(&axes, &note, &found, &expected, "plane.nii", &e), 0);
    assert_int_equal(grid_bring(&axes, &note, &expected, &found, "slice.nii", &e), 0);
    assert_int_equal(note.length, 0);
}

static void one_slice_may_be_stored_along_any_axis(void **state)
{
    (void)state;
    double steps[3][3] = {{0, 0, 5}, {0, 0.5, 0}, {0.5, 0, 0}};
    const Geometry expected = grid((int64_t[]){1, 4, 6}, steps, (double[]){0, 0, 0});
    for (int n = 0; n < 48; n++) {
        const GridAxes stored_so = way(n);
        const Geometry found = grid_axes_apply(&stored_so, &expected);
        GridAxes axes;
        assert_int_not_equal(grid_match(&found, &expected, &axes), GRID_DIFFERENT);
        assert_false(axes.flip[0]); /* no reorientation needed */
        Array a = numbered(&found, DTYPE_U8, 0);
        assert_int_equal(grid_axes_turn(&axes, &a, NULL), 0);
        expect_same_places(&found, &expected, &a);
        array_free(&a);
    }
}

/* Of all 48 ways, the canonical one has the largest sum along right, front and up. */
static void canonical_is_the_nearest_to_ras(void **state)
{
    (void)state;
    const Geometry base = oblique();
    char code[GRID_CODE_BYTES];
    for (int n = 0; n < 48; n++) {
        const GridAxes stored_so = way(n);
        const Geometry g = grid_axes_apply(&stored_so, &base);
        const GridAxes axes = grid_axes_read(&g, READER_RAS, 0);
        const Geometry turned = grid_axes_apply(&axes, &g);
        grid_axes_code(&turned, code);
        assert_string_equal(code, "RAS");
        double best = -1;
        int best_way = -1;
        for (int k = 0; k < 48; k++) {
            const GridAxes other = way(k);
            const Geometry o = grid_axes_apply(&other, &g);
            double sum = 0;
            for (int i = 0; i < 3; i++) sum += o.orientation.sform[i][i] / o.spacing_zyx_mm[2 - i];
            if (sum > best) {
                best = sum;
                best_way = k;
            }
        }
        const GridAxes expected = way(best_way);
        assert_memory_equal(axes.from, expected.from, sizeof axes.from);
        assert_memory_equal(axes.flip, expected.flip, sizeof axes.flip);
    }
}

/* A reference with an sform to a standard space; ITK takes the qform, and writes that to both. */
static void either_form_of_a_file_will_do(void **state)
{
    (void)state;
    Geometry both = oblique(), itk = both;
    GridAxes axes;
    both.orientation.sform_code = 4;
    both.orientation.qform_code = 1;
    both.orientation.offset_xyz[0] = -77;
    both.orientation.quatern_bcd[0] = 1; /* half a turn about x */
    itk.orientation = both.orientation;
    itk.orientation.sform_code = 0;
    assert_int_equal(grid_match(&itk, &both, &axes), GRID_SAME);
    assert_int_equal(grid_match(&both, &itk, &axes), GRID_SAME);
    const GridAxes turn = way(11);
    const Geometry turned = grid_axes_apply(&turn, &itk);
    assert_int_equal(grid_match(&turned, &both, &axes), GRID_TURNED);
    const GridAxes back = grid_axes_inverse(&turn);
    assert_true(grid_axes_equal(&axes, &back));
    itk.orientation.offset_xyz[0] = 0;
    assert_true(grid_match(&itk, &both, &axes) > GRID_TURNED);
    const GridAxes by_sform = grid_axes_read(&both, READER_RAS_NIBABEL, 0),
                   by_qform = grid_axes_read(&both, READER_RAS_ITK, 0);
    assert_false(by_sform.flip[0] || by_sform.flip[1]);
    assert_true(by_qform.flip[0] && by_qform.flip[1] && !by_qform.flip[2]); /* y and z run backwards */
}

static void codes_name_the_files_axes(void **state)
{
    (void)state;
    double steps[3][3] = {{0, 1, 0}, {0, 0, -1}, {-1, 0, 0}}; /* x to the left, y down, z to the front */
    Geometry g = grid((int64_t[]){2, 3, 4}, steps, (double[]){1, 2, 3});
    char code[GRID_CODE_BYTES], text[GRID_PLACE_BYTES];
    grid_axes_code(&g, code);
    assert_string_equal(code, "LIA");
    grid_place_text(&g, text);
    assert_string_equal(text, "origin 1x2x3 mm (x,y,z), direction LIA");
    g.orientation.sform_code = 0;
    grid_axes_code(&g, code);
    assert_string_equal(code, "none");
    GridAxes axes = grid_axes_read(&g, READER_RAS_NIBABEL, 0); /* x to the left */
    assert_true(axes.flip[2] && !axes.flip[0] && !axes.flip[1] && axes.from[2] == 2);
    axes = grid_axes_read(&g, READER_RAS_ITK, 0); /* y to the back besides */
    assert_true(axes.flip[2] && !axes.flip[0] && axes.flip[1] && axes.from[2] == 2);
    axes = grid_axes_read(&g, READER_RAS, 0);
    assert_true(grid_axes_is_stored(&axes));
    const Geometry plane = geometry_plane(4, 4);
    const GridAxes none = grid_axes_read(&plane, READER_RAS_NIBABEL, 0);
    assert_true(grid_axes_is_stored(&none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_48_ways_are_found_and_undone),
        cmocka_unit_test(channels_are_turned_one_by_one),
        cmocka_unit_test(rounding_is_no_difference),
        cmocka_unit_test(other_places_are_told_apart),
        cmocka_unit_test(without_a_place_shape_and_spacing_decide),
        cmocka_unit_test(planes_turn_in_the_plane),
        cmocka_unit_test(one_slice_may_be_stored_along_any_axis),
        cmocka_unit_test(canonical_is_the_nearest_to_ras),
        cmocka_unit_test(either_form_of_a_file_will_do),
        cmocka_unit_test(codes_name_the_files_axes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
