#include "inference/output_folder.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_files.h"
#include "inference/prediction_job.h"

/* Names of the output files of a case. */
typedef struct CaseOutputs {
    const char *names[3]; /* owned */
    int count;
} CaseOutputs;

static void free_outputs(CaseOutputs *c)
{
    for (int i = 0; i < c->count; i++) mem_free((char *)c->names[i]);
}

static int name_outputs(CaseOutputs *c, const OutputFolder *f, const char *id, Err *e)
{
    const char *const endings[] = {f->ending, ".npy", ".yaml"};
    *c = (CaseOutputs){0};
    for (int i = 0; i < (f->probabilities ? 3 : 1); i++) {
        c->names[c->count] = path_format(e, "%s%s", id, endings[i]);
        if (!c->names[c->count++]) {
            free_outputs(c);
            return ERR_NOMEM;
        }
    }
    return 0;
}

char *output_folder_labels(const OutputFolder *f, const char *id, Err *e)
{
    return path_format(e, "%s/%s%s", f->path, id, f->ending);
}

/* ---- the text beside the outputs of a case that failed ---- */

static char *error_path(const OutputFolder *f, const char *id, Err *e)
{
    return path_format(e, "%s/%s.error.txt", f->path, id);
}

static int explain(const OutputFolder *f, const char *id, const char *error, Err *e)
{
    Text text = {0};
    if (!f->explains) return 0;
    char *path = error_path(f, id, e);
    text_add(
        &text,
        "%s\nThe case is predicted again when its image changes, or when predict starts and this file is not there.\n",
        error);
    int code = path ? text_check(&text, e) : ERR_NOMEM;
    if (!code) code = file_put(path, text.data, text.length, e);
    text_free(&text);
    mem_free(path);
    return code;
}

static int remove_explanation(const OutputFolder *f, const char *id, Err *e)
{
    if (!f->explains) return 0;
    char *path = error_path(f, id, e);
    const int code = path ? file_remove(path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

/* ---- opening ---- */

/* Shortens "a: 1, now 2; b: 3, now 4 …" to the first differences, for a message. */
static void cut_differences(Text *t)
{
    enum { MOST = 400 };
    if (t->length <= MOST) return;
    size_t end = MOST;
    while (end && t->data[end] != ';') end--;
    if (!end) end = MOST;
    strcpy(t->data + end, " …");
}

static int refuse_other(const OutputFolder *f, Text *differences, Err *e)
{
    cut_differences(differences);
    return err_set(e, ERR_VALUE,
                   "%s holds predictions that were made by another model or with other options (%s): give another "
                   "folder with -o, or replace them with --overwrite",
                   f->path, differences->data ? differences->data : "");
}

int output_folder_open(OutputFolder *f, const char *path, const char *ending, bool probabilities,
                       const MadeFrom *made_from, bool replace, Err *e)
{
    Text differences = {0};
    *f = (OutputFolder){.path = path, .probabilities = probabilities, .replace = replace};
    f->ending = mem_strdup(ending, e);
    int code = f->ending ? prediction_record_open(&f->record, path, made_from, replace, e) : ERR_NOMEM;
    if (code == ERR_FORMAT) {
        const Err damage = *e;
        err_set(e, ERR_FORMAT,
                "%s; so it is not known what these predictions were made from: give another folder "
                "with -o, or replace them with --overwrite",
                damage.text);
    }
    if (!code && prediction_record_is_other(f->record, &differences)) code = refuse_other(f, &differences, e);
    text_free(&differences);
    if (code) output_folder_close(f, NULL);
    return code;
}

int output_folder_close(OutputFolder *f, Err *e)
{
    const int code = prediction_record_close(f->record, e);
    mem_free(f->ending);
    *f = (OutputFolder){0};
    return code;
}

/* ---- existing outputs ---- */

/* Files with names of outputs that predict did not write, for one message about all. */
typedef struct Foreign {
    int count;
    Err first;
} Foreign;

typedef struct Decision {
    OutputFolder *f;
    PredictionCases *cases;
    const PredictionOptions *o;
    InputPlaces places;
    Foreign foreign;
} Decision;

static int fail_case(const Decision *d, int index, const Err *fault, Err *e)
{
    const char *id = d->cases->inputs.cases[index].files.id;
    d->cases->fates[index] = CASE_FAILED;
    d->o->report(d->o->context, id, fault);
    return explain(d->f, id, fault->text, e);
}

/* Labels that are there stay when the image cannot be read now. In a watched folder that may go away. */
static int leave_unreadable(const Decision *d, int index, const Err *fault, Err *e)
{
    const PredictionWatch *watch = d->o->watch;
    if (!watch || watch->fails(watch->context, &d->cases->inputs.cases[index].files, fault))
        return fail_case(d, index, fault, e);
    d->cases->fates[index] = CASE_LATER;
    return 0;
}

/* *path: the first output file (an image, or the file beside it) that is also a file of an input image; owned by the
 * caller, or NULL. */
static int find_input(char **path, const Decision *d, const char *name, Err *e)
{
    FileList parts;
    *path = NULL;
    TRY(image_written_files(&parts, name, e));
    int code = 0;
    for (int i = 0; i < parts.count && !*path && !code; i++) {
        *path = path_format(e, "%s/%s", d->f->path, parts.names[i]);
        if (!*path) code = ERR_NOMEM;
        else if (!input_places_have(&d->places, *path)) {
            mem_free(*path);
            *path = NULL;
        }
    }
    file_list_free(&parts);
    return code;
}

/* Fails the case if its outputs would replace input images. */
static int expect_no_input(const Decision *d, int index, const CaseOutputs *outputs, Err *e)
{
    for (int i = 0; i < outputs->count; i++) {
        Err fault;
        char *path;
        TRY(find_input(&path, d, outputs->names[i], e));
        if (!path) continue;
        err_set(&fault, ERR_VALUE,
                "its labels would replace %s, which belongs to an image: give another folder with -o", path);
        mem_free(path);
        return fail_case(d, index, &fault, e);
    }
    if (d->f->probabilities && !strcmp(outputs->names[2], PREDICTION_RECORD_NAME)) {
        Err fault;
        err_set(&fault, ERR_VALUE, "%s/%s is the name of predict's record: give the image another name", d->f->path,
                PREDICTION_RECORD_NAME);
        return fail_case(d, index, &fault, e);
    }
    return 0;
}

/* For outputs that are as recorded: *made is whether they were made from other inputs than the present ones. */
static int compare_inputs(const Decision *d, int index, bool *made, Err *e)
{
    MadeFrom inputs;
    Text why = {0};
    const char *id = d->cases->inputs.cases[index].files.id;
    Err fault = {0};
    if (prediction_cases_inputs(&inputs, d->cases, index, &fault)) return leave_unreadable(d, index, &fault, e);
    *made = !prediction_record_same_inputs(d->f->record, id, &inputs, &why);
    made_from_free(&inputs);
    if (*made && !d->cases->renewed[index])
        prediction_tell(d->o, TELL_NOTE, "case %s is predicted again: its image has changed (%s)", id,
                        why.data ? why.data : "");
    d->cases->renewed[index] |= *made;
    const int code = text_check(&why, e);
    text_free(&why);
    return code || *made ? code : remove_explanation(d->f, id, e); /* of a time when the image could not be read */
}

/* Labels that were edited stay. In a watched folder that is no failure, as long as the image is the same; for a member of
 * several models it is one, because the mean is made from what it wrote. */
static int refuse_changed(const Decision *d, int index, const char *name, Err *e)
{
    Err fault;
    MadeFrom inputs;
    const char *id = d->cases->inputs.cases[index].files.id;
    if (d->f->explains) {
        if (prediction_cases_inputs(&inputs, d->cases, index, &fault)) return leave_unreadable(d, index, &fault, e);
        const bool same = prediction_record_same_inputs(d->f->record, id, &inputs, NULL);
        made_from_free(&inputs);
        if (same) {
            d->cases->fates[index] = CASE_KEPT;
            return remove_explanation(d->f, id, e);
        }
    }
    err_set(&fault, ERR_VALUE,
            "%s/%s was changed since predict wrote it; if it was corrected by hand, move it to another folder; "
            "--overwrite replaces it",
            d->f->path, name);
    return fail_case(d, index, &fault, e);
}

/* A watched folder has other cases, which must go on. */
static int note_foreign(Decision *d, int index, const char *name, Err *e)
{
    Err fault;
    if (d->o->watch && !d->o->watch->is_first) {
        err_set(&fault, ERR_VALUE, "predict did not make %s/%s: move it to another folder", d->f->path, name);
        return fail_case(d, index, &fault, e);
    }
    if (!d->foreign.count++) err_set(&d->foreign.first, ERR_VALUE, "%s/%s", d->f->path, name);
    return 0;
}

/* After a start: whether the case failed with the same inputs before, and that was not taken back by removing its text. */
static int has_failed_before(const Decision *d, int index, bool *failed, Err *e)
{
    MadeFrom inputs;
    const char *id = d->cases->inputs.cases[index].files.id;
    *failed = false;
    if (!d->o->watch || !d->o->watch->is_first || !d->f->explains) return 0;
    if (prediction_cases_inputs(&inputs, d->cases, index, NULL)) return 0; /* reported when it is read */
    const bool same = prediction_record_has_failed(d->f->record, id, &inputs);
    made_from_free(&inputs);
    char *path = same ? error_path(d->f, id, e) : NULL;
    const int code = !same ? 0 : path ? file_is_there(path, failed, e) : ERR_NOMEM;
    if (!code && *failed)
        prediction_tell(
            d->o, TELL_NOTE,
            "case %s failed before, and its image is the same: see %s (without that file it is tried again)", id, path);
    mem_free(path);
    return code;
}

enum { MOST_STARTS = 5 };

/* A case with which the program ended several times, such as by the lack of memory, must not keep a watched folder from its
 * other cases. It fails. */
static int refuse_fatal(const Decision *d, int index, Err *e)
{
    InputCase *one = &d->cases->inputs.cases[index];
    Err fault;
    if (!d->o->watch || !d->o->watch->is_first || prediction_record_begun(d->f->record, one->files.id) < MOST_STARTS)
        return 0;
    err_set(
        &fault, ERR_VALUE,
        "%s: the program ended %d times while it predicted this case, perhaps because memory was short: --memory SIZE "
        "bounds it",
        one->files.images[0], MOST_STARTS);
    one->fault = mem_strdup(fault.text, e);
    return one->fault ? fail_case(d, index, &fault, e) : ERR_NOMEM;
}

static int look_at_case(Decision *d, int index, bool *made, Err *e)
{
    CaseOutputs outputs;
    OutputState state = OUTPUT_NONE;
    const char *id = d->cases->inputs.cases[index].files.id;
    char *which = NULL;
    bool failed;
    TRY(has_failed_before(d, index, &failed, e));
    if (failed) d->cases->fates[index] = CASE_PAST;
    else TRY(refuse_fatal(d, index, e));
    if (d->cases->fates[index] != CASE_WANTED) return 0;
    TRY(name_outputs(&outputs, d->f, id, e));
    int code = expect_no_input(d, index, &outputs, e);
    const bool is_wanted = !code && d->cases->fates[index] == CASE_WANTED;
    if (is_wanted) code = prediction_record_look(d->f->record, id, outputs.names, outputs.count, &state, &which, e);
    *made = is_wanted && !code;
    if (!*made)
        ;
    else if (state == OUTPUT_WHOLE) code = compare_inputs(d, index, made, e);
    else if (state == OUTPUT_CHANGED) code = refuse_changed(d, index, which, e);
    else if (state == OUTPUT_FOREIGN) code = note_foreign(d, index, which, e);
    *made = *made && d->cases->fates[index] == CASE_WANTED;
    mem_free(which);
    free_outputs(&outputs);
    return code;
}

static int refuse_foreign(const Foreign *foreign, const OutputFolder *f, Err *e)
{
    return err_set(
        e, ERR_VALUE,
        "%d file%s with names of outputs %s there already, and %s/%s does not record that predict made %s; the first is "
        "%s: give another folder with -o, or replace %s with --overwrite",
        foreign->count, foreign->count == 1 ? "" : "s", foreign->count == 1 ? "is" : "are", f->path,
        PREDICTION_RECORD_NAME, foreign->count == 1 ? "it" : "them", foreign->first.text,
        foreign->count == 1 ? "it" : "them");
}

static int record_fault(const Decision *d, int index, Err *e)
{
    MadeFrom inputs;
    const InputCase *one = &d->cases->inputs.cases[index];
    const bool known = !prediction_cases_inputs(&inputs, d->cases, index, NULL);
    const int code = output_folder_failed(d->f, one->files.id, one->fault, known ? &inputs : NULL, e);
    if (known) made_from_free(&inputs);
    return code;
}

static int decide(Decision *d, bool *made, Err *e)
{
    PredictionCases *c = d->cases;
    for (int i = 0; i < c->inputs.count; i++)
        if (c->fates[i] == CASE_WANTED) TRY(look_at_case(d, i, &made[i], e));
    if (d->foreign.count) return refuse_foreign(&d->foreign, d->f, e);
    for (int i = 0; i < c->inputs.count; i++)
        if (made[i] || c->inputs.cases[i].fault)
            TRY(prediction_record_plan(d->f->record, c->inputs.cases[i].files.id, e));
    TRY(prediction_record_begin(d->f->record, e));
    for (int i = 0; i < c->inputs.count; i++)
        if (c->inputs.cases[i].fault) TRY(record_fault(d, i, e));
    const int left = prediction_record_dropped(d->f->record);
    if (left)
        prediction_tell(
            d->o, TELL_WARNING,
            "%s: %d other case%s in it %s made by another model or with other options; %s no longer recorded",
            d->f->path, left, left == 1 ? "" : "s", left == 1 ? "was" : "were", left == 1 ? "it is" : "they are");
    return 0;
}

int output_folder_decide(OutputFolder *f, PredictionCases *c, bool *made, const PredictionOptions *o, Err *e)
{
    Decision d = {.f = f, .cases = c, .o = o};
    memset(made, 0, (size_t)c->inputs.count * sizeof *made);
    TRY(input_places_new(&d.places, c, e));
    const int code = decide(&d, made, e);
    input_places_free(&d.places);
    return code;
}

/* ---- recording ---- */

int output_folder_done(OutputFolder *f, PredictionCases *c, int index, Err *e)
{
    CaseOutputs outputs;
    MadeFrom inputs;
    const char *id = c->inputs.cases[index].files.id;
    TRY(remove_explanation(f, id, e));
    TRY(name_outputs(&outputs, f, id, e));
    int code = prediction_cases_inputs(&inputs, c, index, e);
    if (!code) code = prediction_record_done(f->record, id, &inputs, outputs.names, outputs.count, e);
    made_from_free(&inputs);
    free_outputs(&outputs);
    return code;
}

int output_folder_failed(OutputFolder *f, const char *id, const char *error, MadeFrom *inputs, Err *e)
{
    CaseOutputs outputs;
    TRY(name_outputs(&outputs, f, id, e));
    int code = prediction_record_failed(f->record, id, error, inputs, outputs.names, outputs.count, e);
    free_outputs(&outputs);
    return code ? code : explain(f, id, error, e);
}
