#include "trainer/run_folder.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "plans/splits.h"
#include "trainer/validation_folder.h"

static const char *const CHECKPOINTS[] = {"latest", "best", "final"};
static const char *const OTHER_FILES[] = {"metrics.csv", "training_log.txt", "progress.png", "split.yaml"};
enum { CHECKPOINT_KINDS = 3, OTHER_KINDS = 4 };

static int holds_run(const char *folder, bool *holds, Err *e)
{
    *holds = false;
    for (int i = 0; i < CHECKPOINT_KINDS && !*holds; i++) {
        char *path = path_format(e, "%s/checkpoint_%s.safetensors", folder, CHECKPOINTS[i]);
        if (!path) return ERR_NOMEM;
        *holds = file_exists(path);
        mem_free(path);
    }
    return 0;
}

static int remove_file(const char *folder, const char *name, Err *e)
{
    char *path = path_format(e, "%s/%s", folder, name);
    const int code = !path ? ERR_NOMEM : file_exists(path) ? file_remove(path, e) : 0;
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

static int remove_run(const RunFolder *f, Err *e)
{
    const char *folder = f->path;
    for (int i = 0; i < CHECKPOINT_KINDS; i++) {
        char name[64];
        snprintf(name, sizeof name, "checkpoint_%s.safetensors", CHECKPOINTS[i]);
        TRY(remove_file(folder, name, e));
    }
    for (int i = 0; i < OTHER_KINDS; i++) TRY(remove_file(folder, OTHER_FILES[i], e));
    return run_folder_remove_validation(f, e);
}

static int read_log(RunFolder *f, Err *e)
{
    char *path = path_format(e, "%s/training_log.txt", f->path), *text = NULL;
    size_t bytes = 0;
    const int code = !path ? ERR_NOMEM : file_exists(path) ? file_get(path, &text, &bytes, e) : 0;
    if (!code && text) text_add_bytes(&f->log, text, bytes);
    mem_free(text);
    mem_free(path);
    return code ? code : text_check(&f->log, e);
}

static int take_over(RunFolder *f, RunMode mode, Err *e)
{
    bool holds;
    TRY(file_make_folders(f->path, e));
    TRY(folder_lock(&f->lock, f->path, e));
    TRY(holds_run(f->path, &holds, e));
    if (holds && mode == RUN_NEW)
        return err_set(e, ERR_VALUE,
                       "%s holds a training run: give --continue to go on with it or --overwrite to "
                       "replace it",
                       f->path);
    if (mode == RUN_OVERWRITE) TRY(remove_run(f, e));
    return mode == RUN_CONTINUE ? read_log(f, e) : 0;
}

int run_folder_open(RunFolder *f, const char *results, int fold, RunMode mode, Err *e)
{
    *f = (RunFolder){.results = results, .lock = {-1}};
    f->path = fold == SPLITS_FOLD_ALL ? path_format(e, "%s/fold_all", results)
                                      : path_format(e, "%s/fold_%d", results, fold);
    const int code = f->path ? take_over(f, mode, e) : ERR_NOMEM;
    if (code) run_folder_close(f);
    return code;
}

void run_folder_close(RunFolder *f)
{
    folder_unlock(&f->lock);
    text_free(&f->log);
    mem_free(f->path);
    *f = (RunFolder){.lock = {-1}};
}

char *run_folder_checkpoint(const RunFolder *f, const char *name, Err *e)
{
    return path_format(e, "%s/checkpoint_%s.safetensors", f->path, name);
}

int run_folder_has_siblings(const RunFolder *f, bool *has, Err *e)
{
    FileList folders;
    *has = false;
    TRY(file_list(&folders, f->results, e));
    int code = 0;
    for (int i = 0; i < folders.count && !code && !*has; i++) {
        if (strncmp(folders.names[i], "fold_", 5) || !strcmp(folders.names[i], path_base(f->path))) continue;
        char *path = path_format(e, "%s/%s", f->results, folders.names[i]);
        code = path ? holds_run(path, has, e) : ERR_NOMEM;
        mem_free(path);
    }
    file_list_free(&folders);
    return code;
}

int run_folder_log(RunFolder *f, Err *e, const char *format, ...)
{
    char stamp[32];
    const time_t now = time(NULL);
    struct tm local;
    strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &local));
    va_list args;
    text_add(&f->log, "%s  ", stamp);
    va_start(args, format);
    text_add_args(&f->log, format, args);
    va_end(args);
    text_add(&f->log, "\n");
    TRY(text_check(&f->log, e));
    char *path = path_format(e, "%s/training_log.txt", f->path);
    const int code = path ? file_put(path, f->log.data, f->log.length, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}
