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
    TRY(unet_topology(&t, (const double[]){1, 1}, (const double[]){(double)height, (double)width}, e));
    if (t.stages < 2)
        return err_set(e, ERR_SHAPE,
                       "images of %lldx%lld are too small for a U-Net: none of their axes is long enough to be halved",
                       (long long)height, (long long)width);
    unet_write_architecture(a, &t, false);
    return 0;
}

int unet_check(const void *config, Err *e)
{
    const Architecture *a = config;
    TRY(architecture_check(a, e));
    if (a->n_stages - 1 <= NETWORK_HEADS) return 0;
    return err_set(e, ERR_UNSUPPORTED,
                   "configurations.2d.architecture.arch_kwargs.n_stages: found %d, at most %d are supported",
                   a->n_stages, NETWORK_HEADS + 1);
}

int unet_plain_check(const void *config, Err *e)
{
    const Architecture *a = config;
    TRY(unet_check(a, e));
    if (a->nonlin_first)
        return err_set(e, ERR_UNSUPPORTED,
                       "configurations.2d.architecture.arch_kwargs.nonlin_first: this network has the norm first");
    if (!architecture_is_residual(a)) return 0;
    return err_set(e, ERR_UNSUPPORTED,
                   "configurations.2d.architecture.network_class_name: found %s, this network is built from a "
                   "PlainConvUNet",
                   a->network_class_name);
}

void unet_divisor(const void *config, int yx[2]) { architecture_divisor(config, yx); }

static PairYX pair(const int yx[2]) { return (PairYX){yx[0], yx[1]}; }

/* What all stages of a U-Net have in common. */
static UnetStage stage_of(const Architecture *a, int stage)
{
    return (UnetStage){.channels = a->features_per_stage[stage],
                       .kernel = pair(a->kernel_sizes[stage]),
                       .stride = {1, 1},
                       .bias = a->conv_bias,
                       .affine = a->norm_affine,
                       .nonlin_first = a->nonlin_first,
                       .slope = architecture_slope(a)};
}

static UnetStage encoder_stage(const Architecture *a, int stage)
{
    UnetStage s = stage_of(a, stage);
    s.stride = pair(a->strides[stage]);
    s.count = (architecture_is_residual(a) ? a->n_blocks_per_stage : a->n_conv_per_stage)[stage];
    s.bottleneck = architecture_has_bottlenecks(a) ? a->bottleneck_channels[stage] : 0;
    return s;
}

/* ---- blocks ---- */

/* A convolution whose result has the size of the input, or, with a stride, is as often smaller. */
static Ref convolution(Graph *g, Ref x, int64_t channels, Conv conv)
{
    conv.padding = (PairYX){(conv.kernel.y - 1) / 2, (conv.kernel.x - 1) / 2};
    return op_conv2d(g, "conv", x, channels, conv);
}

static Ref conv_norm(Graph *g, Ref x, int64_t channels, Conv conv, const UnetStage *s)
{
    return op_instance_norm(g, "norm", convolution(g, x, channels, conv), s->affine);
}

/* ConvDropoutNormReLU. */
static Ref conv_norm_act(Graph *g, Ref x, int64_t channels, Conv conv, const UnetStage *s)
{
    if (!s->nonlin_first) return op_leaky_relu(g, conv_norm(g, x, channels, conv, s), s->slope);
    return op_instance_norm(g, "norm", op_leaky_relu(g, convolution(g, x, channels, conv), s->slope), s->affine);
}

static Conv first_conv(const UnetStage *s, int index)
{
    return (Conv){s->kernel, index ? (PairYX){1, 1} : s->stride, {0, 0}, s->bias};
}

Ref unet_convolutions(Graph *g, Ref x, const UnetStage *s)
{
    for (int i = 0; i < s->count; i++) {
        scope_in_format(g, "convs.%d", i);
        x = scope_out(g, conv_norm_act(g, x, s->channels, first_conv(s, i), s));
    }
    return x;
}

/* A residual encoder's first convolution: as those of stage 0, without a stride. */
static Ref stem(Graph *g, Ref image, const Architecture *a)
{
    UnetStage s = stage_of(a, 0);
    if (a->stem_channels) s.channels = a->stem_channels;
    s.count = 1;
    scope_in(g, "stem");
    return scope_out(g, unet_convolutions(g, image, &s));
}

static Ref shortcut(Graph *g, Ref x, const UnetStage *s, PairYX stride)
{
    const bool halves = stride.y > 1 || stride.x > 1;
    if (halves) x = op_average_pool(g, x, stride);
    if (graph_shape(g, x).c == s->channels) return x;
    scope_in_format(g, "skip.%d", halves); /* the pooling is skip.0 */
    return scope_out(g, conv_norm(g, x, s->channels, conv_square(1, 1, 0, false), s));
}

/* The last convolution of a block, `name`. zero: its norm is 0 at first, so that the block starts as its shortcut. */
static Ref last_conv(Graph *g, const char *name, Ref x, const UnetStage *s, Conv conv, bool zero)
{
    scope_in(g, name);
    graph_init_norms(g, zero ? INIT_ZERO : INIT_ONE);
    x = scope_out(g, conv_norm(g, x, s->channels, conv, s));
    graph_init_norms(g, INIT_ONE);
    return x;
}

static Ref basic_path(Graph *g, Ref x, const UnetStage *s, Conv first, bool zero)
{
    scope_in(g, "conv1");
    x = scope_out(g, conv_norm_act(g, x, s->channels, first, s));
    return last_conv(g, "conv2", x, s, first_conv(s, 1), zero);
}

static Ref bottleneck_path(Graph *g, Ref x, const UnetStage *s, Conv middle, bool zero)
{
    const Conv point = conv_square(1, 1, 0, s->bias);
    scope_in(g, "conv1");
    x = scope_out(g, conv_norm_act(g, x, s->bottleneck, point, s));
    scope_in(g, "conv2");
    x = scope_out(g, conv_norm_act(g, x, s->bottleneck, middle, s));
    return last_conv(g, "conv3", x, s, point, zero);
}

static Ref residual_blocks(Graph *g, Ref x, const UnetStage *s, bool zero)
{
    for (int i = 0; i < s->count; i++) {
        const Conv conv = first_conv(s, i);
        scope_in_format(g, "blocks.%d", i);
        const Ref path = (s->bottleneck ? bottleneck_path : basic_path)(g, x, s, conv, zero);
        x = scope_out(g, op_leaky_relu(g, op_add(g, path, shortcut(g, x, s, conv.stride)), s->slope));
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
        if (!plain && !i) x = stem(g, x, a);
        scope_in_format(g, plain ? "stages.%d.0" : "stages.%d", i);
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
        UnetStage s = stage_of(a, level);
        s.count = a->n_conv_per_stage_decoder[i];
        graph_exact(g, level >= exact_from);
        snprintf(name, sizeof name, "transpconvs.%d", i);
        x = op_conv_transpose2d(g, name, x, s.channels, (Conv){up, up, {0, 0}, a->conv_bias});
        scope_in_format(g, "stages.%d", i);
        x = scope_out(g, stage(g, op_concat(g, x, skips[level]), &s));
        snprintf(name, sizeof name, "seg_layers.%d", i);
        heads->of[level] = op_conv2d(g, name, x, heads->classes, conv_square(1, 1, 0, true));
    }
    scope_out(g, x);
    heads->count = last;
}
