/* The building blocks of the Swin-UMamba networks, named as in the official code. Each adds ops to the current scope.
 * The number of input channels is that of the given value. */
#ifndef NETWORK_MODELS_BLOCKS_H
#define NETWORK_MODELS_BLOCKS_H

#include "network/ops/ops.h"

/* VMamba (Liu et al. 2024). */
Ref ss2d(Graph *g, Ref x, int64_t states);
Ref vss_block(Graph *g, Ref x, int64_t states, double drop_path);
Ref patch_embed(Graph *g, Ref x, int64_t channels, int64_t patch); /* PatchEmbed2D: conv, layer norm */
Ref patch_merging(Graph *g, Ref x);                                /* PatchMerging2D: half size, twice the channels */

/* Mamba (Gu & Dao 2023) over the pixels in row-major order, with 16 states. */
Ref mamba(Graph *g, Ref x);

/* Swin-Unet (Cao et al. 2021). */
Ref patch_expand(Graph *g, Ref x);       /* PatchExpand: twice the size, half the channels */
Ref final_patch_expand(Graph *g, Ref x); /* FinalPatchExpand_X4: four times the size */

/* Transformers: attention and a perceptron of four times (or `hidden`) the channels, each with a layer norm before it and
 * a residual connection. layers: the names of the perceptron's two. */
Ref perceptron(Graph *g, Ref x, int64_t hidden, const char *const layers[2]);
Ref vit_block(Graph *g, Ref x, int64_t heads, int64_t hidden); /* Dosovitskiy et al. 2021 as MONAI builds it */
Ref swin_block(Graph *g, Ref x, WindowAttention attention, const char *const layers[2], double drop_path);
/* nnFormer's skip attention (Zhou et al. 2021): the queries are `up` itself, the keys and values projections of `skip`;
 * its result is added to skip + up. */
Ref skip_block(Graph *g, Ref skip, Ref up, WindowAttention attention, const char *const layers[2], double drop_path);

/* UNETR (Hatamizadeh et al. 2022) as MONAI builds it. */
Ref unet_res_block(Graph *g, Ref x, int64_t channels);
Ref unetr_basic_block(Graph *g, Ref x, int64_t channels);
Ref unetr_up_block(Graph *g, Ref x, Ref skip, int64_t channels);
/* UnetrPrUpBlock: doubles the size 1 + `more` times. */
Ref unetr_pr_up_block(Graph *g, Ref x, int64_t channels, int more);

#endif
