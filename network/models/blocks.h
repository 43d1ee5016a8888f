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

/* UNETR (Hatamizadeh et al. 2022) as MONAI builds it. */
Ref unet_res_block(Graph *g, Ref x, int64_t channels);
Ref unetr_basic_block(Graph *g, Ref x, int64_t channels);
Ref unetr_up_block(Graph *g, Ref x, Ref skip, int64_t channels);

#endif
