/* SegResNet (Myronenko 2018, as MONAI builds it): residual blocks with group norm before each convolution, strided
 * convolutions downwards, and an additive decoder with bilinear upsampling.
 *
 *   image ─ conv ─ blocks 0 ── conv/2 ─ blocks 1 ── conv/2 ─ blocks 2 ── conv/2 ─ blocks 3
 *                     │                    │                    │                    │
 *   head0 ──────── + block ── up ×2 ──── + block ── up ×2 ──── + block ── up ×2 ─────┘ */

#include "formats/schema.h"
#include "network/models/network.h"

enum {
    LEVELS = 13, /* each but the first halves: NETWORK_DIVISOR is 2^12 */
    GROUPS = 8,
    MOST_CHANNELS = 1 << 16 /* of the deepest level: as features_per_stage of a U-Net */
};

/* The keys of the plan have the same names. */
typedef struct SegResNet {
    int init_filters;                           /* channels of the finest level */
    int blocks_down[LEVELS], blocks_down_count; /* residual blocks of the encoder's levels, finest first */
    int blocks_up[LEVELS], blocks_up_count;     /* of the decoder's, coarsest first */
} SegResNet;

static const Field fields[] = {
    ROW_INT("init_filters", SegResNet, init_filters, 1, 4096, "32", "channels of the finest level"),
    {ROW(FIELD_INT, "blocks_down", SegResNet, blocks_down), LIST_OF(SegResNet, blocks_down, blocks_down_count),
     .low = 1, .high = 256, .fallback = "1, 2, 2, 4", .doc = "blocks of the encoder's levels"},
    {ROW(FIELD_INT, "blocks_up", SegResNet, blocks_up), LIST_OF(SegResNet, blocks_up, blocks_up_count), .low = 1,
     .high = 256, .fallback = "1, 1, 1", .doc = "blocks of the decoder's levels, coarsest first"}};
static const Schema schema = {"network", fields, sizeof fields / sizeof *fields, NULL};

static int check(const void *config, Err *e)
{
    const SegResNet *c = config;
    if (c->init_filters % GROUPS)
        return err_set(e, ERR_VALUE, "network.init_filters: %d is not a multiple of %d, the groups of the norms",
                       c->init_filters, GROUPS);
    if (c->blocks_down_count < 2 || c->blocks_up_count != c->blocks_down_count - 1)
        return err_set(e, ERR_VALUE,
                       "network: blocks_down and blocks_up have %d and %d entries, expected n (2 or more) and n - 1",
                       c->blocks_down_count, c->blocks_up_count);
    if ((int64_t)c->init_filters << (c->blocks_down_count - 1) <= MOST_CHANNELS) return 0;
    return err_set(e, ERR_VALUE,
                   "network.init_filters: %d, doubled from level to level, are more than %d channels at the last of %d "
                   "levels: give fewer filters or levels",
                   c->init_filters, MOST_CHANNELS, c->blocks_down_count);
}

static void divisor(const void *config, int yx[2])
{
    const SegResNet *c = config;
    yx[0] = yx[1] = c->blocks_down_count > 1 ? 1 << (c->blocks_down_count - 1) : 1;
}

/* Opens the scope NAME.LEVEL.INDEX. */
static void in_layer(Graph *g, const char *name, int level, int index)
{
    scope_in_format(g, "%s.%d.%d", name, level, index);
}

static Ref norm_act(Graph *g, const char *name, Ref x)
{
    return op_leaky_relu(g, op_group_norm(g, name, x, GROUPS), 0);
}

static Ref conv(Graph *g, const char *name, Ref x, int64_t channels, int64_t kernel, int64_t stride)
{
    return op_conv2d(g, name, x, channels, conv_square(kernel, stride, kernel / 2, false));
}

static Ref block(Graph *g, Ref x)
{
    const int64_t channels = graph_shape(g, x).c;
    Ref path = conv(g, "conv1.conv", norm_act(g, "norm1", x), channels, 3, 1);
    path = conv(g, "conv2.conv", norm_act(g, "norm2", path), channels, 3, 1);
    return op_add(g, path, x);
}

static Ref blocks(Graph *g, const char *name, Ref x, int level, int first, int count)
{
    for (int k = 0; k < count; k++) {
        in_layer(g, name, level, first + k);
        x = scope_out(g, block(g, x));
    }
    return x;
}

static Ref half_size(Graph *g, Ref x, int level)
{
    in_layer(g, "down_layers", level, 0);
    return scope_out(g, conv(g, "conv", x, 2 * graph_shape(g, x).c, 3, 2));
}

static Ref double_size(Graph *g, Ref x, int level)
{
    in_layer(g, "up_samples", level, 0);
    return op_upsample_bilinear(g, scope_out(g, conv(g, "conv", x, graph_shape(g, x).c / 2, 1, 1)));
}

static void build(Graph *g, Ref image, const void *config, Heads *heads)
{
    const SegResNet *c = config;
    Ref levels[LEVELS];
    Ref x = conv(g, "convInit.conv", image, c->init_filters, 3, 1);
    for (int i = 0; i < c->blocks_down_count; i++) {
        if (i) x = half_size(g, x, i);
        levels[i] = x = blocks(g, "down_layers", x, i, 1, c->blocks_down[i]);
    }
    for (int i = 0; i < c->blocks_up_count; i++) {
        x = op_add(g, double_size(g, x, i), levels[c->blocks_up_count - 1 - i]);
        x = blocks(g, "up_layers", x, i, 0, c->blocks_up[i]);
    }
    heads->of[0] =
        op_conv2d(g, "conv_final.2.conv", norm_act(g, "conv_final.0", x), heads->classes, conv_square(1, 1, 0, true));
    heads->count = 1;
}

static const char *const trainers[] = {"nnUNetTrainerSegResNet$", NULL};

const NetworkKind network_segresnet = {
    .name = "segresnet",
    .about = "SegResNet: residual blocks, additive decoder",
    .schema = &schema,
    .config_bytes = NETWORK_CONFIG(SegResNet),
    .check = check,
    .divisor = divisor,
    .build = build,
    .training = {OPTIMIZER_ADAM, 1e-4, 1e-5, SCHEDULE_POLY, 0.9, DEEP_SUPERVISION_OFF, 0},
    .trainers = trainers,
};
