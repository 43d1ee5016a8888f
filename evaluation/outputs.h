/* The folder of an evaluation's results: checked before the work, filled after it. */
#ifndef EVALUATION_OUTPUTS_H
#define EVALUATION_OUTPUTS_H

#include "base/error.h"
#include "evaluation/summary.h"

/* Makes the folder and checks that files can be created in it. Fails: ERR_IO. */
int outputs_check(const char *folder, Err *e);

/* Writes summary.json, summary.yaml, per_case.csv, and instances.csv and paper.csv if the summary has these parts. All are
 * complete on the disk before the files of an earlier evaluation, its report.html included, are removed and the new ones get
 * their names. summary.json is the first that is removed and the last that gets its name: while it is there, all files are
 * of one evaluation, wherever the process ends. Fails: ERR_IO, ERR_NOMEM. */
int outputs_write(const Summary *s, const char *folder, Err *e);

/* Removes all files that an evaluation writes, summary.json first, before the predictions change. Fails: ERR_IO, ERR_NOMEM. */
int outputs_remove(const char *folder, Err *e);

#endif
