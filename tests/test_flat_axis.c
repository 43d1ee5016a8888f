/* A dataset of single slices: any axis may have the length 1, with any spacing in the header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "planner/experiment_planner.h"
#include "planner/orientations.h"

static const char *const channels[] = {"MRI"};
static const DatasetLabel labels[] = {{.name = "background", .values = (int[]){0}, .value_count = 1},
                                      {.name = "a", .values = (int[]){1}, .value_count = 1}};
static const DatasetInfo info = {.num_training = 3,
                                 .channel_count = 1,
                                 .channel_names = channels,
                                 .label_count = 2,
                                 .labels = labels,
                                 .max_value = 1,
                                 .ignore_value = -1,
                                 .file_ending = ".nii.gz"};

static void plan_of(Plan *plan, PlanCompatibility rules, int shapes[3][3], double spacing[3][3])
{
    IntensityProperties intensities[1] = {{.std = 1}};
    const Fingerprint f = {.case_count = 3,
                           .spacings_mm = spacing,
                           .shapes_after_crop = shapes,
                           .median_relative_size_after_cropping = 1,
                           .channel_count = 1,
                           .intensities = intensities};
    plan_defaults(plan);
    plan->compatibility = rules;
    assert_int_equal(plan_experiment(plan, &(PlannerInput){&info, &f, "Dataset001_X", 8, NULL, NULL}, NULL, NULL), 0);
}

static void slices_lie_across_the_axis_of_one_voxel(void **state)
{
    (void)state;
    for (int flat = 0; flat < 3; flat++) {
        int shapes[3][3];
        double spacing[3][3];
        for (int i = 0; i < 3; i++)
            for (int axis = 0; axis < 3; axis++) {
                shapes[i][axis] = axis == flat ? 1 : 90 + 10 * i + axis;
                spacing[i][axis] = axis == flat ? 1 : 2; /* thinner than the pixels */
            }
        Plan plan;
        plan_of(&plan, COMPATIBILITY_NONE, shapes, spacing);
        assert_int_equal(plan.transpose_forward[0], flat);
        assert_true(plan.configuration.patch_size[0] >= 64 && plan.configuration.patch_size[1] >= 64);
        assert_true(plan.original_median_spacing_mm[0] == 1);
        shapes[1][flat] = 2; /* with a volume among them: nnU-Net's rule */
        plan_of(&plan, COMPATIBILITY_NONE, shapes, spacing);
        assert_int_equal(plan.transpose_forward[0], flat == 0);
    }
}

static void orientations_are_grouped(void **state)
{
    (void)state;
    char codes[6][FINGERPRINT_CODE_BYTES] = {"LPS", "RAS", "RAS", "PSR", "RAS", "RAS"}, text[PLAN_ORIENTATIONS_BYTES];
    Case cases[6] = {{.id = "a"}, {.id = "b"}, {.id = "c"}, {.id = "d"}, {.id = "e"}, {.id = "f"}};
    const Dataset d = {.training = {cases, 6}};
    const Fingerprint f = {.case_count = 6, .orientations = codes}, one = {.case_count = 1, .orientations = codes};
    Text mixed = {0}, none = {0};
    orientations_of_plan(text, &f);
    assert_string_equal(text, "RAS, LPS, PSR");
    orientations_add_mixed(&mixed, &f, &d, READER_STORED);
    assert_string_equal(mixed.data, "RAS: 4 cases (b, c, e …); LPS: 1 case (a); PSR: 1 case (d); "
                                    "\"orientation: canonical\" in --override reorients them all to RAS");
    orientations_add_mixed(&none, &one, &d, READER_STORED);
    orientations_add_mixed(&none, &f, &d, READER_RAS);
    assert_int_equal(none.length, 0);
    text_free(&mixed);
    *codes[0] = '\0'; /* a fingerprint without this information */
    orientations_of_plan(text, &one);
    assert_string_equal(text, "");
}

/* Codes of two to four cases, and the expected message of a reader; "": none. */
static void expect_advice(const char *const *given, int count, ReaderAxes reader, const char *contains,
                          const char *lacks)
{
    char codes[4][FINGERPRINT_CODE_BYTES];
    Case cases[4] = {{.id = "a"}, {.id = "b"}, {.id = "c"}, {.id = "d"}};
    const Dataset d = {.training = {cases, count}};
    const Fingerprint f = {.case_count = count, .orientations = codes};
    Text mixed = {0};
    for (int i = 0; i < count; i++) strcpy(codes[i], given[i]);
    orientations_add_mixed(&mixed, &f, &d, reader);
    if (!*contains) assert_int_equal(mixed.length, 0);
    else if (!mixed.data || !strstr(mixed.data, contains))
        fail_msg("%s: no %s", mixed.data ? mixed.data : "", contains);
    if (mixed.data && *lacks && strstr(mixed.data, lacks)) fail_msg("%s", mixed.data);
    text_free(&mixed);
}

static void what_is_never_turned_gets_other_advice(void **state)
{
    (void)state;
    static const char *const plane[] = {"RAS", "LP"}, *const planes[] = {"RA", "LP"},
                             *const alike[] = {"RAS", "RA", "RAI"}, *const both[] = {"RAS", "LP", "LPS"},
                             *const none[] = {"RAS", "none"}, *const sound[] = {"LPS", "LP"};
    expect_advice(plane, 2, READER_STORED, "a 2-D image is never turned, by", "reorients them all to RAS");
    expect_advice(planes, 2, READER_STORED, "a volume of one slice", "turns");
    expect_advice(both, 3, READER_STORED, "reorients the volumes to RAS; a 2-D image is never turned", "");
    expect_advice(both, 3, READER_RAS, "LP: 1 case (b)", "canonical");
    expect_advice(both, 3, READER_RAS, "a volume of one slice", "canonical");
    expect_advice(alike, 2, READER_STORED, "", ""); /* the plane is the same */
    expect_advice(alike, 3, READER_RAS, "", "");
    expect_advice(sound, 2, READER_STORED, "", "");
    expect_advice(sound, 2, READER_RAS, "never turned: store it as a volume", "canonical");
    expect_advice(none, 2, READER_STORED, "an image without orientation is never reoriented: add one to its header",
                  "canonical");
    expect_advice(none, 2, READER_RAS, "an image without orientation is never reoriented", "");
    expect_advice(none, 2, READER_RAS_NIBABEL, "", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_lie_across_the_axis_of_one_voxel),
        cmocka_unit_test(orientations_are_grouped),
        cmocka_unit_test(what_is_never_turned_gets_other_advice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
