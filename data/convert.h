/* Stored voxels to float32. */
#ifndef DATA_CONVERT_H
#define DATA_CONVERT_H

#include <stdint.h>

#include "base/array.h"

/* out[c * plane + i] = float32(raw[i * components + c] * slope + intercept), in double until the last
 * rounding, for c < components, i < count. raw: native byte order, an integer type, float32 or float64.
 * Returns -1, or the first index into raw whose stored value is finite and whose result is not. */
int64_t convert_to_planes(float *out, int64_t plane, int components, const void *raw, DType dtype, int64_t count,
                          double slope, double intercept);

#endif
