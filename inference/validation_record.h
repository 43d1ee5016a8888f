/* ValidationRecord: whether a fold's validation still says what its folder says: predict.yaml there tells by content
 * which weights made the predictions, and what was written. */
#ifndef INFERENCE_VALIDATION_RECORD_H
#define INFERENCE_VALIDATION_RECORD_H

#include "inference/cross_validation.h"

/* For one fold of the results: its present weights made the predictions of its cases in v, all of them are in v, and the
 * label images (and the probabilities, where v has them) are those that were written. Without predict.yaml (nnU-Net's
 * folders) nothing is known, and nothing is expected. Adds the fold to v's weights and precisions. Fails: ERR_VALUE with the file and how to make it anew; ERR_IO,
 * ERR_FORMAT, ERR_NOMEM. */
int validation_record_expect(CrossValidation *v, const char *results, int fold, Err *e);

#endif
