/* FoldCases: the cases that a fold trains and validates on, from a preprocessed folder, with messages about them.
 *
 * The cases are those of PREPROCESSED/cases.yaml, the fold that of the file of splits that counts (splits_file.h). */
#ifndef PLANS_FOLD_CASES_H
#define PLANS_FOLD_CASES_H

#include "plans/splits.h"

typedef struct FoldCases {
    Split split;
    Text told;     /* "8 training and 2 validation cases: fold 0 of PREPROCESSED/splits_final.yaml, which …" */
    Text warnings; /* of splits_fold, one line each, with the file and the fold */
} FoldCases;

/* fold: 0 …, or SPLITS_FOLD_ALL. Freed with fold_cases_free. Fails: ERR_IO where there is no list of cases, or no
 * splits; ERR_VALUE where there is no case to train on, or two files of splits differ; ERR_FORMAT, ERR_NOMEM. */
int fold_cases_read(FoldCases *f, const char *preprocessed, int fold, Err *e);
void fold_cases_free(FoldCases *f);

#endif
