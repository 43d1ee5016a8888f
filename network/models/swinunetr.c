/* SwinUNETR (Hatamizadeh et al. 2022, as MONAI builds it, version 1): a Swin transformer on patches of 2×2, and a
 * convolutional decoder. The decoder gets each level's layer-normed copy (n0 … n4).
 *
 *   image ── patches (1/2) ── level 1 (1/4) ── level 2 (1/8) ── level 3 (1/16) ── level 4 (1/32)
 *     │          │ n0             │ n1             │ n2             │ n3             │ n4
 *   enc 1      enc 2            enc 3            enc 4              │              enc 10
 *     │          │                │                │                │                │
 *   dec 1 ──── dec 2 ────────── dec 3 ────────── dec 4 ────────── dec 5 ─────────────┘
 *     └ head0 */

#include "formats/schema.h"
#include "network/models/blocks.h"
#include "network/models/network.h"

enum { LEVELS = 4, PATCH = 2, MOST_LEVELS = 16 };

/* The keys of the plan have the same names. */
typedef struct SwinUnetr {
    int feature_size, window;
    int depths[MOST_LEVELS], depths_count;
    int heads[MOST_LEVELS], heads_count;
    double drop_path;
} SwinUnetr;

static const Field fields[] = {
    ROW_INT("feature_size", SwinUnetr, feature_size, 1, 4096, "48", "channels of the first level"),
    {ROW(FIELD_INT, "depths", SwinUnetr, depths), LIST_OF(SwinUnetr, depths, depths_count), .low = 1, .high = 256,
     .fallback = "2, 2, 2, 2", .doc = "blocks of the levels"},
    {ROW(FIELD_INT, "heads", SwinUnetr, heads), LIST_OF(SwinUnetr, heads, heads_count), .low = 1, .high = 4096,
     .fallback = "3, 6, 12, 24", .doc = "heads of the levels' attention"},
    ROW_INT("window", SwinUnetr, window, 2, 64, "7", "pixels of a window's side"),
    ROW_DOUBLE("drop_path", SwinUnetr, drop_path, 0, 0.99, "0", "largest rate of stochastic depth")};
static const Schema schema = {"network", fields, sizeof fields / sizeof *fields, NULL};

static int check(const void *config, Err *e)
{
    const SwinUnetr *c = config;
    if (c->depths_count != LEVELS || c->heads_count != LEVELS)
        return err_set(e, ERR_VALUE, "network: depths and heads have %d and %d entries, expected %d", c->depths_count,
                       c->heads_count, LEVELS);
    for (int i = 0; i < LEVELS; i++)
        if ((c->feature_size << i) % c->heads[i])
            return err_set(e, ERR_VALUE, "network.heads: level %d has %d channels, no multiple of %d heads", i,
                           c->feature_size << i, c->heads[i]);
    return 0;
}

static void divisor(const void *config, int yx[2])
{
    (void)config;
    yx[0] = yx[1] = PATCH << LEVELS;
}

/* The first of `all` blocks keeps all its paths, the last one drops them at the largest rate. */
static double drop_rate(const SwinUnetr *c, int block, int all)
{
    return all > 1 ? c->drop_path * block / (all - 1) : c->drop_path;
}

/* states: the patches, and the levels' outputs of half the size. */
static void transformer(Graph *g, Ref image, const SwinUnetr *c, Ref states[LEVELS + 1])
{
    static const char *const layers[2] = {"linear1", "linear2"};
    int block = 0, all = 0;
    for (int l = 0; l < LEVELS; l++) all += c->depths[l];
    scope_in(g, "swinViT");
    Ref x = states[0] = op_conv2d(g, "patch_embed.proj", image, c->feature_size, conv_square(PATCH, PATCH, 0, true));
    for (int l = 0; l < LEVELS; l++) {
        scope_in_format(g, "layers%d.0", l + 1);
        for (int k = 0; k < c->depths[l]; k++, block++) {
            const WindowAttention w = {c->heads[l], c->window, k % 2 ? c->window / 2 : 0, true};
            scope_in_format(g, "blocks.%d", k);
            x = scope_out(g, swin_block(g, x, w, layers, drop_rate(c, block, all)));
        }
        scope_in(g, "downsample");
        x = scope_out(g, patch_merging(g, x));
        states[l + 1] = x = scope_out(g, x);
    }
    scope_out(g, x);
}

static Ref encoder(Graph *g, int index, Ref x, int64_t channels)
{
    scope_in_format(g, "encoder%d", index);
    return scope_out(g, unetr_basic_block(g, x, channels));
}

static void build(Graph *g, Ref image, const void *config, Heads *heads)
{
    const SwinUnetr *c = config;
    const int64_t f = c->feature_size;
    Ref states[LEVELS + 1], skips[LEVELS + 1];
    transformer(g, image, c, states);
    for (int i = 0; i <= LEVELS; i++) states[i] = op_layer_norm_plain(g, states[i]);
    skips[0] = encoder(g, 1, image, f);
    for (int i = 0; i < LEVELS - 1; i++) skips[1 + i] = encoder(g, 2 + i, states[i], f << i);
    skips[LEVELS] = states[LEVELS - 1];
    Ref x = encoder(g, 10, states[LEVELS], f << LEVELS);
    for (int i = LEVELS; i >= 0; i--) {
        scope_in_format(g, "decoder%d", i + 1);
        x = scope_out(g, unetr_up_block(g, x, skips[i], graph_shape(g, skips[i]).c));
    }
    heads->of[0] = op_conv2d(g, "out.conv.conv", x, heads->classes, conv_square(1, 1, 0, true));
    heads->count = 1;
}

static const char *const trainers[] = {"nnUNetTrainerSwinUNETR$", NULL};

const NetworkKind network_swinunetr = {
    .name = "swinunetr",
    .about = "SwinUNETR: Swin transformer, convolutional decoder",
    .schema = &schema,
    .config_bytes = NETWORK_CONFIG(SwinUnetr),
    .check = check,
    .divisor = divisor,
    .build = build,
    .training = {OPTIMIZER_ADAMW, 8e-4, 0.01, SCHEDULE_COSINE, 0.9, DEEP_SUPERVISION_OFF, 0},
    .trainers = trainers,
};
