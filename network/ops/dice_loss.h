/* What the losses share that add a Dice term to a sum over pixels (dice_ce_loss.c, dice_bce_loss.c):
 *   loss = Σ terms · per_pixel - mean over c (and over the items, unless batch_dice) of
 *          (2 I_c + s) / max(G_c + P_c + s, 1e-8)
 * with I = Σ p_c t_c, G = Σ t_c, P = Σ p_c over the valid pixels of the item (batch_dice: of the batch), p
 * the probabilities of the logits and t what is true. Only for files in network/ops.
 *
 * Of several ranks (Node's reduction) the sums are those of all: the loss is the whole batch's on each, the gradients
 * of the ranks are parts of its gradient, to be added.
 *
 * Pixels are worked on in blocks small enough for float sums and L1, in pieces many enough for many cores,
 * whose sums are added in a fixed order. */
#ifndef NETWORK_OPS_DICE_LOSS_H
#define NETWORK_OPS_DICE_LOSS_H

#include "network/graph/op.h"
#include "network/ops/ops.h"

enum { LOSS_BLOCK = 64 };

/* What backward needs of an item and class: dDice/dp = base + hit t. */
typedef struct DiceSlope {
    double base, hit;
} DiceSlope;

/* A block of pixels of one item: logits, labels and number. Labels are the full-resolution ones at the head's
 * pixels, by nearest neighbour; -1, outside the data, is 0. Missing pixels have -1: not valid. */
typedef struct LossBlock {
    const float *logits;
    float *logits_grad;
    int64_t pitch, classes;
    int labels[LOSS_BLOCK], pixels;
} LossBlock;

/* The kernels of a loss. p (classes · LOSS_BLOCK): room for a block's probabilities. */
typedef struct LossKernels {
    /* Adds the block's sums: I, G, P of each class, its term, its valid pixels. */
    void (*add)(const Node *node, LossBlock *b, float *p, double *sums);
    /* p becomes the gradient of the block's logits, for a loss whose gradient is g. */
    void (*differentiate)(const Node *node, LossBlock *b, float *p, const DiceSlope *slopes, double per_pixel,
                          float g);
} LossKernels;

/* How the term over pixels and the Dice term are weighed. */
typedef struct LossRule {
    bool batch_dice;
    int first_class;    /* of Dice: 1 leaves the background out */
    double smooth;
    double share;       /* of a valid pixel's term: per_pixel = share / valid pixels; 0: Dice alone */
} LossRule;

/* What the ops' functions do. shape: labels (N,H,W,1) of int16; the loss is a scalar. */
int loss_shape(Node *node, Err *e);
int loss_prepare(Node *node, Err *e);
void loss_forward(Node *node, const LossKernels *kernels, const LossRule *rule);
void loss_backward(Node *node, const LossKernels *kernels);

/* For the kernels: p[c · LOSS_BLOCK + i], the block's logits, class by class. Missing pixels have 0. */
void loss_load(float *p, const LossBlock *b);

#endif
