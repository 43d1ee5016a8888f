/* Convolutions and transposed convolutions on a GPU, by cuDNN; conv2d.c and conv_transpose2d.c have the equations. The
 * weights are packed with the channels innermost, in the type of the activations. In bfloat16 their gradient is rounded to
 * that type, too: cuDNN has no engine that gives float32. The bias is where the sums begin: it is written to the output,
 * and the convolution is added. */
#include "network/cuda/sums.h"

extern "C" {
#include "base/memory.h"
#include "network/cuda/convolution.h"
#include "network/ops/convolution.h"
}

namespace
{
struct Convolution {
    GpuConvolution *forward, *data, *weights;
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

template <class T> size_t packed_bytes(const Node *node) { return (size_t)node->param_info[0]->count * sizeof(T); }

/* Scratch of backward: workspace, then the packed gradient of the weights, then what sums the gradient of the bias. */
size_t workspace_of(const Convolution *c)
{
    return rounded(larger(gpu_convolution_workspace(c->data), gpu_convolution_workspace(c->weights)));
}

template <class T> T *packed_gradient(const Node *node)
{
    return (T *)((char *)node->scratch + workspace_of((const Convolution *)node->state));
}

template <class T> float *bias_table(const Node *node)
{
    return (float *)((char *)packed_gradient<T>(node) + (node->trains_param[0] ? rounded(packed_bytes<T>(node)) : 0));
}

/* ---- the op ---- */

/* The input of a transposed convolution is the y of cuDNN's, its output is x. */
GpuConvolutionShape describe(const Node *node)
{
    const ConvAttr *attr = (const ConvAttr *)node->attr;
    const Conv *c = &attr->conv;
    const Shape in = node->in[0]->shape, out = node->out[0]->shape;
    return {.x = attr->transposed ? out : in,
            .y = attr->transposed ? in : out,
            .kernel = {c->kernel.y, c->kernel.x},
            .stride = {c->stride.y, c->stride.x},
            .padding = {c->padding.y, c->padding.x},
            .dtype = node->impl->dtype};
}

bool is_transposed(const Node *node) { return ((const ConvAttr *)node->attr)->transposed; }

int prepare_pass(GpuConvolution **c, const Node *node, GpuConvolutionResult result, bool accumulate, Err *e)
{
    GpuConvolutionShape s = describe(node);
    s.result = result;
    s.accumulate = accumulate;
    return gpu_convolution_new(c, &s, e);
}

template <class T> int prepare(Node *node, Err *e)
{
    const GpuConvolutionResult out = is_transposed(node) ? GPU_CONVOLUTION_X : GPU_CONVOLUTION_Y;
    const GpuConvolutionResult in = is_transposed(node) ? GPU_CONVOLUTION_Y : GPU_CONVOLUTION_X;
    const bool bias = node->param_count > 1;
    Convolution *c = (Convolution *)mem_zalloc(1, sizeof *c, e);
    node->state = c;
    if (!c) return ERR_NOMEM;
    TRY(prepare_pass(&c->forward, node, out, bias, e));
    if (node->has_backward && node->wants_grad[0]) TRY(prepare_pass(&c->data, node, in, node->accumulate[0], e));
    if (node->trains_param[0]) TRY(prepare_pass(&c->weights, node, GPU_CONVOLUTION_W, false, e));
    node->scratch_bytes[0] = gpu_convolution_workspace(c->forward);
    node->scratch_bytes[1] = workspace_of(c) + (c->weights ? rounded(packed_bytes<T>(node)) : 0);
    if (bias && node->trains_param[1]) node->scratch_bytes[1] += gpu_gradient_sums_bytes(node->out[0]->shape);
    node->packed_bytes = packed_bytes<T>(node);
    node->packed_params = 1;
    return 0;
}

void release(Node *node)
{
    Convolution *c = (Convolution *)node->state;
    if (!c) return;
    gpu_convolution_free(c->forward);
    gpu_convolution_free(c->data);
    gpu_convolution_free(c->weights);
    mem_free(c);
}

template <class T> void refresh(Node *node)
{
    gpu_each(packed_shape(node, node->packed), Pack<T>{(T *)node->packed, node->param[0], weights_of(node)});
}

/* in, out: data or gradients of the node's input and output. */
void run(const GpuConvolution *c, const Node *node, const void *in, const void *weights, const void *out)
{
    const bool transposed = is_transposed(node);
    gpu_convolution_run(c, transposed ? out : in, weights, transposed ? in : out, node->scratch, node->failure);
}

template <class T> void write_bias(const Node *node)
{
    const Tensor *y = node->out[0];
    GpuShape s = gpu_rows(shape_pixels(y->shape), y->shape.c);
    gpu_narrow(&s, y->data, y->pitch);
    gpu_narrow(&s, node->param[1], s.columns);
    gpu_each(s, Fill<T>{gpu_data<T>(y, s), node->param[1]});
}

template <class T> void forward(Node *node, const Step *)
{
    if (node->param_count > 1) write_bias<T>(node);
    run(((const Convolution *)node->state)->forward, node, node->in[0]->data, node->packed, node->out[0]->data);
}

template <class T> void backward_weights(const Node *node, const GpuConvolution *c)
{
    T *gradient = packed_gradient<T>(node);
    run(c, node, node->in[0]->data, gradient, node->out[0]->grad);
    gpu_each(packed_shape(node, gradient), Unpack<T>{node->param_grad[0], gradient, weights_of(node)});
}

template <class T> void backward(Node *node, const Step *)
{
    const Convolution *c = (const Convolution *)node->state;
    if (c->data) run(c->data, node, node->in[0]->grad, node->packed, node->out[0]->grad);
    if (c->weights) backward_weights<T>(node, c->weights);
    if (node->param_count > 1 && node->param_grad[1])
        gpu_gradient_sums(node->param_grad[1], node->out[0], bias_table<T>(node));
}
} // namespace

GPU_IMPL(convolution, .prepare = prepare<T>, .refresh = refresh<T>, .forward = forward<T>, .backward = backward<T>,
         .release = release)
