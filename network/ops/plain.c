#include "network/ops/plain.h"

#include "base/memory.h"
#include "network/ops/convolution.h"

/* A linear layer is a convolution with one tap. Weights are packed as (tap, in, out), in the node's memory. */
typedef struct Plain {
    Conv conv;
    bool transposed;
    Shape in, out;
    int64_t taps;
} Plain;

enum { MOST_CHANNELS = 4096 }; /* of an output: its sums are on the stack */

static bool supports(const Node *node) { return node->out[0]->shape.c <= MOST_CHANNELS; }

static int prepare(Node *node, ConvAttr attr, Err *e)
{
    Plain *p = node->state = mem_zalloc(1, sizeof *p, e);
    if (!p) return ERR_NOMEM;
    p->conv = attr.conv;
    p->conv.bias = node->param_count > 1;
    p->transposed = attr.transposed;
    p->in = node->in[0]->shape;
    p->out = node->out[0]->shape;
    p->taps = p->conv.kernel.y * p->conv.kernel.x;
    node->packed_bytes = (size_t)node->param_info[0]->count * sizeof(float);
    node->packed_params = 1;
    return 0;
}

static int prepare_convolution(Node *node, Err *e) { return prepare(node, *(const ConvAttr *)node->attr, e); }

static int prepare_linear(Node *node, Err *e)
{
    return prepare(node, (ConvAttr){.conv = conv_square(1, 1, 0, false)}, e);
}

static void release(Node *node) { mem_free(node->state); }

/* Index in PyTorch's layout of the weight of a tap from channel `in` to `out`. */
static int64_t place_of(const Plain *p, int64_t tap, int64_t in, int64_t out)
{
    return (p->transposed ? in * p->out.c + out : out * p->in.c + in) * p->taps + tap;
}

static void refresh(Node *node)
{
    const Plain *p = node->state;
    float *weights = node->packed;
#pragma omp parallel for
    for (int64_t k = 0; k < p->taps * p->in.c; k++)
        for (int64_t o = 0; o < p->out.c; o++)
            weights[k * p->out.c + o] = node->param[0][place_of(p, k / p->in.c, k % p->in.c, o)];
}

/* A tap connects index i of the smaller image, along an axis, with index i · stride + tap - padding of the larger
 * image. The larger image is a convolution's input, or a transposed convolution's output. These functions return the
 * index in the other image that is connected with index i; negative: none. */
static int64_t place_in_larger(int64_t i, int64_t tap, int64_t stride, int64_t padding)
{
    return i * stride + tap - padding;
}

static int64_t place_in_smaller(int64_t i, int64_t tap, int64_t stride, int64_t padding)
{
    const int64_t at = i + padding - tap;
    return at < 0 || at % stride ? -1 : at / stride;
}

/* The pixel of `to` that a tap connects with a pixel of `from`, or -1. */
static int64_t joined(const Conv *c, Shape from, Shape to, bool to_larger, int64_t pixel, int64_t tap)
{
    int64_t (*const place)(int64_t, int64_t, int64_t, int64_t) = to_larger ? place_in_larger : place_in_smaller;
    const int64_t plane = from.h * from.w, n = pixel / plane;
    const int64_t y = place(pixel % plane / from.w, tap / c->kernel.x, c->stride.y, c->padding.y);
    const int64_t x = place(pixel % from.w, tap % c->kernel.x, c->stride.x, c->padding.x);
    return y < 0 || x < 0 || y >= to.h || x >= to.w ? -1 : (n * to.h + y) * to.w + x;
}

/* The input pixel that a tap connects with an output pixel, or -1. */
static int64_t source_of(const Plain *p, int64_t pixel, int64_t tap)
{
    return joined(&p->conv, p->out, p->in, !p->transposed, pixel, tap);
}

/* The output pixel that a tap connects with an input pixel, or -1. */
static int64_t target_of(const Plain *p, int64_t pixel, int64_t tap)
{
    return joined(&p->conv, p->in, p->out, p->transposed, pixel, tap);
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Plain *p = node->state;
    const float *x = node->in[0]->data, *weights = node->packed;
    float *y = node->out[0]->data;
#pragma omp parallel for
    for (int64_t pixel = 0; pixel < shape_pixels(p->out); pixel++) {
        double sums[MOST_CHANNELS];
        for (int64_t o = 0; o < p->out.c; o++) sums[o] = p->conv.bias ? node->param[1][o] : 0;
        for (int64_t tap = 0; tap < p->taps; tap++) {
            const int64_t source = source_of(p, pixel, tap);
            for (int64_t i = 0; source >= 0 && i < p->in.c; i++) {
                const double xi = x[source * p->in.c + i];
                const float *w = weights + (tap * p->in.c + i) * p->out.c;
                for (int64_t o = 0; o < p->out.c; o++) sums[o] += xi * (double)w[o];
            }
        }
        for (int64_t o = 0; o < p->out.c; o++) y[pixel * p->out.c + o] = (float)sums[o];
    }
}

static void backward_data(Node *node, const Plain *p)
{
    const float *dy = node->out[0]->grad, *weights = node->packed;
    float *dx = node->in[0]->grad;
#pragma omp parallel for collapse(2)
    for (int64_t pixel = 0; pixel < shape_pixels(p->in); pixel++) {
        for (int64_t i = 0; i < p->in.c; i++) {
            double sum = node->accumulate[0] ? dx[pixel * p->in.c + i] : 0;
            for (int64_t tap = 0; tap < p->taps; tap++) {
                const int64_t target = target_of(p, pixel, tap);
                if (target < 0) continue;
                const float *w = weights + (tap * p->in.c + i) * p->out.c, *g = dy + target * p->out.c;
#pragma omp simd reduction(+ : sum)
                for (int64_t o = 0; o < p->out.c; o++) sum += (double)g[o] * (double)w[o];
            }
            dx[pixel * p->in.c + i] = (float)sum;
        }
    }
}

static void backward_weight(const Node *node, const Plain *p)
{
    const float *x = node->in[0]->data, *dy = node->out[0]->grad;
#pragma omp parallel for
    for (int64_t k = 0; k < p->taps * p->in.c; k++) {
        const int64_t tap = k / p->in.c, i = k % p->in.c;
        double sums[MOST_CHANNELS];
        for (int64_t o = 0; o < p->out.c; o++) sums[o] = 0;
        for (int64_t pixel = 0; pixel < shape_pixels(p->out); pixel++) {
            const int64_t source = source_of(p, pixel, tap);
            if (source < 0) continue;
            const double xi = x[source * p->in.c + i];
            for (int64_t o = 0; o < p->out.c; o++) sums[o] += xi * (double)dy[pixel * p->out.c + o];
        }
        for (int64_t o = 0; o < p->out.c; o++) node->param_grad[0][place_of(p, tap, i, o)] = (float)sums[o];
    }
}

static void backward_bias(const Node *node, const Plain *p)
{
    const float *dy = node->out[0]->grad;
#pragma omp parallel for
    for (int64_t o = 0; o < p->out.c; o++) {
        double sum = 0;
        for (int64_t pixel = 0; pixel < shape_pixels(p->out); pixel++) sum += dy[pixel * p->out.c + o];
        node->param_grad[1][o] = (float)sum;
    }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Plain *p = node->state;
    if (node->wants_grad[0]) backward_data(node, p);
    if (node->param_grad[0]) backward_weight(node, p);
    if (p->conv.bias && node->param_grad[1]) backward_bias(node, p);
}

#define PLAIN(prepare_it)                                                                                     \
    {                                                                                                         \
        .name = "plain", .supports = supports, .prepare = prepare_it, .refresh = refresh, .forward = forward, \
        .backward = backward, .release = release                                                              \
    }
const OpImpl plain_convolution = PLAIN(prepare_convolution), plain_linear = PLAIN(prepare_linear);
