#include "network/ops/dice_loss.h"

#include "network/ops/kernel.h"

enum { PIECE_BLOCKS = 8, MOST_PIECES = 256 };

static int64_t sums_length(int64_t classes) { return 3 * classes + 2; }

/* The blocks of an item, divided into pieces. */
static Pieces pieces_of_item(const Node *node)
{
    const Shape s = node->in[0]->shape;
    return pieces_of((s.h * s.w + LOSS_BLOCK - 1) / LOSS_BLOCK, PIECE_BLOCKS, MOST_PIECES);
}

/* Saved for backward: the slopes of each item and class, then per_pixel. Scratch of forward: the sums of each item,
 * those of each piece, and the slopes if none are saved. Scratch of both passes: a block of probabilities for each
 * piece. */
int loss_prepare(Node *node, Err *e)
{
    (void)e;
    const Shape s = node->in[0]->shape;
    const size_t pieces = (size_t)(s.n * pieces_of_item(node).count), sums = (size_t)sums_length(s.c) * sizeof(double);
    const size_t slopes = (size_t)(s.n * s.c) * sizeof(DiceSlope) + sizeof(double);
    const size_t blocks = pieces * (size_t)(s.c * LOSS_BLOCK) * sizeof(float);
    node->saved_bytes[0] = slopes;
    node->scratch_bytes[0] = ((size_t)s.n + pieces) * sums + slopes + blocks;
    node->scratch_bytes[1] = blocks;
    return 0;
}

/* Outside the image is background. */
static int label_at(const Node *node, int64_t pixel)
{
    const int label = loss_label(node->in[1]->data, node->in[1]->shape, node->in[0]->shape, pixel);
    return label == -1 ? 0 : label;
}

static LossBlock block_at(const Node *node, int64_t n, int64_t block)
{
    const Tensor *z = node->in[0];
    const int64_t pixels = z->shape.h * z->shape.w, first = block * LOSS_BLOCK, at = (n * pixels + first) * z->pitch;
    LossBlock b = {.logits = (const float *)z->data + at, .pitch = z->pitch, .classes = z->shape.c};
    if (node->wants_grad[0]) b.logits_grad = (float *)z->grad + at;
    b.pixels = (int)(pixels - first < LOSS_BLOCK ? pixels - first : LOSS_BLOCK);
    for (int i = 0; i < b.pixels; i++) b.labels[i] = label_at(node, n * pixels + first + i);
    for (int i = b.pixels; i < LOSS_BLOCK; i++) b.labels[i] = -1;
    return b;
}

void loss_load(float *p, const LossBlock *b)
{
    for (int64_t c = 0; c < b->classes; c++) {
        for (int i = 0; i < b->pixels; i++) p[c * LOSS_BLOCK + i] = b->logits[i * b->pitch + c];
        for (int i = b->pixels; i < LOSS_BLOCK; i++) p[c * LOSS_BLOCK + i] = 0;
    }
}

static void add_sums(double *to, const double *from, int64_t length)
{
    for (int64_t i = 0; i < length; i++) to[i] += from[i];
}

/* items[n]: the sums of item n. Its pieces are added in a fixed order. Returns the first unused scratch memory. */
static void *sum_items(const Node *node, const LossKernels *kernels, double *items)
{
    const Shape s = node->in[0]->shape;
    const Pieces pieces = pieces_of_item(node);
    const int64_t all = s.n * pieces.count, length = sums_length(s.c);
    double *sums = items + s.n * length;
    float *probabilities = (float *)(sums + all * length);
    memset(items, 0, (size_t)((s.n + all) * length) * sizeof *items);
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < all; k++) {
        const int64_t n = k / pieces.count, piece = k % pieces.count;
        for (int64_t i = piece * pieces.size; i < piece_end(&pieces, piece); i++) {
            LossBlock b = block_at(node, n, i);
            kernels->add(node, &b, probabilities + k * s.c * LOSS_BLOCK, sums + k * length);
        }
    }
    for (int64_t k = 0; k < all; k++) add_sums(items + k / pieces.count * length, sums + k * length, length);
    return probabilities + all * s.c * LOSS_BLOCK;
}

/* Returns the sum over classes of the Dice of one set of sums; writes its slopes. */
static double dice_of(const double *sums, int64_t classes, const LossRule *rule, DiceSlope *slopes)
{
    double total = 0;
    for (int64_t c = 0; c < rule->first_class; c++) slopes[c] = (DiceSlope){0, 0};
    for (int64_t c = rule->first_class; c < classes; c++) {
        const double above = 2 * sums[c] + rule->smooth,
                     below = sums[classes + c] + sums[2 * classes + c] + rule->smooth;
        const double least = below > 1e-8 ? below : 1e-8;
        total += above / least;
        slopes[c].hit = -2 / least;
        slopes[c].base = below > 1e-8 ? above / (least * least) : 0;
    }
    return total;
}

/* Adds the sums of a loss over all ranks. No other function of the losses does so. */
static void add_over_ranks(const Node *node, double *sums, int64_t count)
{
    const Reduction *r = node->reduction;
    if (r) r->sum(r->context, sums, count, node->failure);
}

/* The parts of a loss: sums over all items of all ranks. */
typedef struct LossParts {
    double terms, valid, dice; /* sum of the pixels' terms; valid pixels; sum of the Dice of all classes and items */
    double items;              /* number of items with a separate Dice; 1 with batch_dice */
} LossParts;

/* With batch_dice: one Dice over all items; items[0] becomes the sum of all. */
static LossParts parts_of_batch(const Node *node, double *items, const LossRule *rule, DiceSlope *slopes)
{
    const Shape s = node->in[0]->shape;
    const int64_t length = sums_length(s.c);
    for (int64_t n = 1; n < s.n; n++) add_sums(items, items + n * length, length);
    add_over_ranks(node, items, length);
    const double dice = dice_of(items, s.c, rule, slopes);
    for (int64_t n = 1; n < s.n; n++) memcpy(slopes + n * s.c, slopes, (size_t)s.c * sizeof *slopes);
    return (LossParts){items[3 * s.c], items[3 * s.c + 1], dice, 1};
}

/* Without batch_dice: a Dice for each item. */
static LossParts parts_of_items(const Node *node, double *items, const LossRule *rule, DiceSlope *slopes)
{
    const Shape s = node->in[0]->shape;
    double sums[4] = {0, 0, 0, (double)s.n};
    for (int64_t n = 0; n < s.n; n++, items += sums_length(s.c)) {
        sums[0] += items[3 * s.c];
        sums[1] += items[3 * s.c + 1];
        sums[2] += dice_of(items, s.c, rule, slopes + n * s.c);
    }
    add_over_ranks(node, sums, 4);
    return (LossParts){sums[0], sums[1], sums[2], sums[3]};
}

void loss_forward(Node *node, const LossKernels *kernels, const LossRule *rule)
{
    const Shape s = node->in[0]->shape;
    double *items = node->scratch;
    void *behind = sum_items(node, kernels, items);
    DiceSlope *slopes = node->has_backward ? node->saved[0] : behind;
    const LossParts parts = (rule->batch_dice ? parts_of_batch : parts_of_items)(node, items, rule, slopes);
    const double count = (double)(s.c - rule->first_class) * parts.items;
    for (int64_t i = 0; i < s.n * s.c; i++) slopes[i] = (DiceSlope){slopes[i].base / count, slopes[i].hit / count};
    const double per_pixel = parts.valid > 0 ? rule->share / parts.valid : 0;
    memcpy(slopes + s.n * s.c, &per_pixel, sizeof per_pixel);
    *(float *)node->out[0]->data = (float)(parts.terms * per_pixel - parts.dice / count);
}

static void give(const LossBlock *b, const float *dz, bool accumulate)
{
    for (int i = 0; i < b->pixels; i++)
        for (int64_t c = 0; c < b->classes; c++) {
            float *at = b->logits_grad + i * b->pitch + c;
            *at = dz[c * LOSS_BLOCK + i] + (accumulate ? *at : 0);
        }
}

void loss_backward(Node *node, const LossKernels *kernels)
{
    if (!node->wants_grad[0]) return;
    const Shape s = node->in[0]->shape;
    const Pieces pieces = pieces_of_item(node);
    const DiceSlope *slopes = node->saved[0];
    const float g = *(const float *)node->out[0]->grad;
    double per_pixel;
    memcpy(&per_pixel, slopes + s.n * s.c, sizeof per_pixel);
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < s.n * pieces.count; k++) {
        const int64_t n = k / pieces.count, piece = k % pieces.count;
        float *p = (float *)node->scratch + k * s.c * LOSS_BLOCK;
        for (int64_t i = piece * pieces.size; i < piece_end(&pieces, piece); i++) {
            LossBlock b = block_at(node, n, i);
            kernels->differentiate(node, &b, p, slopes + n * s.c, per_pixel, g);
            give(&b, p, node->accumulate[0]);
        }
    }
}
