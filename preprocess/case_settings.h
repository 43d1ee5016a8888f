/* All settings of plan and dataset.json that preprocessing depends on, as a list for CASE.yaml (made_from).
 *
 * The planner compares it to find out which cases are up to date, the trainer to refuse cases of another plan. If
 * preprocessing depends on a new key, it must be added here. */
#ifndef PREPROCESS_CASE_SETTINGS_H
#define PREPROCESS_CASE_SETTINGS_H

#include "plans/dataset_json.h"
#include "plans/made_from.h"
#include "plans/plan.h"

#define CASE_LABELS_KEY "dataset.json labels" /* values and regions of the labels */

/* To be increased when preprocessing changes, so that existing cases are made again. */
enum { PREPROCESSING_VERSION = 2 };

/* Adds "preprocessing version", "plan KEY" of each plan key that preprocessing depends on, and "dataset.json
 * labels". */
void case_settings_add(MadeFrom *m, const Plan *plan, const DatasetInfo *info);

/* Adds the differences between a case's made_from and these settings to text: "plan spacing: [1, 1], now [2, 2];
 * …". The case's files are not compared. Returns the number of differences. */
int case_settings_differ(Text *text, const MadeFrom *made_from, const MadeFrom *settings);

#endif
