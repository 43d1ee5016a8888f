/* Dice + cross-entropy of one head (nnU-Net's DC_and_CE_loss with MemoryEfficientSoftDiceLoss):
 *   CE   = mean over valid pixels of -log p_t, p = softmax(z), t the pixel's label; 0 if none is valid
 *   Dice = -mean over c = 1 … C-1 (and over the items, unless batch_dice) of
 *          (2 I_c + s) / max(G_c + P_c + s, 1e-8)
 * with I = Σ p_c [t = c], G = Σ [t = c], P = Σ p_c over valid pixels of the item (batch_dice: of the batch).
 *
 * Labels stand at full resolution and are taken at the head's by nearest neighbour: source row
 * ⌊(i + ½) H / h⌋, columns likewise (nnU-Net's downsampling of targets). Label -1 (outside the data) counts
 * as 0. A pixel with the ignore label is not valid; nor is one whose label is no class (a checked dataset
 * has none). Nothing of the image's size is kept: backward takes the softmax again. */
#include <math.h>

#include "network/ops/kernel.h"
#include "network/ops/ops.h"
#include "network/simd.h"

/* Blocks are small enough for float sums and L1, pieces many enough for many cores. */
enum { BLOCK = 64, PIECE_BLOCKS = 8, PIECES = 256 };

/* What backward needs of an item and class: dDice/dp = base + hit [t = c]. */
typedef struct Slope {
    double base, hit;
} Slope;

/* The sums of one piece, item or batch: I, G and P for each class, then the CE and the valid pixels. */
static int64_t sums_length(int64_t classes) { return 3 * classes + 2; }

static Pieces pieces_of_item(const Node *node)
{
    const Shape s = node->in[0]->shape;
    return pieces_of((s.h * s.w + BLOCK - 1) / BLOCK, PIECE_BLOCKS, PIECES); /* of blocks */
}

/* Saved for backward: the slopes of each item and class, then 1 / (valid pixels) as a double.
 * Scratch of forward: each item's sums, each piece's, the slopes where none are saved; of both: for each
 * piece a block of probabilities. */
static int prepare(Node *node, Err *e)
{
    (void)e;
    const Shape s = node->in[0]->shape;
    const size_t pieces = (size_t)(s.n * pieces_of_item(node).count),
                 sums = (size_t)sums_length(s.c) * sizeof(double);
    const size_t slopes = (size_t)(s.n * s.c) * sizeof(Slope) + sizeof(double);
    const size_t blocks = pieces * (size_t)(s.c * BLOCK) * sizeof(float);
    node->saved_bytes[0] = slopes;
    node->scratch_bytes[0] = ((size_t)s.n + pieces) * sums + slopes + blocks;
    node->scratch_bytes[1] = blocks;
    return 0;
}

/* A block of pixels of one item: their logits, labels (-1: not valid) and number. */
typedef struct PixelBlock {
    const float *logits;
    float *logits_grad;
    int64_t pitch, classes;
    int labels[BLOCK], pixels;
} PixelBlock;

static int label_at(const Node *node, int64_t n, int64_t pixel)
{
    const DiceCE *loss = node->attr;
    const Shape s = node->in[0]->shape, full = node->in[1]->shape;
    const int64_t y = loss_label_source(pixel / s.w, full.h, s.h), x = loss_label_source(pixel % s.w, full.w, s.w);
    const int label = ((const int16_t *)node->in[1]->data)[(n * full.h + y) * full.w + x];
    if (label == -1) return 0;
    return label == loss->ignore_label || label < 0 || label >= s.c ? -1 : label;
}

static PixelBlock block_of(const Node *node, int64_t n, int64_t block)
{
    const Tensor *z = node->in[0];
    const int64_t pixels = z->shape.h * z->shape.w, first = block * BLOCK,
                  at = (n * pixels + first) * z->pitch;
    PixelBlock b = {.logits = (const float *)z->data + at, .pitch = z->pitch, .classes = z->shape.c};
    if (node->wants_grad[0]) b.logits_grad = (float *)z->grad + at;
    b.pixels = (int)(pixels - first < BLOCK ? pixels - first : BLOCK);
    for (int i = 0; i < b.pixels; i++) b.labels[i] = label_at(node, n, first + i);
    for (int i = b.pixels; i < BLOCK; i++) b.labels[i] = -1;
    return b;
}

/* p[c · BLOCK + i]: softmax of the block's pixels; log_sum[i]: log Σ exp z. Missing pixels have z = 0. */
static void softmax(float *p, float *log_sum, const PixelBlock *b)
{
    float most[BLOCK], sum[BLOCK];
    for (int64_t c = 0; c < b->classes; c++) {
        for (int i = 0; i < b->pixels; i++) p[c * BLOCK + i] = b->logits[i * b->pitch + c];
        for (int i = b->pixels; i < BLOCK; i++) p[c * BLOCK + i] = 0;
    }
    for (int i = 0; i < BLOCK; i += SIMD_LANES) {
        vf m = v_load(p + i), total = {0};
        for (int64_t c = 1; c < b->classes; c++) m = v_max(m, v_load(p + c * BLOCK + i));
        for (int64_t c = 0; c < b->classes; c++) {
            const vf power = v_exp(v_load(p + c * BLOCK + i) - m);
            v_store(p + c * BLOCK + i, power);
            total += power;
        }
        for (int64_t c = 0; c < b->classes; c++)
            v_store(p + c * BLOCK + i, v_load(p + c * BLOCK + i) / total);
        v_store(most + i, m);
        v_store(sum + i, total);
    }
    for (int i = 0; i < b->pixels; i++) log_sum[i] = most[i] + logf(sum[i]);
}

/* ---- forward ---- */

static void add_block(double *sums, const PixelBlock *b, const float *p, const float *log_sum)
{
    const int64_t classes = b->classes;
    double *inside = sums, *truth = sums + classes, *predicted = sums + 2 * classes,
           *rest = sums + 3 * classes;
    float valid[BLOCK], cross_entropy = 0;
    for (int i = 0; i < BLOCK; i++) valid[i] = b->labels[i] >= 0;
    for (int i = 0; i < b->pixels; i++) {
        const int t = b->labels[i];
        if (t < 0) continue;
        inside[t] += (double)p[t * BLOCK + i];
        truth[t] += 1;
        cross_entropy += log_sum[i] - b->logits[i * b->pitch + t];
        rest[1] += 1;
    }
    rest[0] += (double)cross_entropy;
    for (int64_t c = 0; c < classes; c++) {
        vf sum = {0};
        for (int i = 0; i < BLOCK; i += SIMD_LANES) sum += v_load(p + c * BLOCK + i) * v_load(valid + i);
        predicted[c] += (double)v_sum(sum);
    }
}

static void add_sums(double *to, const double *from, int64_t length)
{
    for (int64_t i = 0; i < length; i++) to[i] += from[i];
}

/* items[n]: the sums of item n, its pieces added in their order. Returns the scratch behind what it used. */
static void *sum_items(const Node *node, double *items)
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
        float *p = probabilities + k * s.c * BLOCK, log_sum[BLOCK];
        for (int64_t i = piece * pieces.size; i < piece_end(&pieces, piece); i++) {
            const PixelBlock b = block_of(node, n, i);
            softmax(p, log_sum, &b);
            add_block(sums + k * length, &b, p, log_sum);
        }
    }
    for (int64_t k = 0; k < all; k++)
        add_sums(items + k / pieces.count * length, sums + k * length, length);
    return probabilities + all * s.c * BLOCK;
}

/* The Dice of each class over one set of sums, added up; its slopes, each over `count`. */
static double dice_of(const double *sums, int64_t classes, double smooth, double count, Slope *slopes)
{
    double total = 0;
    slopes[0] = (Slope){0, 0}; /* background */
    for (int64_t c = 1; c < classes; c++) {
        const double above = 2 * sums[c] + smooth,
                     below = sums[classes + c] + sums[2 * classes + c] + smooth;
        const double least = below > 1e-8 ? below : 1e-8;
        total += above / least;
        slopes[c].hit = -2 / least / count;
        slopes[c].base = below > 1e-8 ? above / (least * least) / count : 0;
    }
    return total;
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const DiceCE *loss = node->attr;
    const Shape s = node->in[0]->shape;
    const int64_t length = sums_length(s.c);
    double *items = node->scratch, cross_entropy = 0, valid = 0, dice = 0;
    void *behind = sum_items(node, items);
    Slope *slopes = node->has_backward ? node->saved[0] : behind;
    for (int64_t n = 0; n < s.n; n++) {
        cross_entropy += items[n * length + 3 * s.c];
        valid += items[n * length + 3 * s.c + 1];
    }
    double count = (double)(s.c - 1);
    if (loss->batch_dice) {
        for (int64_t n = 1; n < s.n; n++) add_sums(items, items + n * length, length);
        dice = dice_of(items, s.c, loss->smooth, count, slopes);
        for (int64_t n = 1; n < s.n; n++) memcpy(slopes + n * s.c, slopes, (size_t)s.c * sizeof *slopes);
    } else {
        count *= (double)s.n;
        for (int64_t n = 0; n < s.n; n++)
            dice += dice_of(items + n * length, s.c, loss->smooth, count, slopes + n * s.c);
    }
    const double per_valid = valid > 0 ? 1 / valid : 0;
    memcpy(slopes + s.n * s.c, &per_valid, sizeof per_valid);
    *(float *)node->out[0]->data = (float)(cross_entropy * per_valid - dice / count);
}

/* ---- backward ---- */

/* dz_c = p_c (q_c - Σ_k p_k q_k) + (p_c - [t = c]) / valid, q = dDice/dp; all times g; 0 where not valid.
 * p is overwritten by it. */
static void differentiate(float *p, const PixelBlock *b, const Slope *slopes, double per_valid, float g)
{
    float mean[BLOCK] = {0}, valid[BLOCK], hit[BLOCK] = {0};
    for (int i = 0; i < BLOCK; i++) {
        const int t = b->labels[i];
        valid[i] = t >= 0 ? g : 0;
        if (t >= 0) hit[i] = p[t * BLOCK + i] * (float)slopes[t].hit;
    }
    for (int64_t c = 0; c < b->classes; c++) {
        const float base = (float)slopes[c].base;
        for (int i = 0; i < BLOCK; i++) mean[i] += base * p[c * BLOCK + i];
    }
    for (int64_t c = 0; c < b->classes; c++) {
        const float base = (float)(slopes[c].base + per_valid);
        for (int i = 0; i < BLOCK; i++) p[c * BLOCK + i] *= valid[i] * (base - (mean[i] + hit[i]));
    }
    for (int i = 0; i < b->pixels; i++) {
        const int t = b->labels[i];
        if (t >= 0) p[t * BLOCK + i] += valid[i] * (hit[i] - (float)per_valid);
    }
}

static void give_block(const PixelBlock *b, const float *dz, bool accumulate)
{
    for (int i = 0; i < b->pixels; i++)
        for (int64_t c = 0; c < b->classes; c++) {
            float *at = b->logits_grad + i * b->pitch + c;
            *at = dz[c * BLOCK + i] + (accumulate ? *at : 0);
        }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    if (!node->wants_grad[0]) return;
    const Shape s = node->in[0]->shape;
    const Pieces pieces = pieces_of_item(node);
    const Slope *slopes = node->saved[0];
    const float g = *(const float *)node->out[0]->grad;
    double per_valid;
    memcpy(&per_valid, slopes + s.n * s.c, sizeof per_valid);
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < s.n * pieces.count; k++) {
        const int64_t n = k / pieces.count, piece = k % pieces.count;
        float *p = (float *)node->scratch + k * s.c * BLOCK, log_sum[BLOCK];
        for (int64_t i = piece * pieces.size; i < piece_end(&pieces, piece); i++) {
            const PixelBlock b = block_of(node, n, i);
            softmax(p, log_sum, &b);
            differentiate(p, &b, slopes + n * s.c, per_valid, g);
            give_block(&b, p, node->accumulate[0]);
        }
    }
}

OP_IMPL(dice_ce_loss) = {SIMD_HEAD, .strided_in = 1, .prepare = prepare, .forward = forward,
                         .backward = backward};

#ifdef SIMD_BASE
OP_LIST_F32(dice_ce_loss);

static int shape(Node *node, Err *e)
{
    const Shape s = node->in[0]->shape, full = node->in[1]->shape;
    if (s.c < 2)
        return err_set(e, ERR_SHAPE,
                       "%" PRId64 " channels of logits: expected background and 1 class at least", s.c);
    if (full.n != s.n || full.c != 1 || node->in[1]->dtype != DTYPE_I16)
        return err_set(e, ERR_SHAPE,
                       "labels " SHAPE_FORMAT " of %s for logits " SHAPE_FORMAT ": expected (%" PRId64
                       ",H,W,1) of int16",
                       SHAPE_ARGS(full), dtype_name(node->in[1]->dtype), SHAPE_ARGS(s), s.n);
    node->out[0]->shape = (Shape){1, 1, 1, 1};
    node->out[0]->dtype = DTYPE_F32;
    return 0;
}

static const OpClass dice_ce_loss_class = {
    .name = "dice_ce_loss",
    .shape = shape,
    .keeps_inputs = 3,
    .on = {dice_ce_loss_list},
};

Ref dice_ce_loss(Graph *g, const char *name, Ref logits, Ref labels, DiceCE loss)
{
    const Ref inputs[] = {logits, labels};
    return graph_node(g, &dice_ce_loss_class, name, &loss, sizeof loss, inputs, 2, NULL, 0);
}
#endif
