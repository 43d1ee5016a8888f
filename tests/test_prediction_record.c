/* inference/prediction_record: which predictions are kept, and their entries in predict.yaml. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "inference/prediction_record.h"
#include "inference/prediction_record_file.h"

static char folder[] = "/tmp/test_prediction_record_XXXXXX";
static MadeFrom model; /* of every output */

static int begin_test(void **state)
{
    (void)state;
    strcpy(strrchr(folder, '_'), "_XXXXXX");
    made_from_add(&model, "folds", "0");
    made_from_add(&model, "step", "0.5");
    return mkdtemp(folder) ? 0 : -1;
}

/* Empties the folder. */
static int forget_all(void)
{
    FileList files;
    if (file_list(&files, folder, NULL)) return -1;
    for (int i = 0; i < files.count; i++) {
        char *path = path_format(NULL, "%s/%s", folder, files.names[i]);
        unlink(path);
        mem_free(path);
    }
    file_list_free(&files);
    return 0;
}

static int end_test(void **state)
{
    (void)state;
    if (forget_all()) return -1;
    for (int i = 0; i < 2; i++) {
        char *lock = path_format(NULL, "%s/%s", folder, i ? ".runs.lock" : ".lock");
        unlink(lock);
        mem_free(lock);
    }
    made_from_free(&model);
    return rmdir(folder);
}

static void put(const char *name, const char *content)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_put(path, content, strlen(content), NULL), 0);
}

static PredictionRecord *open_record(bool replace)
{
    PredictionRecord *r;
    Err e = {0};
    if (prediction_record_open(&r, folder, &model, replace, &e)) fail_msg("%s", e.text);
    return r;
}

static OutputState look(const PredictionRecord *r, const char *id)
{
    char name[64];
    const char *const files[] = {name};
    OutputState state;
    snprintf(name, sizeof name, "%s.nii", id);
    assert_int_equal(prediction_record_look(r, id, files, 1, &state, NULL, NULL), 0);
    return state;
}

static MadeFrom inputs_of(const char *hash)
{
    MadeFrom inputs = {0};
    made_from_add(&inputs, "a_0000.nii", "%s", hash);
    return inputs;
}

static bool same_inputs(const PredictionRecord *r, const char *id, const char *hash)
{
    MadeFrom inputs = inputs_of(hash);
    const bool same = prediction_record_same_inputs(r, id, &inputs, NULL);
    made_from_free(&inputs);
    return same;
}

static void finish(PredictionRecord *r, const char *id, const char *hash)
{
    char name[64];
    const char *const files[] = {name};
    Err e = {0};
    MadeFrom inputs = inputs_of(hash);
    snprintf(name, sizeof name, "%s.nii", id);
    put(name, "labels");
    if (prediction_record_done(r, id, &inputs, files, 1, &e)) fail_msg("%s", e.text);
    assert_int_equal(inputs.count, 0);
}

/* Cases a and b are predicted; the run is killed after it has written b's files, before it records them. */
static void predict_two(const char *hash)
{
    PredictionRecord *r = open_record(false);
    assert_int_equal(prediction_record_plan(r, "b", NULL), 0);
    assert_int_equal(prediction_record_plan(r, "a", NULL), 0);
    assert_int_equal(prediction_record_begin(r, NULL), 0);
    finish(r, "a", hash);
    put("b.nii", "labels");
    assert_int_equal(prediction_record_close(r, NULL), 0);
}

static void what_is_there_is_told_apart(void **state)
{
    (void)state;
    predict_two("11");
    put("mine.nii", "by hand");
    PredictionRecord *r = open_record(false);
    assert_false(prediction_record_is_other(r, NULL));
    assert_int_equal(look(r, "a"), OUTPUT_WHOLE);
    assert_int_equal(look(r, "b"), OUTPUT_UNFINISHED);
    assert_int_equal(look(r, "c"), OUTPUT_NONE);
    assert_int_equal(look(r, "mine"), OUTPUT_FOREIGN);
    assert_true(same_inputs(r, "a", "11"));
    assert_false(same_inputs(r, "a", "12"));
    assert_false(same_inputs(r, "c", "11"));
    put("a.nii", "corrected by hand");
    assert_int_equal(look(r, "a"), OUTPUT_CHANGED);
    prediction_record_close(r, NULL);
    r = open_record(true);
    assert_int_equal(look(r, "a"), OUTPUT_UNFINISHED);
    assert_int_equal(look(r, "mine"), OUTPUT_UNFINISHED);
    assert_int_equal(look(r, "c"), OUTPUT_NONE);
    prediction_record_close(r, NULL);
}

static void another_file_of_a_case_is_wanted(void **state)
{
    (void)state;
    static const char *const both[] = {"a.nii", "a.npy"};
    OutputState found;
    predict_two("11");
    PredictionRecord *r = open_record(false);
    assert_int_equal(prediction_record_look(r, "a", both, 2, &found, NULL, NULL), 0);
    assert_int_equal(found, OUTPUT_NONE);
    put("a.npy", "somebody else's");
    char *which = NULL;
    assert_int_equal(prediction_record_look(r, "a", both, 2, &found, &which, NULL), 0);
    assert_int_equal(found, OUTPUT_FOREIGN);
    assert_string_equal(which, "a.npy");
    mem_free(which);
    prediction_record_close(r, NULL);
}

/* Writes files of case a (count of them), as a run does. If `kill` is set, the run is killed before it records them. */
static void predict_a(bool replace, const char *const *files, int count, bool kill)
{
    MadeFrom inputs = inputs_of("11");
    PredictionRecord *r = open_record(replace);
    assert_int_equal(prediction_record_plan(r, "a", NULL), 0);
    assert_int_equal(prediction_record_begin(r, NULL), 0);
    for (int i = 0; i < count && !kill; i++) put(files[i], "made");
    if (!kill) assert_int_equal(prediction_record_done(r, "a", &inputs, files, count, NULL), 0);
    made_from_free(&inputs);
    prediction_record_close(r, NULL);
}

static bool is_there(const char *name)
{
    char path[128];
    bool there;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_is_there(path, &there, NULL), 0);
    return there;
}

/* Files of a case that an earlier run wrote and the current one does not are removed, even after a killed run in
 * between. */
static void earlier_outputs_go_unless_they_were_changed(void **state)
{
    (void)state;
    static const char *const all[] = {"a.nii", "a.npy", "a.yaml"};
    predict_a(false, all, 3, false);
    put("a.yaml", "corrected by hand");
    put("b.npy", "somebody else's");
    predict_a(true, all, 1, true);
    assert_true(is_there("a.npy"));
    predict_a(false, all, 1, false);
    assert_true(is_there("a.nii"));
    assert_false(is_there("a.npy"));
    assert_true(is_there("a.yaml"));
    assert_true(is_there("b.npy"));
}

/* A case that failed keeps the files and the entry of an earlier run. */
static void a_failed_case_keeps_its_earlier_outputs(void **state)
{
    (void)state;
    static const char *const all[] = {"a.nii", "a.npy"};
    predict_a(false, all, 2, false);
    PredictionRecord *r = open_record(true);
    assert_int_equal(prediction_record_plan(r, "a", NULL), 0);
    assert_int_equal(prediction_record_begin(r, NULL), 0);
    assert_int_equal(prediction_record_failed(r, "a", "no", NULL, all, 1, NULL), 0);
    assert_int_equal(prediction_record_close(r, NULL), 0);
    assert_true(is_there("a.npy"));
    predict_a(false, all, 1, false);
    assert_false(is_there("a.npy"));
}

static void cases_that_are_gone_leave_nothing(void **state)
{
    (void)state;
    static const char *const all[] = {"a.nii", "a.npy"};
    char stays[] = "other", *const ids[] = {stays};
    predict_a(false, all, 2, false);
    put("a.json", "somebody else's");
    PredictionRecord *r = open_record(false);
    assert_int_equal(prediction_record_keep_only(r, ids, 1, NULL), 0);
    assert_int_equal(look(r, "a"), OUTPUT_NONE);
    prediction_record_close(r, NULL);
    assert_false(is_there("a.nii") || is_there("a.npy"));
    assert_true(is_there("a.json"));
    r = open_record(false);
    put("a.nii", "made");
    assert_int_equal(look(r, "a"), OUTPUT_FOREIGN); /* forgotten */
    prediction_record_close(r, NULL);
}

static OutputState look_at(const PredictionRecord *r, const char *name, const char *decides)
{
    OutputState found;
    char *which;
    assert_int_equal(prediction_record_look(r, "a", &name, 1, &found, &which, NULL), 0);
    if (decides) assert_string_equal(which, decides);
    mem_free(which);
    return found;
}

/* An image in two files: the second is hashed like the first, though it is not named. */
static void what_is_written_beside_an_image_counts(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"a.mhd", "a.zraw"}, {"a.nhdr", "a.raw.gz"}, {"a.hdr", "a.img"}, {"a.tif", "a.json"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *name = names[i][0], *other = names[i][1];
        char *path = path_format(NULL, "%s/%s", folder, other);
        MadeFrom inputs = inputs_of("11");
        put(other, "somebody's");
        PredictionRecord *r = open_record(false);
        assert_int_equal(look_at(r, name, other), OUTPUT_FOREIGN);
        assert_int_equal(prediction_record_plan(r, "a", NULL), 0);
        assert_int_equal(prediction_record_begin(r, NULL), 0);
        put(name, "header");
        put(other, "voxels");
        assert_int_equal(prediction_record_done(r, "a", &inputs, &name, 1, NULL), 0);
        prediction_record_close(r, NULL);
        r = open_record(false);
        assert_int_equal(look_at(r, name, NULL), OUTPUT_WHOLE);
        put(other, "edited");
        assert_int_equal(look_at(r, name, other), OUTPUT_CHANGED);
        unlink(path);
        assert_int_equal(look_at(r, name, other), OUTPUT_NONE);
        mem_free(path);
        prediction_record_close(r, NULL);
        forget_all();
    }
}

/* A TIFF picture has no side file: a .json that is added later belongs to someone else. */
static void what_is_not_written_beside_an_image_does_not(void **state)
{
    (void)state;
    const char *name = "a.tif";
    MadeFrom inputs = inputs_of("11");
    PredictionRecord *r = open_record(false);
    assert_int_equal(prediction_record_plan(r, "a", NULL), 0);
    assert_int_equal(prediction_record_begin(r, NULL), 0);
    put(name, "picture");
    assert_int_equal(prediction_record_done(r, "a", &inputs, &name, 1, NULL), 0);
    prediction_record_close(r, NULL);
    put("a.json", "drawn by hand");
    r = open_record(false);
    assert_int_equal(look_at(r, name, NULL), OUTPUT_WHOLE);
    prediction_record_close(r, NULL);
}

/* Both found an empty folder; the second to begin must not take the first one's files for its own. */
static void two_models_do_not_begin_in_one_folder(void **state)
{
    (void)state;
    Err e = {0};
    MadeFrom other = {0};
    PredictionRecord *r = open_record(false), *second;
    made_from_add(&other, "network", "another");
    assert_int_equal(prediction_record_open(&second, folder, &other, false, NULL), 0);
    assert_false(prediction_record_is_other(second, NULL));
    assert_int_equal(prediction_record_begin(r, NULL), 0);
    assert_int_equal(prediction_record_begin(second, &e), ERR_VALUE);
    assert_non_null(strstr(e.text, "give each a folder of its own"));
    prediction_record_close(second, NULL);
    assert_int_equal(prediction_record_close(r, NULL), 0);
    made_from_free(&other);
}

static void other_options_are_named(void **state)
{
    (void)state;
    Text why = {0};
    predict_two("11");
    made_from_add(&model, "mirroring", "y x");
    PredictionRecord *r = open_record(false);
    assert_true(prediction_record_is_other(r, &why));
    assert_string_equal(why.data, "mirroring: none, now y x");
    text_free(&why);
    prediction_record_close(r, NULL);
    r = open_record(true); /* the replaced file belongs to another run, and is no longer recorded */
    assert_false(prediction_record_is_other(r, NULL));
    assert_int_equal(prediction_record_plan(r, "b", NULL), 0);
    assert_int_equal(prediction_record_begin(r, NULL), 0);
    finish(r, "b", "11");
    assert_int_equal(prediction_record_close(r, NULL), 0);
    r = open_record(false);
    assert_int_equal(look(r, "a"), OUTPUT_FOREIGN);
    assert_int_equal(look(r, "b"), OUTPUT_WHOLE);
    prediction_record_close(r, NULL);
}

static void a_failed_case_leaves_what_was_there(void **state)
{
    (void)state;
    static const char *const files[] = {"a.nii"};
    predict_two("11");
    PredictionRecord *r = open_record(false);
    assert_int_equal(prediction_record_plan(r, "a", NULL), 0);
    assert_int_equal(prediction_record_begin(r, NULL), 0);
    assert_int_equal(prediction_record_failed(r, "a", "a_0000.nii: cut off", NULL, files, 1, NULL), 0);
    assert_int_equal(prediction_record_close(r, NULL), 0);
    r = open_record(false);
    assert_int_equal(look(r, "a"), OUTPUT_UNFINISHED);
    put("a.nii", "by hand");
    assert_int_equal(look(r, "a"), OUTPUT_CHANGED);
    prediction_record_close(r, NULL);
}

/* A failure belongs to its inputs; labels of an earlier run do not belong to them. */
static void a_failure_is_known_by_its_inputs(void **state)
{
    (void)state;
    static const char *const files[] = {"a.nii"};
    predict_two("11");
    PredictionRecord *r = open_record(false);
    MadeFrom inputs = inputs_of("22"), others = inputs_of("33");
    prediction_record_prompt(r);
    assert_int_equal(prediction_record_plan(r, "a", NULL), 0);
    assert_int_equal(prediction_record_begin(r, NULL), 0);
    assert_int_equal(prediction_record_failed(r, "a", "no", &inputs, files, 1, NULL), 0);
    assert_int_equal(inputs.count, 0);
    PredictionRecord *now = open_record(false); /* it was written at once */
    inputs = inputs_of("22");
    assert_true(prediction_record_has_failed(now, "a", &inputs));
    assert_false(prediction_record_has_failed(now, "a", &others));
    assert_false(prediction_record_has_failed(now, "b", &inputs));
    assert_false(same_inputs(now, "a", "22"));
    prediction_record_close(now, NULL);
    assert_int_equal(prediction_record_close(r, NULL), 0);
    made_from_free(&inputs);
    made_from_free(&others);
}

/* A case that was begun without an end is counted over the runs, until it is over. */
static void starts_are_counted(void **state)
{
    (void)state;
    static const char *const files[] = {"a.nii"};
    for (int i = 0; i < 4; i++) {
        PredictionRecord *r = open_record(false);
        assert_int_equal(prediction_record_begun(r, "a"), i == 3 ? 2 : i);
        assert_int_equal(prediction_record_plan(r, "a", NULL), 0);
        assert_int_equal(prediction_record_begin(r, NULL), 0);
        assert_int_equal(prediction_record_start_case(r, "a", NULL), 0);
        if (i == 2) prediction_record_put_off(r, "a");
        PredictionRecord *after = open_record(false); /* as after a kill */
        assert_int_equal(prediction_record_begun(after, "a"), i == 3 ? 3 : i + 1);
        prediction_record_close(after, NULL);
        if (i == 3) assert_int_equal(prediction_record_failed(r, "a", "no", NULL, files, 1, NULL), 0);
        assert_int_equal(prediction_record_close(r, NULL), 0);
    }
    PredictionRecord *r = open_record(false);
    assert_int_equal(prediction_record_begun(r, "a"), 0);
    assert_int_not_equal(prediction_record_start_case(r, "b", NULL), 0);
    prediction_record_close(r, NULL);
}

/* A case whose outputs cannot be hashed is not over: it stays planned, and what is there of it is made again. */
static void a_case_without_its_outputs_is_not_done(void **state)
{
    (void)state;
    static const char *const files[] = {"a.nii"};
    OutputState found;
    MadeFrom inputs = {0};
    PredictionRecord *r = open_record(false);
    made_from_add(&inputs, "a_0000.nii", "11");
    assert_int_equal(prediction_record_plan(r, "a", NULL), 0);
    assert_int_equal(prediction_record_begin(r, NULL), 0);
    assert_int_not_equal(prediction_record_done(r, "a", &inputs, files, 1, NULL), 0);
    assert_int_equal(prediction_record_warn(r, NULL, "the record is written again", NULL, NULL), 0);
    put("a.nii", "labels");
    assert_int_equal(prediction_record_close(r, NULL), 0);
    r = open_record(false);
    assert_int_equal(prediction_record_look(r, "a", files, 1, &found, NULL, NULL), 0);
    assert_int_equal(found, OUTPUT_UNFINISHED);
    prediction_record_close(r, NULL);
    made_from_free(&inputs);
}

static void two_runs_share_a_folder(void **state)
{
    (void)state;
    Err e = {0};
    MadeFrom other = {0};
    PredictionRecord *one = open_record(false), *two = open_record(false);
    assert_int_equal(prediction_record_plan(one, "a", NULL), 0);
    assert_int_equal(prediction_record_plan(two, "b", NULL), 0);
    assert_int_equal(prediction_record_begin(one, NULL), 0);
    assert_int_equal(prediction_record_begin(two, NULL), 0);
    finish(one, "a", "11");
    finish(two, "b", "12");
    assert_int_equal(prediction_record_close(one, NULL), 0);
    assert_int_equal(prediction_record_close(two, NULL), 0);
    one = open_record(false);
    assert_int_equal(look(one, "a"), OUTPUT_WHOLE);
    assert_int_equal(look(one, "b"), OUTPUT_WHOLE);
    assert_true(same_inputs(one, "a", "11") && same_inputs(one, "b", "12"));
    assert_int_equal(prediction_record_plan(one, "c", NULL), 0);
    assert_int_equal(prediction_record_begin(one, NULL), 0);
    made_from_add(&other, "network", "another"); /* another model does not take the folder meanwhile, */
    assert_int_equal(prediction_record_open(&two, folder, &other, true, NULL), 0);
    assert_int_equal(prediction_record_begin(two, &e), ERR_VALUE);
    assert_non_null(strstr(e.text, "another run is writing there"));
    prediction_record_close(two, NULL);
    finish(one, "c", "13");
    assert_int_equal(prediction_record_close(one, NULL), 0);
    assert_int_equal(prediction_record_open(&two, folder, &other, true, NULL), 0); /* but afterwards */
    assert_int_equal(prediction_record_begin(two, NULL), 0);
    assert_int_equal(prediction_record_close(two, NULL), 0);
    made_from_free(&other);
}

static void damage_is_named(void **state)
{
    (void)state;
    PredictionRecord *r;
    Err e = {0};
    put(PREDICTION_RECORD_NAME, "format: 1\nmade_from: {}\ncases: [{case: a, state: dome}]\n");
    assert_int_equal(prediction_record_open(&r, folder, &model, false, &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "predict.yaml:3:"));
    assert_non_null(strstr(e.text, "dome"));
    r = open_record(true);
    assert_int_equal(prediction_record_begin(r, NULL), 0);
    assert_int_equal(prediction_record_close(r, NULL), 0);
    r = open_record(false);
    prediction_record_close(r, NULL);
}

static void names_and_warnings_come_back(void **state)
{
    (void)state;
    char path[128];
    RecordContent content;
    PredictionRecord *r = open_record(false);
    assert_int_equal(prediction_record_plan(r, "fr\xe9\"d: #1", NULL), 0);
    assert_int_equal(prediction_record_begin(r, NULL), 0);
    assert_int_equal(prediction_record_warn(r, "fr\xe9\"d: #1", "odd\nspacing", NULL, NULL), 0);
    assert_int_equal(prediction_record_warn(r, NULL, "slow", NULL, NULL), 0);
    assert_int_equal(prediction_record_warn(r, NULL, "slow", NULL, NULL), 0);
    finish(r, "fr\xe9\"d: #1", "11");
    assert_int_equal(prediction_record_close(r, NULL), 0);
    r = open_record(false);
    assert_int_equal(look(r, "fr\xe9\"d: #1"), OUTPUT_WHOLE);
    prediction_record_close(r, NULL);
    snprintf(path, sizeof path, "%s/%s", folder, PREDICTION_RECORD_NAME);
    assert_int_equal(record_content_read(&content, path, NULL), 0);
    assert_int_equal(content.warnings.count, 1);
    assert_int_equal(content.count, 1);
    assert_string_equal(content.cases[0].id, "fr%E9\"d: #1");
    assert_string_equal(content.cases[0].warnings.texts[0], "odd\nspacing");
    record_content_free(&content);
}

static void a_pair_of_files_is_one_input(void **state)
{
    (void)state;
    char path[128];
    MadeFrom inputs = {0};
    put("x_0000.hdr", "header");
    put("x_0000.img", "voxels");
    snprintf(path, sizeof path, "%s/x_0000.hdr", folder);
    prediction_inputs_add(&inputs, path);
    assert_int_equal(made_from_check(&inputs, NULL), 0);
    assert_int_equal(inputs.count, 2);
    assert_non_null(made_from_find(&inputs, "x_0000.img"));
    made_from_free(&inputs);
    prediction_inputs_add(&inputs, "/nowhere/x.nii");
    assert_int_equal(made_from_check(&inputs, NULL), ERR_IO);
    made_from_free(&inputs);
}

/* A run without results does not block others: a run that ended before its first case leaves no record, and a run whose
 * cases all failed may be followed by another model. A run in progress is protected. */
static void a_run_that_made_nothing_protects_nothing(void **state)
{
    (void)state;
    bool there;
    MadeFrom other = {0};
    PredictionRecord *r = open_record(false), *second;
    char *path = path_format(NULL, "%s/%s", folder, PREDICTION_RECORD_NAME);
    made_from_add(&other, "network", "another");
    assert_int_equal(prediction_record_plan(r, "a", NULL), 0);
    assert_int_equal(prediction_record_begin(r, NULL), 0);
    assert_int_equal(prediction_record_open(&second, folder, &other, false, NULL), 0);
    assert_true(prediction_record_is_other(second, NULL));
    prediction_record_close(second, NULL);
    assert_int_equal(prediction_record_close(r, NULL), 0);
    assert_int_equal(file_is_there(path, &there, NULL), 0);
    assert_false(there);

    r = open_record(false);
    assert_int_equal(prediction_record_plan(r, "a", NULL), 0);
    assert_int_equal(prediction_record_begin(r, NULL), 0);
    assert_int_equal(prediction_record_failed(r, "a", "no image", NULL, NULL, 0, NULL), 0);
    assert_int_equal(prediction_record_close(r, NULL), 0);
    assert_int_equal(prediction_record_open(&second, folder, &other, false, NULL), 0);
    assert_false(prediction_record_is_other(second, NULL));
    assert_int_equal(prediction_record_plan(second, "b", NULL), 0);
    assert_int_equal(prediction_record_begin(second, NULL), 0);
    assert_int_equal(prediction_record_dropped(second), 0);
    assert_int_equal(prediction_record_close(second, NULL), 0);
    made_from_free(&other);
    mem_free(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(what_is_there_is_told_apart),
                                       TEST(another_file_of_a_case_is_wanted),
                                       TEST(what_is_written_beside_an_image_counts),
                                       TEST(what_is_not_written_beside_an_image_does_not),
                                       TEST(two_models_do_not_begin_in_one_folder),
                                       TEST(other_options_are_named),
                                       TEST(a_failed_case_leaves_what_was_there),
                                       TEST(a_failure_is_known_by_its_inputs),
                                       TEST(starts_are_counted),
                                       TEST(a_case_without_its_outputs_is_not_done),
                                       TEST(two_runs_share_a_folder),
                                       TEST(damage_is_named),
                                       TEST(names_and_warnings_come_back),
                                       TEST(a_pair_of_files_is_one_input),
                                       TEST(a_run_that_made_nothing_protects_nothing),
                                       TEST(earlier_outputs_go_unless_they_were_changed),
                                       TEST(a_failed_case_keeps_its_earlier_outputs),
                                       TEST(cases_that_are_gone_leave_nothing)};
    return cmocka_run_group_tests_name("prediction_record", tests, NULL, NULL);
}
