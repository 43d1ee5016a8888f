/* Computes the fingerprint of a dataset: every case is read, checked and cropped, and its foreground is sampled
 * (docs/reference.md, Fingerprint). */
#ifndef PLANNER_FINGERPRINT_EXTRACT_H
#define PLANNER_FINGERPRINT_EXTRACT_H

#include "base/progress.h"
#include "data/dataset.h"
#include "plans/fingerprint.h"

/* Fills *f (fingerprint_free) from the training cases, with axes in the reader's order. Faults of cases are added to
 * `faults`; after an error among them *f is incomplete and must not be used. Memory: `threads` cases at a time. If a
 * channel has millions of distinct values, the cases are read twice. Fails: ERR_NOMEM; ERR_VALUE without any case. */
int fingerprint_extract(Fingerprint *f, const Dataset *d, ReaderAxes axes, int threads, Progress *progress,
                        FaultList *faults, Err *e);

#endif
