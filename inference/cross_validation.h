/* CrossValidation: the validation cases of all folds of a trained network, with its predictions.
 *
 * Read from RESULTS/fold_F/validation, where train writes label images, summary.json (with the path of each reference)
 * and, by an option, probabilities. `CrossValidation v = {0}`; cross_validation_free. */
#ifndef INFERENCE_CROSS_VALIDATION_H
#define INFERENCE_CROSS_VALIDATION_H

#include <stdbool.h>

#include "inference/choice.h"
#include "inference/folds.h"
#include "plans/made_from.h"

typedef struct ValidationCase {
    char *id;         /* owned, like the others */
    char *folder;     /* RESULTS/fold_F/validation */
    char *prediction; /* paths of label images */
    char *reference;
    int fold;
} ValidationCase;

typedef struct CrossValidation {
    ValidationCase *cases; /* by id */
    int count;
    bool has_probabilities; /* of all cases */
    bool own_references;    /* the references that the validation was scored against, not others */
    MadeFrom weights;       /* per fold (fold_weights_key): hash of the weights that predicted it; without a record, of
                              * checkpoint_final, if it exists */
    MadeFrom precisions;    /* per fold ("3") with a recorded precision: "bf16" */
} CrossValidation;

/* Lists the validated folds of the results, ascending, without fold_all, whose validation cases were trained on. folds is
 * new. Fails: ERR_IO; ERR_VALUE if there is none; ERR_NOMEM. */
int cross_validation_folds(FoldList *folds, const char *results, Err *e);

/* references: a folder with the label images, or NULL: the paths in summary.json. Fails: ERR_IO, ERR_FORMAT, ERR_NOMEM;
 * ERR_VALUE for a case that is in two folds, a missing reference, a fold that was not validated, or a validation that does
 * not belong to the fold's present weights (inference/validation_record.h). */
int cross_validation_read(CrossValidation *v, const char *results, const FoldList *folds, const char *references,
                          Err *e);
void cross_validation_free(CrossValidation *v);

/* Adds "fp32: a fold 0, b folds 0, 1; bf16: a fold 1" if the folds of all results were predicted in different precisions,
 * as far as known; else nothing. Fails: ERR_NOMEM. */
int cross_validation_precisions(Text *text, const CrossValidation *validations, const char *const *results, int count,
                                Err *e);

/* Fails with ERR_VALUE unless both have the same cases in the same folds; `first` and `second` are their names for the
 * message. */
int cross_validation_expect_same(const CrossValidation *a, const CrossValidation *b, const char *first,
                                 const char *second, Err *e);

/* A candidate: the predictions of one network, or the labels from the mean of several networks' probabilities. All
 * pointers are borrowed. */
typedef struct Candidate {
    const CrossValidation *const *members;
    int member_count;
    const DatasetInfo *info;
} Candidate;

/* The candidate's cases as input of a choice (inference/choice.h); c must stay valid. */
LabelledCases candidate_cases(const Candidate *c);

#endif
