/* The contrast of a microscopy image, stretched to 8 bits. */
#ifndef CONVERT_STRETCH_H
#define CONVERT_STRETCH_H

#include <stdint.h>

#include "base/error.h"

/* One channel: the 1st percentile of the values that are not 0 becomes 0, the 99th 255; others are clipped, and
 * fractions cut off. Where the two differ by at most 0.001, values are kept, clipped to 0 … 255. values (count)
 * borrowed; out written at every stride-th byte. Source: normalize_channel in pre_process_3class.py of the baseline of
 * the NeurIPS 2022 cell segmentation challenge. Fails: ERR_VALUE for a value that is not finite; ERR_NOMEM. */
int stretch_channel(uint8_t *out, int stride, const float *values, int64_t count, Err *e);

#endif
