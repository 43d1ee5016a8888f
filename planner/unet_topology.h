/* How nnU-Net's U-Net pools an image of a given size, and what that costs (docs/reference.md, Planner). */
#ifndef PLANNER_UNET_TOPOLOGY_H
#define PLANNER_UNET_TOPOLOGY_H

#include <stdint.h>

#include "plans/plan.h"

/* A plain value. */
typedef struct UnetTopology {
    int stages;                      /* poolings + 1 */
    int strides[ARCHITECTURE_STAGES][2]; /* the first is 1x1 */
    int kernels[ARCHITECTURE_STAGES][2];
    int divisor[2]; /* what each axis of the patch must be a multiple of */
    int patch[2];   /* the size, rounded up to that */
} UnetTopology;

/* size (y,x) in pixels, may be fractional: each axis is halved while it has 8 pixels or more and its spacing
 * stays below twice the smallest. Fails: ERR_VALUE for a size that needs more than ARCHITECTURE_STAGES. */
int unet_topology(UnetTopology *t, const double spacing_mm[2], const double size[2], Err *e);

int unet_features(int stage); /* min(512, 32 * 2^stage) */

/* Output values of all convolutions for one image: nnU-Net's measure of memory. classes: outputs of the
 * head. */
double unet_feature_map_size(const UnetTopology *t, int classes);

#endif
