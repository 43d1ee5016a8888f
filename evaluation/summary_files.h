/* The contents of the files of an evaluation, and its table. Lack of memory is kept in the text. */
#ifndef EVALUATION_SUMMARY_FILES_H
#define EVALUATION_SUMMARY_FILES_H

#include "base/text.h"
#include "evaluation/summary.h"

/* summary.json as nnU-Net writes it, NaN as Python writes it; the other metrics are added to its own. */
void summary_add_json(const Summary *s, Text *out);

/* summary.yaml: the paths, missing predictions, the means with their 95 % intervals, tolerances, missed structures,
 * instances. */
void summary_add_yaml(const Summary *s, Text *out);

/* per_case.csv: a row per case and structure; and a row without numbers, with the reason, for a case that could not
 * be evaluated or a reference without a prediction. */
void summary_add_csv(const Summary *s, Text *out);

/* instances.csv: a row per case and IoU threshold. */
void summary_add_instance_csv(const Summary *s, Text *out);

/* paper.csv: a row per case and a last one of the means, in the columns of the paper's scripts. */
void summary_add_paper_csv(const Summary *s, Text *out);

/* The table for a terminal: a row per structure, the mean over structures, the case with the lowest Dice;
 * below it the instances and the paper's scores. */
void summary_add_table(const Summary *s, Text *out);

#endif
