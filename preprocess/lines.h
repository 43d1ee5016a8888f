/* Lines: copies rows of a volume of any type and layout to and from the doubles that are resized. */
#ifndef PREPROCESS_LINES_H
#define PREPROCESS_LINES_H

#include "preprocess/volume.h"

/* n samples, `stride` bytes apart. dtype: float16, float32 or float64. */
typedef struct Line {
    DType dtype;
    char *data;
    int64_t n, stride;
} Line;

/* A range that values are clipped to. */
typedef struct Range {
    double low, high;
} Range;

/* A plane of a volume: two axes, at one index of the third. */
typedef struct Plane {
    DType dtype;
    char *data;
    int64_t shape[2], stride[2]; /* rows, columns; bytes */
} Plane;

void line_load(const Line *line, double *values);
void line_store(const Line *line, const double *values, Range clip);

Plane plane_of(const Volume *v, int axis, int64_t at);
Plane plane_of_doubles(double *data, int64_t rows, int64_t columns);
Line plane_row(const Plane *p, int64_t row);

#endif
