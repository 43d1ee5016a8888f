/* Swin-UMamba: a 7×7 stem, the VMamba encoder on 2×2 patches of the stem's output, and a convolutional decoder of
 * residual blocks with a head at each scale.
 *
 *   image ── stem (1/2) ── stage 0 (1/4) ── stage 1 (1/8) ── stage 2 (1/16) ── stage 3 (1/32)
 *     │         │             │                │                │                 │
 *   enc 1     enc 2         enc 3            enc 4            enc 5               │
 *     │         │             │                │                │                 │
 *   dec 2 ─── dec 3 ─────── dec 4 ────────── dec 5 ────────── dec 6 ──────────────┘
 *     │         └ head1       └ head2          └ head3
 *   dec 1 ─ head0
 *
 * The paper's first revision has no dec 6: enc 5 feeds dec 5, and stage 3, though defined, is not used. */
#include <stdio.h>

#include "network/models/blocks.h"
#include "network/models/vss_encoder.h"

static Ref stem(Graph *g, Ref image, int64_t channels)
{
    scope_in(g, "stem");
    graph_exact(g, true);
    Ref x = op_conv2d(g, "0", image, channels, conv_square(7, 2, 3, true));
    return scope_out(g, op_instance_norm(g, "1", x, true));
}

static Ref encoder(Graph *g, int index, Ref x, int64_t channels)
{
    scope_in_format(g, "encoder%d", index);
    return scope_out(g, unetr_basic_block(g, x, channels));
}

static Ref decoder(Graph *g, int index, Ref x, Ref skip)
{
    scope_in_format(g, "decoder%d", index);
    return scope_out(g, unetr_up_block(g, x, skip, graph_shape(g, skip).c));
}

static Ref out_layer(Graph *g, int index, Ref x, int64_t classes)
{
    char name[32];
    snprintf(name, sizeof name, "out_layers.%d.conv.conv", index);
    return op_conv2d(g, name, x, classes, conv_square(1, 1, 0, true));
}

static void build_either(Graph *g, Ref image, const VssConfig *config, bool paper, Heads *heads)
{
    int64_t dims[VSS_STAGES];
    Ref stages[VSS_STAGES];
    for (int i = 0; i < VSS_STAGES; i++) dims[i] = vss_channels(config, i);
    graph_init_policy(g, (InitPolicy){INIT_KAIMING_UNIFORM, INIT_KAIMING_UNIFORM, INIT_TRUNC_NORMAL, INIT_ZERO});
    const Ref half = stem(g, image, dims[0] / 2);
    vss_encoder(g, half, 2, config, NULL, stages);

    const Ref enc1 = encoder(g, 1, image, dims[0] / 2);
    const Ref enc2 = encoder(g, 2, half, dims[0]);
    const Ref enc3 = encoder(g, 3, stages[0], dims[1]);
    const Ref enc4 = encoder(g, 4, stages[1], dims[2]);
    const Ref enc5 = encoder(g, 5, stages[2], dims[3]);

    Ref x = paper ? enc5 : decoder(g, 6, stages[3], enc5);
    const Ref dec5 = decoder(g, 5, x, enc4);
    const Ref dec4 = decoder(g, 4, dec5, enc3);
    const Ref dec3 = decoder(g, 3, dec4, enc2);
    x = decoder(g, 2, dec3, enc1);
    scope_in(g, "decoder1");
    x = scope_out(g, unetr_basic_block(g, x, dims[0] / 2));

    heads->of[0] = out_layer(g, 0, x, heads->classes);
    heads->of[1] = out_layer(g, 1, dec3, heads->classes);
    heads->of[2] = out_layer(g, 2, dec4, heads->classes);
    heads->of[3] = out_layer(g, 3, dec5, heads->classes);
    heads->count = VSS_STAGES;
}

static void build(Graph *g, Ref image, const void *config, Heads *heads)
{
    build_either(g, image, config, false, heads);
}

/* The official code computes the encoder's last stage without using its output. The official operation count was made
 * on PyTorch's traced graph, where unused operations are removed. The last scan is a custom operator, which the tracer
 * keeps. So the count includes that scan and the operations that it depends on. */
static void build_paper(Graph *g, Ref image, const void *config, Heads *heads)
{
    const VssConfig *c = config;
    char name[96];
    Ref scan;
    build_either(g, image, c, true, heads);
    snprintf(name, sizeof name, "vssm_encoder.layers.%d.blocks.%d.self_attention.selective_scan", VSS_STAGES - 1,
             c->depths[VSS_STAGES - 1] - 1);
    if (graph_find(g, name, &scan)) graph_output(g, "counted", scan);
}

static const char *const trainers[] = {"nnUNetTrainerSwinUMamba", NULL};

const NetworkKind network_swin_umamba = {
    .name = "swin_umamba",
    .about = "Swin-UMamba: VMamba encoder, convolutional decoder",
    VSS_CONFIG,
    .build = build,
    VSS_TRAINING(DEEP_SUPERVISION_ON),
    .trainers = trainers,
};

const NetworkKind network_swin_umamba_paper = {
    .name = "swin_umamba_paper",
    .about = "Swin-UMamba as in the paper's first revision",
    VSS_CONFIG,
    .build = build_paper,
    VSS_TRAINING(DEEP_SUPERVISION_ON),
};
