/* preprocess/spacing_check and NIfTI's units: plausible spacings, and lengths in millimetres. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "data/nii_header.h"
#include "preprocess/spacing_check.h"
#include "support/says.h"

static Plan plan_of(double z_mm, double y_mm, double x_mm)
{
    Plan plan;
    plan_defaults(&plan);
    for (int i = 0; i < 3; i++) plan.original_median_spacing_mm[i] = ((const double[]){z_mm, y_mm, x_mm})[i];
    plan.configuration.spacing_mm[0] = y_mm;
    plan.configuration.spacing_mm[1] = x_mm;
    return plan;
}

static int check(const Plan *plan, const int64_t shape[3], const double mm[3], bool *noted, Err *e)
{
    Text note = {0};
    const int code = spacing_check(&note, shape, mm, plan, e);
    *noted = note.length > 0;
    text_free(&note);
    return code;
}

static void factors_decide(void **state)
{
    (void)state;
    Plan plan = plan_of(3, 1, 0.5);
    const int64_t shape[3] = {10, 20, 30};
    const struct {
        double mm[3];
        int code;
        bool noted;
    } cases[] = {
        {{3, 1, 0.5}, 0, false},
        {{14.9, 1, 0.5}, 0, false},
        {{15, 1, 0.5}, 0, true},
        {{0.6, 1, 0.5}, 0, true},
        {{3, 1, 2.6}, 0, true},
        {{3, 0.19, 0.5}, 0, true},
        {{3, 1, 49}, 0, true},
        {{3, 1, 50}, ERR_VALUE, false},
        {{3, 0.0099, 0.5}, ERR_VALUE, false},
        {{3000, 1, 0.5}, 0, true},
        {{3000, 1000, 500}, ERR_VALUE, false},
        {{3, 1e30, 0.5}, ERR_VALUE, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err e = {0};
        bool noted;
        assert_int_equal(check(&plan, shape, cases[i].mm, &noted, &e), cases[i].code);
        assert_int_equal(noted, cases[i].noted);
        if (cases[i].code) assert_says(&e, "by a factor of");
    }
    /* the plan's order of axes: the file's x is across the slices */
    plan = plan_of(3, 1, 0.5);
    const int forward[3] = {2, 0, 1};
    memcpy(plan.transpose_forward, forward, sizeof forward);
    bool noted;
    Err e = {0};
    assert_int_equal(check(&plan, shape, (double[]){1, 0.5, 3}, &noted, &e), 0);
    assert_false(noted);
    assert_int_equal(check(&plan, shape, (double[]){1, 0.5, 15}, &noted, &e), 0);
    assert_true(noted);
}

/* Planes have no thickness that a volume could differ from. */
static void the_thickness_of_planes_means_nothing(void **state)
{
    (void)state;
    bool noted;
    Err e = {0};
    Plan plan = plan_of(999, 1, 1);
    plan.original_median_shape[0] = 1;
    const int64_t shape[3] = {10, 20, 30};
    assert_int_equal(check(&plan, shape, (double[]){3, 1, 1}, &noted, &e), 0);
    assert_false(noted);
    assert_int_equal(check(&plan, shape, (double[]){3, 1, 6}, &noted, &e), 0);
    assert_true(noted);
}

static void sizes_and_single_slices(void **state)
{
    (void)state;
    Plan plan = plan_of(3, 1, 1);
    bool noted;
    Err e = {0};
    /* 20 times the spacing, and 400 x 2000 x 20000 x 20000 voxels */
    assert_int_equal(check(&plan, (int64_t[]){400, 1000, 1000}, (double[]){3, 20, 20}, &noted, &e), ERR_VALUE);
    /* large, but as the others */
    assert_int_equal(check(&plan, (int64_t[]){400, 10000, 10000}, (double[]){3, 1, 1}, &noted, &e), 0);
    assert_false(noted);
    /* the thickness of a single slice or of a plane is not checked */
    assert_int_equal(check(&plan, (int64_t[]){1, 100, 100}, (double[]){999, 1, 1}, &noted, &e), 0);
    assert_false(noted);
    /* a plan without medians: the target spacing */
    memset(plan.original_median_spacing_mm, 0, sizeof plan.original_median_spacing_mm);
    assert_int_equal(check(&plan, (int64_t[]){9, 100, 100}, (double[]){999, 1, 6}, &noted, &e), 0);
    assert_true(noted);
}

static void units_are_converted_and_written_back(void **state)
{
    (void)state;
    const int units[] = {1, 2, 3, 0, 2 | 8, 3 | 16}; /* metre, mm, micrometre, none; with a unit of time */
    const double mm[] = {1000, 1, 1e-3, 1, 1, 1e-3};
    for (int u = 0; u < 6; u++) {
        for (int dimensions = 2; dimensions <= 3; dimensions++) {
            NiiHeader h = {.volumes = 1, .components = 1, .dtype = DTYPE_I16}, read, again;
            Geometry *g = &h.geometry;
            uint8_t bytes[NII_MAX_HEADER_BYTES], second[NII_MAX_HEADER_BYTES];
            *g = (Geometry){.dimensions = dimensions,
                            .shape_zyx = {dimensions == 3 ? 4 : 1, 5, 6},
                            .spacing_zyx_mm = {2.5, 0.75, 0.5},
                            .orientation = {.units = 2,
                                            .qform_code = 1,
                                            .sform_code = 1,
                                            .qfac = 1,
                                            .depth = 2.5,
                                            .offset_xyz = {10, 20, 30},
                                            .sform = {{0.5, 0, 0, 10}, {0, 0.75, 0, 20}, {0, 0, 2.5, 30}}}};
            nii_header_format(bytes, &h);
            bytes[123] = (uint8_t)units[u]; /* the same numbers, in another unit */
            memcpy(second, bytes, sizeof second);
            assert_int_equal(nii_header_parse(&read, second, NULL), 0);
            const Geometry *r = &read.geometry;
            assert_true(r->spacing_zyx_mm[2] == 0.5 * mm[u] && r->spacing_zyx_mm[1] == 0.75 * mm[u]);
            assert_true(r->orientation.sform[1][3] == 20 * mm[u] && r->orientation.offset_xyz[2] == 30 * mm[u]);
            again = read; /* what is written has the same unit and the same numbers */
            nii_header_format(second, &again);
            assert_memory_equal(second, bytes, sizeof bytes);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_decide),
        cmocka_unit_test(the_thickness_of_planes_means_nothing),
        cmocka_unit_test(sizes_and_single_slices),
        cmocka_unit_test(units_are_converted_and_written_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
