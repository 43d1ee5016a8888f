/* Voxels as files store them, one value after the other, to the planes of an image.
 *
 * Used by NIfTI, MetaImage and NRRD: the components of a voxel vary fastest, then x, y, z, then the volume
 * (channel, time point). */
#ifndef DATA_VOXEL_STREAM_H
#define DATA_VOXEL_STREAM_H

#include "base/array.h"
#include "data/byte_stream.h"

typedef struct VoxelLayout {
    DType dtype;  /* of one value: an integer type, float32 or float64 */
    bool swapped; /* the other byte order */
    int64_t shape_zyx[3];
    int64_t components; /* values per voxel, stored together */
    int64_t volumes;
    double slope, intercept; /* value = stored * slope + intercept */
} VoxelLayout;

/* Bytes of all voxels, or UINT64_MAX where that overflows. */
uint64_t voxels_bytes(const VoxelLayout *l);

/* A zeroed float32 image (components * volumes, Z,Y,X). Fails: ERR_NOMEM, ERR_SHAPE. */
int voxels_new(Array *voxels, const VoxelLayout *l, Err *e);

/* Reads `count` voxels from the source's place on, the first being voxel `first` of all volumes in storage
 * order; out is the image of voxels_new. Fails: ERR_NOMEM; ERR_FORMAT (too few bytes); ERR_VALUE (a value
 * beyond float32). */
int voxels_read(float *out, const VoxelLayout *l, ByteSource *s, int64_t first, int64_t count, Err *e);

/* The same where the values are decimal numbers with white space between them. */
int voxels_read_text(float *out, const VoxelLayout *l, ByteSource *s, int64_t first, int64_t count, Err *e);

#endif
