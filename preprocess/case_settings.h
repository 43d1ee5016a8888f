/* All that preprocessing takes from plan and dataset.json, as a list that stands in CASE.yaml (made_from).
 *
 * The planner compares it to know what is up to date, the trainer to refuse cases that another plan made.
 * Where preprocessing comes to depend on one more key, the key is added here, and nowhere else. */
#ifndef PREPROCESS_CASE_SETTINGS_H
#define PREPROCESS_CASE_SETTINGS_H

#include "plans/dataset_json.h"
#include "plans/made_from.h"
#include "plans/plan.h"

#define CASE_LABELS_KEY "dataset.json labels" /* what the labels mean */

/* To be raised when preprocessing itself changes, so that cases made before are made anew. */
enum { PREPROCESSING_VERSION = 2 };

/* Adds "preprocessing version", "plan KEY" of each plan key that counts, and "dataset.json labels". */
void case_settings_add(MadeFrom *m, const Plan *plan, const DatasetInfo *info);

/* Adds to text in what a case's made_from differs from these settings, whatever its files were:
 * "plan spacing: [1, 1], now [2, 2]; …". Returns in how many keys. */
int case_settings_differ(Text *text, const MadeFrom *made_from, const MadeFrom *settings);

#endif
