/* Dice + binary cross-entropy of one head, for regions, which may overlap (nnU-Net's DC_and_BCE_loss): p =
 * σ(z), BCE = mean over pixels and regions of -t log p - (1 - t) log(1 - p) and Dice over all regions
 * (dice_loss.h); t = 1 if the pixel's label belongs to the region. If there is an ignore label, its pixels are
 * excluded, and BCE is the sum over valid pixels and regions divided by the number of valid pixels only, as in nnU-Net;
 * 0 if no pixel is valid. Backward computes the sigmoid again. */
#include <inttypes.h>

#include "network/ops/dice_loss.h"
#include "network/ops/simd.h"

/* regions[i]: the regions of pixel i, one bit for each; valid[i]: 1 or 0. */
static void find_regions(const Node *node, const LossBlock *b, uint64_t *regions, float *valid)
{
    const DiceBCE *loss = node->attr;
    for (int i = 0; i < LOSS_BLOCK; i++) {
        const int label = b->labels[i];
        valid[i] = i < b->pixels && label != loss->ignore_label;
        regions[i] = valid[i] > 0 && label >= 0 && label < LOSS_LABELS ? loss->regions[label] : 0;
    }
}

/* truth[i]: 1 if pixel i belongs to region c, else 0. */
static void truth_of(const uint64_t *regions, int64_t c, float *truth)
{
    for (int i = 0; i < LOSS_BLOCK; i++) truth[i] = (float)(regions[i] >> c & 1);
}

static vf softplus(vf z) { return v_max(v_set1(0), z) + v_log1p_unit(v_exp(-v_abs(z))); }

static void add_block(const Node *node, LossBlock *b, float *p, double *sums)
{
    const int64_t classes = b->classes;
    uint64_t regions[LOSS_BLOCK];
    float valid[LOSS_BLOCK], truth[LOSS_BLOCK];
    loss_load(p, b);
    find_regions(node, b, regions, valid);
    for (int64_t c = 0; c < classes; c++) {
        vf inside = {0}, positive = {0}, predicted = {0}, entropy = {0};
        truth_of(regions, c, truth);
        for (int i = 0; i < LOSS_BLOCK; i += SIMD_LANES) {
            const vf z = v_load(p + c * LOSS_BLOCK + i), t = v_load(truth + i), v = v_load(valid + i);
            const vf probability = v_sigmoid(z) * v;
            inside += probability * t;
            positive += t;
            predicted += probability;
            entropy += (softplus(z) - z * t) * v;
        }
        sums[c] += (double)v_sum(inside);
        sums[classes + c] += (double)v_sum(positive);
        sums[2 * classes + c] += (double)v_sum(predicted);
        sums[3 * classes] += (double)v_sum(entropy);
    }
    for (int i = 0; i < b->pixels; i++) sums[3 * classes + 1] += (double)valid[i];
}

/* dz_c = (p_c - t_c) per_pixel + p_c (1 - p_c) dDice/dp_c; all times g; 0 where not valid. */
static void differentiate(const Node *node, LossBlock *b, float *p, const DiceSlope *slopes, double per_pixel, float g)
{
    uint64_t regions[LOSS_BLOCK];
    float valid[LOSS_BLOCK], truth[LOSS_BLOCK];
    loss_load(p, b);
    find_regions(node, b, regions, valid);
    for (int64_t c = 0; c < b->classes; c++) {
        const vf base = v_set1((float)slopes[c].base), hit = v_set1((float)slopes[c].hit);
        const vf share = v_set1((float)per_pixel), scale = v_set1(g), one = v_set1(1);
        truth_of(regions, c, truth);
        for (int i = 0; i < LOSS_BLOCK; i += SIMD_LANES) {
            const vf q = v_sigmoid(v_load(p + c * LOSS_BLOCK + i)), t = v_load(truth + i);
            const vf dz = (q - t) * share + q * (one - q) * (base + hit * t);
            v_store(p + c * LOSS_BLOCK + i, dz * scale * v_load(valid + i));
        }
    }
}

static const LossKernels kernels = {add_block, differentiate};

static void forward(Node *node, const Step *step)
{
    (void)step;
    const DiceBCE *loss = node->attr;
    const double share = loss->ignore_label < 0 ? 1 / (double)node->in[0]->shape.c : 1;
    const LossRule rule = {loss->batch_dice, 0, loss->smooth, share};
    loss_forward(node, &kernels, &rule);
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    loss_backward(node, &kernels);
}

OP_IMPL(dice_bce_loss) = {SIMD_HEAD, .strided_in = 1, .prepare = loss_prepare, .forward = forward,
                          .backward = backward};

#ifdef SIMD_BASE
OP_LIST_F32(dice_bce_loss);

static int shape(Node *node, Err *e)
{
    const int64_t regions = node->in[0]->shape.c;
    if (regions > LOSS_REGIONS)
        return err_set(e, ERR_UNSUPPORTED, "%" PRId64 " regions: at most %d are supported", regions, LOSS_REGIONS);
    return loss_shape(node, e);
}

static const OpClass dice_bce_loss_class = {
    .name = "dice_bce_loss",
    .shape = shape,
    .keeps_inputs = 3,
    .on = OP_ON(dice_bce_loss),
};

Ref op_dice_bce_loss(Graph *g, const char *name, Ref logits, Ref labels, const DiceBCE *loss)
{
    const Ref inputs[] = {logits, labels};
    return graph_node(g, &dice_bce_loss_class, name, loss, sizeof *loss, inputs, 2, NULL, 0);
}
#endif
