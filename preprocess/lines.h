/* Lines: blocks of parallel lines between a volume of any type and layout and the resizer's doubles. */
#ifndef PREPROCESS_LINES_H
#define PREPROCESS_LINES_H

#include "preprocess/volume.h"

/* Up to AXIS_LANES lines of n samples: sample i of lane l lies at data + i * sample_stride + l * lane_stride. */
typedef struct Lines {
    DType dtype;           /* float16, float32 or float64 */
    char *data;
    int64_t n, lanes;
    int64_t sample_stride, lane_stride;   /* bytes */
} Lines;

/* A range that values are clipped to. */
typedef struct Range {
    double low, high;
} Range;

/* block: n * AXIS_LANES doubles; lanes that are missing repeat the last one. */
void lines_load(const Lines *from, double *block);
void lines_store(const Lines *to, const double *block, Range clip);

#endif
