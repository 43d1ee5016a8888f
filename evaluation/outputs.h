/* The folder of an evaluation's results: checked before the work, filled after it. */
#ifndef EVALUATION_OUTPUTS_H
#define EVALUATION_OUTPUTS_H

#include "base/error.h"
#include "evaluation/summary.h"

/* Makes the folder and checks that files can be created in it. Fails: ERR_IO. */
int outputs_check(const char *folder, Err *e);

/* Writes summary.json, summary.yaml, per_case.csv, and instances.csv and paper.csv if the summary has these parts.
 * Else those files of an earlier evaluation, and its report.html, are removed, so that they are not taken for this
 * one's. Fails: ERR_IO, ERR_NOMEM. */
int outputs_write(const Summary *s, const char *folder, Err *e);

/* Removes all files that an evaluation writes, before the predictions change. Fails: ERR_IO, ERR_NOMEM. */
int outputs_remove(const char *folder, Err *e);

#endif
