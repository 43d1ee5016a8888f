#include "planner/run_log.h"

#include <time.h>

#include "base/file.h"
#include "base/memory.h"

void run_log_add(RunLog *log, const char *kind, const char *text)
{
    char stamp[32];
    const time_t now = time(NULL);
    struct tm local;
    strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &local));
    int length;
    for (const char *line = text, *next; *line; line = next) {
        next = text_next_line(line, &length);
        text_add(&log->text, "%s  %s%.*s\n", stamp, kind, length, line);
    }
}

int run_log_append(const RunLog *log, const char *preprocessed, Err *e)
{
    Text all = {0};
    char *before = NULL, *path = path_format(e, "%s/plan_and_preprocess.log", preprocessed);
    size_t bytes = 0;
    bool there = false;
    if (!log->text.length) return mem_free(path), 0;
    int code = path ? file_is_there(path, &there, e) : ERR_NOMEM;
    if (!code && there) code = file_get(path, &before, &bytes, e);
    if (!code) {
        if (bytes) text_add_bytes(&all, before, bytes);
        text_add_bytes(&all, log->text.data, log->text.length);
        code = text_check(&all, e);
    }
    if (!code) code = file_put(path, all.data, all.length, e);
    text_free(&all);
    mem_free(before);
    mem_free(path);
    return code;
}

void run_log_free(RunLog *log) { text_free(&log->text); }
