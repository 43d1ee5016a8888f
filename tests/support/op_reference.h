/* Every op once more, as its equation reads, in double precision: the peer that the kernels are tested
 * against. Tensors are dense N,H,W,C. */
#ifndef TESTS_SUPPORT_OP_REFERENCE_H
#define TESTS_SUPPORT_OP_REFERENCE_H

#include "network/graph/op.h"
#include "network/ops/ops.h"

typedef struct OpReference {
    Shape in_shape[NODE_INPUTS], out_shape[NODE_OUTPUTS];
    const double *in[NODE_INPUTS], *param[NODE_PARAMS];
    double *out[NODE_OUTPUTS];
    double number;    /* slope, factor, channels: the op's one argument, if it has one */
    const void *spec; /* Conv, DiceCE or DiceBCE, where the op takes one */
} OpReference;

typedef void OpReferenceFunction(const OpReference *r);

OpReferenceFunction reference_silu, reference_silu_gate, reference_leaky_relu, reference_add,
    reference_concat, reference_split, reference_space_to_depth, reference_depth_to_space,
    reference_layer_norm, reference_instance_norm, reference_instance_norm_act, reference_depthwise_conv2d, reference_linear,
    reference_conv2d, reference_conv_transpose2d, reference_dice_ce_loss, reference_dice_bce_loss,
    reference_weighted_sum;

/* number: states; spec: a ScanSpec. */
typedef struct ScanSpec {
    int64_t rank; /* of dt */
    ScanDirections directions;
} ScanSpec;
OpReferenceFunction reference_selective_scan;

#endif
