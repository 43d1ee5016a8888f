/* Export: makes a label image on the file's grid from rows of logits on the preprocessed grid.
 *
 * An Exporter is a RowSink of window_predict: rows are resampled to the cropped shape (order 1, in double;
 * docs/reference.md, Export), converted to labels, and written into the box of the label image in the file's order of
 * axes, on all threads, each row by one. It stores some rows of logits; only the labels have the size of the volume. If
 * probabilities are requested, their rows (within the box) are passed to a sink, and labels are computed from them, as in
 * nnU-Net. exporter_new … exporter_free. */
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
 * 0 and 1; ERR_NOMEM. A row fails if the sink of probabilities fails. */
int exporter_new(Exporter **x, const Plan *plan, const DatasetInfo *info, const CaseProperties *p, const Array *labels,
                 const RowSink *probabilities, Err *e);
void exporter_free(Exporter *x);
RowSink exporter_sink(Exporter *x);

/* The memory of an exporter without the labels, in bytes. shape: of the preprocessed case; crop: of the box. */
int64_t exporter_bytes(const DatasetInfo *info, const int64_t shape[3], const int64_t crop[3]);

/* A new label image for the case: uint8, or uint16 from 255 foreground labels on. Fails: ERR_NOMEM. */
int export_labels_new(Array *labels, const DatasetInfo *info, const CaseProperties *p, Err *e);

#endif
