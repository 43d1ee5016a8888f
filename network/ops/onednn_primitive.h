/* What onednn.c (convolutions, products) and onednn_primitive.c (making and running a primitive) share. Private to these
 * two. */
#ifndef NETWORK_OPS_ONEDNN_PRIMITIVE_H
#define NETWORK_OPS_ONEDNN_PRIMITIVE_H

#include "network/ops/onednn.h"
#include "network/ops/onednn_version.h"

/* The descriptors that the making of a primitive needs. A failure stays in status, and what could not be made is NULL:
 * so only descs_check has to be looked at. */
typedef struct Descs {
    Desc *made;
    int count, room;
    dnnl_status_t status;
} Descs;

/* Each gives a descriptor that stays until dnn_complete; NULL after a failure. */
ConstDesc descs_by_tag(Descs *d, int rank, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag);
ConstDesc descs_by_strides(Descs *d, int rank, const dnnl_dims_t dims, dnnl_data_type_t type, const dnnl_dims_t strides);

static inline dnnl_data_type_t dnn_type(DType dtype) { return dtype == DTYPE_BF16 ? dnnl_bf16 : dnnl_f32; }

/* How weights come: the descriptor of a piece, and which piece is which. */
typedef struct WeightLayout {
    ConstDesc plain;
    PairYX turned;             /* a kernel's size: a piece for each of its taps, turned by 180°; 0: one piece */
    dnnl_dims_t dims;          /* of a piece, where there are several */
} WeightLayout;

/* What the slots of a primitive are called. */
typedef struct Slots {
    int src, weights, bias, dst;
    dnnl_query_t src_md, weights_md, dst_md;
    bool src_is_input, weights_are_input, dst_is_input;
} Slots;

/* Of a forward primitive or a product, of a data gradient, of a gradient of weights. */
extern const Slots dnn_forward_slots, dnn_data_slots, dnn_weights_slots;

/* A primitive to be, and how the caller has its arguments. */
typedef struct PrimitiveDef {
    PrimitiveArgs args;            /* as the primitive takes them */
    const Slots *slots;
    ConstDesc src, dst;
    WeightLayout weights;
    bool packs, bias;              /* packs: the weights are packed once */
    bool accumulate;               /* the result is added */
    bool can_accumulate;           /* … by the primitive itself */
} PrimitiveDef;

/* Makes the primitive. forward: the arguments of the forward primitive, for a backward one; else NULL. The descriptors are
 * given back, as a primitive does not need them once it is made. *d is NULL on failure. Fails: ERR_NOMEM, ERR_UNSUPPORTED. */
int dnn_complete(Dnn **d, Descs *descs, const PrimitiveDef *p, const PrimitiveArgs *forward, Err *e);

#endif
