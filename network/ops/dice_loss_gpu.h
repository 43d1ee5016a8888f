/* The common part of the losses on a GPU; dice_loss.h has the equations, dice_loss.c the order of the work. Only for the
 * losses' kernel files.
 *
 * A warp sums a piece of an item: rows of LOSS_TILE pixels, LOSS_LANE_PIXELS of them in a lane. Its sums are a row of a
 * table. One warp computes Dice and slopes from the sums of all pieces, with the sums over ranks between two kernels.
 *
 * A loss is a class L, an argument of the kernels:
 *   typename L::Pixel                        a pixel's label, and what its probabilities need
 *   Pixel open(z, classes, label)            z: the pixel's logits; label: -1 for places behind the last pixel
 *   bool valid(pixel)
 *   float probability(pixel, z_c)            of a valid pixel, as all that follow
 *   bool truth(pixel, c)
 *   float term(pixel, z_c, c)                class c's part of the term that is averaged over pixels
 *   float slope(p, q, mean)                  dDice/dz_c; q = dDice/dp_c, mean = Σ p_k q_k
 *   static constexpr bool sums_to_one        `mean` is needed */
#ifndef NETWORK_OPS_DICE_LOSS_GPU_H
#define NETWORK_OPS_DICE_LOSS_GPU_H

#include "network/cuda/sums.h"

extern "C" {
#include "network/ops/dice_loss.h"
}

namespace
{
const int LOSS_LANE_PIXELS = 4, LOSS_TILE = LOSS_LANE_PIXELS * GPU_WARP, LOSS_THREADS = 256, MOST_PIECES = 1024;

struct LossImage {
    Plane<const float> z;
    const int16_t *labels;
    int64_t height, width, full_height, full_width, classes;

    __device__ int64_t pixels() const { return height * width; }

    /* Of a pixel of item n. */
    __device__ int label(int64_t n, int64_t pixel) const
    {
        if (pixel >= pixels()) return -1;
        const int64_t y = loss_label_source(pixel / width, full_height, height);
        const int64_t x = loss_label_source(pixel % width, full_width, width);
        const int label = labels[(n * full_height + y) * full_width + x];
        return label == -1 ? 0 : label;
    }

    __device__ const float *logits(int64_t n, int64_t pixel) const { return z.at(n * pixels() + pixel, 0); }
};

LossImage loss_image(const Node *node)
{
    const Shape s = node->in[0]->shape, full = node->in[1]->shape;
    return {{(const float *)node->in[0]->data, node->in[0]->pitch},
            (const int16_t *)node->in[1]->data,
            s.h,
            s.w,
            full.h,
            full.w,
            s.c};
}

/* ---- sums: I, G and P of each class, the pixels' terms, the number of valid pixels ---- */

__host__ __device__ inline int64_t loss_sums(int64_t classes) { return 3 * classes + 2; }

__device__ inline void add_of_warp(double *to, double value)
{
    value = gpu_sum_warp(value);
    if (threadIdx.x == 0) *to += value;
}

/* A tile of item n, from `first` on. */
template <class L> __device__ void add_tile(const LossImage &a, const L &loss, int64_t n, int64_t first, double *sums)
{
    typename L::Pixel pixels[LOSS_LANE_PIXELS];
    double terms = 0, valid = 0;
    for (int i = 0; i < LOSS_LANE_PIXELS; i++) {
        const int64_t pixel = first + i * GPU_WARP + threadIdx.x;
        pixels[i] = loss.open(a.logits(n, pixel), a.classes, a.label(n, pixel));
        valid += loss.valid(pixels[i]);
    }
    for (int64_t c = 0; c < a.classes; c++) {
        double inside = 0, truth = 0, predicted = 0;
        for (int i = 0; i < LOSS_LANE_PIXELS; i++) {
            if (!loss.valid(pixels[i])) continue;
            const float z = a.logits(n, first + i * GPU_WARP + threadIdx.x)[c], p = loss.probability(pixels[i], z);
            if (loss.truth(pixels[i], c)) inside += (double)p, truth += 1;
            predicted += (double)p;
            terms += (double)loss.term(pixels[i], z, c);
        }
        add_of_warp(sums + c, inside);
        add_of_warp(sums + a.classes + c, truth);
        add_of_warp(sums + 2 * a.classes + c, predicted);
    }
    add_of_warp(sums + 3 * a.classes, terms);
    add_of_warp(sums + 3 * a.classes + 1, valid);
}

template <class L>
__global__ void __launch_bounds__(GPU_WARP) sum_loss(double *table, const LossImage a, const L loss, int64_t piece)
{
    const int64_t length = loss_sums(a.classes), start = (int64_t)blockIdx.x * piece;
    double *const row = table + ((int64_t)blockIdx.y * gridDim.x + blockIdx.x) * length;
    for (int64_t i = threadIdx.x; i < length; i += GPU_WARP) row[i] = 0;
    __syncwarp();
    for (int64_t first = start; first < start + piece && first < a.pixels(); first += LOSS_TILE)
        add_tile(a, loss, blockIdx.y, first, row);
}

/* ---- Dice, slopes and the loss ---- */

/* The parts of a loss, sums over all items of all ranks: dice_loss.c. */
enum { PART_TERMS, PART_VALID, PART_DICE, PART_ITEMS, LOSS_PARTS };

/* The slopes of an item before they are divided by the number of Dice; returns the sum of its classes' Dice. */
__device__ inline double dice_of(const double *sums, int64_t classes, const LossRule &rule, DiceSlope *slopes)
{
    double total = 0;
    for (int64_t c = threadIdx.x; c < classes; c += GPU_WARP) {
        const double above = 2 * sums[c] + rule.smooth;
        const double below = sums[classes + c] + sums[2 * classes + c] + rule.smooth;
        const double least = below > 1e-8 ? below : 1e-8;
        const bool counts = c >= rule.first_class;
        if (counts) total += above / least;
        slopes[c].hit = counts ? -2 / least : 0;
        slopes[c].base = counts && below > 1e-8 ? above / (least * least) : 0;
    }
    return gpu_sum_warp(total);
}

/* items: sums of each item; with batch_dice of all together. */
__global__ void __launch_bounds__(GPU_WARP)
    compute_parts(const double *items, int64_t count, int64_t classes, LossRule rule, DiceSlope *slopes, double *parts)
{
    double sums[LOSS_PARTS] = {0, 0, 0, rule.batch_dice ? 1 : (double)count};
    for (int64_t n = 0; n < count; n++) {
        const double *item = items + (rule.batch_dice ? 0 : n * loss_sums(classes));
        const double dice = dice_of(item, classes, rule, slopes + n * classes);
        if (n && rule.batch_dice) continue;
        sums[PART_TERMS] += item[3 * classes];
        sums[PART_VALID] += item[3 * classes + 1];
        sums[PART_DICE] += dice;
    }
    if (threadIdx.x == 0)
        for (int i = 0; i < LOSS_PARTS; i++) parts[i] = sums[i];
}

/* slopes: count of them, behind which per_pixel stands. */
__global__ void __launch_bounds__(GPU_WARP)
    finish_loss(const double *parts, int64_t classes, LossRule rule, DiceSlope *slopes, int64_t count, float *loss)
{
    const double dice = (double)(classes - rule.first_class) * parts[PART_ITEMS];
    const double per_pixel = parts[PART_VALID] > 0 ? rule.share / parts[PART_VALID] : 0;
    for (int64_t i = threadIdx.x; i < count; i += GPU_WARP) slopes[i] = {slopes[i].base / dice, slopes[i].hit / dice};
    if (threadIdx.x) return;
    *(double *)(slopes + count) = per_pixel;
    *loss = (float)(parts[PART_TERMS] * per_pixel - parts[PART_DICE] / dice);
}

int64_t loss_piece(const Shape s)
{
    const int64_t most = gpu_parts(s.h * s.w, MOST_PIECES);
    return gpu_parts(most, LOSS_TILE) * LOSS_TILE;
}

int64_t loss_pieces(const Shape s) { return gpu_parts(s.h * s.w, loss_piece(s)); }
size_t loss_slope_bytes(const Shape s) { return (size_t)(s.n * s.c) * sizeof(DiceSlope) + sizeof(double); }

/* Saved for backward: the slopes of each item and class, then per_pixel. Scratch of forward: the parts, the sums of each
 * item, those of each piece, and the slopes if none are saved. */
int loss_gpu_prepare(Node *node, Err *)
{
    const Shape s = node->in[0]->shape;
    node->saved_bytes[0] = loss_slope_bytes(s);
    node->scratch_bytes[0] =
        (size_t)(LOSS_PARTS + s.n * (1 + loss_pieces(s)) * loss_sums(s.c)) * sizeof(double) + loss_slope_bytes(s);
    return 0;
}

void sum_over_ranks(const Node *node, double *values, int64_t count)
{
    const Reduction *r = node->reduction;
    if (r) r->sum(r->context, values, count, node->failure);
}

template <class L> void loss_gpu_forward(Node *node, const L &loss, const LossRule &rule)
{
    const Shape s = node->in[0]->shape;
    const int64_t length = loss_sums(s.c), pieces = loss_pieces(s), groups = rule.batch_dice ? 1 : s.n;
    double *const parts = (double *)node->scratch, *const items = parts + LOSS_PARTS,
                  *const table = items + s.n * length;
    DiceSlope *const slopes =
        node->has_backward ? (DiceSlope *)node->saved[0] : (DiceSlope *)(table + s.n * pieces * length);
    LAUNCH(sum_loss<L>, dim3((unsigned)pieces, (unsigned)s.n), GPU_WARP, 0, table, loss_image(node), loss,
           loss_piece(s));
    gpu_sum_rows(items, length, table, s.n / groups * pieces, length, length, groups);
    if (rule.batch_dice) sum_over_ranks(node, items, length);
    LAUNCH(compute_parts, 1, GPU_WARP, 0, items, s.n, s.c, rule, slopes, parts);
    if (!rule.batch_dice) sum_over_ranks(node, parts, LOSS_PARTS);
    LAUNCH(finish_loss, 1, GPU_WARP, 0, parts, s.c, rule, slopes, s.n * s.c, (float *)node->out[0]->data);
}

/* ---- backward ---- */

/* dz_c = (p_c - t_c) per_pixel + slope; all times g; 0 where not valid. */
template <class L>
__global__ void __launch_bounds__(LOSS_THREADS)
    differentiate_loss(Plane<float> dz, const LossImage a, const L loss, const DiceSlope *slopes, const double *share,
                       const float *gradient, bool add)
{
    const int64_t n = blockIdx.y, pixel = (int64_t)blockIdx.x * LOSS_THREADS + threadIdx.x;
    if (pixel >= a.pixels()) return;
    const float *const z = a.logits(n, pixel);
    const float g = *gradient, per_pixel = (float)*share;
    const typename L::Pixel x = loss.open(z, a.classes, a.label(n, pixel));
    const bool valid = loss.valid(x);
    float *const to = dz.at(n * a.pixels() + pixel, 0);
    float mean = 0;
    slopes += n * a.classes;
    for (int64_t c = 0; L::sums_to_one && valid && c < a.classes; c++)
        mean += loss.probability(x, z[c]) * (float)(slopes[c].base + loss.truth(x, c) * slopes[c].hit);
    for (int64_t c = 0; c < a.classes; c++) {
        float d = 0;
        if (valid) {
            const bool t = loss.truth(x, c);
            const float p = loss.probability(x, z[c]), q = (float)(slopes[c].base + t * slopes[c].hit);
            d = g * ((p - t) * per_pixel + loss.slope(p, q, mean));
        }
        to[c] = d + (add ? to[c] : 0);
    }
}

template <class L> void loss_gpu_backward(Node *node, const L &loss)
{
    const Tensor *z = node->in[0];
    const Shape s = z->shape;
    const DiceSlope *slopes = (const DiceSlope *)node->saved[0];
    if (!node->wants_grad[0]) return;
    const dim3 grid((unsigned)gpu_parts(s.h * s.w, LOSS_THREADS), (unsigned)s.n);
    const Plane<float> dz = {(float *)z->grad, z->pitch};
    LAUNCH(differentiate_loss<L>, grid, LOSS_THREADS, 0, dz, loss_image(node), loss, slopes,
           (const double *)(slopes + s.n * s.c), (const float *)node->out[0]->grad, node->accumulate[0]);
}
} // namespace

#endif
