/* UNETR (Hatamizadeh et al. 2022, as MONAI builds it): a vision transformer on patches of 16×16, and a convolutional
 * decoder that also gets the image and three of the transformer's states, brought to the sizes of a U-Net.
 *
 *   image ─ patches + positions (1/16) ─ blocks 0 … 3 ─── … 6 ─── … 9 ─── … last ─ norm
 *     │                                          │         │        │                │
 *   enc 1                                      enc 2     enc 3    enc 4              │
 *     │ 1                                        │ 1/2     │ 1/4    │ 1/8            │
 *   dec 2 ─ head0 ────────────────────────────  dec 3 ─── dec 4 ── dec 5 ────────────┘ */

#include "formats/schema.h"
#include "network/models/blocks.h"
#include "network/models/network.h"

/* The decoder has four doublings, and MONAI takes these blocks' outputs. */
enum { PATCH = 16, TAPS = 3, LEAST_LAYERS = 10 };
static const int taps[TAPS] = {3, 6, 9};

/* The keys of the plan have the same names. */
typedef struct Unetr {
    int feature_size;               /* channels of the finest level */
    int hidden, mlp, heads, layers; /* of the transformer */
} Unetr;

static const Field fields[] = {ROW_INT("feature_size", Unetr, feature_size, 1, 4096, "16", "channels at full size"),
                               ROW_INT("hidden", Unetr, hidden, 1, 1 << 16, "768", "channels of the transformer"),
                               ROW_INT("mlp", Unetr, mlp, 1, 1 << 18, "3072", "channels of its perceptrons"),
                               ROW_INT("heads", Unetr, heads, 1, 4096, "12", "heads of its attention"),
                               ROW_INT("layers", Unetr, layers, LEAST_LAYERS, 1024, "12", "its blocks")};
static const Schema schema = {"network", fields, sizeof fields / sizeof *fields, NULL};

static int check(const void *config, Err *e)
{
    const Unetr *c = config;
    if (c->hidden % c->heads == 0) return 0;
    return err_set(e, ERR_VALUE, "network.hidden: %d is not a multiple of heads, %d", c->hidden, c->heads);
}

static void divisor(const void *config, int yx[2])
{
    (void)config;
    yx[0] = yx[1] = PATCH;
}

static Ref patches(Graph *g, Ref image, const Unetr *c)
{
    scope_in(g, "patch_embedding");
    const Ref x = op_conv2d(g, "patch_embeddings", image, c->hidden, conv_square(PATCH, PATCH, 0, true));
    return scope_out(g, op_position_embedding(g, "position_embeddings", x));
}

/* states: the outputs at the taps. */
static Ref transformer(Graph *g, Ref image, const Unetr *c, Ref states[TAPS])
{
    scope_in(g, "vit");
    Ref x = patches(g, image, c);
    for (int i = 0, tap = 0; i < c->layers; i++) {
        scope_in_format(g, "blocks.%d", i);
        x = scope_out(g, vit_block(g, x, c->heads, c->mlp));
        if (tap < TAPS && i == taps[tap]) states[tap++] = x;
    }
    return scope_out(g, op_layer_norm(g, "norm", x));
}

static Ref decoder(Graph *g, int index, Ref x, Ref skip)
{
    scope_in_format(g, "decoder%d", index);
    return scope_out(g, unetr_up_block(g, x, skip, graph_shape(g, skip).c));
}

static void build(Graph *g, Ref image, const void *config, Heads *heads)
{
    const Unetr *c = config;
    Ref states[TAPS], skips[TAPS + 1];
    Ref x = transformer(g, image, c, states);
    scope_in_format(g, "encoder%d", 1);
    skips[0] = scope_out(g, unetr_basic_block(g, image, c->feature_size));
    for (int i = 0; i < TAPS; i++) {
        scope_in_format(g, "encoder%d", 2 + i);
        skips[1 + i] = scope_out(g, unetr_pr_up_block(g, states[i], (int64_t)c->feature_size << (1 + i), 2 - i));
    }
    for (int i = TAPS; i >= 0; i--) x = decoder(g, 2 + i, x, skips[i]);
    heads->of[0] = op_conv2d(g, "out.conv.conv", x, heads->classes, conv_square(1, 1, 0, true));
    heads->count = 1;
}

static const char *const trainers[] = {"nnUNetTrainerUNETR$", NULL};

const NetworkKind network_unetr = {
    .name = "unetr",
    .about = "UNETR: vision transformer, convolutional decoder",
    .schema = &schema,
    .config_bytes = NETWORK_CONFIG(Unetr),
    .check = check,
    .divisor = divisor,
    .build = build,
    .training = {OPTIMIZER_ADAMW, 1e-4, 0.01, SCHEDULE_POLY, 1, DEEP_SUPERVISION_OFF, 0},
    .trainers = trainers,
};
