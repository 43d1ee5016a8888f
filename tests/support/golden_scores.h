/* Scores of label images against a reference's numbers, for the parts metrics/evaluate and postprocessing. */
#ifndef TESTS_SUPPORT_GOLDEN_SCORES_H
#define TESTS_SUPPORT_GOLDEN_SCORES_H

#include "evaluation/structures.h"
#include "inference/choice.h"
#include "tests/support/golden_nnunet.h"

/* Adds the structures of a list of labels and regions (lists), in its order. Fails: ERR_FORMAT, ERR_NOMEM. */
int golden_structures(Structures *s, const DocNode *labels_or_regions, Err *e);

/* The structures whose keys in a summary ("1", "(1, 2)") are the node's. Fails likewise. */
int golden_structures_of_keys(Structures *s, const DocNode *node, Err *e);

/* Evaluates all cases and compares with the item's per_case (where it has it), mean and foreground_mean. */
void golden_expect_scores(Golden *g, const Structures *s, const LabelledCases *cases, const DocNode *item);

#endif
