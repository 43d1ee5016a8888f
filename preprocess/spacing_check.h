/* Spacing check: compares a case's voxel size with that of the training images.
 *
 * A header that says 1000 mm for 1 mm, or micrometres for millimetres, would be resampled to a thousand times as
 * many pixels, or to none. Such a case is reported with the factor before memory is allocated. */
#ifndef PREPROCESS_SPACING_CHECK_H
#define PREPROCESS_SPACING_CHECK_H

#include <stdint.h>

#include "base/text.h"
#include "plans/plan.h"

/* A warning from the first factor on, an error from the second on: no imaging protocols differ that much. */
#define SPACING_NOTE_FACTOR 5.0
#define SPACING_REFUSED_FACTOR 100.0
/* Also an error: a case with a warning that would have more voxels than this (16 GiB per channel). */
#define SPACING_MOST_VOXELS ((double)(1LL << 32))

/* shape, spacing_mm: of the case, with its axes in the order in which they are read (plan_reader_axes). Compared
 * with the plan's median spacing, or with its target if it has none; an axis of one voxel is not compared. note:
 * one clause, or nothing. The spacing across slices is never an error, since it is not resampled. Fails: ERR_VALUE,
 * with the factor and both spacings; also if the case matches the training images but the plan's target is so fine
 * that it would have more than SPACING_MOST_VOXELS, and SPACING_REFUSED_FACTOR times its own. */
int spacing_check(Text *note, const int64_t shape[3], const double spacing_mm[3], const Plan *plan, Err *e);

#endif
