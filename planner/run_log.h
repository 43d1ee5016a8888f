/* RunLog: the messages of a run, appended to PREPROCESSED/plan_and_preprocess.log.
 *
 * `RunLog log = {0}`; run_log_free ends it. */
#ifndef PLANNER_RUN_LOG_H
#define PLANNER_RUN_LOG_H

#include <stdarg.h>

#include "base/text.h"

typedef struct RunLog {
    Text text; /* lines, each with its time */
} RunLog;

/* kind: "", "warning: " or "error: ". Each line of the text becomes a line of the log. */
void run_log_add(RunLog *log, const char *kind, const char *text);

/* Appends all lines to the file; without lines no file is written. Fails: ERR_IO, ERR_NOMEM. */
int run_log_append(const RunLog *log, const char *preprocessed, Err *e);
void run_log_free(RunLog *log);

#endif
