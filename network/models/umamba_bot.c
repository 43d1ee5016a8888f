/* U-Mamba_Bot (Ma et al. 2024, as its code was in January 2024): nnU-Net's topology with residual blocks in encoder and
 * decoder, and one Mamba layer at the bottleneck.
 *
 *   image ─ stem ─ stage 0 ── stage 1 ── … ── stage n-1 ── Mamba
 *                     │          │                           │
 *   head0 ───────── stage ──── stage ──── … ── transposed convolution
 *                                └ head1 */
#include "network/models/blocks.h"
#include "network/models/unet_blocks.h"

static void build(Graph *g, Ref image, const void *config, Heads *heads)
{
    const Architecture *a = config;
    Ref skips[ARCHITECTURE_STAGES];
    unet_encoder(g, image, a, unet_residual_blocks, NULL, skips);
    Ref x = op_layer_norm(g, "ln", skips[a->n_stages - 1]);
    scope_in(g, "mamba");
    skips[a->n_stages - 1] = scope_out(g, mamba(g, x));
    unet_decoder(g, a, skips, unet_residual_blocks, a->n_stages, heads);
}

static const char *const trainers[] = {"nnUNetTrainerUMambaBot$", NULL};

const NetworkKind network_umamba_bot = {
    .name = "umamba_bot",
    .about = "U-Mamba_Bot: residual U-Net, Mamba at the bottleneck",
    UNET_CONFIG,
    .check = unet_plain_check,
    .build = build,
    UNET_TRAINING,
    .trainers = trainers,
};
