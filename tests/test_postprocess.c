/* inference/: post-processing, its choice, and probabilities in files and memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/half.h"
#include "base/memory.h"
#include "inference/choice.h"
#include "inference/postprocess.h"
#include "inference/probabilities.h"
#include "tests/support/says.h"

/* ---- removal ---- */

static void only_the_largest_stays(void **state)
{
    (void)state;
    static const uint8_t before[] = {1, 1, 0, 2, 2, 0, 0, 1, 0, 0, /* touches the first by a corner */
                                     1, 0, 0, 0, 2};
    static const uint8_t one[] = {1, 1, 0, 2, 2, /**/ 0, 0, 1, 0, 0, /**/ 0, 0, 0, 0, 2};
    static const uint8_t both[] = {1, 1, 0, 2, 2, /**/ 0, 0, 1, 0, 0, /**/ 0, 0, 0, 0, 0};
    static const struct {
        int labels[2], count;
        const uint8_t *after;
    } cases[] = {{{1}, 1, one}, {{1, 2}, 2, both}, {{7}, 1, before}};
    static const DType types[] = {DTYPE_U8, DTYPE_U16, DTYPE_I16};
    for (int n = 0; n < 9; n++) {
        Postprocessing p = {0};
        Array image;
        Err e = {0};
        assert_int_equal(array_new(&image, types[n / 3], 3, (int64_t[]){1, 3, 5}, &e), 0);
        for (int i = 0; i < 15; i++) {
            if (types[n / 3] == DTYPE_U8) ((uint8_t *)image.data)[i] = before[i];
            else ((uint16_t *)image.data)[i] = before[i];
        }
        assert_int_equal(postprocessing_add(&p, cases[n % 3].labels, cases[n % 3].count, &e), 0);
        assert_int_equal(postprocessing_apply(&p, &image, &e), 0);
        for (int i = 0; i < 15; i++) {
            const int found = types[n / 3] == DTYPE_U8 ? ((uint8_t *)image.data)[i] : ((uint16_t *)image.data)[i];
            assert_int_equal(found, cases[n % 3].after[i]);
        }
        postprocessing_free(&p);
        array_free(&image);
    }
}

/* If two components are the largest, both are kept. */
static void ties_stay(void **state)
{
    (void)state;
    uint8_t voxels[] = {1, 1, 0, 1, 1, 0, 1};
    Array image = array_view(DTYPE_U8, 3, (int64_t[]){1, 1, 7}, voxels);
    Postprocessing p = {0};
    Err e = {0};
    assert_int_equal(postprocessing_add(&p, (int[]){1}, 1, &e), 0);
    assert_int_equal(postprocessing_apply(&p, &image, &e), 0);
    assert_memory_equal(voxels, ((uint8_t[]){1, 1, 0, 1, 1, 0, 0}), 7);
    postprocessing_free(&p);
}

static void steps_are_written_and_read(void **state)
{
    (void)state;
    static const char *const bad[] = {"[3]", "[[]]", "[[0]]", "[[1, x]]", "7"};
    const char text[] = "[[1, 2], [2]]";
    Postprocessing p;
    Doc doc;
    Err e = {0};
    assert_int_equal(doc_parse(&doc, "steps", text, strlen(text), &e), 0);
    assert_int_equal(postprocessing_get(&p, doc.root, &e), 0);
    doc_free(&doc);
    assert_int_equal(p.count, 2);
    assert_int_equal(p.steps[0].label_count, 2);
    assert_int_equal(p.steps[0].labels[1], 2);
    assert_int_equal(p.steps[1].labels[0], 2);
    postprocessing_free(&p);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(doc_parse(&doc, "steps", bad[i], strlen(bad[i]), &e), 0);
        assert_int_equal(postprocessing_get(&p, doc.root, &e), ERR_FORMAT);
        assert_says(&e, "steps:1:");
        doc_free(&doc);
    }
}

/* ---- choice ---- */

/* Two cases: label 1 always has a separate single voxel, label 2 never. */
static int load_row(void *context, int index, Array *reference, Array *prediction, Err *e)
{
    static const int16_t truth[] = {1, 1, 0, 2, 0, 2, 0, 0}, found[] = {1, 1, 0, 2, 0, 2, 0, 1};
    if (context && index == 1) return err_set(e, ERR_IO, "the second case cannot be read");
    const int64_t shape[] = {1, 1, 8};
    TRY(array_new(reference, DTYPE_I16, 3, shape, e));
    TRY(array_new(prediction, DTYPE_I16, 3, shape, e));
    memcpy(reference->data, truth, sizeof truth);
    memcpy(prediction->data, found, sizeof found);
    return 0;
}

static void what_helps_is_chosen(void **state)
{
    (void)state;
    Structures s = {0};
    Postprocessing p;
    DiceScore score;
    Err e = {0};
    for (int16_t label = 1; label <= 2; label++) assert_int_equal(structures_add(&s, NULL, &label, 1, false, &e), 0);
    const LabelledCases cases = {2, load_row, NULL}, bad = {2, load_row, &s};
    assert_int_equal(postprocessing_choose(&p, &score, &s, &cases, &e), 0);
    assert_int_equal(p.count, 1); /* together they would lose a part of label 2 */
    assert_int_equal(p.steps[0].label_count, 1);
    assert_int_equal(p.steps[0].labels[0], 1);
    assert_true(score.foreground_mean == 1);
    dice_score_free(&score);
    postprocessing_free(&p);
    assert_int_equal(postprocessing_choose(&p, &score, &s, &bad, &e), ERR_IO);
    assert_says(&e, "second case");
    structures_free(&s);
}

/* ---- probabilities ---- */

static const DatasetLabel labels[] = {{"background", (int[]){0}, 1, false}, {"a", (int[]){1}, 1, false}};
static const DatasetInfo info = {.label_count = 2, .labels = labels, .max_value = 1, .ignore_value = -1};

/* A box in a grid whose axes the plan exchanges, of a file whose axes are read in another order and direction. */
static const CaseProperties properties = {
    {3, 4, 5}, {{1, 0, 2}, {3, 3, 4}}, {2, 3, 2}, {{2, 1, 0}, {true, false, true}}, {2, 0, 1}, {1, 1, 1}};

static void send(const ProbabilitySink *sink)
{
    Err e = {0};
    assert_int_equal(sink->begin(sink->rows.context, &properties, &info, &e), 0);
    for (int row = 0; row < 6; row++) {
        const float p = (float)row / 8, values[] = {p, 1 - p, p / 2, 1 - p / 2};
        const RowBlock one = {row / 3, row % 3, 1, values, 0};
        assert_int_equal(sink->rows.rows(sink->rows.context, &one, &e), 0);
    }
}

static void files_and_arrays_hold_the_same(void **state)
{
    (void)state;
    char folder[] = "/tmp/probabilities-XXXXXX";
    ProbabilityFile file;
    ProbabilityArray array;
    CaseProperties read;
    Array mapped;
    Err e = {0};
    assert_non_null(mkdtemp(folder));
    ProbabilitySink sink = probability_file_sink(&file, folder, "case");
    send(&sink);
    assert_int_equal(probability_file_finish(&file, 0, &e), 0);
    sink = probability_array_sink(&array, NULL);
    send(&sink);
    bool there = false;
    assert_int_equal(probabilities_exist(&there, folder, "case", &e), 0);
    assert_true(there);
    assert_int_equal(probabilities_exist(&there, folder, "other", &e), 0);
    assert_false(there);
    assert_int_equal(probabilities_exist(&there, "/dev/null/x", "case", &e), 0);
    assert_int_equal(probabilities_read(&mapped, &read, folder, "case", &info, &e), 0);
    assert_memory_equal(&read, &properties, sizeof read);
    const int64_t *raw = array.values.shape;
    assert_int_equal(raw[0], 3);
    assert_int_equal(raw[1], 5);
    assert_int_equal(raw[2], 4);
    for (int64_t i = 0; i < 3 * 4 * 5 * 2; i++) {
        const int64_t at[3] = {i / 40, i / 10 % 4,
                               i / 2 % 5}; /* the plan's axes 0, 1, 2 are read as 2, 0, 1, from the file's 0, 2, 1 */
        const float *in_file = (const float *)mapped.data + i;
        assert_true(*in_file ==
                    ((float *)array.values.data)[(((2 - at[0]) * raw[1] + at[2]) * raw[2] + 3 - at[1]) * 2 + i % 2]);
        const bool inside = at[0] >= 1 && at[1] < 3 && at[2] >= 2 && at[2] < 4;
        if (!inside) assert_true(*in_file == (i % 2 == 0));
    }
    array_free(&mapped);
    array_free(&array.values);

    const DatasetInfo other = {.label_count = 2, .labels = labels, .max_value = 2, .ignore_value = -1};
    assert_int_equal(probabilities_read(&mapped, &read, folder, "case", &other, &e), ERR_SHAPE);
    assert_says(&e, "3 classes");
    char *paths[] = {path_format(NULL, "%s/case.npy", folder), path_format(NULL, "%s/case.yaml", folder)};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(unlink(paths[i]), 0);
        mem_free(paths[i]);
    }
    sink = probability_file_sink(&file, folder, "case"); /* a prediction that fails leaves no files */
    send(&sink);
    assert_int_equal(probability_file_finish(&file, ERR_VALUE, &e), ERR_VALUE);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_largest_stays),         cmocka_unit_test(ties_stay),
        cmocka_unit_test(steps_are_written_and_read),     cmocka_unit_test(what_helps_is_chosen),
        cmocka_unit_test(files_and_arrays_hold_the_same),
    };
    return cmocka_run_group_tests_name("postprocess", tests, NULL, NULL);
}
