#include "tests/support/op_reference.h"

#include <math.h>
#include <string.h>

static int64_t at(Shape s, int64_t n, int64_t y, int64_t x) { return ((n * s.h + y) * s.w + x) * s.c; }

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

void reference_silu(const OpReference *r)
{
    for (int64_t i = 0; i < shape_count(r->in_shape[0]); i++)
        r->out[0][i] = r->in[0][i] * sigmoid(r->in[0][i]);
}

void reference_silu_gate(const OpReference *r)
{
    for (int64_t i = 0; i < shape_count(r->in_shape[0]); i++)
        r->out[0][i] = r->in[0][i] * r->in[1][i] * sigmoid(r->in[1][i]);
}

void reference_leaky_relu(const OpReference *r)
{
    for (int64_t i = 0; i < shape_count(r->in_shape[0]); i++)
        r->out[0][i] = r->in[0][i] * (r->in[0][i] > 0 ? 1 : r->number);
}

void reference_add(const OpReference *r)
{
    for (int64_t i = 0; i < shape_count(r->in_shape[0]); i++) r->out[0][i] = r->in[0][i] + r->in[1][i];
}

void reference_weighted_sum(const OpReference *r)
{
    const double *weights = r->spec;
    r->out[0][0] = 0;
    for (int i = 0; i < NODE_INPUTS && r->in[i]; i++) r->out[0][0] += weights[i] * r->in[i][0];
}

void reference_concat(const OpReference *r)
{
    const int64_t a = r->in_shape[0].c, b = r->in_shape[1].c;
    for (int64_t p = 0; p < shape_pixels(r->in_shape[0]); p++) {
        memcpy(r->out[0] + p * (a + b), r->in[0] + p * a, (size_t)a * sizeof(double));
        memcpy(r->out[0] + p * (a + b) + a, r->in[1] + p * b, (size_t)b * sizeof(double));
    }
}

void reference_split(const OpReference *r)
{
    const int64_t a = r->out_shape[0].c, b = r->out_shape[1].c;
    for (int64_t p = 0; p < shape_pixels(r->in_shape[0]); p++) {
        memcpy(r->out[0] + p * a, r->in[0] + p * (a + b), (size_t)a * sizeof(double));
        memcpy(r->out[1] + p * b, r->in[0] + p * (a + b) + a, (size_t)b * sizeof(double));
    }
}

void reference_space_to_depth(const OpReference *r)
{
    const Shape in = r->in_shape[0], out = r->out_shape[0];
    const int64_t f = (int64_t)r->number;
    for (int64_t n = 0; n < out.n; n++)
        for (int64_t y = 0; y < out.h * f; y++)
            for (int64_t x = 0; x < out.w * f; x++)
                for (int64_t c = 0; c < in.c; c++)
                    r->out[0][at(out, n, y / f, x / f) + (x % f * f + y % f) * in.c + c] =
                        r->in[0][at(in, n, y, x) + c];
}

void reference_depth_to_space(const OpReference *r)
{
    const Shape in = r->in_shape[0], out = r->out_shape[0];
    const int64_t f = (int64_t)r->number;
    for (int64_t n = 0; n < out.n; n++)
        for (int64_t y = 0; y < out.h; y++)
            for (int64_t x = 0; x < out.w; x++)
                for (int64_t c = 0; c < out.c; c++)
                    r->out[0][at(out, n, y, x) + c] =
                        r->in[0][at(in, n, y / f, x / f) + (y % f * f + x % f) * out.c + c];
}

/* Normalises `count` numbers that stand `step` apart. */
static void normalise(double *y, const double *x, int64_t count, int64_t step)
{
    double mean = 0, var = 0;
    for (int64_t i = 0; i < count; i++) mean += x[i * step] / (double)count;
    for (int64_t i = 0; i < count; i++) var += (x[i * step] - mean) * (x[i * step] - mean) / (double)count;
    for (int64_t i = 0; i < count; i++) y[i * step] = (x[i * step] - mean) / sqrt(var + 1e-5);
}

static void scale_channels(const OpReference *r)
{
    const Shape s = r->in_shape[0];
    for (int64_t i = 0; r->param[0] && i < shape_count(s); i++)
        r->out[0][i] = r->out[0][i] * r->param[0][i % s.c] + r->param[1][i % s.c];
}

void reference_layer_norm(const OpReference *r)
{
    const Shape s = r->in_shape[0];
    for (int64_t p = 0; p < shape_pixels(s); p++)
        normalise(r->out[0] + p * s.c, r->in[0] + p * s.c, s.c, 1);
    scale_channels(r);
}

void reference_instance_norm(const OpReference *r)
{
    const Shape s = r->in_shape[0];
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t c = 0; c < s.c; c++)
            normalise(r->out[0] + at(s, n, 0, 0) + c, r->in[0] + at(s, n, 0, 0) + c, s.h * s.w, s.c);
    scale_channels(r);
}

void reference_linear(const OpReference *r)
{
    const int64_t in = r->in_shape[0].c, out = r->out_shape[0].c;
    for (int64_t i = 0; i < shape_count(r->out_shape[0]); i++) {
        double sum = r->param[1] ? r->param[1][i % out] : 0;
        for (int64_t k = 0; k < in; k++) sum += r->in[0][i / out * in + k] * r->param[0][i % out * in + k];
        r->out[0][i] = sum;
    }
}

/* One output of a convolution with weights of shape (1, in channels first … first + count - 1, ky, kx). */
static double convolve_at(const OpReference *r, Conv conv, const double *w, int64_t n, int64_t y, int64_t x,
                          int64_t first, int64_t count)
{
    const Shape s = r->in_shape[0];
    const int64_t taps = conv.kernel.y * conv.kernel.x;
    double sum = 0;
    for (int64_t c = 0; c < count; c++)
        for (int64_t k = 0; k < taps; k++) {
            const int64_t from_y = y * conv.stride.y - conv.padding.y + k / conv.kernel.x;
            const int64_t from_x = x * conv.stride.x - conv.padding.x + k % conv.kernel.x;
            if (from_y < 0 || from_y >= s.h || from_x < 0 || from_x >= s.w) continue;
            sum += r->in[0][at(s, n, from_y, from_x) + first + c] * w[c * taps + k];
        }
    return sum;
}

static void convolve(const OpReference *r, Conv conv, bool depthwise)
{
    const Shape out = r->out_shape[0];
    const int64_t count = depthwise ? 1 : r->in_shape[0].c, taps = conv.kernel.y * conv.kernel.x * count;
    for (int64_t n = 0; n < out.n; n++)
        for (int64_t y = 0; y < out.h; y++)
            for (int64_t x = 0; x < out.w; x++)
                for (int64_t c = 0; c < out.c; c++)
                    r->out[0][at(out, n, y, x) + c] =
                        (conv.bias ? r->param[1][c] : 0) +
                        convolve_at(r, conv, r->param[0] + c * taps, n, y, x, depthwise ? c : 0, count);
}

void reference_conv2d(const OpReference *r) { convolve(r, *(const Conv *)r->spec, false); }

/* leaky_relu(norm(in[0]) + in[1]), the second only if it is there. */
void reference_instance_norm_act(const OpReference *r)
{
    reference_instance_norm(r);
    for (int64_t i = 0; i < shape_count(r->out_shape[0]); i++) {
        const double y = r->out[0][i] + (r->in[1] ? r->in[1][i] : 0);
        r->out[0][i] = y > 0 ? y : r->number * y;
    }
}

void reference_depthwise_conv2d(const OpReference *r)
{
    convolve(r, conv_square(3, 1, 1, true), true);
}

/* Adds what a pixel of the input gives to the outputs around it. */
static void spread_pixel(const OpReference *r, const Conv *conv, int64_t n, int64_t i, int64_t j)
{
    const Shape in = r->in_shape[0], out = r->out_shape[0];
    const double *pixel = r->in[0] + at(in, n, i, j);
    for (int64_t u = 0; u < conv->kernel.y; u++)
        for (int64_t v = 0; v < conv->kernel.x; v++) {
            const int64_t y = i * conv->stride.y + u - conv->padding.y, x = j * conv->stride.x + v - conv->padding.x;
            if (y < 0 || y >= out.h || x < 0 || x >= out.w) continue;
            for (int64_t o = 0; o < out.c; o++)
                for (int64_t c = 0; c < in.c; c++)
                    r->out[0][at(out, n, y, x) + o] +=
                        pixel[c] * r->param[0][((c * out.c + o) * conv->kernel.y + u) * conv->kernel.x + v];
        }
}

void reference_conv_transpose2d(const OpReference *r)
{
    const Shape in = r->in_shape[0], out = r->out_shape[0];
    const Conv *conv = r->spec;
    for (int64_t i = 0; i < shape_count(out); i++) r->out[0][i] = conv->bias ? r->param[1][i % out.c] : 0;
    for (int64_t n = 0; n < in.n; n++)
        for (int64_t i = 0; i < in.h; i++)
            for (int64_t j = 0; j < in.w; j++) spread_pixel(r, conv, n, i, j);
}

enum { SCAN_CHANNELS = 96, SCAN_STATES = 64, SCAN_RANK = 64 };

/* One channel's step: h and the pixel's [dt | B | C] → what it adds to y. */
static double scan_step(const OpReference *r, int64_t row, int64_t rank, const double *projected, double x,
                        double *h)
{
    const int64_t states = (int64_t)r->number;
    double dt = r->param[2][row], y = r->param[4][row] * x;
    for (int64_t k = 0; k < rank; k++) dt += r->param[1][row * rank + k] * projected[k];
    dt = dt > 20 ? dt : log1p(exp(dt));
    for (int64_t k = 0; k < states; k++) {
        h[k] = exp(-exp(r->param[3][row * states + k]) * dt) * h[k] + dt * projected[rank + k] * x;
        y += h[k] * projected[rank + states + k];
    }
    return y;
}

/* Adds one direction of one image. */
static void scan(const OpReference *r, int64_t n, int direction)
{
    const Shape s = r->in_shape[0];
    const ScanSpec *spec = r->spec;
    const int64_t states = (int64_t)r->number, length = s.h * s.w, rank = spec->rank;
    const ScanOrder order = spec->directions.order[direction];
    const bool reversed = order == SCAN_ROW_MAJOR_REVERSED || order == SCAN_COLUMN_MAJOR_REVERSED;
    const bool by_columns = order == SCAN_COLUMN_MAJOR || order == SCAN_COLUMN_MAJOR_REVERSED;
    const double *project = r->param[0] + direction * (rank + 2 * states) * s.c;
    double projected[SCAN_RANK + 2 * SCAN_STATES], h[SCAN_CHANNELS][SCAN_STATES] = {{0}};
    for (int64_t t = 0; t < length; t++) {
        const int64_t place = reversed ? length - 1 - t : t;
        const int64_t pixel = by_columns ? place % s.h * s.w + place / s.h : place;
        const double *x = r->in[0] + (n * length + pixel) * s.c;
        double *y = r->out[0] + (n * length + pixel) * s.c;
        for (int64_t k = 0; k < rank + 2 * states; k++) {
            projected[k] = 0;
            for (int64_t c = 0; c < s.c; c++) projected[k] += project[k * s.c + c] * x[c];
        }
        for (int64_t d = 0; d < s.c; d++)
            y[d] += scan_step(r, direction * s.c + d, rank, projected, x[d], h[d]);
    }
}

void reference_selective_scan(const OpReference *r)
{
    memset(r->out[0], 0, (size_t)shape_count(r->out_shape[0]) * sizeof(double));
    for (int64_t n = 0; n < r->in_shape[0].n; n++)
        for (int direction = 0; direction < ((const ScanSpec *)r->spec)->directions.count; direction++) scan(r, n, direction);
}

/* ---- Dice + cross-entropy: three sums for each item and class, kept here ---- */

enum { ITEMS = 8, CLASSES = 32 };

typedef struct LossSums {
    double inside[ITEMS][CLASSES], truth[ITEMS][CLASSES], predicted[ITEMS][CLASSES];
    double cross_entropy, valid;
} LossSums;

static void add_pixel(LossSums *sums, int64_t item, const double *z, int64_t classes, int label)
{
    double total = 0;
    for (int64_t c = 0; c < classes; c++) total += exp(z[c]);
    for (int64_t c = 0; c < classes; c++) sums->predicted[item][c] += exp(z[c]) / total;
    sums->inside[item][label] += exp(z[label]) / total;
    sums->truth[item][label] += 1;
    sums->cross_entropy += log(total) - z[label];
    sums->valid += 1;
}

/* The label at the head's pixel p of item n, 0 for what is outside. */
static int loss_label(const OpReference *r, int64_t n, int64_t p)
{
    const Shape s = r->in_shape[0], full = r->in_shape[1];
    const int64_t y = (int64_t)(((double)(p / s.w) + 0.5) * (double)full.h / (double)s.h);
    const int64_t x = (int64_t)(((double)(p % s.w) + 0.5) * (double)full.w / (double)s.w);
    const int label = (int)r->in[1][at(full, n, y, x)];
    return label < 0 ? 0 : label;
}

static double mean_dice(const LossSums *sums, int64_t items, int64_t first, int64_t classes, double smooth)
{
    double dice = 0;
    for (int64_t n = 0; n < items; n++)
        for (int64_t c = first; c < classes; c++)
            dice += (2 * sums->inside[n][c] + smooth) /
                    fmax(sums->truth[n][c] + sums->predicted[n][c] + smooth, 1e-8);
    return dice / (double)(items * (classes - first));
}

void reference_dice_ce_loss(const OpReference *r)
{
    const DiceCE *loss = r->spec;
    const Shape s = r->in_shape[0];
    LossSums sums = {0};
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t p = 0; p < s.h * s.w; p++) {
            const int label = loss_label(r, n, p);
            if (label == loss->ignore_label) continue;
            add_pixel(&sums, loss->batch_dice ? 0 : n, r->in[0] + (n * s.h * s.w + p) * s.c, s.c, label);
        }
    const double entropy = sums.valid > 0 && !loss->dice_only ? sums.cross_entropy / sums.valid : 0;
    r->out[0][0] = entropy -
                   mean_dice(&sums, loss->batch_dice ? 1 : s.n, !loss->background, s.c, loss->smooth);
}

void reference_dice_bce_loss(const OpReference *r)
{
    const DiceBCE *loss = r->spec;
    const Shape s = r->in_shape[0];
    LossSums sums = {0};
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t p = 0; p < s.h * s.w; p++) {
            const int label = loss_label(r, n, p);
            const double *z = r->in[0] + (n * s.h * s.w + p) * s.c;
            const int64_t item = loss->batch_dice ? 0 : n;
            if (label == loss->ignore_label) continue;
            for (int64_t c = 0; c < s.c; c++) {
                const double probability = 1 / (1 + exp(-z[c])),
                             truth = (double)(loss->regions[label] >> c & 1);
                sums.inside[item][c] += probability * truth;
                sums.truth[item][c] += truth;
                sums.predicted[item][c] += probability;
                sums.cross_entropy -= truth > 0 ? log(probability) : log(1 - probability);
            }
            sums.valid += 1;
        }
    const double share = loss->ignore_label < 0 ? sums.valid * (double)s.c : sums.valid;
    r->out[0][0] = (sums.valid > 0 ? sums.cross_entropy / share : 0) -
                   mean_dice(&sums, loss->batch_dice ? 1 : s.n, 0, s.c, loss->smooth);
}
