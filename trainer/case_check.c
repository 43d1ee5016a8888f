#include "trainer/case_check.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/npy.h"
#include "preprocess/case.h"
#include "preprocess/case_settings.h"
#include "trainer/preprocess_command.h"

/* The result of the checks so far. */
typedef struct Findings {
    MadeFrom settings;
    int wrong;         /* number of cases made by another plan */
    bool other_labels; /* the first of them was made for labels of another meaning */
    const char *first; /* name of the first of them, borrowed */
    Text differences;  /* of the first */
} Findings;

static int fail(ErrCode code, const CaseCheck *check, Text *what, Err *e)
{
    text_add(what, "; type: ");
    preprocess_command_add(
        what, &(PreprocessCommand){check->preprocessed, check->plan->dataset_name, check->results, check->override});
    const int failed = text_check(what, e);
    if (!failed) err_set(e, code, "%s", what->data);
    text_free(what);
    return failed ? failed : (int)code;
}

static int read_record(CaseProperties *p, CaseRecord *record, const CaseCheck *check, const char *name, Err *e)
{
    bool there = false;
    char *path = path_format(e, "%s/2d/%s.yaml", check->preprocessed, name);
    int code = file_is_there(path, &there, e);
    if (!code && there) code = case_properties_read(p, path, record, e);
    if (!code && !there) {
        Text what = {0};
        text_add(&what, "%s does not exist, so the preprocessing of this case was not finished", path);
        code = fail(ERR_IO, check, &what, e);
    }
    mem_free(path);
    return code;
}

/* Fails for a file that was not written together with CASE.yaml. */
static int refuse_file(const CaseCheck *check, const char *name, const char *ending, const char *why, Err *e)
{
    Text what = {0};
    text_add(&what, "%s/2d/%s%s is not the file that was written with %s.yaml%s", check->preprocessed, name, ending,
             name, why);
    return fail(ERR_VALUE, check, &what, e);
}

static int refuse_labels(const CaseCheck *check, const TrainingCase *c, Err *e)
{
    char why[96] = "";
    const int16_t *labels = c->labels.data;
    for (int64_t i = 0; i < array_count(&c->labels) && !*why; i++)
        if (labels[i] != -1 && !dataset_knows_value(check->info, labels[i]))
            snprintf(why, sizeof why, ": it contains the label value %d, which is not in dataset.json", labels[i]);
    return refuse_file(check, c->name, "_seg.npy", why, e);
}

static int check_arrays(const CaseCheck *check, const TrainingCase *c, const CaseProperties *p,
                        const CaseRecord *record, Err *e)
{
    if (memcmp(c->labels.shape, p->shape, sizeof p->shape)) return refuse_file(check, c->name, "_seg.npy", "", e);
    if (!case_content_is(record, "image", &c->image)) return refuse_file(check, c->name, ".npy", "", e);
    if (!case_content_is(record, "labels", &c->labels)) return refuse_labels(check, c, e);
    if (!case_content_is(record, "locations", &c->locations))
        return refuse_file(check, c->name, "_locations.npy", "", e);
    return 0;
}

/* Adds the differences of the first wrong case. Files of an older version have no list of settings. */
static void note_differences(Findings *f, const MadeFrom *made_from, const char *name)
{
    Text differences = {0};
    if (!made_from->count) text_add(&differences, "they were made by an older version, which did not record its plan");
    else if (!case_settings_differ(&differences, made_from, &f->settings)) return;
    if (f->wrong++) {
        text_free(&differences);
        return;
    }
    const char *labels = made_from_find(made_from, CASE_LABELS_KEY);
    f->other_labels = labels && strcmp(labels, made_from_find(&f->settings, CASE_LABELS_KEY));
    f->first = name;
    f->differences = differences;
}

/* Adds the files that a case was made from, without the settings. */
static void add_files(MadeFrom *contents, const Findings *f, const MadeFrom *made_from, const char *name)
{
    Text files = {0};
    if (made_from_find(contents, name)) return;
    for (int i = 0; i < made_from->count; i++) {
        const MadeFromItem *item = &made_from->items[i];
        if (!made_from_find(&f->settings, item->key))
            text_add(&files, "%s%s %s", files.length ? ", " : "", item->key, item->value);
    }
    if (!text_check(&files, &contents->failure)) made_from_add(contents, name, "%s", files.data ? files.data : "");
    text_free(&files);
}

/* Checks one case. arrays: the same case, open; NULL together with contents. */
static int look_at(Findings *f, const CaseCheck *check, const char *name, const TrainingCase *arrays,
                   MadeFrom *contents, Err *e)
{
    CaseProperties p;
    CaseRecord record;
    TRY(read_record(&p, &record, check, name, e));
    const int before = f->wrong;
    note_differences(f, &record.made_from, name);
    const int code = arrays && f->wrong == before ? check_arrays(check, arrays, &p, &record, e) : 0;
    if (contents) add_files(contents, f, &record.made_from, name);
    case_record_free(&record);
    return code;
}

static int report(Findings *f, const CaseCheck *check, int count, Err *e)
{
    enum { SHOWN = 500 }; /* bytes, so that the message has room for the command */
    if (!f->wrong) return 0;
    TRY(text_check(&f->differences, e));
    if (f->other_labels && check->results)
        return err_set(
            e, ERR_VALUE,
            "%s/2d: %d of %d cases were made for other labels than those of %s/dataset.json, by which this run "
            "was trained: restore the labels in the dataset's dataset.json and preprocess again, or train into "
            "another results folder (-o)",
            check->preprocessed, f->wrong, count, check->results);
    Text what = {0};
    text_add(&what,
             "%s/2d: %d of %d cases were not made by this run's plan, first %s (%.*s%s): undo the change, or "
             "preprocess again",
             check->preprocessed, f->wrong, count, f->first, SHOWN, f->differences.data,
             f->differences.length > SHOWN ? " …" : "");
    return fail(ERR_VALUE, check, &what, e);
}

static int begin(Findings *f, const CaseCheck *check, Err *e)
{
    *f = (Findings){0};
    case_settings_add(&f->settings, check->plan, check->info);
    return made_from_check(&f->settings, e);
}

static int end(Findings *f, int code, const CaseCheck *check, int count, Err *e)
{
    if (!code) code = report(f, check, count, e);
    text_free(&f->differences);
    made_from_free(&f->settings);
    return code;
}

int case_check_names(const CaseCheck *check, char *const *names, int count, Err *e)
{
    Findings f;
    int code = begin(&f, check, e);
    for (int i = 0; i < count && !code; i++) code = look_at(&f, check, names[i], NULL, NULL, e);
    return end(&f, code, check, count, e);
}

int case_check_set(const CaseCheck *check, const CaseSet *set, MadeFrom *contents, Err *e)
{
    Findings f;
    int code = begin(&f, check, e);
    for (int i = 0; i < set->count && !code; i++)
        code = look_at(&f, check, set->cases[i].name, &set->cases[i], contents, e);
    if (!code) code = made_from_check(contents, e);
    return end(&f, code, check, set->count, e);
}

int case_check_read(Array *image, CaseProperties *properties, const CaseCheck *check, const char *name, Err *e)
{
    CaseRecord record;
    TRY(read_record(properties, &record, check, name, e));
    char *path = path_format(e, "%s/2d/%s.npy", check->preprocessed, name);
    int code = path ? npy_read(image, path, e) : ERR_NOMEM;
    if (!code && (image->dtype != DTYPE_F32 || image->rank != 4 ||
                  memcmp(image->shape, properties->shape, sizeof properties->shape) ||
                  !case_content_is(&record, "image", image))) {
        array_free(image);
        code = refuse_file(check, name, ".npy", "", e);
    }
    mem_free(path);
    case_record_free(&record);
    return code;
}
