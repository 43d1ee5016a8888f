/* What cases a run trained and validated on: FOLDER/split.yaml, a list of one fold as splits files have them, and
 * FOLDER/split_made_from.yaml, from what files each of them was made, by content.
 *
 * It stays when the dataset or its splits change later: validation again is of the cases that the weights have not
 * seen, and a run that goes on never trains on what it validated before. */
#ifndef TRAINER_SPLIT_RECORD_H
#define TRAINER_SPLIT_RECORD_H

#include "plans/fold_cases.h"
#include "plans/made_from.h"

/* Whether a run in the folder may go on with these cases; what differs is added to warnings, a line each. contents: of
 * case_check_set. Fails: ERR_VALUE where a case changed sides; ERR_IO, ERR_FORMAT, ERR_NOMEM. */
int split_record_check(Text *warnings, const FoldCases *cases, const MadeFrom *contents, const char *folder, Err *e);

/* Fails: ERR_IO, ERR_NOMEM. */
int split_record_write(const FoldCases *cases, const MadeFrom *contents, const char *folder, Err *e);

/* The cases to validate a run on: the recorded ones that the dataset still has, or, where there is no record, those of
 * the fold. fold_cases_free takes it back. Fails: as fold_cases_read; ERR_VALUE where none is left. */
int split_record_validation(FoldCases *cases, const char *folder, const char *preprocessed, int fold, Err *e);

#endif
