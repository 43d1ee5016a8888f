/* Swin-UMamba† (SwinUMambaD): the VMamba encoder on 4×4 patches; a decoder of patch expanding and VSS blocks.
 *
 *   image ─ patch embed 4×4 ─ stage 0 ─ merge ─ stage 1 ─ merge ─ stage 2 ─ merge ─ stage 3
 *                                │                 │                 │                │
 *   head0 ─ ×4 expand ─ VSS ─ concat ─ expand ─ VSS ─ concat ─ expand ─ VSS ─ concat ─ expand
 *                        │                       │                       │
 *                      head1 (1/4)            head2 (1/8)             head3 (1/16) */
#include <stdio.h>

#include "network/models/blocks.h"

enum { DECODER_STAGES = NETWORK_STAGES - 1 };

/* decoder.NAME.INDEX */
static void in_part(Graph *g, const char *name, int index)
{
    char scope[48];
    snprintf(scope, sizeof scope, "%s.%d", name, index);
    scope_in(g, scope);
}

static Ref seg_head(Graph *g, int index, Ref x, int64_t classes)
{
    char name[48];
    snprintf(name, sizeof name, "seg_layers.%d", index);
    return op_conv2d(g, name, x, classes, conv_square(1, 1, 0, true));
}

static Ref decoder_stage(Graph *g, int s, Ref x, Ref skip, const NetworkSpec *spec)
{
    const int64_t blocks = DECODER_STAGES * spec->decoder_depth;
    in_part(g, "expand_layers", s);
    x = scope_out(g, patch_expand(g, x));
    char name[48];
    snprintf(name, sizeof name, "concat_back_dim.%d", s);
    x = op_linear(g, name, op_concat(g, x, skip), graph_shape(g, skip).c, true);
    for (int64_t k = 0; k < spec->decoder_depth; k++) {
        const double done = blocks > 1 ? (double)(s * spec->decoder_depth + k) / (double)(blocks - 1) : 1;
        snprintf(name, sizeof name, "stages.%d.blocks.%d", s, (int)k);
        scope_in(g, name);
        x = scope_out(g, vss_block(g, x, spec->states, spec->drop_path * (1 - done)));
    }
    return x;
}

void swin_umamba_d(Graph *g, Ref image, const NetworkSpec *spec, Ref heads[NETWORK_HEADS])
{
    Ref stages[NETWORK_STAGES];
    graph_init_policy(g, (InitPolicy){INIT_HE_NORMAL, INIT_ZERO, INIT_TRUNC_NORMAL, INIT_ZERO});
    vss_encoder(g, image, 4, spec, stages);

    graph_init_policy(g, (InitPolicy){INIT_HE_NORMAL, INIT_ZERO, INIT_KAIMING_UNIFORM, INIT_KAIMING_UNIFORM});
    scope_in(g, "decoder");
    Ref x = stages[NETWORK_STAGES - 1];
    for (int s = 0; s < DECODER_STAGES; s++) {
        x = decoder_stage(g, s, x, stages[NETWORK_STAGES - 2 - s], spec);
        heads[DECODER_STAGES - s] = seg_head(g, s, x, spec->classes);
    }
    in_part(g, "expand_layers", DECODER_STAGES);
    x = scope_out(g, final_patch_expand(g, x));
    heads[0] = seg_head(g, DECODER_STAGES, x, spec->classes);
    scope_out(g, heads[0]);
}
