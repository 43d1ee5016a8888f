/* Dice + cross-entropy of one head (nnU-Net's DC_and_CE_loss with MemoryEfficientSoftDiceLoss):
 *   CE = mean over valid pixels of -log p_t, p = softmax(z), t the pixel's label; 0 if none is valid
 * and Dice over the classes except the background (dice_loss.h). Pixels are not valid if they have the ignore label, or
 * a label that is not a class (which a checked dataset does not contain). No tensor of the image's size is saved:
 * backward computes the softmax again. */
#include <inttypes.h>
#include <math.h>

#include "network/ops/dice_loss.h"
#include "network/ops/simd.h"

static void mark_invalid(const Node *node, LossBlock *b)
{
    const DiceCE *loss = node->attr;
    for (int i = 0; i < b->pixels; i++)
        if (b->labels[i] == loss->ignore_label || b->labels[i] < 0 || b->labels[i] >= b->classes) b->labels[i] = -1;
}

/* p: softmax of the block's pixels; log_sum[i]: log Σ exp z of pixel i. */
static void softmax(float *p, float *log_sum, const LossBlock *b)
{
    float most[LOSS_BLOCK], sum[LOSS_BLOCK];
    loss_load(p, b);
    for (int i = 0; i < LOSS_BLOCK; i += SIMD_LANES) {
        vf m = v_load(p + i), total = {0};
        for (int64_t c = 1; c < b->classes; c++) m = v_max(m, v_load(p + c * LOSS_BLOCK + i));
        for (int64_t c = 0; c < b->classes; c++) {
            const vf power = v_exp(v_load(p + c * LOSS_BLOCK + i) - m);
            v_store(p + c * LOSS_BLOCK + i, power);
            total += power;
        }
        for (int64_t c = 0; c < b->classes; c++)
            v_store(p + c * LOSS_BLOCK + i, v_load(p + c * LOSS_BLOCK + i) / total);
        v_store(most + i, m);
        v_store(sum + i, total);
    }
    for (int i = 0; i < b->pixels; i++) log_sum[i] = most[i] + logf(sum[i]);
}

static void add_block(const Node *node, LossBlock *b, float *p, double *sums)
{
    const int64_t classes = b->classes;
    double *inside = sums, *truth = sums + classes, *predicted = sums + 2 * classes, *rest = sums + 3 * classes;
    float log_sum[LOSS_BLOCK], valid[LOSS_BLOCK], cross_entropy = 0;
    mark_invalid(node, b);
    softmax(p, log_sum, b);
    for (int i = 0; i < LOSS_BLOCK; i++) valid[i] = b->labels[i] >= 0;
    for (int i = 0; i < b->pixels; i++) {
        const int t = b->labels[i];
        if (t < 0) continue;
        inside[t] += (double)p[t * LOSS_BLOCK + i];
        truth[t] += 1;
        cross_entropy += log_sum[i] - b->logits[i * b->pitch + t];
        rest[1] += 1;
    }
    rest[0] += (double)cross_entropy;
    for (int64_t c = 0; c < classes; c++) {
        vf sum = {0};
        for (int i = 0; i < LOSS_BLOCK; i += SIMD_LANES) sum += v_load(p + c * LOSS_BLOCK + i) * v_load(valid + i);
        predicted[c] += (double)v_sum(sum);
    }
}

/* dz_c = p_c (q_c - Σ_k p_k q_k) + (p_c - [t = c]) / valid, q = dDice/dp; all times g; 0 where not valid. */
static void differentiate(const Node *node, LossBlock *b, float *p, const DiceSlope *slopes, double per_pixel, float g)
{
    float mean[LOSS_BLOCK] = {0}, valid[LOSS_BLOCK], hit[LOSS_BLOCK] = {0}, log_sum[LOSS_BLOCK];
    mark_invalid(node, b);
    softmax(p, log_sum, b);
    for (int i = 0; i < LOSS_BLOCK; i++) {
        const int t = b->labels[i];
        valid[i] = t >= 0 ? g : 0;
        if (t >= 0) hit[i] = p[t * LOSS_BLOCK + i] * (float)slopes[t].hit;
    }
    for (int64_t c = 0; c < b->classes; c++) {
        const float base = (float)slopes[c].base;
        for (int i = 0; i < LOSS_BLOCK; i++) mean[i] += base * p[c * LOSS_BLOCK + i];
    }
    for (int64_t c = 0; c < b->classes; c++) {
        const float base = (float)(slopes[c].base + per_pixel);
        for (int i = 0; i < LOSS_BLOCK; i++) p[c * LOSS_BLOCK + i] *= valid[i] * (base - (mean[i] + hit[i]));
    }
    for (int i = 0; i < b->pixels; i++) {
        const int t = b->labels[i];
        if (t >= 0) p[t * LOSS_BLOCK + i] += valid[i] * (hit[i] - (float)per_pixel);
    }
}

static const LossKernels kernels = {add_block, differentiate};

static void forward(Node *node, const Step *step)
{
    (void)step;
    const DiceCE *loss = node->attr;
    const LossRule rule = {loss->batch_dice, !loss->background, loss->smooth, loss->dice_only ? 0 : 1};
    loss_forward(node, &kernels, &rule);
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    loss_backward(node, &kernels);
}

OP_IMPL(dice_ce_loss) = {SIMD_HEAD, .strided_in = 1, .prepare = loss_prepare, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST_F32(dice_ce_loss);

static int shape(Node *node, Err *e)
{
    const int64_t classes = node->in[0]->shape.c;
    if (classes < 2)
        return err_set(e, ERR_SHAPE, "%" PRId64 " channels of logits: expected the background and at least 1 class",
                       classes);
    return loss_shape(node, e);
}

static const OpClass dice_ce_loss_class = {
    .name = "dice_ce_loss",
    .shape = shape,
    .keeps_inputs = 3,
    .on = OP_ON(dice_ce_loss),
};

Ref op_dice_ce_loss(Graph *g, const char *name, Ref logits, Ref labels, DiceCE loss)
{
    const Ref inputs[] = {logits, labels};
    return graph_node(g, &dice_ce_loss_class, name, &loss, sizeof loss, inputs, 2, NULL, 0);
}
#endif
