#include "network/models/unet_blocks.h"

#include <stdio.h>

#include "formats/schema.h"
#include "network/models/unet_topology.h"

/* ---- configuration ---- */

const Schema unet_schema = {"network", NULL, 0, NULL};

int unet_complete(void *config, int64_t height, int64_t width, Err *e)
{
    Architecture *a = config;
    UnetTopology t;
    if (a->n_stages) return 0;
    architecture_defaults(a);
    TRY(unet_topology(&t, (const double[]){1, 1}, (const double[]){(double)height, (double)width}, e));
    unet_write_architecture(a, &t);
    return 0;
}

int unet_check(const void *config, Err *e)
{
    const Architecture *a = config;
    TRY(architecture_check(a, e));
    if (a->n_stages - 1 <= NETWORK_HEADS) return 0;
    return err_set(e, ERR_UNSUPPORTED, "configurations.2d.architecture.n_stages: found %d, at most %d are supported",
                   a->n_stages, NETWORK_HEADS + 1);
}

int unet_plain_check(const void *config, Err *e)
{
    const Architecture *a = config;
    TRY(unet_check(a, e));
    if (!architecture_is_residual(a)) return 0;
    return err_set(e, ERR_UNSUPPORTED,
                   "configurations.2d.architecture.network_class_name: found %s, this network is built from a "
                   "PlainConvUNet",
                   a->network_class_name);
}

void unet_divisor(const void *config, int yx[2]) { architecture_divisor(config, yx); }

static PairYX pair(const int yx[2]) { return (PairYX){yx[0], yx[1]}; }

static UnetStage encoder_stage(const Architecture *a, int stage)
{
    const int *counts = architecture_is_residual(a) ? a->n_blocks_per_stage : a->n_conv_per_stage;
    return (UnetStage){a->features_per_stage[stage], pair(a->kernel_sizes[stage]), pair(a->strides[stage]),
                       a->conv_bias, counts[stage]};
}

/* ---- blocks ---- */

/* Opens the scope NAME.INDEX. */
static void in_part(Graph *g, const char *name, int index)
{
    char scope[48];
    snprintf(scope, sizeof scope, "%s.%d", name, index);
    scope_in(g, scope);
}

/* Convolution and instance norm of the size of the input, or, with a stride, as often smaller. */
static Ref conv_norm(Graph *g, Ref x, int64_t channels, Conv conv)
{
    conv.padding = (PairYX){(conv.kernel.y - 1) / 2, (conv.kernel.x - 1) / 2};
    return op_instance_norm(g, "norm", op_conv2d(g, "conv", x, channels, conv), true);
}

static Conv first_conv(const UnetStage *s, int index)
{
    return (Conv){s->kernel, index ? (PairYX){1, 1} : s->stride, {0, 0}, s->bias};
}

Ref unet_convolutions(Graph *g, Ref x, const UnetStage *s)
{
    for (int i = 0; i < s->count; i++) {
        in_part(g, "convs", i);
        x = scope_out(g, op_leaky_relu(g, conv_norm(g, x, s->channels, first_conv(s, i)), 0.01));
    }
    return x;
}

/* A residual encoder's first convolution: as the first stage's, without its stride. */
static Ref stem(Graph *g, Ref image, const UnetStage *stage)
{
    const UnetStage s = {stage->channels, stage->kernel, {1, 1}, stage->bias, 1};
    scope_in(g, "stem");
    return scope_out(g, unet_convolutions(g, image, &s));
}

static Ref shortcut(Graph *g, Ref x, int64_t channels, PairYX stride)
{
    const bool halves = stride.y > 1 || stride.x > 1;
    if (halves) x = op_average_pool(g, x, stride);
    if (graph_shape(g, x).c == channels) return x;
    in_part(g, "skip", halves); /* the pooling is skip.0 */
    return scope_out(g, conv_norm(g, x, channels, conv_square(1, 1, 0, false)));
}

static Ref residual_block(Graph *g, Ref x, const UnetStage *s, int index, bool zero)
{
    const Conv first = first_conv(s, index), second = first_conv(s, 1);
    scope_in(g, "conv1");
    Ref path = scope_out(g, op_leaky_relu(g, conv_norm(g, x, s->channels, first), 0.01));
    scope_in(g, "conv2");
    graph_init_norms(g, zero ? INIT_ZERO : INIT_ONE);
    path = scope_out(g, conv_norm(g, path, s->channels, second));
    graph_init_norms(g, INIT_ONE);
    return op_leaky_relu(g, op_add(g, path, shortcut(g, x, s->channels, first.stride)), 0.01);
}

static Ref residual_blocks(Graph *g, Ref x, const UnetStage *s, bool zero)
{
    for (int i = 0; i < s->count; i++) {
        in_part(g, "blocks", i);
        x = scope_out(g, residual_block(g, x, s, i, zero));
    }
    return x;
}

Ref unet_residual_blocks(Graph *g, Ref x, const UnetStage *s) { return residual_blocks(g, x, s, false); }
Ref unet_shortcut_blocks(Graph *g, Ref x, const UnetStage *s) { return residual_blocks(g, x, s, true); }

/* ---- encoder and decoder ---- */

void unet_encoder(Graph *g, Ref image, const Architecture *a, UnetStageFunction *stage, UnetLayerFunction *after,
                  Ref *skips)
{
    const bool plain = stage == unet_convolutions;
    Ref x = image;
    graph_init_policy(g, (InitPolicy){INIT_HE_NORMAL, INIT_ZERO, INIT_KAIMING_UNIFORM, INIT_KAIMING_UNIFORM});
    scope_in(g, "encoder");
    graph_exact(g, true);
    for (int i = 0; i < a->n_stages; i++) {
        const UnetStage s = encoder_stage(a, i);
        char scope[32];
        if (!plain && !i) x = stem(g, x, &s);
        snprintf(scope, sizeof scope, plain ? "stages.%d.0" : "stages.%d", i);
        scope_in(g, scope);
        x = scope_out(g, stage(g, x, &s));
        skips[i] = x = after ? after(g, x, i) : x;
    }
    scope_out(g, x);
}

void unet_decoder(Graph *g, const Architecture *a, const Ref *skips, UnetStageFunction *stage, int exact_from,
                  Heads *heads)
{
    const int last = a->n_stages - 1;
    char name[32];
    Ref x = skips[last];
    scope_in(g, "decoder");
    for (int i = 0; i < last; i++) {
        const int level = last - 1 - i;
        const PairYX up = pair(a->strides[level + 1]);
        const UnetStage s = {a->features_per_stage[level],
                             pair(a->kernel_sizes[level]),
                             {1, 1},
                             a->conv_bias,
                             a->n_conv_per_stage_decoder[i]};
        graph_exact(g, level >= exact_from);
        snprintf(name, sizeof name, "transpconvs.%d", i);
        x = op_conv_transpose2d(g, name, x, s.channels, (Conv){up, up, {0, 0}, a->conv_bias});
        in_part(g, "stages", i);
        x = scope_out(g, stage(g, op_concat(g, x, skips[level]), &s));
        snprintf(name, sizeof name, "seg_layers.%d", i);
        heads->of[level] = op_conv2d(g, name, x, heads->classes, conv_square(1, 1, 0, true));
    }
    scope_out(g, x);
    heads->count = last;
}
