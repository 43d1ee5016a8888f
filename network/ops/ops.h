/* The operations: one line each. A builder adds one node (and its parameters) to a graph.
 * Shapes are N,H,W,C. `name` is the layer's name inside the current scope. */
#ifndef NETWORK_OPS_OPS_H
#define NETWORK_OPS_OPS_H

#include "network/graph/graph.h"
#include "network/graph/host_device.h"

/* y = x Wᵀ + b over channels. weight (out, c), bias (out). PyTorch Linear. */
Ref op_linear(Graph *g, const char *name, Ref x, int64_t out_channels, bool bias);

/* Values for the height (y) and width (x) axes. */
typedef struct PairYX {
    int64_t y, x;
} PairYX;
typedef struct Conv {
    PairYX kernel, stride, padding; /* in pixels; kernel and stride from 1, padding from 0 */
    bool bias;
} Conv;
static inline Conv conv_square(int64_t kernel, int64_t stride, int64_t padding, bool bias)
{
    return (Conv){{kernel, kernel}, {stride, stride}, {padding, padding}, bias};
}
/* ⌊(H + 2 padding - kernel) / stride⌋ + 1 rows, columns likewise; weight (out, c, kernel y, kernel x), bias (out).
 * PyTorch Conv2d. */
Ref op_conv2d(Graph *g, const char *name, Ref x, int64_t out_channels, Conv conv);
/* (H - 1) stride - 2 padding + kernel rows, columns likewise; weight (c, out, kernel y, kernel x), bias (out).
 * PyTorch ConvTranspose2d. */
Ref op_conv_transpose2d(Graph *g, const char *name, Ref x, int64_t out_channels, Conv conv);
/* PyTorch Conv2d with 3×3 kernel, stride 1, padding 1, groups = c, bias: weight (c, 1, 3, 3), bias (c). */
Ref op_depthwise_conv2d(Graph *g, const char *name, Ref x);

/* PyTorch Conv1d over the pixels in row-major order, groups = c, kernel 4, each output from its own and the three pixels
 * before it: weight (c, 1, 4), bias (c). Mamba's conv1d. */
Ref op_causal_conv1d(Graph *g, const char *name, Ref x);

/* PyTorch LayerNorm over channels, eps 1e-5; weight (c), bias (c). */
Ref op_layer_norm(Graph *g, const char *name, Ref x);
Ref op_layer_norm_plain(Graph *g, Ref x); /* without weight and bias */
/* Of two values of the same shape with the same weight and bias. */
void op_layer_norm_pair(Graph *g, const char *name, Ref a, Ref b, Ref *ya, Ref *yb);
/* PyTorch InstanceNorm2d: over height and width, biased variance, eps 1e-5; if affine: weight (c), bias (c). */
Ref op_instance_norm(Graph *g, const char *name, Ref x, bool affine);

/* PyTorch GroupNorm: over height, width and c / groups neighbouring channels, eps 1e-5; weight (c), bias (c). */
Ref op_group_norm(Graph *g, const char *name, Ref x, int64_t groups);
/* Whether a node is one of these two over a single value: its result is then its bias, or 0, for any image. PyTorch refuses
 * this. */
struct Node;
bool op_norms_one_value(const struct Node *node);

Ref op_silu(Graph *g, Ref x);
Ref op_gelu(Graph *g, Ref x); /* x Φ(x), with the error function (PyTorch's default) */
Ref op_leaky_relu(Graph *g, Ref x, double slope);
/* a + drop_path(b): in training a sample's b is dropped with probability `rate`, else b / (1 - rate). */
Ref op_add_drop_path(Graph *g, const char *name, Ref a, Ref b, double rate);
Ref op_add(Graph *g, Ref a, Ref b);
/* x + p for each image; a parameter "scope.name" (1, h·w, c). Its size is that of the graph's nominal image. */
Ref op_position_embedding(Graph *g, const char *name, Ref x);
Ref op_silu_gate(Graph *g, Ref y, Ref z);                               /* y · silu(z) */
Ref op_concat(Graph *g, Ref a, Ref b);                                  /* along channels, a first */
void op_split(Graph *g, Ref x, int64_t first_channels, Ref *a, Ref *b); /* along channels */
/* (H, W, C) → (⌊H/size.y⌋, ⌊W/size.x⌋, C). PyTorch AvgPool2d with kernel = stride. */
Ref op_average_pool(Graph *g, Ref x, PairYX size);
/* (H, W, C) → (2H, 2W, C). PyTorch Upsample, bilinear, align_corners false. */
Ref op_upsample_bilinear(Graph *g, Ref x);
/* (H, W, C) → (⌊H/f⌋, ⌊W/f⌋, f²C). PatchMerging2D's order for f = 2: (0,0), (1,0), (0,1), (1,1) in (h,w). */
Ref op_space_to_depth(Graph *g, Ref x, int64_t factor);
/* (H, W, f²C) → (fH, fW, C), channels in the order (p1 p2 c). */
Ref op_depth_to_space(Graph *g, Ref x, int64_t factor);

/* The order in which a scan visits the pixels of an image. */
typedef enum ScanOrder {
    SCAN_ROW_MAJOR,             /* row by row from the top, each from left to right */
    SCAN_COLUMN_MAJOR,          /* column by column from the left, each from top to bottom */
    SCAN_ROW_MAJOR_REVERSED,    /* as SCAN_ROW_MAJOR, from the last pixel to the first */
    SCAN_COLUMN_MAJOR_REVERSED, /* as SCAN_COLUMN_MAJOR, from the last pixel to the first */
} ScanOrder;
enum { SCAN_MOST_DIRECTIONS = 4 };
typedef struct ScanDirections {
    int count; /* 1 … SCAN_MOST_DIRECTIONS */
    ScanOrder order[SCAN_MOST_DIRECTIONS];
} ScanDirections;
/* Selective scans (Gu & Dao 2023, Mamba; over images as SS2D's core, Liu et al. 2024, VMamba): x (N,H,W,D) → y
 * (N,H,W,D), the sum over K directions, each with its own parameters: x_proj_weight (K, R+2S, D), dt_projs_weight (K,
 * D, R), dt_projs_bias (K, D), A_logs (K·D, S), Ds (K·D). */
Ref op_selective_scan(Graph *g, Ref x, int64_t dt_rank, int64_t states, ScanDirections directions);
/* Mamba's own (Gu & Dao 2023), in row-major order; its parameters' names and shapes: x_proj.weight (R+2S, D),
 * dt_proj.weight (D, R), dt_proj.bias (D), A_log (D, S), D (D). */
Ref op_mamba_scan(Graph *g, Ref x, int64_t dt_rank, int64_t states);

/* Multi-head attention over all pixels of an image (Vaswani et al. 2017): q (N,H,W,c), kv (N,H,W,2c): keys, then values.
 * Heads are neighbouring channels; softmax over the keys of q · k / √(c / heads). */
Ref op_attention(Graph *g, Ref q, Ref kv, int64_t heads);
/* The same within windows, with relative position bias, shift and masks (Liu et al. 2021, Swin): attention.c. The bias
 * of the projection to q and kv is a parameter of this op, since the windows' padding consists of it: "qkv.bias" (3c),
 * or, if q is no projection, "kv.bias" (2c); relative_position_bias_table ((2 window - 1)², heads). */
typedef struct WindowAttention {
    int64_t heads, window, shift; /* in pixels, on both axes; an axis not longer than the window has no shift */
    bool projects_q;
} WindowAttention;
Ref op_window_attention(Graph *g, Ref q, Ref kv, const WindowAttention *w);

/* Dice + cross-entropy of one head, a scalar. Labels (int16, N,H,W,1) have full resolution, and are resampled to the
 * head's by nearest neighbour. See dice_ce_loss.c. */
typedef struct DiceCE {
    bool batch_dice;
    double smooth;
    int ignore_label; /* -1: none */
    bool background;  /* include class 0 in Dice */
    bool dice_only;   /* no cross-entropy */
} DiceCE;
Ref op_dice_ce_loss(Graph *g, const char *name, Ref logits, Ref labels, DiceCE loss);
/* Dice + binary cross-entropy for regions, which may overlap: each channel of the logits is one. See dice_bce_loss.c.
 * */
enum { LOSS_LABELS = 256, LOSS_REGIONS = 64 };
typedef struct DiceBCE {
    bool batch_dice;
    double smooth;
    int ignore_label;              /* -1: none */
    uint64_t regions[LOSS_LABELS]; /* by label: bit r is set if the label belongs to region r */
} DiceBCE;
Ref op_dice_bce_loss(Graph *g, const char *name, Ref logits, Ref labels, const DiceBCE *loss);
enum { CLASS_COUNTS_PIXELS = 1 << 24 }; /* of an image, at most: so many are counted exactly in float32 */
/* True positives, false positives and false negatives of the predicted classes, image by image: logits (N,H,W,K), labels
 * (int16, N,H,W,1) → (N,1,1,3K): the K true positives, then the others. A pixel's class is the first with the largest
 * logit; with regions (LOSS_LABELS sets of bits as in DiceBCE; copied), each region whose logit is above 0 is predicted.
 * A label below 0 (outside the image) is 0. Not counted: pixels with ignore_label (-1: none), or with a label that has no
 * class. */
Ref op_class_counts(Graph *g, const char *name, Ref logits, Ref labels, int ignore_label, const uint64_t *regions);
/* The full-resolution row (or column) whose labels row i of a head gets, by nearest neighbour. */
HOST_DEVICE static inline int64_t loss_label_source(int64_t i, int64_t full, int64_t head)
{
    return (2 * i + 1) * full / (2 * head);
}
/* Masked image modelling (Xie et al. 2022, SimMIM). Labels above 0 mark what is masked, at full resolution; they are read at the centres of
 * tokens. Masked tokens are replaced by a learned vector: a parameter "scope.name" (1, 1, c). */
Ref op_mask_token(Graph *g, const char *name, Ref x, Ref labels);
/* The mean absolute error of a prediction of the image at its masked pixels, a scalar. See masked_l1_loss.c. */
Ref op_masked_l1_loss(Graph *g, const char *name, Ref prediction, Ref labels, Ref image);
/* The same as op_class_counts for classes of images: logits (N,1,1,K), labels as op_class_loss has them. */
Ref op_image_class_counts(Graph *g, const char *name, Ref logits, Ref labels);
/* Cross-entropy of classes of images, a scalar: logits (N,1,1,K); the class of an image is the label of its middle, less 1; label 0: not
 * counted. smoothing: share of the target that all classes have (Szegedy et al. 2016; PyTorch's label_smoothing). */
Ref op_class_loss(Graph *g, const char *name, Ref logits, Ref labels, double smoothing);
/* Σ weights[i] · terms[i] of scalars; at most NODE_INPUTS terms. */
Ref op_weighted_sum(Graph *g, const char *name, const Ref *terms, const double *weights, int count);

#endif
