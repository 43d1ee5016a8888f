/* Volume: a strided view of one channel of a volume, possibly cropped or with its axes permuted.
 *
 * It owns no memory and is valid as long as the viewed block. Transposing, cropping and choosing a channel only
 * change shape, strides and address, without copying. All kernels in preprocess/ read and write any layout. */
#ifndef PREPROCESS_VOLUME_H
#define PREPROCESS_VOLUME_H

#include <stdint.h>

#include "base/array.h"
#include "data/grid_axes.h"

typedef struct Volume {
    DType dtype;
    char *data; /* of voxel (0,0,0) */
    int64_t shape[3];
    int64_t stride[3]; /* bytes */
} Volume;

Volume volume_of_array(const Array *a);                          /* rank 3: (Z,Y,X) */
Volume volume_of_channel_first(const Array *a, int64_t channel); /* rank 4: (C,Z,Y,X) */
Volume volume_of_channel_last(const Array *a, int64_t channel);  /* rank 4: (Z,Y,X,C) */

/* Axis i of the result is axis order[i] of v, as numpy.transpose. */
Volume volume_transposed(Volume v, const int order[3]);
/* A view with other axes (data/grid_axes.h). */
Volume volume_turned(Volume v, const GridAxes *axes);
/* The given axis becomes axis 0, the others keep their order; -1: unchanged. */
Volume volume_with_first(Volume v, int axis);
Volume volume_cropped(Volume v, const Box *box);
int64_t volume_count(const Volume *v);

/* Copies all voxels; both views have the same dtype and shape. */
void volume_copy(const Volume *from, const Volume *to);

static inline char *volume_row(const Volume *v, int64_t z, int64_t y)
{
    return v->data + z * v->stride[0] + y * v->stride[1];
}

#endif
