/* Checks whether the paper's scores (paper.h) are meaningful for an evaluation. */
#ifndef EVALUATION_PAPER_CHECK_H
#define EVALUATION_PAPER_CHECK_H

#include "evaluation/summary.h"

/* dataset.json must know the labels of the 13 organs. dataset: its path; NULL: the structures are those of the
 * references, which need not have every organ. Fails: ERR_VALUE with the organs that are missing. */
int paper_expect_labels(Paper paper, const Structures *s, const char *dataset, Err *e);

/* Adds warnings about the scores: organs that no reference has; volumes scored as pictures. */
void paper_add_note(Text *note, const Summary *s);

#endif
