/* Dice + cross-entropy on a GPU; dice_ce_loss.c has the equations. */
#include "network/ops/dice_loss_gpu.h"

namespace
{
struct CrossEntropy {
    static constexpr bool sums_to_one = true;
    int ignore_label;

    struct Pixel {
        int label;       /* -1: not valid */
        float most, sum; /* of the softmax: the largest logit, Σ exp(z - most) */
    };

    __device__ Pixel open(const float *z, int64_t classes, int label) const
    {
        Pixel x = {label == ignore_label || label >= classes ? -1 : label, 0, 0};
        if (x.label < 0) return x;
        x.most = z[0];
        for (int64_t c = 1; c < classes; c++) x.most = fmaxf(x.most, z[c]);
        for (int64_t c = 0; c < classes; c++) x.sum += expf(z[c] - x.most);
        return x;
    }

    __device__ bool valid(const Pixel &x) const { return x.label >= 0; }
    __device__ bool truth(const Pixel &x, int64_t c) const { return x.label == c; }
    __device__ float probability(const Pixel &x, float z) const { return expf(z - x.most) / x.sum; }
    __device__ float term(const Pixel &x, float z, int64_t c) const
    {
        return x.label == c ? x.most + logf(x.sum) - z : 0;
    }
    __device__ float slope(float p, float q, float mean) const { return p * (q - mean); }
};

CrossEntropy loss_of(const Node *node) { return {((const DiceCE *)node->attr)->ignore_label}; }

void forward(Node *node, const Step *)
{
    const DiceCE *loss = (const DiceCE *)node->attr;
    loss_gpu_forward(node, loss_of(node),
                     {loss->batch_dice, !loss->background, loss->smooth, loss->dice_only ? 0.0 : 1.0});
}

void backward(Node *node, const Step *) { loss_gpu_backward(node, loss_of(node)); }
} // namespace

GPU_IMPL_F32(dice_ce_loss, .strided_in = 1, .prepare = loss_gpu_prepare, .forward = forward, .backward = backward)
