/* The folder of an evaluation's results: checked before the work, filled after it. */
#ifndef EVALUATION_OUTPUTS_H
#define EVALUATION_OUTPUTS_H

#include "base/error.h"
#include "evaluation/summary.h"

/* Makes the folder and tries whether files can be made in it. Fails: ERR_IO. */
int outputs_check(const char *folder, Err *e);

/* summary.json, summary.yaml, per_case.csv and what the summary has besides; report.html, instances.csv and paper.csv
 * of an earlier evaluation are removed: they would pass for this one's. Fails: ERR_IO, ERR_NOMEM. */
int outputs_write(const Summary *s, const char *folder, Err *e);

/* All that an evaluation writes, as far as it is there: before the predictions change. Fails: ERR_IO, ERR_NOMEM. */
int outputs_remove(const char *folder, Err *e);

#endif
