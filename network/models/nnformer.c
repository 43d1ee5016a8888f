/* nnFormer (Zhou et al. 2021), the official 3-D code with the depth axis taken away: a Swin transformer with
 * convolutional stem and mergings, and a decoder of Swin blocks whose first one attends to the skip.
 *
 *   image ─ stem (1/4) ─ level 0 ── merge ─ level 1 ── merge ─ level 2 ── merge ─ level 3
 *                           │ norm             │ norm             │ norm             │ norm
 *   head0 ─ ×4 ─────── skip attention ── up ─ skip attention ─ up ─ skip attention ─ up
 *                                               └ ×4 ─ head1       └ ×4 ─ head2 */
#include <stdio.h>

#include "formats/schema.h"
#include "network/models/blocks.h"
#include "network/models/network.h"

enum { LEVELS = 4, MOST_LEVELS = 16 };

/* The keys of the plan have the same names. */
typedef struct NnFormer {
    int embed; /* channels of the first level */
    int patch; /* pixels of a patch's side: 2 or 4 */
    int depths[MOST_LEVELS], depths_count;
    int heads[MOST_LEVELS], heads_count;
    int windows[MOST_LEVELS], windows_count;
    double drop_path;
} NnFormer;

#define PER_LEVEL(MEMBER, HIGH, DEFAULT, DOC)                                                 \
    {                                                                                         \
        ROW(FIELD_INT, #MEMBER, NnFormer, MEMBER), LIST_OF(NnFormer, MEMBER, MEMBER##_count), \
            .low = 1, .high = HIGH, .fallback = DEFAULT, .doc = DOC                           \
    }
static const Field fields[] = {
    ROW_INT("embed", NnFormer, embed, 2, 1 << 14, "192", "channels of the first level, an even number"),
    ROW_INT("patch", NnFormer, patch, 2, 4, "4", "pixels of a patch's side, 2 or 4"),
    PER_LEVEL(depths, 256, "2, 2, 2, 2", "blocks of the levels; the decoder has as many"),
    PER_LEVEL(heads, 4096, "6, 12, 24, 48", "heads of the levels' attention"),
    PER_LEVEL(windows, 64, "5, 5, 10, 5", "pixels of a window's side at the levels"),
    ROW_DOUBLE("drop_path", NnFormer, drop_path, 0, 0.99, "0.2", "largest rate of stochastic depth")};
static const Schema schema = {"network", fields, sizeof fields / sizeof *fields, NULL};

static int check(const void *config, Err *e)
{
    const NnFormer *c = config;
    if (c->depths_count != LEVELS || c->heads_count != LEVELS || c->windows_count != LEVELS)
        return err_set(e, ERR_VALUE, "network: depths, heads and windows have %d, %d and %d entries, expected %d",
                       c->depths_count, c->heads_count, c->windows_count, LEVELS);
    if (c->patch == 3) return err_set(e, ERR_VALUE, "network.patch: 3, expected 2 or 4");
    if (c->embed % 2) return err_set(e, ERR_VALUE, "network.embed: %d, expected an even number", c->embed);
    for (int i = 0; i < LEVELS; i++)
        if ((c->embed << i) % c->heads[i])
            return err_set(e, ERR_VALUE, "network.heads: level %d has %d channels, no multiple of %d heads", i,
                           c->embed << i, c->heads[i]);
    return 0;
}

static void divisor(const void *config, int yx[2])
{
    yx[0] = yx[1] = ((const NnFormer *)config)->patch << (LEVELS - 1);
}

static Ref conv3(Graph *g, const char *name, Ref x, int64_t channels, int64_t stride)
{
    return op_conv2d(g, name, x, channels, conv_square(3, stride, 1, true));
}

static Ref act_norm(Graph *g, const char *name, Ref x) { return op_layer_norm(g, name, op_gelu(g, x)); }

static Ref projection(Graph *g, const char *scope, Ref x, int64_t channels, int64_t stride)
{
    scope_in(g, scope);
    x = act_norm(g, "norm1", conv3(g, "conv1", x, channels, stride));
    return scope_out(g, conv3(g, "conv2", x, channels, 1));
}

static Ref stem(Graph *g, Ref image, const NnFormer *c)
{
    scope_in(g, "patch_embed");
    const Ref half = act_norm(g, "proj1.norm2", projection(g, "proj1", image, c->embed / 2, 2));
    return scope_out(g, op_layer_norm(g, "norm", projection(g, "proj2", half, c->embed, c->patch / 2)));
}

/* A map that is not larger than the window is one window, and the bias's table is made for it. */
static WindowAttention attention_of(const Graph *g, const NnFormer *c, Ref x, int level, bool shifted)
{
    const Shape s = graph_shape(g, x);
    const int64_t edge = s.h < s.w ? s.h : s.w, window = c->windows[level];
    if (edge <= window) return (WindowAttention){c->heads[level], edge, 0, true};
    return (WindowAttention){c->heads[level], window, shifted ? window / 2 : 0, true};
}

/* The i-th of n rates from 0 to the largest. */
static double drop_rate(const NnFormer *c, int i, int n) { return n > 1 ? c->drop_path * i / (n - 1) : c->drop_path; }

static const char *const layers[2] = {"fc1", "fc2"};

static Ref block(Graph *g, const NnFormer *c, Ref x, int level, int index, double rate)
{
    scope_in_format(g, "blocks.%d", index);
    return scope_out(g, swin_block(g, x, attention_of(g, c, x, level, index % 2), layers, rate));
}

static void encoder(Graph *g, Ref image, const NnFormer *c, Ref skips[LEVELS])
{
    int done = 0, all = 0;
    for (int l = 0; l < LEVELS; l++) all += c->depths[l];
    scope_in(g, "model_down");
    Ref x = stem(g, image, c);
    for (int l = 0; l < LEVELS; l++) {
        char norm[16];
        scope_in_format(g, "layers.%d", l);
        for (int k = 0; k < c->depths[l]; k++) x = block(g, c, x, l, k, drop_rate(c, done++, all));
        scope_out(g, x);
        snprintf(norm, sizeof norm, "norm%d", l);
        skips[l] = op_layer_norm(g, norm, x);
        if (l == LEVELS - 1) break;
        scope_in_format(g, "layers.%d", l);
        scope_in(g, "downsample");
        x = scope_out(g, conv3(g, "reduction", act_norm(g, "norm", x), 2 * graph_shape(g, x).c, 2));
        scope_out(g, x);
    }
    scope_out(g, x);
}

static Ref upsample(Graph *g, Ref x)
{
    scope_in(g, "Upsample");
    x = op_layer_norm(g, "norm", x);
    return scope_out(g, op_conv_transpose2d(g, "up", x, graph_shape(g, x).c / 2, conv_square(2, 2, 0, true)));
}

static void decoder(Graph *g, const NnFormer *c, const Ref skips[LEVELS], Ref outputs[LEVELS - 1])
{
    Ref x = skips[LEVELS - 1];
    int done = 0, all = 0;
    for (int l = 0; l < LEVELS - 1; l++) all += c->depths[l];
    scope_in(g, "decoder");
    for (int l = LEVELS - 2; l >= 0; l--) {
        scope_in_format(g, "layers.%d", l);
        x = upsample(g, x);
        scope_in_format(g, "blocks.%d", 0);
        x = scope_out(g,
                      skip_block(g, skips[l], x, attention_of(g, c, x, l, false), layers, drop_rate(c, done++, all)));
        for (int k = 1; k < c->depths[l]; k++) x = block(g, c, x, l, k, drop_rate(c, done++, all));
        outputs[l] = x = scope_out(g, x);
    }
    scope_out(g, x);
}

static void build(Graph *g, Ref image, const void *config, Heads *heads)
{
    const NnFormer *c = config;
    Ref skips[LEVELS], outputs[LEVELS - 1];
    encoder(g, image, c, skips);
    decoder(g, c, skips, outputs);
    for (int l = 0; l < LEVELS - 1; l++) {
        char name[32];
        snprintf(name, sizeof name, "final.%d.up", l);
        heads->of[l] =
            op_conv_transpose2d(g, name, outputs[l], heads->classes, conv_square(c->patch, c->patch, 0, true));
    }
    heads->count = LEVELS - 1;
}

static const char *const trainers[] = {"nnUNetTrainernnFormer$", NULL};

const NetworkKind network_nnformer = {
    .name = "nnformer",
    .about = "nnFormer: Swin transformer, decoder of skip attention",
    .schema = &schema,
    .config_bytes = NETWORK_CONFIG(NnFormer),
    .check = check,
    .divisor = divisor,
    .build = build,
    .training = {OPTIMIZER_SGD, 1e-2, 3e-5, SCHEDULE_POLY, 0.9, DEEP_SUPERVISION_ON, 0},
    .trainers = trainers,
};
