/* Swin-UMamba† (SwinUMambaD): the VMamba encoder on 4×4 patches, and a decoder of patch expansions and VSS blocks.
 *
 *   image ─ patch embed 4×4 ─ stage 0 ─ merge ─ stage 1 ─ merge ─ stage 2 ─ merge ─ stage 3
 *                                │                 │                 │                │
 *   head0 ─ ×4 expand ─ VSS ─ concat ─ expand ─ VSS ─ concat ─ expand ─ VSS ─ concat ─ expand
 *                        │                       │                       │
 *                      head1 (1/4)            head2 (1/8)             head3 (1/16) */
#include <stdio.h>

#include "network/models/blocks.h"
#include "network/models/vss_encoder.h"

enum { DECODER_STAGES = VSS_STAGES - 1 };

static Ref seg_head(Graph *g, int index, Ref x, int64_t classes)
{
    char name[48];
    snprintf(name, sizeof name, "seg_layers.%d", index);
    return op_conv2d(g, name, x, classes, conv_square(1, 1, 0, true));
}

static Ref decoder_stage(Graph *g, int s, Ref x, Ref skip, const VssConfig *config)
{
    const int64_t blocks = DECODER_STAGES * config->decoder_depths[s];
    scope_in_format(g, "expand_layers.%d", s);
    x = scope_out(g, patch_expand(g, x));
    char name[48];
    snprintf(name, sizeof name, "concat_back_dim.%d", s);
    x = op_linear(g, name, op_concat(g, x, skip), graph_shape(g, skip).c, true);
    for (int64_t k = 0; k < config->decoder_depths[s]; k++) {
        const double done = blocks > 1 ? (double)(s * config->decoder_depths[s] + k) / (double)(blocks - 1) : 1;
        snprintf(name, sizeof name, "stages.%d.blocks.%d", s, (int)k);
        scope_in(g, name);
        x = scope_out(g, vss_block(g, x, config->d_state, config->drop_path * (1 - done)));
    }
    return x;
}

static void build(Graph *g, Ref image, const void *config, Heads *heads)
{
    Ref stages[VSS_STAGES];
    graph_init_policy(g, (InitPolicy){INIT_HE_NORMAL, INIT_ZERO, INIT_TRUNC_NORMAL, INIT_ZERO});
    vss_encoder(g, image, 4, config, NULL, stages);

    graph_init_policy(g, (InitPolicy){INIT_HE_NORMAL, INIT_ZERO, INIT_KAIMING_UNIFORM, INIT_KAIMING_UNIFORM});
    scope_in(g, "decoder");
    Ref x = stages[VSS_STAGES - 1];
    for (int s = 0; s < DECODER_STAGES; s++) {
        x = decoder_stage(g, s, x, stages[VSS_STAGES - 2 - s], config);
        heads->of[DECODER_STAGES - s] = seg_head(g, s, x, heads->classes);
    }
    scope_in_format(g, "expand_layers.%d", DECODER_STAGES);
    x = scope_out(g, final_patch_expand(g, x));
    heads->of[0] = seg_head(g, DECODER_STAGES, x, heads->classes);
    scope_out(g, heads->of[0]);
    heads->count = VSS_STAGES;
}

static const char *const trainers[] = {"nnUNetTrainerSwinUMambaD", NULL};

/* Deep supervision only with pretrained weights: without them its authors could not train it with deep supervision (Liu
 * et al. 2024, section 4). */
const NetworkKind network_swin_umamba_d = {
    .name = "swin_umamba_d",
    .about = "Swin-UMamba†: VMamba encoder, decoder of VSS blocks",
    VSS_CONFIG,
    .build = build,
    VSS_TRAINING(DEEP_SUPERVISION_PRETRAINED),
    .trainers = trainers,
};
