/* Ensembles of predictions on disk: the mean of their probabilities (FACTS section 8). */
#ifndef INFERENCE_ENSEMBLE_H
#define INFERENCE_ENSEMBLE_H

#include "base/array.h"
#include "base/error.h"
#include "plans/dataset_json.h"

/* sum (float32, heads first) += part (float32 or float16, the same shape). Fails: ERR_SHAPE. */
int ensemble_add(Array *sum, const Array *part, Err *e);

/* Divides the sum by the number of parts and says every voxel's label: labels uint8 or uint16, the shape
 * without the heads, the caller's array. */
void ensemble_finish(Array *sum, int parts, const DatasetInfo *info, Array *labels);

#endif
