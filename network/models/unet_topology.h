/* Topology of nnU-Net's U-Net for a given image size, and nnU-Net's estimate of its memory (docs/reference.md, Planner). */
#ifndef NETWORK_MODELS_UNET_TOPOLOGY_H
#define NETWORK_MODELS_UNET_TOPOLOGY_H

#include <stdint.h>

#include "network/models/architecture.h"

/* A plain value. */
typedef struct UnetTopology {
    int stages;                          /* poolings + 1 */
    int strides[ARCHITECTURE_STAGES][2]; /* the first is 1x1 */
    int kernels[ARCHITECTURE_STAGES][2];
    int divisor[2]; /* the patch size along each axis must be a multiple of it */
    int patch[2];   /* the image size, rounded up to a multiple of divisor */
} UnetTopology;

/* size (y,x) in pixels, may be fractional: each axis is halved while it has 8 pixels or more and its spacing
 * stays below twice the smallest. Fails: ERR_VALUE for a size that needs more than ARCHITECTURE_STAGES. */
int unet_topology(UnetTopology *t, const double spacing_mm[2], const double size[2], Err *e);

int unet_features(int stage); /* min(512, 32 * 2^stage) */

/* Writes the topology to an architecture: stages, features, kernels, strides, and two convolutions a stage. */
void unet_write_architecture(Architecture *a, const UnetTopology *t);

/* Number of output values of all convolutions for one image: nnU-Net's measure of memory. classes: output channels of the
 * head. */
double unet_feature_map_size(const UnetTopology *t, int classes);

#endif
