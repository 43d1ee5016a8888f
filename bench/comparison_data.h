/* The content of a dataset that a comparison is made from: a row that was made from another content is refused.
 *
 *   MadeFrom data;
 *   TRY(comparison_data_read(&data, dataset, of_test, threads, quiet, e));
 *   … made_from_differences(&text, &then, &data, "") …
 *   made_from_free(&data); */
#ifndef BENCH_COMPARISON_DATA_H
#define BENCH_COMPARISON_DATA_H

#include <stdbool.h>

#include "base/error.h"
#include "plans/made_from.h"

/* Lists dataset.json and the training cases by content, in plan_and_preprocess's words (planner/origins.h), and with
 * of_test also the files in imagesTs and labelsTs. Validation cases are among the training cases. Every file is read
 * once. m: new, owned by the caller, also after a failure. Fails: as dataset_open, made_from_check; ERR_IO, ERR_NOMEM. */
int comparison_data_read(MadeFrom *m, const char *dataset, bool of_test, int threads, bool quiet, Err *e);

#endif
