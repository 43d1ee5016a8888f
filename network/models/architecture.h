/* Architecture: nnU-Net's description of a U-Net, the `architecture` of its plans. Networks whose kind has
 * `uses_architecture` are built from it. The struct owns no memory. Its members are the arguments of PlainConvUNet,
 * ResidualEncoderUNet and ResidualUNet in dynamic_network_architectures. */
#ifndef NETWORK_MODELS_ARCHITECTURE_H
#define NETWORK_MODELS_ARCHITECTURE_H

#include <stdbool.h>

#include "base/error.h"

enum { ARCHITECTURE_STAGES = 16, ARCHITECTURE_NAME = 128 /* bytes, with the NUL */ };

typedef struct Architecture {
    char network_class_name[ARCHITECTURE_NAME];
    int n_stages;
    int features_per_stage[ARCHITECTURE_STAGES];
    int kernel_sizes[ARCHITECTURE_STAGES][2];          /* (y,x) */
    int strides[ARCHITECTURE_STAGES][2];               /* (y,x) */
    int n_conv_per_stage[ARCHITECTURE_STAGES];         /* n_stages; of PlainConvUNet */
    int n_blocks_per_stage[ARCHITECTURE_STAGES];       /* n_stages; of residual encoders */
    int n_conv_per_stage_decoder[ARCHITECTURE_STAGES]; /* n_stages - 1; in a ResidualUNet they are blocks */
    /* Of residual encoders: the class of their blocks ("": BasicBlockD), its inner channels if it is BottleneckD (one
     * entry a stage), the channels of the stem (0: those of stage 0). */
    char block[ARCHITECTURE_NAME];
    int bottleneck_channels[ARCHITECTURE_STAGES];
    int stem_channels;
    bool nonlin_first; /* of PlainConvUNet: the nonlinearity comes before the norm */
    bool conv_bias;
    char conv_op[ARCHITECTURE_NAME], norm_op[ARCHITECTURE_NAME];
    char dropout_op[ARCHITECTURE_NAME], nonlin[ARCHITECTURE_NAME]; /* "" for null in the file */
    double norm_epsilon, nonlin_slope;                             /* the slope is that of LeakyReLU */
    bool norm_affine;
    int features_count, kernels_count, strides_count, convs_count, blocks_count, decoder_convs_count,
        bottlenecks_count;           /* list lengths */
    int base_features, max_features; /* only in older plans; reading converts them to features_per_stage */
} Architecture;

/* nnU-Net's U-Net of 2D convolutions without a topology: no stages, all else as its planner writes it. */
void architecture_defaults(Architecture *a);

/* Whether the encoder has residual blocks (ResidualEncoderUNet, ResidualUNet), whether the decoder has them too
 * (ResidualUNet), and whether they are BottleneckD. */
bool architecture_is_residual(const Architecture *a);
bool architecture_has_residual_decoder(const Architecture *a);
bool architecture_has_bottlenecks(const Architecture *a);

/* The slope of the nonlinearity for negative values: 0 for ReLU. */
double architecture_slope(const Architecture *a);

/* Gives lists that a plan states by a single value (Field.spreads) the length that follows from n_stages. */
void architecture_spread(Architecture *a);

/* Checks that this U-Net is supported: a known class with its own arguments, instance norm, (leaky) ReLU, kernels of odd
 * sizes, one entry of each list for each stage. Fails: ERR_UNSUPPORTED, ERR_VALUE, with the key. */
int architecture_check(const Architecture *a, Err *e);

/* Writes what an image's height and width must be multiples of to yx: the products of the strides. */
void architecture_divisor(const Architecture *a, int yx[2]);

#endif
