/* evaluation/: overlap counts, means, summary.json. */
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
#include "evaluation/compare.h"
#include "evaluation/overlap.h"
#include "evaluation/summary_files.h"

static void add(Structures *s, const char *name, const int16_t *labels, int count, bool is_region)
{
    Err e = {0};
    assert_int_equal(structures_add(s, name, labels, count, is_region, &e), 0);
}

/* The definition, voxel by voxel, as in nnU-Net's compute_tp_fp_fn_tn. */
static bool structure_has(const Structure *s, int16_t label)
{
    for (int i = 0; i < s->label_count; i++)
        if (s->labels[i] == label) return true;
    return false;
}

static Overlap overlap_by_definition(const Structures *s, int index, const int16_t *ref, const int16_t *pred, int n)
{
    Overlap o = {0};
    for (int i = 0; i < n; i++) {
        if (s->has_ignore && ref[i] == s->ignore) continue;
        const bool r = structure_has(&s->items[index], ref[i]), p = structure_has(&s->items[index], pred[i]);
        o.tp += r && p;
        o.fp += !r && p;
        o.fn += r && !p;
        o.tn += !r && !p;
    }
    return o;
}

static Box box_by_definition(const Structure *s, const int16_t *ref, const int16_t *pred, const int64_t shape[3])
{
    Box box = {{INT64_MAX, INT64_MAX, INT64_MAX}, {0}};
    for (int64_t i = 0; i < shape[0] * shape[1] * shape[2]; i++) {
        if (!structure_has(s, ref[i]) && !structure_has(s, pred[i])) continue;
        const int64_t at[3] = {i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]};
        for (int d = 0; d < 3; d++) {
            if (at[d] < box.first[d]) box.first[d] = at[d];
            if (at[d] >= box.past[d]) box.past[d] = at[d] + 1;
        }
    }
    return box.past[0] ? box : (Box){0};
}

static void overlaps_equal_their_definition(void **state)
{
    (void)state;
    enum { N = 5005 };
    static int16_t ref[N], pred[N];
    Rng rng = rng_make(1, 0, 0, 0, RNG_TEST);
    for (int round = 0; round < 20; round++) {
        /* Runs of all lengths, labels that belong to no structure, and the extreme values of the type. */
        static const int16_t labels[] = {0, 0, 0, 1, 2, 3, 4, 9, -1, INT16_MAX, INT16_MIN};
        for (int i = 0, r = 0, p = 0; i < N; i++) {
            if (rng_below(&rng, 6) == 0) r = (int)rng_below(&rng, 11);
            if (rng_below(&rng, 6) == 0) p = (int)rng_below(&rng, 11);
            ref[i] = labels[r];
            pred[i] = labels[p];
        }
        Structures s = {.has_ignore = round % 2, .ignore = 4};
        add(&s, "one", (int16_t[]){1}, 1, false);
        add(&s, "both", (int16_t[]){2, 3}, 2, true);
        add(&s, "extreme", (int16_t[]){INT16_MIN}, 1, false);
        add(&s, "never there", (int16_t[]){77}, 1, false);
        Overlap o[4];
        Box boxes[4];
        const int64_t shape[3] = {1, 7, N / 7};
        UnknownLabels unknown;
        Err e = {0};
        assert_int_equal(overlap_count(o, boxes, &unknown, &s, ref, pred, shape, &e), 0);
        for (int i = 0; i < 4; i++) {
            const Overlap want = overlap_by_definition(&s, i, ref, pred, N);
            assert_memory_equal(&o[i], &want, sizeof want);
            const Box box = box_by_definition(&s.items[i], ref, pred, shape);
            assert_memory_equal(&boxes[i], &box, sizeof box);
        }
        int64_t outside = 0;
        for (int i = 0; i < N; i++)
            outside += ref[i] == 9 || ref[i] == -1 || ref[i] == INT16_MAX || (ref[i] == 4 && !s.has_ignore);
        assert_int_equal(unknown.in_reference, outside);
        structures_free(&s);
    }
}

static void absent_structures_have_no_dice(void **state)
{
    (void)state;
    const Overlap nothing = {.tn = 10}, missed = {.fn = 3}, half = {.tp = 1, .fp = 1, .fn = 1};
    assert_true(isnan(overlap_dice(&nothing)) && isnan(overlap_iou(&nothing)));
    assert_true(overlap_dice(&missed) == 0 && overlap_iou(&missed) == 0);
    assert_true(overlap_dice(&half) == 0.5 && overlap_iou(&half) == 1.0 / 3);
}

static void keys_are_those_of_python(void **state)
{
    (void)state;
    Structures s = {0};
    Err e = {0};
    add(&s, NULL, (int16_t[]){12}, 1, false);
    add(&s, "whole", (int16_t[]){1, 2, 3}, 3, true);
    add(&s, "core", (int16_t[]){3}, 1, true);
    assert_string_equal(s.items[0].key, "12");
    assert_string_equal(s.items[0].name, "12");
    assert_string_equal(s.items[1].key, "(1, 2, 3)");
    assert_string_equal(s.items[2].key, "(3,)");
    assert_int_equal(structures_add(&s, "empty", NULL, 0, true, &e), ERR_VALUE);
    assert_int_equal(structures_add(&s, "two", (int16_t[]){1, 2}, 2, false, &e), ERR_VALUE);
    assert_int_equal(s.count, 3);
    structures_free(&s);
}

static void write_json(const Summary *s, const char *path)
{
    Text text = {0};
    Err e = {0};
    summary_add_json(s, &text);
    assert_int_equal(text_check(&text, &e), 0);
    assert_int_equal(file_put(path, text.data, text.length, &e), 0);
    text_free(&text);
}

static void summary_json_is_nnunets(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_evaluation_XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/summary.json", folder);
    Structures structures = {0};
    add(&structures, "b", (int16_t[]){2}, 1, false);
    add(&structures, "a", (int16_t[]){10}, 1, false);
    Summary s;
    Err e = {0};
    Pair items[] = {{"a", "p/a", "r", NULL}, {"x", "p/x", NULL, NULL}, {"b", "p/b \"x\"", "r", NULL}};
    char *unpredicted[] = {"y", "z"};
    const Pairs pairs = {.items = items, .count = 3, .unpredicted = unpredicted, .unpredicted_count = 2};
    assert_int_equal(summary_new(&s, &structures, &pairs, &e), 0);
    s.only_overlap = true;
    const MetricRow rows[] = {{[METRIC_DICE] = 0.5,
                               [METRIC_FN] = 1,
                               [METRIC_FP] = 2,
                               [METRIC_IOU] = 1.0 / 3,
                               [METRIC_TN] = 3,
                               [METRIC_TP] = 4,
                               [METRIC_N_PRED] = 5,
                               [METRIC_N_REF] = 6},
                              {[METRIC_DICE] = NAN, [METRIC_IOU] = NAN, [METRIC_TN] = 100}};
    for (int c = 0; c < 3; c++) {
        s.cases[c].done = c != 1;
        memcpy(s.cases[c].metrics[0], rows[0], sizeof rows[0]);
        memcpy(s.cases[c].metrics[1], rows[1], sizeof rows[1]);
    }
    s.cases[2].metrics[0][METRIC_FN] = 2;
    case_note(&s.cases[1], "not evaluated: %s", "cut off");
    case_note(&s.cases[2], "turned");
    case_note(&s.cases[2], "%d voxels unknown", 3);
    assert_int_equal(summary_means(&s, 1, &e), 0);
    assert_true(s.mean[0][METRIC_FN].value == 1.5);
    assert_true(isnan(s.mean[1][METRIC_DICE].value) && s.absent[1] && !s.absent[0]);
    assert_true(s.foreground_mean[METRIC_DICE].value == 0.5); /* nnU-Net: NaN */
    assert_int_equal(s.foreground_count[METRIC_DICE], 1);
    write_json(&s, path);
    char *text, *want;
    size_t bytes;
    assert_int_equal(file_get(path, &text, &bytes, &e), 0);
    assert_int_equal(file_get("tests/golden/evaluation_summary.json", &want, &bytes, &e), 0);
    assert_string_equal(text, want);
    mem_free(text);
    mem_free(want);
    summary_free(&s);
    structures_free(&structures);
    unlink(path);
    rmdir(folder);
}

/* Twelve cases of one label; the second evaluation lacks two of the cases and has one that the first lacks. */
static void write_evaluation(const char *path, int first, int last, double bonus)
{
    Structures structures = {0};
    add(&structures, "a", (int16_t[]){1}, 1, false);
    Pair items[16] = {{0}};
    char names[16][16];
    Err e = {0};
    const Pairs pairs = {.items = items, .count = last - first};
    for (int i = 0; i < pairs.count; i++) {
        snprintf(names[i], sizeof names[i], "c%02d.nii.gz", first + i);
        items[i] = (Pair){names[i], names[i], names[i], NULL};
    }
    Summary s;
    assert_int_equal(summary_new(&s, &structures, &pairs, &e), 0);
    for (int i = 0; i < pairs.count; i++) {
        for (int m = 0; m < METRIC_COUNT; m++) s.cases[i].metrics[0][m] = m;
        s.cases[i].metrics[0][METRIC_DICE] = 0.5 + bonus * (first + i);
        s.cases[i].metrics[0][METRIC_HD] = i == 3 ? INFINITY : 2;
        s.cases[i].done = true;
    }
    assert_int_equal(summary_means(&s, 1, &e), 0);
    write_json(&s, path);
    summary_free(&s);
    structures_free(&structures);
}

static void evaluations_are_compared_by_case(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_evaluation_XXXXXX", a[64], b[64];
    assert_non_null(mkdtemp(folder));
    snprintf(a, sizeof a, "%s/a.json", folder);
    snprintf(b, sizeof b, "%s/summary.json", folder);
    write_evaluation(a, 0, 12, 0);
    write_evaluation(b, 2, 13, 0.01);
    Comparison c;
    Err e = {0};
    Text table = {0};
    assert_int_equal(comparison_read(&c, (const char *const[]){a, folder}, 2, &e), 0);
    assert_true(c.case_count == 10 && c.label_count == 1);
    if (!strstr(c.notes.data, "3 cases are not in all evaluations and left out: c00 (not in "))
        fail_msg("%s", c.notes.data);
    assert_int_equal(comparison_add_table(&c, &table, &e), 0);
    /* Ten differences of one sign: p = 2 / 2^10. */
    if (!strstr(table.data, "0.5000       0.5650   +0.0650   0.0020\n")) fail_msg("%s", table.data);
    assert_null(strstr(table.data, "TP"));
    text_free(&table);
    comparison_free(&c);
    write_evaluation(b, 12, 14, 0);
    assert_int_equal(comparison_read(&c, (const char *const[]){a, b}, 2, &e), ERR_VALUE);
    assert_int_equal(file_put(b, "{\"mean\": {}, \"metric_per_case\": [3]}", 35, &e), 0);
    assert_int_equal(comparison_read(&c, (const char *const[]){b, a}, 2, &e), ERR_FORMAT);
    unlink(a);
    unlink(b);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlaps_equal_their_definition),  cmocka_unit_test(absent_structures_have_no_dice),
        cmocka_unit_test(keys_are_those_of_python),         cmocka_unit_test(summary_json_is_nnunets),
        cmocka_unit_test(evaluations_are_compared_by_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
