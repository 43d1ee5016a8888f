/* The common part of the losses that consist of a Dice term and a sum over pixels (dice_ce_loss.c, dice_bce_loss.c):
 *   loss = Σ terms · per_pixel - mean over c (and over the items, unless batch_dice) of
 *          (2 I_c + s) / max(G_c + P_c + s, 1e-8)
 * with I = Σ p_c t_c, G = Σ t_c, P = Σ p_c over the valid pixels of the item (batch_dice: of the batch), p the
 * predicted probabilities, t the ground truth (0 or 1) and s = smooth. Only for files in network/ops.
 *
 * With several ranks (Node's reduction) the sums are those over all ranks. Then the loss on each rank is that of the
 * whole batch, and its gradient is the sum of the ranks' gradients.
 *
 * Pixels are processed in blocks, which are small enough for sums in float and for the L1 cache. The blocks of an item
 * form pieces, the unit of work of a thread. The sums of pieces are added in a fixed order. */
#ifndef NETWORK_OPS_DICE_LOSS_H
#define NETWORK_OPS_DICE_LOSS_H

#include "network/graph/op.h"
#include "network/ops/loss_labels.h"
#include "network/ops/ops.h"

enum { LOSS_BLOCK = 64 };

/* The derivative of the Dice of an item and class: dDice/dp = base + hit t. */
typedef struct DiceSlope {
    double base, hit;
} DiceSlope;

/* A block of pixels of one item: logits, labels and number of pixels. Labels are resampled from full resolution to the
 * head's pixels by nearest neighbour; label -1 (outside the image) becomes 0. Entries after the last pixel have label
 * -1, so they are not valid. */
typedef struct LossBlock {
    const float *logits;
    float *logits_grad;
    int64_t pitch, classes;
    int labels[LOSS_BLOCK], pixels;
} LossBlock;

/* The kernels of a loss. p (classes · LOSS_BLOCK): memory for a block's probabilities. */
typedef struct LossKernels {
    /* Adds the block's I, G and P of each class, its pixels' terms and its number of valid pixels to sums. */
    void (*add)(const Node *node, LossBlock *b, float *p, double *sums);
    /* Writes the gradient of the block's logits to p; g is the gradient of the loss. */
    void (*differentiate)(const Node *node, LossBlock *b, float *p, const DiceSlope *slopes, double per_pixel, float g);
} LossKernels;

/* The parameters of a loss. */
typedef struct LossRule {
    bool batch_dice;
    int first_class; /* of the Dice term: 1 excludes the background */
    double smooth;
    double share; /* weight of the pixels' terms: per_pixel = share / valid pixels; 0: only Dice */
} LossRule;

/* The functions of these ops, besides loss_shape. */
int loss_prepare(Node *node, Err *e);
void loss_forward(Node *node, const LossKernels *kernels, const LossRule *rule);
void loss_backward(Node *node, const LossKernels *kernels);

/* For the kernels: copies the block's logits to p, class by class: p[c · LOSS_BLOCK + i]. Entries after the last pixel
 * are 0. */
void loss_load(float *p, const LossBlock *b);

#endif
