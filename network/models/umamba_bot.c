/* U-Mamba_Bot (Ma et al. 2024, as its code was in January 2024): nnU-Net's topology with residual blocks in encoder and
 * decoder, and one Mamba layer at the bottleneck.
 *
 *   image ─ stem ─ stage 0 ── stage 1 ── … ── stage n-1 ── Mamba
 *                     │          │                           │
 *   head0 ───────── stage ──── stage ──── … ── transposed convolution
 *                                └ head1 */
#include <stdio.h>

#include "network/models/blocks.h"
#include "network/models/unet_blocks.h"

static void encoder(Graph *g, Ref x, const Architecture *a, Ref *skips)
{
    scope_in(g, "encoder");
    graph_exact(g, true); /* unet_blocks.h */
    for (int i = 0; i < a->n_stages; i++) {
        const UnetStage s = unet_encoder_stage(a, i);
        char scope[32];
        if (!i) x = unet_stem(g, x, &s);
        snprintf(scope, sizeof scope, "stages.%d", i);
        scope_in(g, scope);
        skips[i] = x = scope_out(g, unet_residual_blocks(g, x, &s));
    }
    scope_out(g, x);
}

static void build(Graph *g, Ref image, const void *config, Heads *heads)
{
    const Architecture *a = config;
    Ref skips[ARCHITECTURE_STAGES];
    graph_init_policy(g, (InitPolicy){INIT_HE_NORMAL, INIT_ZERO, INIT_KAIMING_UNIFORM, INIT_KAIMING_UNIFORM});
    encoder(g, image, a, skips);
    Ref x = op_layer_norm(g, "ln", skips[a->n_stages - 1]);
    scope_in(g, "mamba");
    skips[a->n_stages - 1] = scope_out(g, mamba(g, x));
    unet_decoder(g, a, skips, unet_residual_blocks, a->n_stages, heads);
}

static const char *const trainers[] = {"nnUNetTrainerUMambaBot$", NULL};

const NetworkKind network_umamba_bot = {
    .name = "umamba_bot",
    .about = "U-Mamba_Bot: residual U-Net with a Mamba layer at the bottleneck",
    UNET_CONFIG,
    .check = unet_plain_check,
    .build = build,
    UNET_TRAINING,
    .trainers = trainers,
};
