/* The functions of oneDNN whose interface differs between versions 2 and 3.
 *
 * A Desc is a memory descriptor and is owned (version_free_desc); a ConstDesc is borrowed. All functions return
 * oneDNN's status; if that is not dnnl_success, there is nothing to free. */
#ifndef NETWORK_OPS_ONEDNN_VERSION_H
#define NETWORK_OPS_ONEDNN_VERSION_H

#include <dnnl.h>
#include <stdbool.h>
#include <stdint.h>

#if DNNL_VERSION_MAJOR < 3
typedef dnnl_memory_desc_t *Desc;
typedef const dnnl_memory_desc_t *ConstDesc;
#else
typedef dnnl_memory_desc_t Desc;
typedef const_dnnl_memory_desc_t ConstDesc;
#endif

dnnl_status_t version_desc_by_tag(Desc *d, int rank, const dnnl_dims_t dims, dnnl_data_type_t type,
                                  dnnl_format_tag_t tag);
dnnl_status_t version_desc_by_strides(Desc *d, int rank, const dnnl_dims_t dims, dnnl_data_type_t type,
                                      const dnnl_dims_t strides);

/* Describes a part of `whole`, with the sizes `dims`, that starts at `offsets`. */
dnnl_status_t version_desc_part(Desc *d, ConstDesc whole, const dnnl_dims_t dims, const dnnl_dims_t offsets);
void version_free_desc(Desc d);

typedef enum PrimitiveKind {
    PRIMITIVE_CONV_FORWARD,
    PRIMITIVE_CONV_BACKWARD_DATA,
    PRIMITIVE_CONV_BACKWARD_WEIGHTS,
    PRIMITIVE_MATMUL
} PrimitiveKind;

/* In a backward primitive each argument is the gradient of the forward argument of that name. */
typedef struct PrimitiveArgs {
    PrimitiveKind kind;
    bool transposed;                   /* for convolutions: transposed */
    ConstDesc src, weights, bias, dst; /* bias NULL: none */
    const int64_t *strides, *padding;  /* of a convolution, (y, x); the same padding on both sides */
} PrimitiveArgs;

/* hint: the descriptor of the forward primitive, for a backward one; else NULL. attr may be NULL. */
dnnl_status_t version_primitive_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const PrimitiveArgs *args,
                                     const_dnnl_primitive_attr_t attr, const_dnnl_primitive_desc_t hint);

/* Makes the primitive add its result to the destination. */
dnnl_status_t version_append_sum(dnnl_post_ops_t ops);

#endif
