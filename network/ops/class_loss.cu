/* Cross-entropy of the classes of images on a GPU; class_loss.c has the equations. A warp does an image. */
#include "network/cuda/sums.h"

extern "C" {
#include "network/ops/class_loss.h"
#include "network/ops/loss_labels.h"
}

namespace
{
struct Images {
    Plane<const float> z;
    const int16_t *labels;
    Shape full, logits;
    double smoothing;

    /* The image's class, or -1. */
    __device__ int class_of(int64_t n) const
    {
        const int label = loss_label(labels, full, logits, n);
        return label > 0 && label <= logits.c ? label - 1 : -1;
    }
    /* log Σ exp z, by the threads of a warp. */
    __device__ double log_sum(int64_t n) const
    {
        float most = *z.at(n, 0);
        double sum = 0;
        for (int64_t k = threadIdx.x; k < logits.c; k += GPU_WARP) most = fmaxf(most, *z.at(n, k));
        for (int bit = GPU_WARP / 2; bit; bit /= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, bit));
        for (int64_t k = threadIdx.x; k < logits.c; k += GPU_WARP) sum += exp((double)*z.at(n, k) - (double)most);
        return (double)most + log(gpu_sum_warp(sum));
    }
};

/* A row of the table: the entropy of an image, and 1 if it is valid. */
__global__ void __launch_bounds__(GPU_WARP) sum_entropies(double *table, const Images a)
{
    const int64_t n = blockIdx.x;
    const int t = a.class_of(n);
    const double all = a.log_sum(n);
    double mean = 0;
    for (int64_t k = threadIdx.x; k < a.logits.c; k += GPU_WARP)
        mean += (all - (double)*a.z.at(n, k)) / (double)a.logits.c;
    mean = gpu_sum_warp(mean);
    if (threadIdx.x) return;
    table[2 * n] = t < 0 ? 0 : (1 - a.smoothing) * (all - (double)*a.z.at(n, t)) + a.smoothing * mean;
    table[2 * n + 1] = t >= 0;
}

__global__ void finish(float *loss, double *share, const double *sums)
{
    const double each = sums[1] > 0 ? 1 / sums[1] : 0;
    if (share) *share = each;
    *loss = (float)(sums[0] * each);
}

__global__ void __launch_bounds__(GPU_WARP)
    differentiate(Plane<float> dz, const Images a, const double *share, const float *g, bool add)
{
    const int64_t n = blockIdx.x, classes = a.logits.c;
    const int t = a.class_of(n);
    const double all = a.log_sum(n), each = t < 0 ? 0 : *share * (double)*g;
    for (int64_t k = threadIdx.x; k < classes; k += GPU_WARP) {
        const double q = (1 - a.smoothing) * (k == t) + a.smoothing / (double)classes;
        float *const to = dz.at(n, k);
        *to = (float)(each * (exp((double)*a.z.at(n, k) - all) - q)) + (add ? *to : 0);
    }
}

Images images_of(const Node *node)
{
    const Tensor *z = node->in[0], *labels = node->in[1];
    return {{(const float *)z->data, z->pitch},
            (const int16_t *)labels->data,
            labels->shape,
            z->shape,
            ((const ClassLoss *)node->attr)->smoothing};
}

int prepare(Node *node, Err *)
{
    node->saved_bytes[0] = sizeof(double);
    node->scratch_bytes[0] = (size_t)(2 + 2 * node->in[0]->shape.n) * sizeof(double);
    return 0;
}

void forward(Node *node, const Step *)
{
    const int64_t images = node->in[0]->shape.n;
    double *const sums = (double *)node->scratch, *const table = sums + 2;
    LAUNCH(sum_entropies, (unsigned)images, GPU_WARP, 0, table, images_of(node));
    gpu_sum_rows(sums, 2, table, images, 2, 2, 1);
    if (node->reduction) node->reduction->sum(node->reduction->context, sums, 2, node->failure);
    LAUNCH(finish, 1, 1, 0, (float *)node->out[0]->data, node->has_backward ? (double *)node->saved[0] : NULL, sums);
}

void backward(Node *node, const Step *)
{
    const Tensor *z = node->in[0];
    if (!node->wants_grad[0]) return;
    LAUNCH(differentiate, (unsigned)z->shape.n, GPU_WARP, 0, Plane<float>{(float *)z->grad, z->pitch}, images_of(node),
           (const double *)node->saved[0], (const float *)node->out[0]->grad, node->accumulate[0]);
}
} // namespace

GPU_IMPL_F32(class_loss, .strided_in = 1, .prepare = prepare, .forward = forward, .backward = backward)
