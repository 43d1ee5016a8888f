/* The training and validation cases of a run: FOLDER/split.yaml, a splits file with one fold, and
 * FOLDER/split_made_from.yaml, with the content hashes of the files that each case was made from.
 *
 * Both are kept when the dataset or its splits change later. So a later validation uses the cases that the weights were not
 * trained on, and a continued run never trains on cases that it validated before. */
#ifndef TRAINER_SPLIT_RECORD_H
#define TRAINER_SPLIT_RECORD_H

#include "plans/fold_cases.h"
#include "plans/made_from.h"

/* Checks that a run in the folder may continue with these cases; adds a line to warnings for each difference. contents:
 * from case_check_set. Fails: ERR_VALUE if a case was moved between training and validation; ERR_IO, ERR_FORMAT,
 * ERR_NOMEM. */
int split_record_check(Text *warnings, const FoldCases *cases, const MadeFrom *contents, const char *folder, Err *e);

/* Fails: ERR_IO, ERR_NOMEM. */
int split_record_write(const FoldCases *cases, const MadeFrom *contents, const char *folder, Err *e);

/* The validation cases of a run: the recorded ones that are still in the dataset; without a record, those of the fold. Free
 * by fold_cases_free. Fails: as fold_cases_read; ERR_VALUE if none is left. */
int split_record_validation(FoldCases *cases, const char *folder, const char *preprocessed, int fold, Err *e);

#endif
