#include "trainer/run_folder.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/memory.h"
#include "base/progress.h"
#include "plans/splits.h"
#include "trainer/validation_folder.h"

static const char *const CHECKPOINTS[] = {"latest", "best", "final"};
static const char *const OTHER_FILES[] = {"metrics.csv", "training_log.txt", "progress.png", "split.yaml",
                                          "split_made_from.yaml"};
enum { CHECKPOINT_KINDS = 3, OTHER_KINDS = 5 };
const char *const RUN_RESULT_FILES[] = {"plans.yaml", "plans_preprocessed.yaml", "dataset.json"};

/* ---- files of a run ---- */

static int stands(bool *there, const char *folder, const char *name, Err *e)
{
    char *path = path_format(e, "%s/%s", folder, name);
    const int code = file_is_there(path, there, e);
    mem_free(path);
    return code;
}

static void checkpoint_name(char name[64], int kind)
{
    snprintf(name, 64, "checkpoint_%s.safetensors", CHECKPOINTS[kind]);
}

static int holds_run(const char *folder, bool *holds, Err *e)
{
    char name[64];
    *holds = false;
    for (int i = 0; i < CHECKPOINT_KINDS && !*holds; i++) {
        checkpoint_name(name, i);
        TRY(stands(holds, folder, name, e));
    }
    return 0;
}

static int remove_file(const char *folder, const char *name, Err *e)
{
    char *path = path_format(e, "%s/%s", folder, name);
    const int code = path ? file_remove(path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

int run_folder_remove_validation(const RunFolder *f, Err *e)
{
    char *path = path_format(e, "%s/validation", f->path);
    const int code = path ? validation_folder_clear(path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

/* Removes files of a run that ended before its first checkpoint, or whose removal was interrupted. */
static int remove_remains(const RunFolder *f, Err *e)
{
    for (int i = 0; i < OTHER_KINDS; i++) TRY(remove_file(f->path, OTHER_FILES[i], e));
    return run_folder_remove_validation(f, e);
}

static int read_log(RunFolder *f, Err *e)
{
    bool there = false;
    char *path = path_format(e, "%s/training_log.txt", f->path), *text = NULL;
    size_t bytes = 0;
    int code = file_is_there(path, &there, e);
    if (!code && there) code = file_get(path, &text, &bytes, e);
    if (!code && text) text_add_bytes(&f->log, text, bytes);
    mem_free(text);
    mem_free(path);
    return code ? code : text_check(&f->log, e);
}

/* ---- replacing an earlier run ---- */

/* RESULTS/.fold_F.new or .old; owned by the caller. */
static char *beside(const RunFolder *f, const char *ending, Err *e)
{
    return path_format(e, "%s/.%s.%s", f->results, path_base(f->fold), ending);
}

static int move_result_files(const RunFolder *f, Err *e)
{
    int code = 0;
    for (int i = 0; i < RUN_RESULT_FILE_COUNT && !code; i++) {
        bool there = false;
        char *from = path_format(e, "%s/%s", f->fold, RUN_RESULT_FILES[i]),
             *to = path_format(e, "%s/%s", f->results, RUN_RESULT_FILES[i]);
        code = to ? file_is_there(from, &there, e) : ERR_NOMEM;
        if (!code && there) code = folder_rename(from, to, e);
        mem_free(from);
        mem_free(to);
    }
    return code;
}

/* Restores the earlier run if a process was killed between two renames, so that the fold's folder does not exist. */
static int bring_back(const RunFolder *f, Err *e)
{
    bool is_there, old_is_there;
    char *old = beside(f, "old", e);
    int code = file_is_there(f->fold, &is_there, e);
    if (!code) code = file_is_there(old, &old_is_there, e);
    if (!code && old_is_there && !is_there) code = folder_rename(old, f->fold, e);
    mem_free(old);
    return code;
}

/* Completes or undoes the replacement of a run by a process that was killed. */
static int clear_up(const RunFolder *f, Err *e)
{
    char *old = beside(f, "old", e), *fresh = beside(f, "new", e);
    int code = old && fresh ? folder_remove(old, e) : ERR_NOMEM;
    if (!code) code = folder_remove(fresh, e);
    if (!code) code = move_result_files(f, e);
    mem_free(old);
    mem_free(fresh);
    return code;
}

static int open_beside(RunFolder *f, Err *e)
{
    mem_free(f->path);
    f->path = beside(f, "new", e);
    if (!f->path) return ERR_NOMEM;
    TRY(file_make_folders(f->path, e));
    return folder_lock(&f->new_lock, f->path, e);
}

bool run_folder_replaces(const RunFolder *f) { return f->new_lock.fd >= 0; }

int run_folder_settle(RunFolder *f, Err *e)
{
    if (!run_folder_replaces(f)) return 0;
    char *old = beside(f, "old", e), *path = mem_strdup(f->fold, e);
    int code = old && path ? folder_replace(f->fold, f->path, old, e) : ERR_NOMEM;
    if (!code) {
        folder_unlock(&f->lock);
        f->lock = f->new_lock;
        f->new_lock.fd = -1;
        mem_free(f->path);
        f->path = path;
        path = NULL;
        code = move_result_files(f, e);
    }
    if (!code) code = folder_remove(old, e);
    mem_free(path);
    mem_free(old);
    return code;
}

/* ---- opening ---- */

int run_folder_lock_results(RunFolder *f, const RunWaiting *waiting, Err *e)
{
    enum {
        MOMENT = 1,
        LONGEST = 900
    }; /* seconds; with --minutes a run holds the lock while it times some iterations */
    const double began = clock_seconds();
    bool told = false;
    int code;
    while ((code = folder_lock(&f->results_lock, f->results, e)) == ERR_VALUE) {
        const double waited = clock_seconds() - began;
        if (waiting->interrupted && waiting->interrupted()) return err_set(e, ERR_INTERRUPTED, "interrupted");
        if (waited > LONGEST)
            return err_set(e, ERR_VALUE,
                           "%s: another run has been starting in it for %d s; give another folder with -o", f->results,
                           LONGEST);
        if (waited > MOMENT && !told && waiting->tell) waiting->tell(waiting->context);
        told = told || waited > MOMENT;
        err_clear(e);
    }
    return code;
}

void run_folder_unlock_results(RunFolder *f) { folder_unlock(&f->results_lock); }

static int take_over(RunFolder *f, RunMode mode, Err *e)
{
    bool there;
    TRY(bring_back(f, e));
    TRY(file_is_folder(f->fold, &there, e));
    f->made_fold = !there;
    TRY(file_make_folders(f->fold, e));
    TRY(folder_lock(&f->lock, f->fold, e));
    TRY(clear_up(f, e));
    TRY(holds_run(f->fold, &f->holds_run, e));
    if (f->holds_run && mode == RUN_NEW)
        return err_set(e, ERR_VALUE,
                       "%s contains a training run: give --continue to continue it or --overwrite to "
                       "replace it",
                       f->fold);
    if (f->holds_run && mode == RUN_OVERWRITE) return open_beside(f, e);
    return f->holds_run ? read_log(f, e) : 0;
}

static int name_folders(RunFolder *f, const char *results, int fold, Err *e)
{
    *f = (RunFolder){.results = results, .results_lock = {-1}, .lock = {-1}, .new_lock = {-1}};
    f->fold =
        fold == SPLITS_FOLD_ALL ? path_format(e, "%s/fold_all", results) : path_format(e, "%s/fold_%d", results, fold);
    f->path = f->fold ? mem_strdup(f->fold, e) : NULL;
    return f->path ? 0 : ERR_NOMEM;
}

int run_folder_expect_apart(const char *results, const char *preprocessed, Err *e)
{
    bool same;
    TRY(file_is_same(results, preprocessed, &same, e));
    if (!same) return 0;
    return err_set(e, ERR_VALUE,
                   "%s: results cannot be written to the preprocessed folder, because both have a plans.yaml: "
                   "give another folder with -o",
                   results);
}

int run_folder_follow(RunFolder *f, const char *results, int fold, Err *e)
{
    TRY(name_folders(f, results, fold, e));
    f->follows = true;
    return holds_run(f->fold, &f->holds_run, e);
}

int run_folder_open(RunFolder *f, const char *results, int fold, RunMode mode, const RunWaiting *waiting, Err *e)
{
    bool there;
    int code = name_folders(f, results, fold, e);
    if (!code) code = file_is_folder(results, &there, e);
    f->made_results = !code && !there;
    if (!code) code = file_make_folders(results, e);
    if (!code) code = run_folder_lock_results(f, waiting, e);
    if (!code) code = take_over(f, mode, e);
    if (code) run_folder_close(f);
    return code;
}

int run_folder_begin(RunFolder *f, Err *e)
{
    if (!f->holds_run) TRY(remove_remains(f, e));
    f->begun = true;
    run_folder_unlock_results(f);
    return 0;
}

/* Removes the folders that were made for a run that could not start. */
static void take_back(const RunFolder *f)
{
    if (f->made_fold && f->lock.fd >= 0) folder_remove_empty(f->fold);
    if (f->made_results && f->results_lock.fd >= 0) folder_remove_empty(f->results);
}

void run_folder_close(RunFolder *f)
{
    if (run_folder_replaces(f)) folder_remove(f->path, NULL);
    if (f->fold && !f->begun) take_back(f);
    folder_unlock(&f->new_lock);
    folder_unlock(&f->lock);
    folder_unlock(&f->results_lock);
    text_free(&f->log);
    mem_free(f->path);
    mem_free(f->fold);
    *f = (RunFolder){.results_lock = {-1}, .lock = {-1}, .new_lock = {-1}};
}

/* ---- while it runs ---- */

char *run_folder_checkpoint(const RunFolder *f, const char *name, Err *e)
{
    return path_format(e, "%s/checkpoint_%s.safetensors", f->path, name);
}

static int has_begun(const RunFolder *f, const char *name, bool *begun, Err *e)
{
    *begun = false;
    if (strncmp(name, "fold_", 5) || !strcmp(name, path_base(f->fold))) return 0;
    char *path = path_format(e, "%s/%s", f->results, name);
    int code = path ? holds_run(path, begun, e) : ERR_NOMEM;
    if (!code && !*begun) code = folder_is_locked(path, begun, e);
    mem_free(path);
    return code;
}

int run_folder_sibling(const RunFolder *f, char **name, Err *e)
{
    FileList folders;
    *name = NULL;
    TRY(file_list(&folders, f->results, e));
    int code = 0;
    for (int i = 0; i < folders.count && !code && !*name; i++) {
        bool begun;
        code = has_begun(f, folders.names[i], &begun, e);
        if (!code && begun && !(*name = mem_strdup(folders.names[i], e))) code = ERR_NOMEM;
    }
    file_list_free(&folders);
    return code;
}

static void add_line(RunFolder *f, const char *format, va_list args)
{
    char stamp[32];
    const time_t now = time(NULL);
    struct tm local;
    strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &local));
    text_add(&f->log, "%s  ", stamp);
    text_add_args(&f->log, format, args);
    text_add(&f->log, "\n");
}

void run_folder_note(RunFolder *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_line(f, format, args);
    va_end(args);
}

static int write_log(const RunFolder *f, Err *e)
{
    if (f->follows) return 0;
    TRY(text_check(&f->log, e));
    char *path = path_format(e, "%s/training_log.txt", f->path);
    const int code = path ? file_put(path, f->log.data, f->log.length, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

int run_folder_log(RunFolder *f, Err *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_line(f, format, args);
    va_end(args);
    return write_log(f, e);
}

int run_folder_append(const char *fold, const char *kind, const Text *lines, Err *e)
{
    if (!lines->length) return 0;
    RunFolder f = {.path = mem_strdup(fold, e)};
    int length, code = f.path ? read_log(&f, e) : ERR_NOMEM;
    for (const char *line = lines->data, *next; !code && *line; line = next) {
        next = text_next_line(line, &length);
        run_folder_note(&f, "%s%.*s", kind, length, line);
    }
    if (!code) code = write_log(&f, e);
    text_free(&f.log);
    mem_free(f.path);
    return code;
}
