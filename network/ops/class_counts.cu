/* True positives, false positives and false negatives on a GPU (class_counts.c). A block counts a piece of an image in
 * shared memory; counts of pieces are rows of a table. Whole numbers have the same sum in any order. */
#include "network/cuda/sums.h"

extern "C" {
#include "network/ops/class_counts.h"
}

namespace
{
const int THREADS = 256, PIECE = 4096; /* pixels */
const int64_t MOST_CLASSES = 4096;     /* 48 KiB of counts */

struct Counter {
    Plane<const float> z;
    const int16_t *labels;
    Shape full, head;
    int64_t pixels, classes; /* pixels of an image */
    CountsRule rule;

    __device__ void count_class(int *tp, int *fp, int *fn, const float *logits, int label) const
    {
        int64_t predicted = 0;
        if (label >= classes) return;
        for (int64_t k = 1; k < classes; k++)
            if (logits[k] > logits[predicted]) predicted = k;
        if (predicted == label) atomicAdd(tp + label, 1);
        else atomicAdd(fn + label, 1), atomicAdd(fp + predicted, 1);
    }

    __device__ void count_regions(int *tp, int *fp, int *fn, const float *logits, int label) const
    {
        const uint64_t truth = label < LOSS_LABELS ? rule.regions[label] : 0;
        for (int64_t k = 0; k < classes; k++) {
            const bool predicted = logits[k] > 0, there = truth >> k & 1;
            if (predicted || there) atomicAdd((predicted && there ? tp : predicted ? fp : fn) + k, 1);
        }
    }

    /* counts: true positives of all classes, false positives, false negatives. */
    __device__ void add(int *counts, int64_t pixel) const
    {
        const int label = counted_label(&rule, labels, full, head, pixel);
        int *const tp = counts, *const fp = tp + classes, *const fn = fp + classes;
        if (label < 0 || label == rule.ignore_label) return;
        if (rule.has_regions) count_regions(tp, fp, fn, z.at(pixel, 0), label);
        else count_class(tp, fp, fn, z.at(pixel, 0), label);
    }
};

__global__ void __launch_bounds__(THREADS) count_pieces(float *table, const Counter c)
{
    SHARED_DYNAMIC(int, counts);
    const int64_t first = blockIdx.y * c.pixels, length = 3 * c.classes, start = (int64_t)blockIdx.x * PIECE;
    for (int64_t i = threadIdx.x; i < length; i += THREADS) counts[i] = 0;
    __syncthreads();
    for (int64_t i = start + threadIdx.x; i < start + PIECE && i < c.pixels; i += THREADS) c.add(counts, first + i);
    __syncthreads();
    float *const row = table + ((int64_t)blockIdx.y * gridDim.x + blockIdx.x) * length;
    for (int64_t i = threadIdx.x; i < length; i += THREADS) row[i] = (float)counts[i];
}

int64_t pieces_of(const Shape s) { return gpu_parts(s.h * s.w, PIECE); }

int prepare(Node *node, Err *e)
{
    const Shape s = node->in[0]->shape;
    if (s.c > MOST_CLASSES)
        return err_set(e, ERR_UNSUPPORTED, "%lld classes: at most %d can be counted on a GPU", (long long)s.c,
                       (int)MOST_CLASSES);
    node->scratch_bytes[0] = (size_t)(s.n * pieces_of(s) * 3 * s.c) * sizeof(float);
    return 0;
}

void forward(Node *node, const Step *)
{
    const Tensor *z = node->in[0];
    const Shape s = z->shape;
    const int64_t length = 3 * s.c, pieces = pieces_of(s);
    float *table = (float *)node->scratch;
    const Counter counter = {
        {(const float *)z->data, z->pitch}, (const int16_t *)node->in[1]->data, node->in[1]->shape, s, s.h * s.w, s.c,
        *(const CountsRule *)node->attr};
    LAUNCH(count_pieces, dim3((unsigned)pieces, (unsigned)s.n), THREADS, (size_t)length * sizeof(int), table, counter);
    gpu_sum_rows((float *)node->out[0]->data, length, table, pieces, length, length, s.n);
}

void backward(Node *node, const Step *)
{
    const Tensor *z = node->in[0];
    if (!node->wants_grad[0] || node->accumulate[0]) return;
    gpu_clear((float *)z->grad, z->pitch, shape_pixels(z->shape), z->shape.c);
}
} // namespace

GPU_IMPL_F32(class_counts, .strided_in = 1, .prepare = prepare, .forward = forward, .backward = backward)
