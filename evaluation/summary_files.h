/* The files of an evaluation, all atomic, and its table. Functions fail with ERR_IO or ERR_NOMEM. */
#ifndef EVALUATION_SUMMARY_FILES_H
#define EVALUATION_SUMMARY_FILES_H

#include "base/error.h"
#include "base/text.h"
#include "evaluation/summary.h"

/* summary.json as nnU-Net writes it, NaN as Python writes it; the other metrics are added to its own. */
int summary_write_json(const Summary *s, const char *path, Err *e);

/* summary.yaml: the paths, missing predictions, the means with their 95 % intervals, tolerances, missed structures,
 * instances. */
int summary_write_yaml(const Summary *s, const char *path, Err *e);

/* per_case.csv: a row per case and structure; and a row without numbers, with the reason, for a case that could not
 * be evaluated or a reference without a prediction. */
int summary_write_csv(const Summary *s, const char *path, Err *e);

/* instances.csv: a row per case and IoU threshold. */
int summary_write_instance_csv(const Summary *s, const char *path, Err *e);

/* paper.csv: a row per case and a last one of the means, in the columns of the paper's scripts. */
int summary_write_paper_csv(const Summary *s, const char *path, Err *e);

/* The table for a terminal: a row per structure, the mean over structures, the case with the lowest Dice;
 * below it the instances and the paper's scores. */
void summary_add_table(const Summary *s, Text *out);

#endif
