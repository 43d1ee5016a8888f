/* Spacing check: whether a case's voxel size is plausible beside that of the training images.
 *
 * A header that says 1000 mm for 1 mm, or micrometres for millimetres, would be resampled to a thousand times as many
 * pixels, or to none. It is named with the factor before it costs memory or gives nonsense. */
#ifndef PREPROCESS_SPACING_CHECK_H
#define PREPROCESS_SPACING_CHECK_H

#include <stdint.h>

#include "base/text.h"
#include "plans/plan.h"

/* From the first factor on there is a note, from the second on an error: no two protocols differ so much. */
#define SPACING_NOTE_FACTOR 5.0
#define SPACING_REFUSED_FACTOR 100.0
/* The same error where a case with a note would have more voxels than this: 16 GiB a channel. */
#define SPACING_MOST_VOXELS ((double)(1LL << 32))

/* shape, spacing_mm: of the case, with its axes in the order in which they are read (plan_reader_axes). Compared
 * with the plan's median spacing, or its target where it has none; an axis of one voxel is left out. note: one
 * clause, or nothing. Along the slices nothing is resampled: there it is never an error. Fails: ERR_VALUE, with the factor and
 * both spacings; also where the case is as the training images but the plan's target is so fine that it would have more
 * than SPACING_MOST_VOXELS, and SPACING_REFUSED_FACTOR times its own. */
int spacing_check(Text *note, const int64_t shape[3], const double spacing_mm[3], const Plan *plan, Err *e);

#endif
