/* Computes the fingerprint of a dataset: every case is read, checked and cropped, and its foreground is sampled
 * (docs/reference.md, Fingerprint). */
#ifndef PLANNER_FINGERPRINT_EXTRACT_H
#define PLANNER_FINGERPRINT_EXTRACT_H

#include "base/processes.h"
#include "base/progress.h"
#include "base/text.h"
#include "data/dataset.h"
#include "plans/fingerprint.h"

/* world: as CaseShare. Fills *f (fingerprint_free) from the training cases, with axes in the reader's order. Faults of cases are added to
 * `faults`; after an error among them *f is incomplete and must not be used. Memory: `threads` cases at a time. If a
 * channel has millions of distinct values, the cases are read twice. Fails: ERR_NOMEM; ERR_VALUE without any case. */
int fingerprint_extract(Fingerprint *f, const Dataset *d, ReaderAxes axes, int threads, const Process *world,
                        Progress *progress, FaultList *faults, Err *e);

/* The part of another process (planning_share.h), by the parameters of rank 0's job. fingerprint_part_case: from any thread; the results
 * are for rank 0. Fail: ERR_NOMEM. */
typedef struct FingerprintPart FingerprintPart;
int fingerprint_part_new(FingerprintPart **part, const Dataset *d, const char *parameters, size_t bytes, Err *e);
int fingerprint_part_case(FingerprintPart *part, int index, Text *result, Err *e);
int fingerprint_part_end(FingerprintPart *part, Text *result, Err *e);
void fingerprint_part_free(FingerprintPart *part); /* NULL is fine */

#endif
