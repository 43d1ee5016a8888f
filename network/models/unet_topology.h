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

/* Makes the architecture that nnU-Net's planner writes for a topology: a PlainConvUNet with two convolutions a stage, or
 * (residual) a ResidualEncoderUNet with 1, 3, 4, 6, 6 … blocks in the encoder and one convolution in the decoder's
 * stages. */
void unet_write_architecture(Architecture *a, const UnetTopology *t, bool residual);

/* Number of output values of all convolutions of that U-Net for one image: nnU-Net's measure of memory. classes: output
 * channels of the head. */
double unet_feature_map_size(const UnetTopology *t, bool residual, int classes);

#endif
