#include "network/ops/plain.h"

#include "base/memory.h"
#include "network/ops/convolution.h"

/* A linear layer is a convolution with one tap. Weights are packed as (tap, in, out). */
typedef struct Plain {
    DnnConv conv;
    float *weights;
} Plain;

enum { MOST_CHANNELS = 4096 }; /* of an output: its sums stand on the stack */

static bool has_room(const Node *node) { return node->out[0]->shape.c <= MOST_CHANNELS; }

static int prepare(Node *node, DnnConv conv, Err *e)
{
    Plain *p = node->state = mem_zalloc(1, sizeof *p, e);
    if (!p) return ERR_NOMEM;
    p->conv = conv;
    p->conv.in = node->in[0]->shape;
    p->conv.out = node->out[0]->shape;
    p->conv.bias = node->param_count > 1;
    p->weights = mem_alloc((size_t)node->param_info[0]->count * sizeof(float), e);
    return p->weights ? 0 : ERR_NOMEM;
}

static int prepare_convolution(Node *node, Err *e)
{
    return prepare(node, *(const DnnConv *)node->attr, e);
}

static int prepare_linear(Node *node, Err *e)
{
    return prepare(node, (DnnConv){.kernel = 1, .stride = 1}, e);
}

static void release(Node *node)
{
    Plain *p = node->state;
    if (p) mem_free(p->weights);
    mem_free(p);
}

/* Where PyTorch has the weight from channel `in` to `out` at a tap. */
static int64_t place_of(const DnnConv *c, int64_t tap, int64_t in, int64_t out)
{
    const int64_t taps = c->kernel * c->kernel;
    return (c->transposed ? in * c->out.c + out : out * c->in.c + in) * taps + tap;
}

static void refresh(Node *node)
{
    const Plain *p = node->state;
    const DnnConv *c = &p->conv;
#pragma omp parallel for
    for (int64_t k = 0; k < c->kernel * c->kernel * c->in.c; k++)
        for (int64_t o = 0; o < c->out.c; o++)
            p->weights[k * c->out.c + o] = node->param[0][place_of(c, k / c->in.c, k % c->in.c, o)];
}

/* The pixel of the input that a tap brings to an output's, or -1. */
static int64_t source_of(const DnnConv *c, int64_t pixel, int64_t tap)
{
    const int64_t u = tap / c->kernel, v = tap % c->kernel, plane = c->out.h * c->out.w;
    const int64_t n = pixel / plane, a = pixel % plane / c->out.w, b = pixel % c->out.w;
    int64_t i = a * c->stride + u - c->padding, j = b * c->stride + v - c->padding;
    if (c->transposed) {
        if (a % c->stride != u || b % c->stride != v) return -1;
        i = a / c->stride;
        j = b / c->stride;
    }
    return i < 0 || j < 0 || i >= c->in.h || j >= c->in.w ? -1 : (n * c->in.h + i) * c->in.w + j;
}

/* The pixel of the output to which a tap brings an input's, or -1. */
static int64_t target_of(const DnnConv *c, int64_t pixel, int64_t tap)
{
    const int64_t u = tap / c->kernel, v = tap % c->kernel, plane = c->in.h * c->in.w;
    const int64_t n = pixel / plane, i = pixel % plane / c->in.w, j = pixel % c->in.w;
    int64_t a = i * c->stride + u, b = j * c->stride + v;
    if (!c->transposed) {
        const int64_t y = i + c->padding - u, x = j + c->padding - v;
        if (y < 0 || x < 0 || y % c->stride || x % c->stride) return -1;
        a = y / c->stride;
        b = x / c->stride;
    }
    return a >= c->out.h || b >= c->out.w ? -1 : (n * c->out.h + a) * c->out.w + b;
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Plain *p = node->state;
    const DnnConv *c = &p->conv;
    const float *x = node->in[0]->data;
    float *y = node->out[0]->data;
#pragma omp parallel for
    for (int64_t pixel = 0; pixel < shape_pixels(c->out); pixel++) {
        double sums[MOST_CHANNELS];
        for (int64_t o = 0; o < c->out.c; o++) sums[o] = c->bias ? node->param[1][o] : 0;
        for (int64_t tap = 0; tap < c->kernel * c->kernel; tap++) {
            const int64_t source = source_of(c, pixel, tap);
            for (int64_t i = 0; source >= 0 && i < c->in.c; i++) {
                const double xi = x[source * c->in.c + i];
                const float *w = p->weights + (tap * c->in.c + i) * c->out.c;
                for (int64_t o = 0; o < c->out.c; o++) sums[o] += xi * (double)w[o];
            }
        }
        for (int64_t o = 0; o < c->out.c; o++) y[pixel * c->out.c + o] = (float)sums[o];
    }
}

static void backward_data(Node *node, const Plain *p)
{
    const DnnConv *c = &p->conv;
    const float *dy = node->out[0]->grad;
    float *dx = node->in[0]->grad;
#pragma omp parallel for collapse(2)
    for (int64_t pixel = 0; pixel < shape_pixels(c->in); pixel++) {
        for (int64_t i = 0; i < c->in.c; i++) {
            double sum = node->accumulate[0] ? dx[pixel * c->in.c + i] : 0;
            for (int64_t tap = 0; tap < c->kernel * c->kernel; tap++) {
                const int64_t target = target_of(c, pixel, tap);
                if (target < 0) continue;
                const float *w = p->weights + (tap * c->in.c + i) * c->out.c, *g = dy + target * c->out.c;
#pragma omp simd reduction(+ : sum)
                for (int64_t o = 0; o < c->out.c; o++) sum += (double)g[o] * (double)w[o];
            }
            dx[pixel * c->in.c + i] = (float)sum;
        }
    }
}

static void backward_weight(const Node *node, const DnnConv *c)
{
    const float *x = node->in[0]->data, *dy = node->out[0]->grad;
#pragma omp parallel for
    for (int64_t k = 0; k < c->kernel * c->kernel * c->in.c; k++) {
        const int64_t tap = k / c->in.c, i = k % c->in.c;
        double sums[MOST_CHANNELS];
        for (int64_t o = 0; o < c->out.c; o++) sums[o] = 0;
        for (int64_t pixel = 0; pixel < shape_pixels(c->out); pixel++) {
            const int64_t source = source_of(c, pixel, tap);
            if (source < 0) continue;
            const double xi = x[source * c->in.c + i];
            for (int64_t o = 0; o < c->out.c; o++) sums[o] += xi * (double)dy[pixel * c->out.c + o];
        }
        for (int64_t o = 0; o < c->out.c; o++) node->param_grad[0][place_of(c, tap, i, o)] = (float)sums[o];
    }
}

static void backward_bias(const Node *node, const DnnConv *c)
{
    const float *dy = node->out[0]->grad;
#pragma omp parallel for
    for (int64_t o = 0; o < c->out.c; o++) {
        double sum = 0;
        for (int64_t pixel = 0; pixel < shape_pixels(c->out); pixel++) sum += dy[pixel * c->out.c + o];
        node->param_grad[1][o] = (float)sum;
    }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Plain *p = node->state;
    if (node->wants_grad[0]) backward_data(node, p);
    if (node->param_grad[0]) backward_weight(node, &p->conv);
    if (p->conv.bias && node->param_grad[1]) backward_bias(node, &p->conv);
}

#define PLAIN(prepare_it)                                                                          \
    {.name = "plain", .supports = has_room, .prepare = prepare_it, .refresh = refresh,             \
     .forward = forward, .backward = backward, .release = release}
const OpImpl plain_convolution = PLAIN(prepare_convolution), plain_linear = PLAIN(prepare_linear);
