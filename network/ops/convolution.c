#include "network/ops/convolution.h"

#include <omp.h>

#include "base/memory.h"
#include "network/ops/onednn.h"
#include "network/ops/patches.h"
#include "network/ops/pixel_sums.h"
#include "network/ops/plain.h"
#include "network/ops/winograd.h"

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

static size_t rounded(size_t bytes) { return (bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN; }
static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static DnnConv describe(const Node *node)
{
    return (DnnConv){.attr = *(const ConvAttr *)node->attr,
                     .in = node->in[0]->shape,
                     .out = node->out[0]->shape,
                     .dtype = node->impl->dtype,
                     .in_dtype = node->in[0]->dtype,
                     .out_dtype = node->out[0]->dtype};
}

/* ---- the gradient of the weights by oneDNN ---- */

/* oneDNN computes the gradients of weight and bias together. If only one of them is requested, the other is written to
 * scratch memory. */
static size_t unwanted_bytes(const Node *node, int param)
{
    return node->trains_param[param] ? 0 : rounded((size_t)node->param_info[param]->count * sizeof(float));
}

/* Leaves *d NULL if no gradient of a parameter is requested. */
static int prepare_weights(Node *node, Dnn **d, Err *e)
{
    const DnnConv conv = describe(node);
    if (!node->trains_params) return 0;
    TRY(dnn_conv_backward_weights(d, &conv, e));
    size_t bytes = dnn_scratch_bytes(*d);
    for (int i = 0; i < node->param_count; i++) bytes += unwanted_bytes(node, i);
    node->scratch_bytes[1] = larger(node->scratch_bytes[1], bytes);
    return 0;
}

static void backward_weights(Node *node, Dnn *d)
{
    if (!d) return;
    char *unwanted = (char *)node->scratch + dnn_scratch_bytes(d);
    float *gradients[2] = {node->param_grad[0], node->param_grad[1]};
    for (int i = 0; i < node->param_count; unwanted += unwanted_bytes(node, i), i++)
        if (!gradients[i]) gradients[i] = (float *)unwanted;
    dnn_run_backward_weights(d, node->in[0]->data, node->out[0]->grad, gradients[0], gradients[1], node->scratch,
                             node->failure);
}

/* ---- oneDNN ---- */

/* One primitive for each pass; data and weights exist only if that gradient is requested. */
typedef struct Convolution {
    Dnn *forward, *data, *weights;
} Convolution;

static int prepare(Node *node, Err *e)
{
    const DnnConv conv = describe(node);
    Convolution *c = node->state = mem_zalloc(1, sizeof *c, e);
    if (!c) return ERR_NOMEM;
    TRY(dnn_conv_forward(&c->forward, &conv, e));
    node->scratch_bytes[0] = dnn_scratch_bytes(c->forward);
    if (node->wants_grad[0]) {
        TRY(dnn_conv_backward_data(&c->data, &conv, node->accumulate[0], e));
        node->scratch_bytes[1] = dnn_scratch_bytes(c->data);
    }
    const size_t forward = dnn_packed_bytes(c->forward), data = dnn_packed_bytes(c->data);
    node->packed_bytes = forward + data;
    if (forward && (!c->data || data)) node->packed_params = 1;
    return prepare_weights(node, &c->weights, e);
}

static void refresh(Node *node)
{
    const Convolution *c = node->state;
    char *packed = node->packed;
    dnn_pack(c->forward, node->param[0], packed, node->failure);
    if (c->data) dnn_pack(c->data, node->param[0], packed + dnn_packed_bytes(c->forward), node->failure);
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
    if (c->data) dnn_run_backward_data(c->data, node->out[0]->grad, node->in[0]->grad, node->scratch, node->failure);
    backward_weights(node, c->weights);
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

/* The gradient of the bias, if the kernel does not compute it. */
static void backward_bias(const Node *node)
{
    if (node->param_count > 1 && node->param_grad[1]) pixel_sums(node->out[0], node->param_grad[1]);
}

/* ---- Winograd ---- */

typedef struct Winograd {
    const WinogradKernel *kernel;
    WinogradShape forward, data;
    size_t forward_bytes; /* of the packed weights of forward; those of data follow them */
} Winograd;

/* With fewer tiles or channels the transforms take longer than they save. */
static bool winograd_supports(const Node *node)
{
    enum { LEAST_CHANNELS = 16, LEAST_TILES = 16 };
    const ConvAttr *attr = node->attr;
    const Conv *c = &attr->conv;
    const Shape in = node->in[0]->shape;
    const bool is_3x3 = c->kernel.y == 3 && c->kernel.x == 3 && c->stride.y == 1 && c->stride.x == 1 &&
                        c->padding.y == 1 && c->padding.x == 1;
    return is_3x3 && !attr->transposed && !attr->direct && in.c >= LEAST_CHANNELS &&
           node->out[0]->shape.c >= LEAST_CHANNELS && winograd_tiles(in) >= LEAST_TILES;
}

static int winograd_prepare(Node *node, Err *e)
{
    const Shape in = node->in[0]->shape, out = node->out[0]->shape;
    Winograd *w = node->state = mem_zalloc(1, sizeof *w, e);
    if (!w) return ERR_NOMEM;
    w->kernel = *winograd_kernels();
    w->forward = (WinogradShape){in, out.c, omp_get_max_threads()};
    w->data = (WinogradShape){out, in.c, omp_get_max_threads()};
    w->forward_bytes = node->packed_bytes = rounded(w->kernel->packed_bytes(&w->forward));
    node->packed_params = 1;
    node->scratch_bytes[0] = w->kernel->scratch_bytes(&w->forward);
    if (node->wants_grad[0]) {
        node->packed_bytes += w->kernel->packed_bytes(&w->data);
        node->scratch_bytes[1] = w->kernel->scratch_bytes(&w->data);
    }
    if (node->trains_param[0])
        node->scratch_bytes[1] = larger(node->scratch_bytes[1], w->kernel->weights_scratch_bytes(&w->forward));
    return 0;
}

static float *packed_for_data(const Node *node)
{
    const Winograd *w = node->state;
    return (float *)(void *)((char *)node->packed + w->forward_bytes);
}

static void winograd_refresh(Node *node)
{
    const Winograd *w = node->state;
    w->kernel->pack(&w->forward, node->param[0], false, node->packed);
    if (node->wants_grad[0]) w->kernel->pack(&w->data, node->param[0], true, packed_for_data(node));
}

static void winograd_forward(Node *node, const Step *step)
{
    (void)step;
    const Winograd *w = node->state;
    const WinogradValues values = {
        .x = node->in[0]->data, .packed = node->packed, .bias = node->param[1], .y = node->out[0]->data};
    w->kernel->run(&w->forward, &values, node->scratch);
}

static void winograd_backward(Node *node, const Step *step)
{
    (void)step;
    const Winograd *w = node->state;
    const WinogradValues values = {.x = node->out[0]->grad,
                                   .packed = packed_for_data(node),
                                   .y = node->in[0]->grad,
                                   .accumulate = node->accumulate[0]};
    if (node->wants_grad[0]) w->kernel->run(&w->data, &values, node->scratch);
    if (node->param_grad[0])
        w->kernel->weights(&w->forward, node->in[0]->data, values.x, node->param_grad[0], node->scratch);
    backward_bias(node);
}

static void winograd_release(Node *node) { mem_free(node->state); }

/* ---- patches that do not overlap ---- */

typedef struct Patches {
    const PatchKernel *kernel;
    PatchShape shape;
    bool to_fine;         /* forward writes the fine image */
    size_t forward_bytes; /* of the packed weights of forward; those of data follow them */
} Patches;

static bool patches_support(const Node *node)
{
    enum { LEAST = 16 }; /* columns of the products */
    const ConvAttr *attr = node->attr;
    const PairYX size = attr->conv.kernel, stride = attr->conv.stride, padding = attr->conv.padding;
    const Shape coarse = node->in[0]->shape, fine = node->out[0]->shape; /* of a transposed convolution */
    const int64_t values = size.x * (attr->transposed ? fine.c : coarse.c);
    const bool apart = size.y == stride.y && size.x == stride.x && !padding.y && !padding.x;
    const bool is_product = size.y * size.x == 1; /* oneDNN's are as fast, or faster where memory is the limit */
    const bool whole = attr->transposed || (coarse.h % size.y == 0 && coarse.w % size.x == 0);
    return apart && whole && !is_product && values >= LEAST && (attr->transposed ? coarse.c : fine.c) >= LEAST;
}

static int patches_prepare(Node *node, Err *e)
{
    const ConvAttr *attr = node->attr;
    const Shape in = node->in[0]->shape, out = node->out[0]->shape;
    Patches *p = node->state = mem_zalloc(1, sizeof *p, e);
    if (!p) return ERR_NOMEM;
    p->kernel = *patch_kernels();
    p->to_fine = attr->transposed;
    p->shape = (PatchShape){p->to_fine ? in : out, p->to_fine ? out.c : in.c, attr->conv.kernel, omp_get_max_threads()};
    p->forward_bytes = node->packed_bytes = rounded(p->kernel->packed_bytes(&p->shape, p->to_fine));
    node->packed_params = 1;
    if (node->wants_grad[0]) node->packed_bytes += p->kernel->packed_bytes(&p->shape, !p->to_fine);
    if (node->trains_param[0]) node->scratch_bytes[1] = p->kernel->weights_scratch_bytes(&p->shape);
    return 0;
}

static float *patches_packed_for_data(const Node *node)
{
    const Patches *p = node->state;
    return (float *)(void *)((char *)node->packed + p->forward_bytes);
}

static void patches_refresh(Node *node)
{
    const Patches *p = node->state;
    p->kernel->pack(&p->shape, p->to_fine, node->param[0], node->packed);
    if (node->wants_grad[0]) p->kernel->pack(&p->shape, !p->to_fine, node->param[0], patches_packed_for_data(node));
}

static void patches_forward(Node *node, const Step *step)
{
    (void)step;
    const Patches *p = node->state;
    const PatchValues values = {
        .from = node->in[0]->data, .packed = node->packed, .bias = node->param[1], .to = node->out[0]->data};
    (p->to_fine ? p->kernel->to_fine : p->kernel->to_coarse)(&p->shape, &values);
}

static void patches_backward(Node *node, const Step *step)
{
    (void)step;
    const Patches *p = node->state;
    const float *x = node->in[0]->data, *dy = node->out[0]->grad;
    const PatchValues values = {.from = dy,
                                .packed = patches_packed_for_data(node),
                                .to = node->in[0]->grad,
                                .accumulate = node->accumulate[0]};
    if (node->wants_grad[0]) (p->to_fine ? p->kernel->to_coarse : p->kernel->to_fine)(&p->shape, &values);
    if (node->param_grad[0])
        p->kernel->weights(&p->shape, p->to_fine ? x : dy, p->to_fine ? dy : x, node->param_grad[0], node->scratch);
    backward_bias(node);
}

static void patches_release(Node *node) { mem_free(node->state); }

/* ---- the list ---- */

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
static const OpImpl winograd = {.name = "winograd",
                                .supports = winograd_supports,
                                .prepare = winograd_prepare,
                                .refresh = winograd_refresh,
                                .forward = winograd_forward,
                                .backward = winograd_backward,
                                .release = winograd_release};
static const OpImpl patches = {.name = "patches",
                               .supports = patches_support,
                               .prepare = patches_prepare,
                               .refresh = patches_refresh,
                               .forward = patches_forward,
                               .backward = patches_backward,
                               .release = patches_release};
const OpImpl *const convolution_list[] = {&onednn_bf16, &winograd, &patches, &onednn, &plain_convolution, NULL};
