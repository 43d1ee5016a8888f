#include "bench/comparison.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/memory.h"
#include "bench/command.h"
#include "bench/comparison_data.h"

#define DATA "fingerprint_made_from.yaml" /* of plan_and_preprocess: what it read of the dataset */

const char *comparison_again(const ComparisonSettings *s)
{
    return s->overwrite ? "the same command without --overwrite" : "the same command";
}

const char *comparison_row_name(const ComparisonRow *row) { return path_base(row->folder); }

int comparison_row_new(ComparisonRow *row, const ComparisonSettings *s, const NetworkKind *kind, bool pretrained,
                       Err *e)
{
    *row = (ComparisonRow){.kind = kind, .pretrained = pretrained};
    row->folder = path_format(e, "%s/%s%s", s->output, kind->name, pretrained ? "+pretrained" : "");
    return row->folder ? 0 : ERR_NOMEM;
}

void comparison_row_free(ComparisonRow *row)
{
    mem_free(row->folder);
    text_free(&row->command);
    *row = (ComparisonRow){0};
}

static int is_there(bool *there, Err *e, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int is_there(bool *there, Err *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *path = text_format(e, format, args);
    va_end(args);
    const int code = file_is_there(path, there, e);
    mem_free(path);
    return code;
}

/* ---- settings ---- */

static const char *override_of(const ComparisonRow *row, const ComparisonSettings *s)
{
    for (int i = 0; network_kinds()[i]; i++)
        if (network_kinds()[i] == row->kind && s->override_of[i]) return s->override_of[i];
    return s->override;
}

static void add_file(MadeFrom *m, const char *key, const char *path)
{
    if (path) made_from_add_file(m, key, path);
    else made_from_add(m, key, "none");
}

static int list_settings(MadeFrom *m, const ComparisonRow *row, const ComparisonSettings *s, Err *e)
{
    char *dataset = path_absolute(s->dataset, e);
    if (!dataset) return e->code;
    *m = (MadeFrom){0};
    made_from_add(m, "dataset", "%s", dataset);
    if (s->epochs) made_from_add(m, "length", "%d epochs", s->epochs);
    else made_from_add(m, "length", "%g CPU minutes", s->cpu_minutes);
    made_from_add(m, "fold", "%s", s->fold);
    made_from_add(m, "evaluated", s->of_test ? "test set" : "validation cases");
    made_from_add(m, "precision", "%s", s->precision);
    add_file(m, "override", override_of(row, s));
    add_file(m, "splits", s->splits);
    add_file(m, "pretrained", row->pretrained ? s->pretrained : NULL);
    made_from_add_all(m, &s->data);
    mem_free(dataset);
    return made_from_check(m, e);
}

static int compare_settings(const ComparisonRow *row, const MadeFrom *then, const MadeFrom *now, Err *e)
{
    Text text = {0};
    made_from_differences(&text, then, now, "");
    int code = text_check(&text, e);
    if (!code && text.length)
        code = err_set(e, ERR_VALUE,
                       "%s was made with other settings or data: %s; give the same options and files, another folder "
                       "with -o, or --overwrite",
                       row->folder, text.data);
    text_free(&text);
    return code;
}

static int check_settings(const ComparisonRow *row, const ComparisonSettings *s, Err *e)
{
    MadeFrom now = {0}, then = {0};
    bool there;
    char *path = path_format(e, "%s/settings.yaml", row->folder);
    int code = file_is_there(path, &there, e);
    if (!code) code = list_settings(&now, row, s, e);
    if (!code && there && !s->overwrite && !(code = made_from_read(&then, path, e)))
        code = compare_settings(row, &then, &now, e);
    made_from_free(&now);
    made_from_free(&then);
    mem_free(path);
    return code;
}

/* A folder with content but without settings.yaml is not a row: it stays as it is. An empty one is removed. */
static int check_owner(const char *folder, Err *e)
{
    bool row;
    TRY(is_there(&row, e, "%s/settings.yaml", folder));
    if (row) return 0;
    file_remove_leftovers(folder);
    if (!rmdir(folder) || errno == ENOENT) return 0;
    return err_set(e, ERR_VALUE,
                   "%s is neither empty nor a row of a comparison (it has no settings.yaml): move it, or give another "
                   "folder with -o",
                   folder);
}

int comparison_check_row(const ComparisonRow *row, const ComparisonSettings *s, Err *e)
{
    char *earlier = path_format(e, "%s.earlier", row->folder);
    int code = earlier ? check_owner(earlier, e) : ERR_NOMEM;
    if (!code) code = check_owner(row->folder, e);
    if (!code) code = check_settings(row, s, e);
    mem_free(earlier);
    return code;
}

static int write_settings(const ComparisonRow *row, const ComparisonSettings *s, Err *e)
{
    MadeFrom now = {0};
    char *path = path_format(e, "%s/settings.yaml", row->folder);
    int code = path ? list_settings(&now, row, s, e) : ERR_NOMEM;
    if (!code) code = made_from_write(&now, path, e);
    made_from_free(&now);
    mem_free(path);
    return code;
}

/* ---- files that folders share ---- */

/* A hard link, or a copy on a file system without them. The programs never change a file in place, so that neither
 * folder notices the other. */
static int share_file(const char *from, const char *to, Err *e)
{
    if (!link(from, to) || errno == EEXIST) return 0;
    return file_copy(from, to, e);
}

/* Shares those files of a folder whose names are also in `wanted` (NULL: all). */
static int share_folder(const char *from, const char *to, const char *wanted, Err *e)
{
    FileList list;
    TRY(file_make_folders(to, e));
    TRY(file_list(&list, wanted ? wanted : from, e));
    int code = 0;
    for (int i = 0; i < list.count && !code; i++) {
        bool there;
        char *source = path_format(e, "%s/%s", from, list.names[i]),
             *target = path_format(e, "%s/%s", to, list.names[i]);
        code = target ? file_is_there(source, &there, e) : ERR_NOMEM;
        if (!code && there) code = share_file(source, target, e);
        mem_free(source);
        mem_free(target);
    }
    file_list_free(&list);
    return code;
}

/* Shares FOLDER/NAME, a folder or a file. */
static int share_part(const char *from, const char *to, const char *name, Err *e)
{
    char *source = path_format(e, "%s/%s", from, name), *target = path_format(e, "%s/%s", to, name);
    bool is_folder;
    int code = target ? file_is_folder(source, &is_folder, e) : ERR_NOMEM;
    if (!code) code = is_folder ? share_folder(source, target, NULL, e) : share_file(source, target, e);
    mem_free(source);
    mem_free(target);
    return code;
}

/* Gives a new preprocessed folder what another network's has. plan_and_preprocess keeps of it what is equal by content
 * and settings. */
static int share_preprocessed(const char *folder, const ComparisonSettings *s, Err *e)
{
    static const char *const parts[] = {"dataset_fingerprint.yaml", "fingerprint_warnings.yaml", DATA,
                                        "gt_segmentations", "2d"};
    bool there;
    TRY(is_there(&there, e, "%s/cases.yaml", folder));
    for (int i = 0; network_kinds()[i] && !there; i++) {
        bool finished;
        char *other = path_format(e, "%s/preprocessed/%s", s->output, network_kinds()[i]->name);
        int code = other ? is_there(&finished, e, "%s/cases.yaml", other) : ERR_NOMEM;
        if (!code && finished) code = file_make_folders(folder, e);
        for (size_t k = 0; k < sizeof parts / sizeof *parts && finished && !code; k++)
            code = share_part(other, folder, parts[k], e);
        mem_free(other);
        if (code || finished) return code;
    }
    return 0;
}

/* ---- the steps ---- */

typedef struct Work {
    ComparisonRow *row;
    const ComparisonSettings *s;
    char *preprocessed;
    Command command;
    void (*tell)(const ComparisonRow *row, const char *program, const char *command);
} Work;

/* Runs the command, with the options that all programs have. */
static int run(Work *w, const char *program, Err *e)
{
    int status = 0;
    Command *c = &w->command;
    if (w->s->threads) command_add(c, "--threads=%d", w->s->threads);
    if (w->s->quiet) command_add(c, "--quiet");
    w->tell(w->row, program, c->text.data ? c->text.data : "");
    TRY(command_run(c, w->s->interrupted, &status, e));
    if (w->s->interrupted())
        return err_set(e, ERR_INTERRUPTED, "interrupted; all is kept: %s continues", comparison_again(w->s));
    if (!status) return 0;
    w->row->failed = program;
    text_add(&w->row->command, "%s", c->text.data);
    return text_check(&w->row->command, e);
}

static int preprocess(Work *w, Err *e)
{
    const char *override = override_of(w->row, w->s);
    Command *c = &w->command;
    TRY(share_preprocessed(w->preprocessed, w->s, e));
    command_begin(c, "plan_and_preprocess");
    command_add(c, "%s", w->s->dataset);
    command_add(c, "--output=%s", w->preprocessed);
    command_add(c, "--network=%s", w->row->kind->name);
    if (override) command_add(c, "--override=%s", override);
    if (w->s->splits) command_add(c, "--splits=%s", w->s->splits);
    return run(w, "plan_and_preprocess", e);
}

static int refuse_changed(const Work *w, const char *what, Err *e)
{
    return err_set(e, ERR_VALUE,
                   "%s has changed since this comparison started (%s): put the files back, or begin again with "
                   "--overwrite or in another folder with -o",
                   w->s->dataset, what);
}

/* What was preprocessed, before it is trained on, against what the row's settings say. */
static int check_preprocessed(Work *w, Err *e)
{
    MadeFrom now;
    char *path = path_format(e, "%s/" DATA, w->preprocessed);
    int code = path ? made_from_read(&now, path, e) : ERR_NOMEM;
    mem_free(path);
    if (code) return code;
    for (int i = 0; i < now.count && !code; i++) {
        const char *then = made_from_find(&w->s->data, now.items[i].key);
        if (then && strcmp(then, now.items[i].value)) code = refuse_changed(w, now.items[i].key, e);
    }
    made_from_free(&now);
    return code;
}

/* The whole dataset, once a row is evaluated: a test set may have been replaced meanwhile. */
static int check_data(Work *w, Err *e)
{
    Text text = {0};
    MadeFrom now;
    int code = comparison_data_read(&now, w->s->dataset, w->s->of_test, w->s->threads, true, e);
    if (!code) {
        made_from_differences(&text, &w->s->data, &now, "");
        code = text_check(&text, e);
    }
    if (!code && text.length) code = refuse_changed(w, text.data, e);
    made_from_free(&now);
    text_free(&text);
    return code;
}

static void begin_train(Work *w)
{
    Command *c = &w->command;
    command_begin(c, "train");
    command_add(c, "%s", w->preprocessed);
    command_add(c, "%s", w->s->fold);
    command_add(c, "--output=%s/results", w->row->folder);
    command_add(c, "--precision=%s", w->s->precision);
}

static int train(Work *w, Err *e)
{
    bool begun, finished, unfinished;
    Command *c = &w->command;
    const char *folder = w->row->folder;
    TRY(is_there(&begun, e, "%s/results/plans.yaml", folder));
    TRY(is_there(&finished, e, "%s/results/fold_%s/checkpoint_final.safetensors", folder, w->s->fold));
    TRY(is_there(&unfinished, e, "%s/results/fold_%s/checkpoint_latest.safetensors", folder, w->s->fold));
    if (finished && !unfinished) return 0;
    begin_train(w);
    command_add(c, "--no-validation");
    if (w->s->epochs) command_add(c, "--epochs=%d", w->s->epochs);
    else command_add(c, "--cpu-minutes=%g", w->s->cpu_minutes);
    if (w->row->pretrained) command_add(c, "--pretrained=%s", w->s->pretrained);
    command_add(c, begun ? "--continue" : "--recipe=paper");
    return run(w, "train", e);
}

static int predict(Work *w, Err *e)
{
    Command *c = &w->command;
    if (!w->s->of_test) {
        begin_train(w);
        command_add(c, "--val-only");
        return run(w, "train", e);
    }
    command_begin(c, "predict");
    command_add(c, "--input=%s/imagesTs", w->s->dataset);
    command_add(c, "--model=%s/results", w->row->folder);
    command_add(c, "--folds=%s", w->s->fold);
    command_add(c, "--output=%s/predictions", w->row->folder);
    command_add(c, "--precision=%s", w->s->precision);
    return run(w, "predict", e);
}

/* The labels of the fold's validation cases, without those of the other cases. */
static int share_references(const Work *w, Err *e)
{
    char *labels = path_format(e, "%s/gt_segmentations", w->preprocessed);
    char *references = path_format(e, "%s/references", w->row->folder);
    char *predictions = path_format(e, "%s/results/fold_%s/validation", w->row->folder, w->s->fold);
    const int code = labels && references && predictions ? share_folder(labels, references, predictions, e) : ERR_NOMEM;
    mem_free(labels);
    mem_free(references);
    mem_free(predictions);
    return code;
}

/* The images, for evaluate's pictures. */
static int add_images(Work *w, Err *e)
{
    char *images = path_format(e, "%s/images%s", w->s->dataset, w->s->of_test ? "Ts" : "Tr");
    bool is_folder;
    const int code = file_is_folder(images, &is_folder, e);
    if (is_folder) command_add(&w->command, "--images=%s", images);
    mem_free(images);
    return code;
}

static int evaluate(Work *w, Err *e)
{
    const char *folder = w->row->folder;
    Command *c = &w->command;
    command_begin(c, "evaluate");
    if (w->s->of_test) {
        command_add(c, "%s/labelsTs", w->s->dataset);
        command_add(c, "%s/predictions", folder);
    } else {
        TRY(share_references(w, e));
        command_add(c, "%s/references", folder);
        command_add(c, "%s/results/fold_%s/validation", folder, w->s->fold);
    }
    command_add(c, "--dataset=%s/dataset.json", w->preprocessed);
    command_add(c, "--output=%s/evaluation.new", folder);
    TRY(add_images(w, e));
    return run(w, "evaluate", e);
}

/* The last step: from then on the row is finished. */
static int finish(const ComparisonRow *row, Err *e)
{
    char *fresh = path_format(e, "%s/evaluation.new", row->folder);
    char *final = path_format(e, "%s/evaluation", row->folder);
    const int code = fresh && final ? folder_rename(fresh, final, e) : ERR_NOMEM;
    mem_free(fresh);
    mem_free(final);
    return code;
}

/* settings.yaml goes last: what a killed removal leaves is still known as a row. */
static int remove_row(const char *folder, Err *e)
{
    FileList list;
    bool there;
    TRY(file_is_there(folder, &there, e));
    if (!there) return 0;
    TRY(file_list(&list, folder, e));
    int code = 0;
    for (int i = 0; i < list.count && !code; i++) {
        if (!strcmp(list.names[i], "settings.yaml")) continue;
        char *path = path_format(e, "%s/%s", folder, list.names[i]);
        code = path ? folder_remove(path, e) : ERR_NOMEM;
        mem_free(path);
    }
    file_list_free(&list);
    return code ? code : folder_remove(folder, e);
}

/* Removes the row that a finished one replaces. */
static int remove_earlier(const ComparisonRow *row, Err *e)
{
    char *earlier = path_format(e, "%s.earlier", row->folder);
    const int code = earlier ? remove_row(earlier, e) : ERR_NOMEM;
    mem_free(earlier);
    return code;
}

int comparison_put_aside(const ComparisonRow *row, Err *e)
{
    bool there, has_earlier;
    char *earlier = path_format(e, "%s.earlier", row->folder);
    int code = file_is_there(row->folder, &there, e);
    if (!code) code = file_is_there(earlier, &has_earlier, e);
    if (!code && there) code = has_earlier ? remove_row(row->folder, e) : folder_rename(row->folder, earlier, e);
    mem_free(earlier);
    return code;
}

static int run_steps(Work *w, Err *e)
{
    static int (*const steps[])(Work *, Err *) = {preprocess, check_preprocessed, train, predict, evaluate, check_data};
    for (size_t i = 0; i < sizeof steps / sizeof *steps && !w->row->failed; i++) TRY(steps[i](w, e));
    if (w->row->failed) return 0;
    TRY(finish(w->row, e));
    return remove_earlier(w->row, e);
}

int comparison_run_row(ComparisonRow *row, const ComparisonSettings *s,
                       void (*tell)(const ComparisonRow *row, const char *program, const char *command), Err *e)
{
    bool finished;
    TRY(is_there(&finished, e, "%s/evaluation/summary.json", row->folder));
    if (finished) return remove_earlier(row, e);
    TRY(file_make_folders(row->folder, e));
    TRY(write_settings(row, s, e));
    Work w = {.row = row, .s = s, .tell = tell};
    w.preprocessed = path_format(e, "%s/preprocessed/%s", s->output, row->kind->name);
    const int code = w.preprocessed ? run_steps(&w, e) : ERR_NOMEM;
    command_free(&w.command);
    mem_free(w.preprocessed);
    return code;
}
