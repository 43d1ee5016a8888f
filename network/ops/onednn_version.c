#include "network/ops/onednn_version.h"

#if DNNL_VERSION_MAJOR < 3

#include "base/memory.h"

/* oneDNN 2: memory descriptors are structs, and each kind of primitive has a descriptor struct. */

static dnnl_status_t keep_if_made(Desc *d, dnnl_status_t status)
{
    if (status != dnnl_success) mem_free(*d);
    return status;
}

dnnl_status_t version_desc_by_tag(Desc *d, int rank, const dnnl_dims_t dims, dnnl_data_type_t type,
                                  dnnl_format_tag_t tag)
{
    *d = mem_alloc(sizeof **d, NULL);
    return *d ? keep_if_made(d, dnnl_memory_desc_init_by_tag(*d, rank, dims, type, tag)) : dnnl_out_of_memory;
}

dnnl_status_t version_desc_by_strides(Desc *d, int rank, const dnnl_dims_t dims, dnnl_data_type_t type,
                                      const dnnl_dims_t strides)
{
    *d = mem_alloc(sizeof **d, NULL);
    return *d ? keep_if_made(d, dnnl_memory_desc_init_by_strides(*d, rank, dims, type, strides)) : dnnl_out_of_memory;
}

dnnl_status_t version_desc_part(Desc *d, ConstDesc whole, const dnnl_dims_t dims, const dnnl_dims_t offsets)
{
    *d = mem_alloc(sizeof **d, NULL);
    return *d ? keep_if_made(d, dnnl_memory_desc_init_submemory(*d, whole, dims, offsets)) : dnnl_out_of_memory;
}

void version_free_desc(Desc d) { mem_free(d); }

/* Convolutions and transposed convolutions have the same descriptor struct. */
static dnnl_status_t describe_conv(dnnl_convolution_desc_t *op, const PrimitiveArgs *a)
{
    const int64_t *padding = a->padding;
    switch (a->kind) {
    case PRIMITIVE_CONV_FORWARD:
        return (a->transposed ? dnnl_deconvolution_forward_desc_init : dnnl_convolution_forward_desc_init)(
            op, dnnl_forward_training, a->transposed ? dnnl_deconvolution_direct : dnnl_convolution_direct, a->src,
            a->weights, a->bias, a->dst, a->strides, padding, padding);
    case PRIMITIVE_CONV_BACKWARD_DATA:
        return (a->transposed ? dnnl_deconvolution_backward_data_desc_init : dnnl_convolution_backward_data_desc_init)(
            op, a->transposed ? dnnl_deconvolution_direct : dnnl_convolution_direct, a->src, a->weights, a->dst,
            a->strides, padding, padding);
    default:
        return (a->transposed ? dnnl_deconvolution_backward_weights_desc_init
                              : dnnl_convolution_backward_weights_desc_init)(
            op, a->transposed ? dnnl_deconvolution_direct : dnnl_convolution_direct, a->src, a->weights, a->bias,
            a->dst, a->strides, padding, padding);
    }
}

dnnl_status_t version_primitive_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const PrimitiveArgs *args,
                                     const_dnnl_primitive_attr_t attr, const_dnnl_primitive_desc_t hint)
{
    dnnl_matmul_desc_t product;
    dnnl_convolution_desc_t conv;
    const bool is_product = args->kind == PRIMITIVE_MATMUL;
    const dnnl_status_t status = is_product
                                     ? dnnl_matmul_desc_init(&product, args->src, args->weights, args->bias, args->dst)
                                     : describe_conv(&conv, args);
    if (status != dnnl_success) return status;
    return dnnl_primitive_desc_create(pd, is_product ? (const_dnnl_op_desc_t)&product : &conv, attr, engine, hint);
}

dnnl_status_t version_append_sum(dnnl_post_ops_t ops) { return dnnl_post_ops_append_sum(ops, 1); }

#else

dnnl_status_t version_desc_by_tag(Desc *d, int rank, const dnnl_dims_t dims, dnnl_data_type_t type,
                                  dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(d, rank, dims, type, tag);
}

dnnl_status_t version_desc_by_strides(Desc *d, int rank, const dnnl_dims_t dims, dnnl_data_type_t type,
                                      const dnnl_dims_t strides)
{
    return dnnl_memory_desc_create_with_strides(d, rank, dims, type, strides);
}

dnnl_status_t version_desc_part(Desc *d, ConstDesc whole, const dnnl_dims_t dims, const dnnl_dims_t offsets)
{
    return dnnl_memory_desc_create_submemory(d, whole, dims, offsets);
}

void version_free_desc(Desc d) { dnnl_memory_desc_destroy(d); }

dnnl_status_t version_primitive_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const PrimitiveArgs *args,
                                     const_dnnl_primitive_attr_t attr, const_dnnl_primitive_desc_t hint)
{
    const PrimitiveArgs *a = args;
    const int64_t *padding = a->padding;
    const dnnl_alg_kind_t direct = a->transposed ? dnnl_deconvolution_direct : dnnl_convolution_direct;
    switch (a->kind) {
    case PRIMITIVE_CONV_FORWARD:
        return (a->transposed ? dnnl_deconvolution_forward_primitive_desc_create
                              : dnnl_convolution_forward_primitive_desc_create)(
            pd, engine, dnnl_forward_training, direct, a->src, a->weights, a->bias, a->dst, a->strides, NULL, padding,
            padding, attr);
    case PRIMITIVE_CONV_BACKWARD_DATA:
        return (a->transposed ? dnnl_deconvolution_backward_data_primitive_desc_create
                              : dnnl_convolution_backward_data_primitive_desc_create)(
            pd, engine, direct, a->src, a->weights, a->dst, a->strides, NULL, padding, padding, hint, attr);
    case PRIMITIVE_CONV_BACKWARD_WEIGHTS:
        return (a->transposed ? dnnl_deconvolution_backward_weights_primitive_desc_create
                              : dnnl_convolution_backward_weights_primitive_desc_create)(
            pd, engine, direct, a->src, a->weights, a->bias, a->dst, a->strides, NULL, padding, padding, hint, attr);
    case PRIMITIVE_MATMUL:
        return dnnl_matmul_primitive_desc_create(pd, engine, a->src, a->weights, a->bias, a->dst, attr);
    }
    return dnnl_invalid_arguments;
}

dnnl_status_t version_append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef);
}

#endif
