/* Dice + binary cross-entropy on a GPU; dice_bce_loss.c has the equations. */
#include "network/ops/dice_loss_gpu.h"

namespace
{
struct BinaryCrossEntropy {
    static constexpr bool sums_to_one = false;
    DiceBCE rule;

    struct Pixel {
        bool counts;
        uint64_t regions; /* that the pixel belongs to */
    };

    __device__ Pixel open(const float *, int64_t, int label) const
    {
        const bool counts = label != -1 && label != rule.ignore_label;
        return {counts, label >= 0 && label < LOSS_LABELS ? rule.regions[label] : 0};
    }

    __device__ bool valid(const Pixel &x) const { return x.counts; }
    __device__ bool truth(const Pixel &x, int64_t c) const { return x.regions >> c & 1; }
    __device__ float probability(const Pixel &, float z) const { return 1 / (1 + expf(-z)); }
    __device__ float term(const Pixel &x, float z, int64_t c) const
    {
        return fmaxf(z, 0) + log1pf(expf(-fabsf(z))) - (truth(x, c) ? z : 0);
    }
    __device__ float slope(float p, float q, float) const { return p * (1 - p) * q; }
};

BinaryCrossEntropy loss_of(const Node *node) { return {*(const DiceBCE *)node->attr}; }

void forward(Node *node, const Step *)
{
    const DiceBCE *loss = (const DiceBCE *)node->attr;
    const double share = loss->ignore_label < 0 ? 1 / (double)node->in[0]->shape.c : 1;
    loss_gpu_forward(node, loss_of(node), {loss->batch_dice, 0, loss->smooth, share});
}

void backward(Node *node, const Step *) { loss_gpu_backward(node, loss_of(node)); }
} // namespace

GPU_IMPL_F32(dice_bce_loss, .strided_in = 1, .prepare = loss_gpu_prepare, .forward = forward, .backward = backward)
