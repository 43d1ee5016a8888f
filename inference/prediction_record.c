#include "inference/prediction_record.h"

#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/progress.h"
#include "data/image_files.h"
#include "inference/prediction_record_file.h"

struct PredictionRecord {
    char *folder, *path;
    bool prompt;                     /* prediction_record_prompt */
    bool replace, begun, is_written; /* is_written: the file contains all of `mine` */
    RecordContent mine;              /* this run's planned cases; its made_from is borrowed */
    RecordContent others;            /* content of the file when it was read last */
    int dropped;                     /* cases of another model that had outputs */
    double written_at, writing_took; /* seconds */
    FolderLock running;              /* from the beginning to the end: other runs do not replace its cases */
};

static int find_planned(RecordedCase **c, const PredictionRecord *r, const char *id, Err *e)
{
    *c = record_content_find(&r->mine, id);
    return *c ? 0 : err_set(e, ERR_VALUE, "case %s was not planned", id);
}

static int read_others(PredictionRecord *r, Err *e)
{
    bool there;
    record_content_free(&r->others);
    TRY(file_is_there(r->path, &there, e));
    return there ? record_content_read(&r->others, r->path, e) : 0;
}

static bool has_planned(const RecordContent *c)
{
    for (int i = 0; i < c->count; i++)
        if (c->cases[i].state == RECORD_PLANNED) return true;
    return false;
}

/* *alone: the folder contains only the record. */
static int is_alone(bool *alone, const PredictionRecord *r, Err *e)
{
    FileList files;
    TRY(file_list(&files, r->folder, e));
    *alone = files.count == 1 && !strcmp(files.names[0], PREDICTION_RECORD_NAME);
    file_list_free(&files);
    return 0;
}

/* A record of another model is ignored if no outputs belong to it: no case could be made. Planned cases may belong to a
 * run that is still writing. */
static int look_for_nothing(PredictionRecord *r, Err *e)
{
    return has_planned(&r->others) ? 0 : is_alone(&r->replace, r, e);
}

int prediction_record_open(PredictionRecord **result, const char *folder, const MadeFrom *made_from, bool replace,
                           Err *e)
{
    *result = NULL;
    TRY(made_from_check(made_from, e));
    PredictionRecord *r = mem_zalloc(1, sizeof *r, e);
    if (!r) return ERR_NOMEM;
    r->replace = replace;
    r->running.fd = -1;
    r->mine.made_from = *made_from;
    r->folder = mem_strdup(folder, e);
    r->path = path_format(e, "%s/%s", folder, PREDICTION_RECORD_NAME);
    int code = r->folder && r->path ? read_others(r, e) : ERR_NOMEM;
    if (code == ERR_FORMAT && replace) code = 0;
    if (!code && prediction_record_is_other(r, NULL)) code = look_for_nothing(r, e);
    if (code) prediction_record_close(r, NULL);
    else *result = r;
    return code;
}

bool prediction_record_is_other(const PredictionRecord *r, Text *differences)
{
    if (r->replace || !r->others.made_from.count || made_from_same(&r->others.made_from, &r->mine.made_from))
        return false;
    if (differences) made_from_differences(differences, &r->others.made_from, &r->mine.made_from, "");
    return true;
}

/* ---- existing outputs ---- */

/* *hash: the recorded hash of the file as an output of the case, or NULL. */
static int find_output(const char **hash, const RecordedCase *c, const char *name, Err *e)
{
    char *plain = record_plain_name(name, e);
    if (!plain) return ERR_NOMEM;
    const MadeFrom outputs = recorded_files_view(&c->outputs);
    *hash = made_from_find(&outputs, plain);
    mem_free(plain);
    return 0;
}

/* The state of an existing file of a recorded case. */
static int compare_file(const RecordedCase *c, const char *path, const char *name, OutputState *state, Err *e)
{
    char hash[HASH_BYTES];
    const char *recorded;
    TRY(find_output(&recorded, c, name, e));
    *state = OUTPUT_FOREIGN;
    if (!recorded) return 0;
    TRY(hash_file(hash, path, e));
    *state = strcmp(hash, recorded) ? OUTPUT_CHANGED : OUTPUT_WHOLE;
    return 0;
}

static int look_at_file(const PredictionRecord *r, const RecordedCase *c, const char *name, OutputState *state, Err *e)
{
    bool there;
    char *path = path_format(e, "%s/%s", r->folder, name);
    if (!path) return ERR_NOMEM;
    int code = file_is_there(path, &there, e);
    if (code)
        ;
    else if (!there) *state = OUTPUT_NONE;
    else if (r->replace || (c && c->state == RECORD_PLANNED)) *state = OUTPUT_UNFINISHED;
    else if (!c) *state = OUTPUT_FOREIGN;
    else code = compare_file(c, path, name, state, e);
    mem_free(path);
    return code;
}

/* Whether the file that image_write may make beside an image must be checked. Some images have no such file: then an
 * existing file of this name is not an output and is ignored. */
static int counts_beside(bool *counts, const PredictionRecord *r, const RecordedCase *c, const char *image,
                         const char *name, Err *e)
{
    const char *recorded = NULL, *image_recorded = NULL;
    bool there;
    char *path = path_format(e, "%s/%s", r->folder, name);
    int code = file_is_there(path, &there, e);
    mem_free(path);
    if (!code && c) code = find_output(&recorded, c, name, e);
    if (!code && c) code = find_output(&image_recorded, c, image, e);
    *counts = recorded || (there && !image_recorded);
    return code;
}

/* The state of an image and of the file written beside it: the larger of their states. */
static int look_at_image(const PredictionRecord *r, const RecordedCase *c, const char *name, OutputState *state,
                         char **which, Err *e)
{
    static const int weight[] = {
        [OUTPUT_WHOLE] = 0, [OUTPUT_NONE] = 1, [OUTPUT_UNFINISHED] = 2, [OUTPUT_CHANGED] = 3, [OUTPUT_FOREIGN] = 4};
    FileList parts;
    TRY(image_written_files(&parts, name, e));
    int code = 0;
    for (int i = 0; i < parts.count && !code; i++) {
        OutputState one = OUTPUT_NONE;
        bool counts = true;
        if (i) code = counts_beside(&counts, r, c, name, parts.names[i], e);
        if (!code && counts) code = look_at_file(r, c, parts.names[i], &one, e);
        if (code || !counts || weight[one] <= weight[*state]) continue;
        *state = one;
        if (!which) continue;
        mem_free(*which);
        *which = parts.names[i];
        parts.names[i] = NULL;
    }
    file_list_free(&parts);
    return code;
}

int prediction_record_look(const PredictionRecord *r, const char *id, const char *const *files, int count,
                           OutputState *state, char **which, Err *e)
{
    const RecordedCase *c = record_content_find(&r->others, id);
    *state = OUTPUT_WHOLE;
    if (which) *which = NULL;
    for (int i = 0; i < count; i++) TRY(look_at_image(r, c, files[i], state, which, e));
    if (*state == OUTPUT_WHOLE && c->state != RECORD_DONE) *state = OUTPUT_UNFINISHED;
    return 0;
}

static bool has_inputs(const RecordedCase *c, const MadeFrom *inputs)
{
    const MadeFrom then = recorded_files_view(&c->inputs);
    return made_from_same(&then, inputs);
}

bool prediction_record_same_inputs(const PredictionRecord *r, const char *id, const MadeFrom *inputs, Text *why)
{
    const RecordedCase *c = record_content_find(&r->others, id);
    if (!c) return false;
    const MadeFrom then = recorded_files_view(&c->inputs);
    const bool same = has_inputs(c, inputs);
    if (same && c->state != RECORD_FAILED) return true;
    if (same && why) text_add(why, "with this one it failed");
    else if (why) made_from_differences(why, &then, inputs, "");
    return false;
}

bool prediction_record_has_failed(const PredictionRecord *r, const char *id, const MadeFrom *inputs)
{
    const RecordedCase *c = record_content_find(&r->others, id);
    return c && c->state == RECORD_FAILED && has_inputs(c, inputs);
}

/* ---- writing ---- */

/* Writes the record and keeps the entries of other processes, if they have the same model and options. */
static int write_locked(PredictionRecord *r, Err *e)
{
    const bool drop = r->replace && !r->begun;
    const int code = read_others(r, e);
    if (code && !(code == ERR_FORMAT && drop)) return code;
    const bool is_other =
        code || (r->others.made_from.count && !made_from_same(&r->others.made_from, &r->mine.made_from));
    /* One that still writes cases of another model would put its labels among those of this run. */
    if (r->running.fd < 0 && (drop || !is_other)) TRY(folder_lock_runs(&r->running, r->folder, is_other, e));
    if (is_other) {
        if (r->begun || !r->replace)
            return err_set(e, ERR_VALUE,
                           "%s: another run with another model or other options has begun to write there: give "
                           "each a folder of its own",
                           r->folder);
        for (int i = 0; i < r->others.count; i++)
            r->dropped += r->others.cases[i].outputs.count && !record_content_find(&r->mine, r->others.cases[i].id);
        record_content_free(&r->others);
    }
    for (int i = 0; i < r->others.warnings.count; i++)
        TRY(record_texts_add(&r->mine.warnings, r->others.warnings.texts[i], e));
    return record_content_write(&r->mine, &r->others, r->path, e);
}

static int write_now(PredictionRecord *r, Err *e)
{
    FolderLock lock;
    const double start = clock_seconds();
    TRY(folder_lock_wait(&lock, r->folder, r->begun ? LOCK_LONGEST : LOCK_MOMENT, e));
    const int code = write_locked(r, e);
    folder_unlock(&lock);
    r->written_at = clock_seconds();
    r->writing_took = r->written_at - start;
    r->is_written = !code;
    return code;
}

/* Writes the record, unless writing would take more than a small part of the run time. */
static int write_now_and_then(PredictionRecord *r, Err *e)
{
    enum { SHARE = 30 };
    r->is_written = false;
    return r->prompt || clock_seconds() - r->written_at > SHARE * r->writing_took ? write_now(r, e) : 0;
}

void prediction_record_prompt(PredictionRecord *r) { r->prompt = true; }

/* Keeps the recorded outputs of an earlier run: those that are not written again are removed when the case is done. */
static int keep_outputs(RecordedCase *planned, const RecordedCase *earlier, Err *e)
{
    MadeFrom outputs = {0};
    const MadeFrom view = recorded_files_view(&earlier->outputs);
    made_from_add_all(&outputs, &view);
    const int code = recorded_files_take(&planned->outputs, &outputs, e);
    made_from_free(&outputs);
    return code;
}

int prediction_record_start_case(PredictionRecord *r, const char *id, Err *e)
{
    RecordedCase *c;
    TRY(find_planned(&c, r, id, e));
    c->begun++;
    return write_now(r, e);
}

void prediction_record_put_off(PredictionRecord *r, const char *id)
{
    RecordedCase *c = record_content_find(&r->mine, id);
    if (!c || !c->begun) return;
    c->begun--;
    r->is_written = false;
}

int prediction_record_begun(const PredictionRecord *r, const char *id)
{
    const RecordedCase *c = record_content_find(&r->others, id);
    return c ? c->begun : 0;
}

int prediction_record_plan(PredictionRecord *r, const char *id, Err *e)
{
    const RecordedCase *earlier = record_content_find(&r->others, id);
    char *plain = record_plain_name(id, e);
    int code = plain ? record_content_add(&r->mine, plain, RECORD_PLANNED, e) : ERR_NOMEM;
    mem_free(plain);
    if (!code && earlier) {
        r->mine.cases[r->mine.count - 1].begun = earlier->begun;
        code = keep_outputs(&r->mine.cases[r->mine.count - 1], earlier, e);
    }
    return code;
}

int prediction_record_keep_only(PredictionRecord *r, char *const *ids, int count, Err *e)
{
    const RecordedFiles none = {0};
    const RecordContent empty = {0};
    FolderLock lock;
    const int before = r->others.count;
    bool *kept = mem_zalloc((size_t)before + 1, sizeof *kept, e);
    int code = kept ? 0 : ERR_NOMEM;
    for (int i = 0; i < count && !code; i++) {
        const RecordedCase *c = record_content_find(&r->others, ids[i]);
        if (c) kept[c - r->others.cases] = true;
    }
    for (int i = before - 1; i >= 0 && !code; i--) {
        if (kept[i]) continue;
        code = recorded_files_remove(&r->others.cases[i].outputs, &none, r->folder, e);
        if (!code) record_content_drop(&r->others, i);
    }
    mem_free(kept);
    if (code || r->others.count == before) return code;
    TRY(folder_lock_wait(&lock, r->folder, r->begun ? LOCK_LONGEST : LOCK_MOMENT, e));
    code = record_content_write(&r->others, &empty, r->path, e);
    folder_unlock(&lock);
    return code;
}

int prediction_record_begin(PredictionRecord *r, Err *e)
{
    TRY(file_make_folders(r->folder, e));
    record_content_sort(&r->mine);
    TRY(write_now(r, e));
    r->begun = true;
    return 0;
}

/* Adds names and hashes of an image and of the file written beside it. is_needed: the image must exist. */
static int take_image(MadeFrom *outputs, const PredictionRecord *r, const char *name, bool is_needed, Err *e)
{
    FileList parts;
    TRY(image_written_files(&parts, name, e));
    int code = 0;
    for (int i = 0; i < parts.count && !code; i++) {
        bool there = true;
        char *path = path_format(e, "%s/%s", r->folder, parts.names[i]), *plain = record_plain_name(parts.names[i], e);
        code = path && plain ? 0 : ERR_NOMEM;
        if (!code && (i || !is_needed)) code = file_is_there(path, &there, e);
        if (!code && there) made_from_add_file(outputs, plain, path);
        mem_free(path);
        mem_free(plain);
    }
    file_list_free(&parts);
    return code;
}

/* Lists the outputs of a case, new. All must exist, unless the case failed: then files of an earlier run may exist and stay
 * recorded. earlier: the outputs recorded before; NULL: it has not failed. */
static int list_outputs(RecordedFiles *list, const PredictionRecord *r, const RecordedFiles *earlier,
                        const char *const *files, int count, Err *e)
{
    MadeFrom outputs = {0};
    int code = 0;
    *list = (RecordedFiles){0};
    for (int i = 0; i < count && !code; i++) code = take_image(&outputs, r, files[i], !earlier, e);
    for (int i = 0; earlier && i < earlier->count && !code; i++)
        if (!made_from_find(&outputs, earlier->items[i].key))
            made_from_add(&outputs, earlier->items[i].key, "%s", earlier->items[i].value);
    if (!code) code = recorded_files_take(list, &outputs, e);
    made_from_free(&outputs);
    return code;
}

int prediction_record_dropped(const PredictionRecord *r) { return r->dropped; }

/* The case is over; until then it stays planned. inputs, outputs and error are moved, if this succeeds. */
static int end_case(RecordedCase *c, RecordState state, MadeFrom *inputs, RecordedFiles *outputs, char *error, Err *e)
{
    RecordedFiles made_from = {0};
    if (inputs) TRY(recorded_files_take(&made_from, inputs, e));
    recorded_case_clear(c);
    c->state = state;
    c->inputs = made_from;
    c->outputs = *outputs;
    c->error = error;
    return 0;
}

int prediction_record_done(PredictionRecord *r, const char *id, MadeFrom *inputs, const char *const *files, int count,
                           Err *e)
{
    RecordedCase *c;
    RecordedFiles outputs;
    TRY(find_planned(&c, r, id, e));
    TRY(list_outputs(&outputs, r, NULL, files, count, e));
    int code = recorded_files_remove(&c->outputs, &outputs, r->folder, e);
    if (!code) code = end_case(c, RECORD_DONE, inputs, &outputs, NULL, e);
    if (!code) return write_now_and_then(r, e);
    recorded_files_free(&outputs);
    return code;
}

int prediction_record_failed(PredictionRecord *r, const char *id, const char *error, MadeFrom *inputs,
                             const char *const *files, int count, Err *e)
{
    RecordedCase *c;
    RecordedFiles outputs;
    TRY(find_planned(&c, r, id, e));
    c->begun = 0; /* also if the rest fails: the program did not end with it */
    r->is_written = false;
    TRY(list_outputs(&outputs, r, &c->outputs, files, count, e));
    char *text = record_plain_name(error, e);
    const int code = text ? end_case(c, RECORD_FAILED, inputs, &outputs, text, e) : ERR_NOMEM;
    if (!code) return write_now_and_then(r, e);
    recorded_files_free(&outputs);
    mem_free(text);
    return code;
}

int prediction_record_warn(PredictionRecord *r, const char *id, const char *text, bool *is_new, Err *e)
{
    RecordedCase *c = id ? record_content_find(&r->mine, id) : NULL;
    RecordTexts *warnings = c ? &c->warnings : &r->mine.warnings;
    const int before = warnings->count;
    char *plain = record_plain_name(text, e);
    const int code = plain ? record_texts_add(warnings, plain, e) : ERR_NOMEM;
    if (is_new) *is_new = warnings->count > before;
    mem_free(plain);
    r->is_written = false;
    return code;
}

/* Removes an empty record: no case was made, none has failed, and no other run writes to the folder. */
static int remove_empty(PredictionRecord *r, bool *removed, Err *e)
{
    FolderLock lock;
    *removed = false;
    for (int i = 0; i < r->mine.count; i++)
        if (r->mine.cases[i].state != RECORD_PLANNED || r->mine.cases[i].begun) return 0;
    if (!r->mine.count) return 0;
    TRY(folder_lock_wait(&lock, r->folder, r->begun ? LOCK_LONGEST : LOCK_MOMENT, e));
    int code = read_others(r, e);
    bool is_ours = !code && made_from_same(&r->others.made_from, &r->mine.made_from);
    for (int i = 0; i < r->others.count && is_ours; i++) is_ours = record_content_find(&r->mine, r->others.cases[i].id);
    if (is_ours) code = is_alone(removed, r, e);
    if (!code && *removed) code = file_remove(r->path, e);
    folder_unlock(&lock);
    return code;
}

static int finish(PredictionRecord *r, Err *e)
{
    bool removed;
    if (!r->begun) return 0;
    TRY(remove_empty(r, &removed, e));
    return removed || r->is_written ? 0 : write_now(r, e);
}

int prediction_record_close(PredictionRecord *r, Err *e)
{
    if (!r) return 0;
    const int code = finish(r, e);
    folder_unlock(&r->running);
    r->mine.made_from = (MadeFrom){0};
    record_content_free(&r->mine);
    record_content_free(&r->others);
    mem_free(r->folder);
    mem_free(r->path);
    mem_free(r);
    return code;
}

/* ---- inputs ---- */

void prediction_inputs_add(MadeFrom *inputs, const char *path)
{
    FileList files;
    if (made_from_check(inputs, NULL) || image_files(&files, path, &inputs->failure)) return;
    for (int i = 0; i < files.count; i++) {
        char named[PATH_NAMED_BYTES];
        char *plain = record_plain_name(path_base(path_named(files.names[i], named)), &inputs->failure);
        if (plain) made_from_add_file(inputs, plain, files.names[i]);
        mem_free(plain);
    }
    file_list_free(&files);
}
