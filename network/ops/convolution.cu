/* Convolutions and transposed convolutions on a GPU, by cuDNN; conv2d.c and conv_transpose2d.c have the equations. The
 * weights are packed with the channels innermost. The bias is where the sums begin: it is written to the output, and the
 * convolution is added.
 *
 * cuDNN has no engine whose result has another type than its operands. So in bfloat16 each pass has the type of its result,
 * to which operands of the other type are cast: a float32 result is computed in TF32, of which bfloat16 is a part. The
 * gradient of the weights is bfloat16. */
#include "network/cuda/sums.h"

extern "C" {
#include "base/memory.h"
#include "network/cuda/convolution.h"
#include "network/ops/convolution.h"
}

namespace
{
/* convolution: NULL if the pass is not wanted. */
struct Pass {
    GpuConvolution *convolution;
    DType dtype;
};
struct Convolution {
    Pass forward, data, weights;
};

/* ---- kernels ---- */

/* Weights as PyTorch has them, (a, b, kernel pixels), and packed, (a, kernel pixels, b). */
struct Weights {
    int64_t taps, channels;
    __device__ int64_t plain(int64_t row, int64_t c) const { return (row / taps * channels + c) * taps + row % taps; }
};

template <class T> struct Pack {
    T *to;
    const float *from;
    Weights w;
    template <int N> __device__ void at(int64_t row, int64_t c) const
    {
        Lanes<N> v;
        for (int i = 0; i < N; i++) v.of[i] = from[w.plain(row, c + i)];
        gpu_store(to + row * w.channels + c, v);
    }
};

template <class T> struct Unpack {
    float *to;
    const T *from;
    Weights w;
    template <int N> __device__ void at(int64_t row, int64_t c) const
    {
        const Lanes<N> v = gpu_load<N>(from + row * w.channels + c);
        for (int i = 0; i < N; i++) to[w.plain(row, c + i)] = v.of[i];
    }
};

template <class T> struct Fill {
    Plane<T> y;
    const float *bias;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        gpu_store(y.at(pixel, c), gpu_load<N>(bias + c));
    }
};

Weights weights_of(const Node *node)
{
    const int64_t *shape = node->param_info[0]->shape;
    return {shape[2] * shape[3], shape[1]};
}

/* Rows of the packed weights. */
GpuShape packed_shape(const Node *node, const void *packed)
{
    const Weights w = weights_of(node);
    GpuShape s = gpu_rows(node->param_info[0]->shape[0] * w.taps, w.channels);
    gpu_narrow(&s, packed, w.channels);
    return s;
}

/* ---- memory ---- */

size_t larger(size_t a, size_t b) { return a > b ? a : b; }
size_t rounded(size_t bytes) { return (bytes + 255) / 256 * 256; }

const Convolution *convolution_of(const Node *node) { return (const Convolution *)node->state; }

size_t weights_bytes(const Node *node, DType dtype)
{
    return rounded((size_t)node->param_info[0]->count * dtype_size(dtype));
}

/* Of a tensor that is an operand of a pass. */
size_t cast_bytes(const Tensor *t, const Pass &p)
{
    return p.convolution && t->dtype != p.dtype ? rounded((size_t)shape_count(t->shape) * dtype_size(p.dtype)) : 0;
}

/* Packed weights: for each type that a pass reads them in, bfloat16 first. */
bool reads_packed(const Convolution *c, DType dtype)
{
    return c->forward.dtype == dtype || (c->data.convolution && c->data.dtype == dtype);
}

void *packed_weights(const Node *node, DType dtype)
{
    const bool behind = dtype == DTYPE_F32 && reads_packed(convolution_of(node), DTYPE_BF16);
    return (char *)node->packed + (behind ? weights_bytes(node, DTYPE_BF16) : 0);
}

/* Scratch of backward: workspace, the packed gradient of the weights, what sums the gradient of the bias, then operands
 * that are cast. */
struct Scratch {
    char *gradient;
    float *table;
    char *casts;
    size_t bytes;
};

Scratch scratch_of(const Node *node)
{
    const Convolution *c = convolution_of(node);
    const Tensor *x = node->in[0], *y = node->out[0];
    char *at = (char *)node->scratch;
    Scratch s;
    s.gradient = at += rounded(
        larger(gpu_convolution_workspace(c->data.convolution), gpu_convolution_workspace(c->weights.convolution)));
    s.table = (float *)(at += c->weights.convolution ? weights_bytes(node, c->weights.dtype) : 0);
    s.casts = at += node->trains_param[1] ? rounded(gpu_gradient_sums_bytes(y->shape)) : 0;
    at += larger(cast_bytes(y, c->data), cast_bytes(y, c->weights) + cast_bytes(x, c->weights));
    s.bytes = (size_t)(at - (char *)node->scratch);
    return s;
}

/* ---- the op ---- */

bool is_transposed(const Node *node) { return ((const ConvAttr *)node->attr)->transposed; }

/* The input of a transposed convolution is the y of cuDNN's, its output is x. */
int prepare_pass(Pass *p, const Node *node, GpuConvolutionResult result, DType dtype, bool accumulate, Err *e)
{
    const Conv *c = &((const ConvAttr *)node->attr)->conv;
    const Shape in = node->in[0]->shape, out = node->out[0]->shape;
    const GpuConvolutionShape s = {.result = result,
                                   .x = is_transposed(node) ? out : in,
                                   .y = is_transposed(node) ? in : out,
                                   .kernel = {c->kernel.y, c->kernel.x},
                                   .stride = {c->stride.y, c->stride.x},
                                   .padding = {c->padding.y, c->padding.x},
                                   .dtype = dtype,
                                   .tf32 = dtype != node->impl->dtype,
                                   .accumulate = accumulate};
    p->dtype = dtype;
    return gpu_convolution_new(&p->convolution, &s, e);
}

int prepare_passes(Convolution *c, const Node *node, Err *e)
{
    const GpuConvolutionResult out = is_transposed(node) ? GPU_CONVOLUTION_X : GPU_CONVOLUTION_Y;
    const GpuConvolutionResult in = is_transposed(node) ? GPU_CONVOLUTION_Y : GPU_CONVOLUTION_X;
    TRY(prepare_pass(&c->forward, node, out, node->out[0]->dtype, node->param_count > 1, e));
    if (node->has_backward && node->wants_grad[0])
        TRY(prepare_pass(&c->data, node, in, node->in[0]->dtype, node->accumulate[0], e));
    if (node->trains_param[0]) TRY(prepare_pass(&c->weights, node, GPU_CONVOLUTION_W, node->impl->dtype, false, e));
    return 0;
}

int prepare(Node *node, Err *e)
{
    Convolution *c = (Convolution *)mem_zalloc(1, sizeof *c, e);
    node->state = c;
    if (!c) return ERR_NOMEM;
    TRY(prepare_passes(c, node, e));
    node->scratch_bytes[0] =
        rounded(gpu_convolution_workspace(c->forward.convolution)) + cast_bytes(node->in[0], c->forward);
    node->scratch_bytes[1] = scratch_of(node).bytes;
    for (DType dtype : {DTYPE_BF16, DTYPE_F32})
        if (reads_packed(c, dtype)) node->packed_bytes += weights_bytes(node, dtype);
    node->packed_params = 1;
    return 0;
}

void release(Node *node)
{
    Convolution *c = (Convolution *)node->state;
    if (!c) return;
    for (const Pass &p : {c->forward, c->data, c->weights}) gpu_convolution_free(p.convolution);
    mem_free(c);
}

template <class T> void pack(const Node *node)
{
    if (!reads_packed(convolution_of(node), GpuType<T>::dtype)) return;
    T *to = (T *)packed_weights(node, GpuType<T>::dtype);
    gpu_each(packed_shape(node, to), Pack<T>{to, node->param[0], weights_of(node)});
}

void refresh(Node *node)
{
    pack<bf16>(node);
    pack<float>(node);
}

/* A tensor's data or gradient as an operand of a pass; where it is cast, it goes to *scratch, which is moved on. */
const void *operand(const Tensor *t, const void *data, const Pass &p, char **scratch)
{
    const int64_t rows = shape_pixels(t->shape), c = t->shape.c;
    void *const to = *scratch;
    if (t->dtype == p.dtype) return data;
    if (p.dtype == DTYPE_BF16) gpu_move((bf16 *)to, c, (const float *)data, t->pitch, rows, c, false);
    else gpu_move((float *)to, c, (const bf16 *)data, t->pitch, rows, c, false);
    *scratch += cast_bytes(t, p);
    return to;
}

/* in, out: data or gradients of the node's input and output. */
void run(const Pass &p, const Node *node, const void *in, const void *weights, const void *out)
{
    const bool transposed = is_transposed(node);
    gpu_convolution_run(p.convolution, transposed ? out : in, weights, transposed ? in : out, node->scratch,
                        node->failure);
}

template <class T> void write_bias(const Node *node)
{
    const Tensor *y = node->out[0];
    GpuShape s = gpu_rows(shape_pixels(y->shape), y->shape.c);
    gpu_narrow(&s, y->data, y->pitch);
    gpu_each(s, Fill<T>{gpu_data<T>(y, s), node->param[1]});
}

void forward(Node *node, const Step *)
{
    const Pass &p = convolution_of(node)->forward;
    const Tensor *x = node->in[0], *y = node->out[0];
    char *casts = (char *)node->scratch + rounded(gpu_convolution_workspace(p.convolution));
    if (node->param_count > 1) y->dtype == DTYPE_BF16 ? write_bias<bf16>(node) : write_bias<float>(node);
    run(p, node, operand(x, x->data, p, &casts), packed_weights(node, p.dtype), y->data);
}

void backward_data(const Node *node, const Pass &p, char *casts)
{
    const Tensor *x = node->in[0], *y = node->out[0];
    run(p, node, x->grad, packed_weights(node, p.dtype), operand(y, y->grad, p, &casts));
}

template <class T> void unpack(const Node *node, const void *gradient)
{
    const GpuShape s = packed_shape(node, gradient);
    gpu_each(s, Unpack<T>{node->param_grad[0], (const T *)gradient, weights_of(node)});
}

void backward_weights(const Node *node, const Pass &p, const Scratch &s)
{
    const Tensor *x = node->in[0], *y = node->out[0];
    char *casts = s.casts;
    const void *dy = operand(y, y->grad, p, &casts);
    run(p, node, operand(x, x->data, p, &casts), s.gradient, dy);
    p.dtype == DTYPE_BF16 ? unpack<bf16>(node, s.gradient) : unpack<float>(node, s.gradient);
}

void backward(Node *node, const Step *)
{
    const Convolution *c = convolution_of(node);
    const Scratch s = scratch_of(node);
    if (c->data.convolution) backward_data(node, c->data, s.casts);
    if (c->weights.convolution) backward_weights(node, c->weights, s);
    if (node->param_grad[1]) gpu_gradient_sums(node->param_grad[1], node->out[0], s.table);
}
} // namespace

GPU_IMPL(convolution, .mixes = GpuType<T>::dtype == DTYPE_BF16, .prepare = prepare, .refresh = refresh,
         .forward = forward, .backward = backward, .release = release)
