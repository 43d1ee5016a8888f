/* RunLog: what a run said, kept in PREPROCESSED/plan_and_preprocess.log behind what earlier runs said.
 *
 * `RunLog log = {0}`; run_log_free ends it. */
#ifndef PLANNER_RUN_LOG_H
#define PLANNER_RUN_LOG_H

#include <stdarg.h>

#include "base/text.h"

typedef struct RunLog {
    Text text;      /* lines, each with the time */
} RunLog;

/* kind: "", "warning: " or "error: ". A text of several lines becomes several. */
void run_log_add(RunLog *log, const char *kind, const char *text);

/* Appends all to the file; nothing where there was nothing. Fails: ERR_IO, ERR_NOMEM. */
int run_log_append(const RunLog *log, const char *preprocessed, Err *e);
void run_log_free(RunLog *log);

#endif
