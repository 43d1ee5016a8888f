/* CrossValidation: the validation cases of a trained network, over its folds, with what it predicted for
 * them.
 *
 * Read from RESULTS/fold_F/validation, where train leaves label images, summary.json (which names the
 * reference of each) and, where asked to, probabilities. `CrossValidation v = {0}`; cross_validation_free. */
#ifndef INFERENCE_CROSS_VALIDATION_H
#define INFERENCE_CROSS_VALIDATION_H

#include <stdbool.h>

#include "inference/choice.h"
#include "inference/folds.h"
#include "plans/made_from.h"

typedef struct ValidationCase {
    char *id;          /* owned, like the others */
    char *folder;      /* RESULTS/fold_F/validation */
    char *prediction;  /* paths of label images */
    char *reference;
    int fold;
} ValidationCase;

typedef struct CrossValidation {
    ValidationCase *cases;   /* by id */
    int count;
    bool has_probabilities;  /* of all cases */
    bool own_references;     /* those that the validation was scored against, not others */
    MadeFrom weights;        /* of each fold (fold_weights_key): the content of those that predicted it; where nothing was
                              * recorded, of checkpoint_final, if it is there */
    MadeFrom precisions;     /* of each fold ("3") whose record says it: "bf16" */
} CrossValidation;

/* The folds of the results that were validated, fold_all not among them, ascending. folds is new. Fails: ERR_IO;
 * ERR_VALUE without one, where fold_all alone is there too: its cases were trained on; ERR_NOMEM. */
int cross_validation_folds(FoldList *folds, const char *results, Err *e);

/* references: a folder with the label images, or NULL: where summary.json says. Fails: ERR_IO, ERR_FORMAT,
 * ERR_NOMEM; ERR_VALUE for a case that two folds have, a reference that is not there, a fold that was not validated or
 * whose validation is no longer that of its weights (inference/validation_record.h). */
int cross_validation_read(CrossValidation *v, const char *results, const FoldList *folds,
                          const char *references, Err *e);
void cross_validation_free(CrossValidation *v);

/* Adds "fp32: a fold 0, b folds 0, 1; bf16: a fold 1" where not all folds of all results were predicted in the same
 * precision, as far as that is known; else nothing. Fails: ERR_NOMEM. */
int cross_validation_precisions(Text *text, const CrossValidation *validations, const char *const *results, int count,
                                Err *e);

/* Whether both have the same cases in the same folds; `first` and `second` name them. Fails: ERR_VALUE. */
int cross_validation_expect_same(const CrossValidation *a, const CrossValidation *b, const char *first,
                                 const char *second, Err *e);

/* One candidate: a network's predictions or, of several, the labels by the mean of their probabilities. All
 * borrowed. */
typedef struct Candidate {
    const CrossValidation *const *members;
    int member_count;
    const DatasetInfo *info;
} Candidate;

/* Its cases to choose by (inference/choice.h); c must stay. */
LabelledCases candidate_cases(const Candidate *c);

#endif
