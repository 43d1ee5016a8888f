/* nnU-Net's own U-Net, as the plan's `architecture` describes it (Isensee et al. 2021; 2024 for the residual encoder).
 * Stage s has the strides and kernels of the plan; each axis is halved on its own.
 *
 *   image ─ stage 0 ── stage 1 ── … ── stage n-1
 *              │          │                │
 *   head0 ─ stage ──── stage ──── … ── transposed convolution
 *                        └ head1
 *
 * PlainConvUNet: each stage is a row of convolutions. ResidualEncoderUNet: a stem of one convolution, and stages of
 * residual blocks; the decoder is the same. ResidualUNet: residual blocks in the decoder, too. */
#include "network/models/unet_blocks.h"

static void build(Graph *g, Ref image, const void *config, Heads *heads)
{
    const Architecture *a = config;
    Ref skips[ARCHITECTURE_STAGES];
    unet_encoder(g, image, a, architecture_is_residual(a) ? unet_shortcut_blocks : unet_convolutions, NULL, skips);
    unet_decoder(g, a, skips, architecture_has_residual_decoder(a) ? unet_shortcut_blocks : unet_convolutions,
                 a->n_stages, heads);
}

/* nnU-Net's own trainers that change the training, not the network. */
static const char *const trainers[] = {
    "nnUNetTrainer$",           "nnUNetTrainer_",          "nnUNetTrainerAdam",      "nnUNetTrainerAdan",
    "nnUNetTrainerBenchmark",   "nnUNetTrainerCELoss",     "nnUNetTrainerCosAnneal", "nnUNetTrainerDA5",
    "nnUNetTrainerDAOrd0",      "nnUNetTrainerDice",       "nnUNetTrainerNoDA",      "nnUNetTrainerNoDeepSupervision",
    "nnUNetTrainerNoMirroring", "nnUNetTrainerTopk10Loss", "nnUNetTrainerVanilla",   NULL};

const NetworkKind network_nnunet = {
    .name = "nnunet",
    .about = "nnU-Net's U-Net, plain or with a residual encoder",
    UNET_CONFIG,
    .check = unet_check,
    .build = build,
    UNET_TRAINING,
    .trainers = trainers,
};
