/* ValidationRecord: checks that a fold's validation belongs to its present weights and was not changed. predict.yaml in the
 * folder contains the hashes of the weights and of the written files. */
#ifndef INFERENCE_VALIDATION_RECORD_H
#define INFERENCE_VALIDATION_RECORD_H

#include "inference/cross_validation.h"

/* Checks one fold of the results: the predictions of its cases in v were made by its present weights, v has all of its
 * cases, and the label images (and probabilities, if v has them) were not changed. Without predict.yaml (nnU-Net's folders)
 * nothing is checked. Adds the fold to v's weights and precisions. Fails: ERR_VALUE with the file and the command that
 * makes it again; ERR_IO, ERR_FORMAT, ERR_NOMEM. */
int validation_record_expect(CrossValidation *v, const char *results, int fold, Err *e);

#endif
