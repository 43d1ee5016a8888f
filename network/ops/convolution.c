#include "network/ops/convolution.h"

#include "base/memory.h"
#include "network/ops/onednn.h"
#include "network/ops/plain.h"

int convolution_check(const Node *node, Err *e)
{
    const ConvAttr *attr = node->attr;
    const Conv *c = &attr->conv;
    const int64_t expected = node->param_info[0]->shape[attr->transposed ? 0 : 1], found = node->in[0]->shape.c;
    if (c->kernel.y < 1 || c->kernel.x < 1 || c->stride.y < 1 || c->stride.x < 1 || c->padding.y < 0 ||
        c->padding.x < 0)
        return err_set(e, ERR_SHAPE,
                       "kernel %lldx%lld, stride %lldx%lld, padding %lldx%lld: expected at least 1, 1 and 0",
                       (long long)c->kernel.y, (long long)c->kernel.x, (long long)c->stride.y, (long long)c->stride.x,
                       (long long)c->padding.y, (long long)c->padding.x);
    if (found != expected)
        return err_set(e, ERR_SHAPE, "%lld input channels: the weight expects %lld", (long long)found,
                       (long long)expected);
    return 0;
}

/* ---- oneDNN ---- */

/* One primitive for each pass; data and weights exist only if that gradient is requested. */
typedef struct Convolution {
    Dnn *forward, *data, *weights;
} Convolution;

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* oneDNN computes the gradients of weight and bias together. If only one of them is requested, the other is written to
 * scratch memory. */
static size_t unwanted_bytes(const Node *node, int param)
{
    if (node->trains_param[param]) return 0;
    return ((size_t)node->param_info[param]->count * sizeof(float) + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
}

static int prepare(Node *node, Err *e)
{
    const DnnConv conv = {.attr = *(const ConvAttr *)node->attr,
                          .in = node->in[0]->shape,
                          .out = node->out[0]->shape,
                          .dtype = node->impl->dtype,
                          .in_dtype = node->in[0]->dtype,
                          .out_dtype = node->out[0]->dtype};
    Convolution *c = node->state = mem_zalloc(1, sizeof *c, e);
    if (!c) return ERR_NOMEM;
    TRY(dnn_conv_forward(&c->forward, &conv, e));
    node->scratch_bytes[0] = dnn_scratch_bytes(c->forward);
    if (node->wants_grad[0]) {
        TRY(dnn_conv_backward_data(&c->data, &conv, node->accumulate[0], e));
        node->scratch_bytes[1] = dnn_scratch_bytes(c->data);
    }
    if (node->trains_params) {
        TRY(dnn_conv_backward_weights(&c->weights, &conv, e));
        size_t bytes = dnn_scratch_bytes(c->weights);
        for (int i = 0; i < node->param_count; i++) bytes += unwanted_bytes(node, i);
        node->scratch_bytes[1] = larger(node->scratch_bytes[1], bytes);
    }
    node->packed_bytes = dnn_packed_bytes(c->forward) + dnn_packed_bytes(c->data);
    return 0;
}

static void refresh(Node *node)
{
    const Convolution *c = node->state;
    dnn_pack(c->forward, node->param[0], node->failure);
    if (c->data) dnn_pack(c->data, node->param[0], node->failure);
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Convolution *c = node->state;
    dnn_run_forward(c->forward, node->in[0]->data, node->param[1], node->out[0]->data, node->scratch, node->failure);
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Convolution *c = node->state;
    const void *dy = node->out[0]->grad;
    if (c->data) dnn_run_backward_data(c->data, dy, node->in[0]->grad, node->scratch, node->failure);
    if (!c->weights) return;
    char *unwanted = (char *)node->scratch + dnn_scratch_bytes(c->weights);
    float *gradients[2] = {node->param_grad[0], node->param_grad[1]};
    for (int i = 0; i < node->param_count; unwanted += unwanted_bytes(node, i), i++)
        if (!gradients[i]) gradients[i] = (float *)unwanted;
    dnn_run_backward_weights(c->weights, node->in[0]->data, dy, gradients[0], gradients[1], node->scratch,
                             node->failure);
}

static void release(Node *node)
{
    Convolution *c = node->state;
    if (!c) return;
    dnn_free(c->forward);
    dnn_free(c->data);
    dnn_free(c->weights);
    mem_free(c);
}

static const OpImpl onednn_bf16 = {.name = "onednn",
                                   .level = SIMD_AVX512_BF16,
                                   .dtype = DTYPE_BF16,
                                   .mixes = true,
                                   .prepare = prepare,
                                   .refresh = refresh,
                                   .forward = forward,
                                   .backward = backward,
                                   .release = release};
static const OpImpl onednn = {.name = "onednn",
                              .prepare = prepare,
                              .refresh = refresh,
                              .forward = forward,
                              .backward = backward,
                              .release = release};
const OpImpl *const convolution_list[] = {&onednn_bf16, &onednn, &plain_convolution, NULL};
