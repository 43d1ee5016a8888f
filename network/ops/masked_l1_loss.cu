/* The loss of masked image modelling on a GPU; masked_l1_loss.c has the equations. */
#include "network/cuda/sums.h"

extern "C" {
#include "network/ops/loss_labels.h"
}

namespace
{
const int THREADS = 256, PIECE = 4096; /* pixels */

struct Pair {
    Plane<const float> found, image;
    const int16_t *labels;
    int64_t pixels, channels;
    __device__ bool is_masked(int64_t pixel) const { return labels[pixel] > 0; }
};

/* A row of the table: Σ m |x' - x| and Σ m of a piece, the threads' in order. */
__global__ void __launch_bounds__(THREADS) sum_masked(double *table, const Pair a)
{
    SHARED(double, errors, THREADS);
    SHARED(double, counts, THREADS);
    const int64_t start = (int64_t)blockIdx.x * PIECE;
    double error = 0, count = 0;
    for (int64_t p = start + threadIdx.x; p < start + PIECE && p < a.pixels; p += THREADS) {
        if (!a.is_masked(p)) continue;
        float sum = 0;
        for (int64_t c = 0; c < a.channels; c++) sum += fabsf(*a.found.at(p, c) - *a.image.at(p, c));
        error += (double)sum;
        count += 1;
    }
    errors[threadIdx.x] = error;
    counts[threadIdx.x] = count;
    for (unsigned half = THREADS / 2; half; half /= 2) {
        __syncthreads();
        if (threadIdx.x >= half) continue;
        errors[threadIdx.x] += errors[threadIdx.x + half];
        counts[threadIdx.x] += counts[threadIdx.x + half];
    }
    if (threadIdx.x) return;
    table[2 * blockIdx.x] = errors[0];
    table[2 * blockIdx.x + 1] = counts[0];
}

__global__ void finish(float *loss, double *share, const double *sums, int64_t channels)
{
    const double each = 1 / ((sums[1] + 1e-5) * (double)channels);
    if (share) *share = each;
    *loss = (float)(sums[0] * each);
}

struct Give {
    Plane<float> grad;
    Pair a;
    const double *share;
    const float *g;
    float sign;
    bool add;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        const float each = a.is_masked(pixel) ? sign * (float)*share * *g : 0;
        const Lanes<N> found = gpu_load<N>(a.found.at(pixel, c)), image = gpu_load<N>(a.image.at(pixel, c));
        Lanes<N> d;
        for (int i = 0; i < N; i++) d.of[i] = found.of[i] > image.of[i] ? each : found.of[i] < image.of[i] ? -each : 0;
        gpu_give(grad.at(pixel, c), d, add);
    }
};

int64_t pieces_of(const Node *node) { return (shape_pixels(node->in[0]->shape) + PIECE - 1) / PIECE; }

Pair pair_of(const Node *node)
{
    const Tensor *found = node->in[0], *image = node->in[2];
    return {{(const float *)found->data, found->pitch},
            {(const float *)image->data, image->pitch},
            (const int16_t *)node->in[1]->data,
            shape_pixels(found->shape),
            found->shape.c};
}

int prepare(Node *node, Err *)
{
    node->saved_bytes[0] = sizeof(double);
    node->scratch_bytes[0] = (size_t)(2 + 2 * pieces_of(node)) * sizeof(double);
    return 0;
}

void forward(Node *node, const Step *)
{
    const int64_t pieces = pieces_of(node);
    double *const sums = (double *)node->scratch, *const table = sums + 2;
    LAUNCH(sum_masked, (unsigned)pieces, THREADS, 0, table, pair_of(node));
    gpu_sum_rows(sums, 2, table, pieces, 2, 2, 1);
    if (node->reduction) node->reduction->sum(node->reduction->context, sums, 2, node->failure);
    LAUNCH(finish, 1, 1, 0, (float *)node->out[0]->data, node->has_backward ? (double *)node->saved[0] : NULL, sums,
           node->in[0]->shape.c);
}

/* sign: 1 for the prediction, -1 for the image. */
void give(const Node *node, int input, float sign)
{
    const Tensor *to = node->in[input];
    GpuShape s = gpu_rows(shape_pixels(to->shape), to->shape.c);
    if (!node->wants_grad[input]) return;
    gpu_narrow(&s, to->grad, to->pitch);
    for (const Tensor *t : {node->in[0], node->in[2]}) gpu_narrow(&s, t->data, t->pitch);
    s.dense = false; /* the functor needs the pixel */
    gpu_each(s, Give{{(float *)to->grad, to->pitch},
                     pair_of(node),
                     (const double *)node->saved[0],
                     (const float *)node->out[0]->grad,
                     sign,
                     node->accumulate[input]});
}

void backward(Node *node, const Step *)
{
    give(node, 0, 1);
    give(node, 2, -1);
}
} // namespace

GPU_IMPL_F32(masked_l1_loss, .strided_in = 5, .prepare = prepare, .forward = forward, .backward = backward)
