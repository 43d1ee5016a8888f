/* Connected components of a mask. */
#ifndef DATA_COMPONENTS_H
#define DATA_COMPONENTS_H

#include <stdint.h>

#include "base/error.h"

/* Numbers the components of the ones in a mask of ones and zeros, with full connectivity (8 neighbours in a plane,
 * 26 in a volume): 1 … *count in the order of their first voxels, 0 elsewhere. mask (Z,Y,X) borrowed, ids
 * (Z,Y,X) written. Fails: ERR_NOMEM; ERR_UNSUPPORTED beyond 2^31 runs. */
int components_label(int32_t *ids, int32_t *count, const uint8_t *mask, const int64_t shape_zyx[3], Err *e);

/* Upper bound of the memory that components_label needs for a mask of this shape, besides mask and ids, in bytes. */
int64_t components_bytes(const int64_t shape_zyx[3]);

#endif
