/* The common types and functions of onednn.c (convolutions, products) and onednn_primitive.c (creation and execution of
 * a primitive). Only for these two files. */
#ifndef NETWORK_OPS_ONEDNN_PRIMITIVE_H
#define NETWORK_OPS_ONEDNN_PRIMITIVE_H

#include "network/ops/onednn.h"
#include "network/ops/onednn_version.h"

/* The descriptors for the creation of a primitive. The first failure is stored in status, and descriptors after it are
 * NULL. So it is enough to call descs_check at the end. */
typedef struct Descs {
    Desc *made;
    int count, room;
    dnnl_status_t status;
} Descs;

/* These return a descriptor that exists until dnn_complete; NULL after a failure. */
ConstDesc descs_by_tag(Descs *d, int rank, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag);
ConstDesc descs_by_strides(Descs *d, int rank, const dnnl_dims_t dims, dnnl_data_type_t type,
                           const dnnl_dims_t strides);

static inline dnnl_data_type_t dnn_type(DType dtype) { return dtype == DTYPE_BF16 ? dnnl_bf16 : dnnl_f32; }

/* The layout of the caller's weights. They are packed as one piece with all weights, or as one piece for each tap. */
typedef struct WeightLayout {
    ConstDesc plain;  /* of one piece */
    PairYX turned;    /* the kernel's size: one piece for each tap, rotated by 180°; 0: one piece */
    dnnl_dims_t dims; /* of a piece, if there are several */
} WeightLayout;

/* oneDNN's names of a primitive's arguments. */
typedef struct Slots {
    int src, weights, bias, dst;
    dnnl_query_t src_md, weights_md, dst_md;
    bool src_is_input, weights_are_input, dst_is_input;
} Slots;

/* Of a forward primitive or a product; of a gradient of the data; of a gradient of the weights. */
extern const Slots dnn_forward_slots, dnn_data_slots, dnn_weights_slots;

/* The definition of a primitive, and the layouts of its arguments in the caller's memory. */
typedef struct PrimitiveDef {
    PrimitiveArgs args; /* in the layouts of the primitive */
    const Slots *slots;
    ConstDesc src, dst;
    WeightLayout weights;
    bool packs, bias;    /* packs: the weights are packed, once for many runs */
    bool accumulate;     /* adds the result to the destination */
    bool can_accumulate; /* the primitive itself can add */
} PrimitiveDef;

/* Creates the primitive. forward: the arguments of the forward primitive, for a backward one; else NULL. Frees the
 * descriptors, which a created primitive does not need. *d is NULL on failure. Fails: ERR_NOMEM, ERR_UNSUPPORTED. */
int dnn_complete(Dnn **d, Descs *descs, const PrimitiveDef *p, const PrimitiveArgs *forward, Err *e);

#endif
