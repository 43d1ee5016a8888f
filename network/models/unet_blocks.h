/* The building blocks of nnU-Net's U-Nets, named as in dynamic_network_architectures (Isensee et al. 2021, nnU-Net; He
 * et al. 2019, "Bag of tricks", for the residual blocks). Each adds ops to the current scope; the number of input
 * channels is that of the given value. */
#ifndef NETWORK_MODELS_UNET_BLOCKS_H
#define NETWORK_MODELS_UNET_BLOCKS_H

#include "network/models/architecture.h"
#include "network/models/network.h"

/* A stage's convolutions; `stride` of the first one only. */
typedef struct UnetStage {
    int64_t channels, bottleneck; /* bottleneck: the inner channels of BottleneckD; 0: BasicBlockD */
    PairYX kernel, stride;
    bool bias, affine, nonlin_first; /* affine: of the norms */
    double slope;                    /* of the nonlinearity */
    int count;                       /* convolutions or blocks */
} UnetStage;

/* Adds `count` convolutions "convs.0" … (StackedConvBlocks: each with instance norm and (leaky) ReLU). */
Ref unet_convolutions(Graph *g, Ref x, const UnetStage *s);

/* Adds `count` residual blocks "blocks.0" … (StackedResidualBlocks): the shortcut of a block that halves is an average
 * pooling, that of a block that changes the channels a 1x1 convolution. BasicBlockD has two convolutions, BottleneckD a
 * 1x1 convolution before and one after its own. */
Ref unet_residual_blocks(Graph *g, Ref x, const UnetStage *s);
/* The same, initialised so that each block starts as its shortcut (init_last_bn_before_add_to_0). */
Ref unet_shortcut_blocks(Graph *g, Ref x, const UnetStage *s);

/* Adds the blocks of a stage: one of the three functions above. */
typedef Ref UnetStageFunction(Graph *g, Ref x, const UnetStage *s);
/* Adds a layer after stage number `stage` of the encoder. */
typedef Ref UnetLayerFunction(Graph *g, Ref x, int stage);

/* The encoder "encoder": skips[i] is the output of stage i. Residual stages have a stem before the first one. `after` (or
 * NULL) is the layer after each stage; its output is the skip and the input of the next stage. Also sets how the network's
 * parameters are initialised.
 *
 * It computes in float32 in every precision: instance norms over the few pixels of the deep stages magnify rounding
 * errors. Measured relative errors of the heads of 5 to 8 stages: 0.02 to 0.08 with all layers of nnU-Net in bfloat16, at
 * most 0.011 with an exact encoder. */
void unet_encoder(Graph *g, Ref image, const Architecture *a, UnetStageFunction *stage, UnetLayerFunction *after,
                  Ref *skips);

/* The decoder "decoder" (UNetDecoder), in float32 from level `exact_from` on (0 is the finest): from `skips`, one per stage
 * of the encoder. heads->of[0] is the finest one's. */
void unet_decoder(Graph *g, const Architecture *a, const Ref *skips, UnetStageFunction *stage, int exact_from,
                  Heads *heads);

/* Members of the NetworkKinds that are built from an Architecture alone. */
extern const struct Schema unet_schema;
int unet_complete(void *config, int64_t height, int64_t width, Err *e);
int unet_check(const void *config, Err *e);       /* any of the classes */
int unet_plain_check(const void *config, Err *e); /* PlainConvUNet */
void unet_divisor(const void *config, int yx[2]);
#define UNET_CONFIG                                                                                  \
    .schema = &unet_schema, .config_bytes = NETWORK_CONFIG(Architecture), .uses_architecture = true, \
    .complete = unet_complete, .divisor = unet_divisor
/* nnU-Net's: SGD and poly. */
#define UNET_TRAINING .training = {OPTIMIZER_SGD, 1e-2, 3e-5, SCHEDULE_POLY, 0.9, DEEP_SUPERVISION_ON, 0}

#endif
