/* Export: rows of logits on the preprocessed grid become a label image on the file's grid.
 *
 * An Exporter is a RowSink of window_predict: each row is resampled to the cropped shape (order 1, in
 * double; docs/reference.md, Export), turned into labels, pasted into the box and into the file's order
 * of axes. Two rows of logits are kept, nothing of the size of the volume but the labels themselves.
 * Where probabilities are asked for, their rows (in the box) are handed on, and labels follow from them,
 * as nnU-Net does it. exporter_new … exporter_free. */
#ifndef INFERENCE_EXPORT_H
#define INFERENCE_EXPORT_H

#include <stdbool.h>

#include "base/array.h"
#include "inference/sliding_window.h"
#include "plans/dataset_json.h"
#include "plans/plan.h"
#include "preprocess/case.h"

typedef struct Exporter Exporter;

/* labels: uint8 or uint16 (Z,Y,X) of the file's shape, all 0, written row by row; borrowed like p, info and
 * probabilities (may be NULL) until exporter_free. Fails: ERR_UNSUPPORTED for a resampling order other than
 * 0 and 1; ERR_NOMEM. Rows fail as the rows of probabilities. */
int exporter_new(Exporter **x, const Plan *plan, const DatasetInfo *info, const CaseProperties *p,
                 const Array *labels, const RowSink *probabilities, Err *e);
void exporter_free(Exporter *x);
RowSink exporter_sink(Exporter *x);

/* The memory that an exporter takes beside the labels, for a preprocessed shape and the
 * box's. */
int64_t exporter_bytes(const DatasetInfo *info, const int64_t shape[3], const int64_t crop[3]);

/* A new label image for the case: uint8, or uint16 from 255 foreground labels on. Fails: ERR_NOMEM. */
int export_labels_new(Array *labels, const DatasetInfo *info, const CaseProperties *p, Err *e);

#endif
