/* plans/: dataset.json, fingerprints and splits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "formats/yaml.h"
#include "plans/dataset_json.h"
#include "plans/fingerprint.h"
#include "plans/splits.h"
#include "tests/support/exists.h"
#include "tests/support/gold.h"
#include "tests/support/says.h"

#define GOLDEN "tests/golden/plans/"
#define BROKEN "../shared/data/broken/"

static char scratch[] = "/tmp/test_dataset_files_XXXXXX";

static int make_scratch(void **state)
{
    (void)state;
    const int fd = mkstemp(scratch);
    return fd < 0 ? -1 : close(fd);
}

static int remove_scratch(void **state)
{
    (void)state;
    return unlink(scratch);
}

static const char *scratch_with(const char *text)
{
    assert_int_equal(file_put(scratch, text, strlen(text), NULL), 0);
    return scratch;
}

/* ---- dataset.json */

static const char regions_json[] =
    "{\"channel_names\": {\"1\": \"T2\", \"0\": \"T1\"},\n"
    " \"labels\": {\"background\": 0, \"whole\": [1, 2, 3], \"core\": [2, 3], \"rim\": 3, \"ignore\": 4},\n"
    " \"regions_class_order\": [1, 2, 3], \"numTraining\": 12, \"file_ending\": \".nii.gz\",\n"
    " \"licence\": \"x\", \"dataset\": {\"a\": {\"images\": [\"i/a1\", \"i/a2\"], \"label\": \"l/a\"},\n"
    " \"b\": {\"images\": [\"b\"]}}}\n";

static void assert_is_regions(const DatasetInfo *info)
{
    assert_int_equal(info->channel_count, 2);
    assert_string_equal(info->channel_names[0], "T1");
    assert_string_equal(info->channel_names[1], "T2");
    assert_int_equal(info->label_count, 4);
    assert_true(info->has_regions);
    assert_int_equal(info->labels[1].value_count, 3);
    assert_int_equal(info->labels[2].values[1], 3);
    assert_int_equal(info->max_value, 3);
    assert_int_equal(info->ignore_value, 4);
    assert_int_equal(dataset_label_entries(info), 5);
    assert_int_equal(dataset_head_count(info), 3);
    assert_int_equal(dataset_foreground(info, 2), 3);
    assert_int_equal(dataset_foreground(info, 3), -1);
    assert_true(dataset_knows_value(info, 4) && dataset_knows_value(info, 0));
    assert_false(dataset_knows_value(info, 5) || dataset_knows_value(info, -1));
    assert_int_equal(info->regions_class_count, 3);
    assert_int_equal(info->num_training, 12);
    assert_int_equal(info->file_count, 2);
    assert_string_equal(info->files[0].images[1], "i/a2");
    assert_string_equal(info->files[0].label, "l/a");
    assert_null(info->files[1].label);
}

static void dataset_forms_are_read_and_written_back(void **state)
{
    (void)state;
    DatasetInfo info;
    Err e = {0};
    if (dataset_info_read(&info, scratch_with(regions_json), &e)) fail_msg("%s", e.text);
    assert_is_regions(&info);
    assert_int_equal(dataset_info_write(&info, scratch, &e), 0);
    dataset_info_free(&info);
    if (dataset_info_read(&info, scratch, &e)) fail_msg("%s", e.text);
    assert_is_regions(&info);
    dataset_info_free(&info);
}

static void old_and_plain_datasets_are_read(void **state)
{
    (void)state;
    DatasetInfo info;
    Err e = {0};
    const char *path = scratch_with("{modality: {0: CT}, labels: {organ: 1, bg: 0}, numTraining: 3, "
                                    "file_ending: .png}");
    if (dataset_info_read(&info, path, &e)) fail_msg("%s", e.text);
    assert_string_equal(info.channel_names[0], "CT");
    assert_int_equal(dataset_head_count(&info), 2);
    assert_int_equal(dataset_label_entries(&info), 2);
    assert_int_equal(dataset_foreground(&info, 0), 0);
    assert_int_equal(info.ignore_value, -1);
    assert_null(info.name);
    assert_null(info.files);
    dataset_info_free(&info);
}

static void faults_of_datasets_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *channels, *labels, *rest, *says;
    } cases[] = {{"{0: a}", "{b: 0, x: 1, y: 3}", "", "labels: 2 is missing: the values up to the largest, 3"},
                 {"{0: a}", "{x: 1, y: 2}", "", "labels: no background"},
                 {"{0: a}", "{b: 0}", "", "labels: only background"},
                 {"{0: a}", "{b: 0, x: 1, y: 1}", "", "labels: x and y have the same value, 1"},
                 {"{0: a}", "{b: 0, x: 1, ignore: 3}", "", "labels: ignore is 3, expected the highest value, 2"},
                 {"{0: a}", "{b: 0, x: 1, ignore: 1}", "", "labels: ignore is 1, expected the highest value, 2"},
                 {"{0: a}", "{0: b, 1: x}", "", "labels: found \"0\": \"b\", expected the name first"},
                 {"{0: a}", "{b: 0, x: -1}", "", "x: found \"-1\", expected a whole number from 0 to 32767"},
                 {"{0: a}", "{b: 0, x: 1.5}", "", "x: found \"1.5\""},
                 {"{0: a}", "{b: 0, x: []}", "", "labels: the region x is empty"},
                 {"{0: a}", "{b: 0, x: [0, 1]}", "", "labels: the region x contains the background"},
                 {"{0: a}", "{b: 0, x: [1, 2]}", "", "the key regions_class_order is missing"},
                 {"{0: a}", "{b: 0, x: [1, 2]}", "regions_class_order: [1, 2]", "2 values, expected 1"},
                 {"{0: a}", "{b: 0, x: [1, 2]}", "regions_class_order: [3]", "found 3, the largest label is 2"},
                 {"{0: a, 2: b}", "{b: 0, x: 1}", "", "found the key \"2\", expected the numbers 0 to 1"},
                 {"{0: a, 00: b}", "{b: 0, x: 1}", "", "found the key \"00\", expected the numbers 0 to 1"},
                 {"{}", "{b: 0, x: 1}", "", "channel_names: no channel"},
                 {"[a]", "{b: 0, x: 1}", "", "channel_names: found a list, expected a mapping"},
                 {"{0: a}", "{b: 0, x: 1}", "file_ending: png",
                  "found \"png\", expected an ending with its dot, such as .nii.gz"},
                 {"{0: a}", "{b: 0, x: 1}", "", "the key file_ending is missing"},
                 {"{0: a}", "{b: 0, x: 1}", "file_ending: .png\ndataset: {c: {images: []}}", "case c: 0 images for 1"},
                 {"{0: a}", "{b: 0, x: 1}", "file_ending: .png\ndataset: {../c: {}}", "the case name \"../c\""},
                 {"{0: a}", "{b: 0, x: 1}", "file_ending: .png\ndataset: {..: {}}", "the case name \"..\""},
                 {"{0: a}", "{b: 0, x: 1}", "file_ending: ./../x.png", "expected an ending with its dot"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        DatasetInfo info;
        Err e = {0};
        snprintf(text, sizeof text, "channel_names: %s\nlabels: %s\nnumTraining: 3\n%s\n", cases[i].channels,
                 cases[i].labels, cases[i].rest);
        assert_true(dataset_info_read(&info, scratch_with(text), &e) < 0);
        assert_says(&e, cases[i].says);
        assert_null(info.doc);
    }
}

static void broken_datasets_are_refused_with_the_place(void **state)
{
    (void)state;
    if (!exists(BROKEN)) skip();
    static const char gap[] = BROKEN "Dataset923_LabelGap/dataset.json";
    static const char cut[] = BROKEN "Dataset925_BadDatasetJson/dataset.json";
    DatasetInfo info;
    Err e = {0};
    assert_int_equal(dataset_info_read(&info, gap, &e), ERR_FORMAT);
    assert_says(&e, "dataset.json:5:12: labels: 2 is missing");
    assert_int_equal(dataset_info_read(&info, cut, &e), ERR_FORMAT);
    assert_says(&e, "dataset.json:8:");
}

static void damaged_datasets_are_survived(void **state)
{
    (void)state;
    char damaged[sizeof regions_json];
    for (size_t cut = 0; cut + 1 < sizeof regions_json; cut += 3) {
        DatasetInfo info;
        memcpy(damaged, regions_json, sizeof damaged);
        if (cut % 2) damaged[cut] = '\0';
        else damaged[cut] = '9';
        if (!dataset_info_read(&info, scratch_with(damaged), NULL)) dataset_info_free(&info);
    }
}

/* ---- fingerprints */

static void fingerprints_round_trip(void **state)
{
    (void)state;
    Fingerprint f, again;
    Err e = {0};
    if (fingerprint_read(&f, GOLDEN "D5_dataset_fingerprint.json", &e)) fail_msg("%s", e.text);
    assert_int_equal(f.case_count, 8);
    assert_int_equal(f.channel_count, 2);
    assert_true(f.spacings_mm[5][1] == 0.9010000228881836);
    assert_int_equal(f.shapes_after_crop[2][2], 27);
    assert_true(f.intensities[1].percentile_99_5 == 847.0);
    assert_true(f.median_relative_size_after_cropping == 0.6300964683664272);
    assert_int_equal(fingerprint_write(&f, scratch, &e), 0);
    if (fingerprint_read(&again, scratch, &e)) fail_msg("%s", e.text);
    assert_memory_equal(f.spacings_mm, again.spacings_mm, 8 * sizeof *f.spacings_mm);
    assert_memory_equal(f.shapes_after_crop, again.shapes_after_crop, 8 * sizeof *f.shapes_after_crop);
    assert_memory_equal(f.intensities, again.intensities, 2 * sizeof *f.intensities);
    fingerprint_free(&f);
    fingerprint_free(&again);
    const char *path = scratch_with("spacings: [[1, 0, 1]]\nshapes_after_crop: [[1, 1, 1]]\n"
                                    "median_relative_size_after_cropping: 1\n"
                                    "foreground_intensity_properties_per_channel: {}\n");
    assert_int_equal(fingerprint_read(&f, path, &e), ERR_FORMAT);
    assert_says(&e, ":1:16: spacing 0, expected a positive one");
    assert_null(f.spacings_mm);
}

/* ---- splits */

typedef struct Names {
    char text[300][24];
    const char *list[300];
} Names;

/* n names, zero-padded so that sorting orders them by number; in descending order. */
static void make_names(Names *names, int n)
{
    for (int i = 0; i < n; i++) {
        snprintf(names->text[i], sizeof names->text[i], "case_%03d", i);
        names->list[n - 1 - i] = names->text[i];
    }
}

static void assert_is_list(char *const *names, int count, const DocNode *indices)
{
    assert_int_equal(count, indices->count);
    for (const DocNode *item = indices->first; item; item = item->next, names++)
        assert_int_equal(atoi(*names + strlen("case_")), atoi(item->text));
}

static DatasetCases known_cases(const char *const *names, int n)
{
    DatasetCases cases = {0};
    for (int i = 0; i < n; i++) assert_int_equal(names_add(&cases.present, names[i], NULL), 0);
    names_sort(&cases.present);
    return cases;
}

static void free_known(DatasetCases cases) { dataset_cases_free(&cases); }

static void splits_are_nnunets(void **state)
{
    (void)state;
    Doc doc;
    Err e = {0};
    Names names;
    assert_int_equal(doc_read(&doc, GOLDEN "split_vectors.json", &e), 0);
    int checked = 0;
    for (const DocNode *item = doc_find(doc.root, "kfold_seed12345_5")->first; item; item = item->next) {
        const int n = atoi(doc_find(item, "n")->text);
        Splits splits;
        make_names(&names, n);
        assert_int_equal(splits_make(&splits, names.list, n, 5, &e), 0);
        assert_int_equal(splits.count, 5);
        const DocNode *val = doc_find(item, "val_index_per_fold")->first;
        for (int f = 0; f < 5; f++, val = val->next, checked++) {
            assert_is_list(splits.folds[f].val, splits.folds[f].val_count, val);
            assert_int_equal(splits.folds[f].train_count, n - val->count);
            for (int i = 1; i < splits.folds[f].train_count; i++)
                assert_true(strcmp(splits.folds[f].train[i - 1], splits.folds[f].train[i]) < 0);
        }
        splits_free(&splits);
    }
    const DocNode *beyond = doc_find(doc.root, "fold_beyond_splits_80_20");
    for (const DocNode *item = beyond->first; item; item = item->next) {
        const int n = atoi(doc_find(item, "n")->text), fold = atoi(doc_find(item, "fold")->text);
        const DocNode *train = doc_find(item, "train_index_in_this_order");
        Splits splits;
        Split split;
        make_names(&names, n);
        assert_int_equal(splits_make(&splits, names.list, n, 5, &e), 0);
        const DatasetCases known = known_cases(names.list, n);
        Text notes = {0};
        assert_int_equal(splits_fold(&split, &splits, &known, fold, &notes, &e), 0);
        assert_non_null(strstr(notes.data, "random 80:20 split"));
        text_free(&notes);
        free_known(known);
        assert_is_list(split.train, split.train_count, train);
        assert_int_equal(split.val_count, n - train->count);
        split_free(&split);
        splits_free(&splits);
        checked++;
    }
    assert_int_equal(checked, 4 * 5 + 2);
    doc_free(&doc);
}

static void assert_equal_splits(const Splits *a, const Splits *b)
{
    assert_int_equal(a->count, b->count);
    for (int f = 0; f < a->count; f++) {
        assert_int_equal(a->folds[f].train_count, b->folds[f].train_count);
        assert_int_equal(a->folds[f].val_count, b->folds[f].val_count);
        for (int i = 0; i < a->folds[f].train_count; i++)
            assert_string_equal(a->folds[f].train[i], b->folds[f].train[i]);
        for (int i = 0; i < a->folds[f].val_count; i++) assert_string_equal(a->folds[f].val[i], b->folds[f].val[i]);
    }
}

static void golden_splits_are_made_and_read(void **state)
{
    (void)state;
    const char *golden = gold_path("nnunet/splits/D4_splits_final.json");
    if (!exists(golden)) skip();
    Splits read, made, again;
    Err e = {0};
    if (splits_read(&read, golden, &e)) fail_msg("%s", e.text);
    const char *cases[300];
    int n = 0;
    for (int i = 0; i < read.folds[0].val_count; i++) cases[n++] = read.folds[0].val[i];
    for (int i = 0; i < read.folds[0].train_count; i++) cases[n++] = read.folds[0].train[i];
    assert_int_equal(splits_make(&made, cases, n, 5, &e), 0);
    assert_equal_splits(&read, &made);
    assert_int_equal(splits_write(&made, scratch, &e), 0);
    if (splits_read(&again, scratch, &e)) fail_msg("%s", e.text);
    assert_equal_splits(&read, &again);
    splits_free(&again);
    splits_free(&made);
    splits_free(&read);
}

static void users_splits_are_honoured_or_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"c", "a", "001", "b"};
    Splits splits;
    Split split;
    Text notes = {0};
    Err e = {0};
    const DatasetCases known = known_cases(cases, 4);
    assert_int_equal(splits_make(&splits, cases, 4, 5, &e), ERR_VALUE);
    assert_says(&e, "4 cases are too few for 5 folds");
    if (splits_read(&splits,
                    scratch_with("- train: [c, 001]\n  val: [a]\n- {train: [x], val: []}\n"
                                 "- {train: [], val: [a]}\n"),
                    &e))
        fail_msg("%s", e.text);
    assert_int_equal(splits_fold(&split, &splits, &known, 0, &notes, &e), 0);
    assert_string_equal(split.train[0], "c");
    assert_string_equal(split.train[1], "001");
    assert_int_equal(split.val_count, 1);
    split_free(&split);
    assert_int_equal(splits_fold(&split, &splits, &known, SPLITS_FOLD_ALL, &notes, &e), 0);
    assert_int_equal(split.train_count, 4);
    assert_string_equal(split.val[0], "001");
    split_free(&split);
    assert_int_equal(splits_fold(&split, &splits, &known, 1, &notes, &e), ERR_VALUE);
    assert_says(&e, "the case x is not among the dataset's 4 cases");
    assert_int_equal(splits_fold(&split, &splits, &known, 2, &notes, &e), ERR_VALUE);
    assert_says(&e, "fold 2 has no case to train on");
    splits_free(&splits);
    text_free(&notes);
    free_known(known);
    static const char *const twice[] = {"a", "b", "c", "d", "a"};
    assert_int_equal(splits_make(&splits, twice, 5, 5, &e), ERR_VALUE);
    assert_says(&e, "the case a occurs twice");
    assert_int_equal(splits_read(&splits, scratch_with("[{train: [a]}]"), &e), ERR_FORMAT);
    assert_says(&e, ":1:2: a fold without the key val");
    assert_int_equal(splits_read(&splits, scratch_with("train: [a]"), &e), ERR_FORMAT);
    assert_int_equal(splits_read(&splits, scratch_with("[]"), &e), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dataset_forms_are_read_and_written_back),
        cmocka_unit_test(old_and_plain_datasets_are_read),
        cmocka_unit_test(faults_of_datasets_are_named),
        cmocka_unit_test(broken_datasets_are_refused_with_the_place),
        cmocka_unit_test(damaged_datasets_are_survived),
        cmocka_unit_test(fingerprints_round_trip),
        cmocka_unit_test(splits_are_nnunets),
        cmocka_unit_test(golden_splits_are_made_and_read),
        cmocka_unit_test(users_splits_are_honoured_or_refused),
    };
    return cmocka_run_group_tests_name("dataset files", tests, make_scratch, remove_scratch);
}
