/* U-Mamba_Enc (Ma et al. 2024, as its code was in January 2024): nnU-Net's topology with residual blocks in encoder and
 * decoder, and a Mamba layer after each stage of the encoder. Its output is both the skip and the next stage's input.
 *
 *   image ─ stem ─ stage 0 ─ Mamba ── stage 1 ─ Mamba ── … ── stage n-1 ─ Mamba
 *                              │                  │                         │
 *   head0 ───────────────── stage ──────────── stage ─── … ── transposed convolution
 *                                                └ head1 */

#include "network/models/blocks.h"
#include "network/models/unet_blocks.h"

static Ref mamba_layer(Graph *g, Ref x, int stage)
{
    scope_in_format(g, "mamba_layers.%d", stage);
    x = op_layer_norm(g, "norm", x);
    scope_in(g, "mamba");
    x = scope_out(g, mamba(g, x));
    return scope_out(g, x);
}

/* Nothing passes the Mamba layers by: rounding errors grow from stage to stage, and float32 alone has errors of 0.007 with
 * 8 stages, with Winograd's convolutions 0.020. Measured with direct ones, and with bfloat16 in the two finest levels of
 * the decoder: at most 0.014; in all levels: 0.027. */
enum { EXACT_FROM = 2 };

static void build(Graph *g, Ref image, const void *config, Heads *heads)
{
    const Architecture *a = config;
    Ref skips[ARCHITECTURE_STAGES];
    graph_direct(g, true);
    unet_encoder(g, image, a, unet_shortcut_blocks, mamba_layer, skips);
    graph_direct(g, false);
    unet_decoder(g, a, skips, unet_shortcut_blocks, EXACT_FROM, heads);
}

static const char *const trainers[] = {"nnUNetTrainerUMambaEnc$", "nnUNetTrainerUMambaEncNoAMP", NULL};

const NetworkKind network_umamba_enc = {
    .name = "umamba_enc",
    .about = "U-Mamba_Enc: residual U-Net, Mamba after each stage",
    UNET_CONFIG,
    .check = unet_plain_check,
    .build = build,
    UNET_TRAINING,
    .trainers = trainers,
};
