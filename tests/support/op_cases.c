#include "tests/support/op_cases.h"

#include <math.h>
#include <string.h>

static int64_t at(Shape s, int64_t n, int64_t y, int64_t x) { return ((n * s.h + y) * s.w + x) * s.c; }

/* ---- the equations ---- */

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

static void reference_silu(const OpReference *r)
{
    for (int64_t i = 0; i < shape_count(r->in_shape[0]); i++) r->out[0][i] = r->in[0][i] * sigmoid(r->in[0][i]);
}

static void reference_gelu(const OpReference *r)
{
    for (int64_t i = 0; i < shape_count(r->in_shape[0]); i++)
        r->out[0][i] = r->in[0][i] * 0.5 * erfc(-r->in[0][i] / sqrt(2));
}

static void reference_silu_gate(const OpReference *r)
{
    for (int64_t i = 0; i < shape_count(r->in_shape[0]); i++)
        r->out[0][i] = r->in[0][i] * r->in[1][i] * sigmoid(r->in[1][i]);
}

static void reference_leaky_relu(const OpReference *r)
{
    for (int64_t i = 0; i < shape_count(r->in_shape[0]); i++)
        r->out[0][i] = r->in[0][i] * (r->in[0][i] > 0 ? 1 : r->number);
}

static void reference_add(const OpReference *r)
{
    for (int64_t i = 0; i < shape_count(r->in_shape[0]); i++) r->out[0][i] = r->in[0][i] + r->in[1][i];
}

static void reference_weighted_sum(const OpReference *r)
{
    const double *weights = r->spec;
    r->out[0][0] = 0;
    for (int i = 0; i < NODE_INPUTS && r->in[i]; i++) r->out[0][0] += weights[i] * r->in[i][0];
}

static void reference_concat(const OpReference *r)
{
    const int64_t a = r->in_shape[0].c, b = r->in_shape[1].c;
    for (int64_t p = 0; p < shape_pixels(r->in_shape[0]); p++) {
        memcpy(r->out[0] + p * (a + b), r->in[0] + p * a, (size_t)a * sizeof(double));
        memcpy(r->out[0] + p * (a + b) + a, r->in[1] + p * b, (size_t)b * sizeof(double));
    }
}

static void reference_split(const OpReference *r)
{
    const int64_t a = r->out_shape[0].c, b = r->out_shape[1].c;
    for (int64_t p = 0; p < shape_pixels(r->in_shape[0]); p++) {
        memcpy(r->out[0] + p * a, r->in[0] + p * (a + b), (size_t)a * sizeof(double));
        memcpy(r->out[1] + p * b, r->in[0] + p * (a + b) + a, (size_t)b * sizeof(double));
    }
}

static void reference_space_to_depth(const OpReference *r)
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

static void reference_depth_to_space(const OpReference *r)
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

/* Normalises `count` values at a distance of `step`. */
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

static void reference_layer_norm(const OpReference *r)
{
    const Shape s = r->in_shape[0];
    for (int64_t p = 0; p < shape_pixels(s); p++) normalise(r->out[0] + p * s.c, r->in[0] + p * s.c, s.c, 1);
    scale_channels(r);
}

static void reference_layer_norm_pair(const OpReference *r)
{
    for (int i = 0; i < 2; i++) {
        OpReference one = *r;
        one.in[0] = r->in[i];
        one.out[0] = r->out[i];
        reference_layer_norm(&one);
    }
}

/* number: groups. */
static void reference_group_norm(const OpReference *r)
{
    enum { MOST = 4096 };
    const Shape s = r->in_shape[0];
    const int64_t group = s.c / (int64_t)r->number, pixels = s.h * s.w;
    double values[MOST];
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t first = 0; first < s.c; first += group) {
            for (int64_t i = 0; i < pixels * group; i++)
                values[i] = r->in[0][(n * pixels + i / group) * s.c + first + i % group];
            normalise(values, values, pixels * group, 1);
            for (int64_t i = 0; i < pixels * group; i++)
                r->out[0][(n * pixels + i / group) * s.c + first + i % group] = values[i];
        }
    scale_channels(r);
}

static void reference_instance_norm(const OpReference *r)
{
    const Shape s = r->in_shape[0];
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t c = 0; c < s.c; c++)
            normalise(r->out[0] + at(s, n, 0, 0) + c, r->in[0] + at(s, n, 0, 0) + c, s.h * s.w, s.c);
    scale_channels(r);
}

static void reference_linear(const OpReference *r)
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

static void reference_conv2d(const OpReference *r) { convolve(r, *(const Conv *)r->spec, false); }

/* The source of row (column) r of an image of twice the size: a pixel, and the weight of the next one. */
static int64_t bilinear_source(int64_t r, int64_t length, double *weight)
{
    const double at = fmin(fmax(((double)r + 0.5) / 2 - 0.5, 0), (double)(length - 1));
    *weight = at - floor(at);
    return (int64_t)at;
}

static void reference_upsample_bilinear(const OpReference *r)
{
    const Shape in = r->in_shape[0], out = r->out_shape[0];
    for (int64_t i = 0; i < shape_count(out); i++) {
        const int64_t c = i % out.c, n = i / out.c / out.w / out.h;
        double u, v;
        const int64_t y = bilinear_source(i / out.c / out.w % out.h, in.h, &u);
        const int64_t x = bilinear_source(i / out.c % out.w, in.w, &v);
        r->out[0][i] = 0;
        for (int k = 0; k < 4; k++) {
            const double weight = (k / 2 ? u : 1 - u) * (k % 2 ? v : 1 - v);
            if (weight > 0) r->out[0][i] += weight * r->in[0][at(in, n, y + k / 2, x + k % 2) + c];
        }
    }
}

static void reference_position_embedding(const OpReference *r)
{
    const int64_t values = shape_count(r->in_shape[0]) / r->in_shape[0].n;
    for (int64_t i = 0; i < shape_count(r->in_shape[0]); i++) r->out[0][i] = r->in[0][i] + r->param[0][i % values];
}

/* The label at pixel p of item n of in[0], 0 outside the image. */
static int loss_label_of(const OpReference *r, int64_t n, int64_t p)
{
    const Shape s = r->in_shape[0], full = r->in_shape[1];
    const int64_t y = (int64_t)(((double)(p / s.w) + 0.5) * (double)full.h / (double)s.h);
    const int64_t x = (int64_t)(((double)(p % s.w) + 0.5) * (double)full.w / (double)s.w);
    const int label = (int)r->in[1][at(full, n, y, x)];
    return label < 0 ? 0 : label;
}

static void reference_mask_token(const OpReference *r)
{
    const Shape s = r->in_shape[0];
    for (int64_t i = 0; i < shape_count(s); i++) {
        const int64_t pixel = i / s.c, in_image = s.h * s.w;
        r->out[0][i] = loss_label_of(r, pixel / in_image, pixel % in_image) > 0 ? r->param[0][i % s.c] : r->in[0][i];
    }
}

/* in[1]: the mask, in[2]: the image */
static void reference_masked_l1_loss(const OpReference *r)
{
    const Shape s = r->in_shape[0];
    double error = 0, masked = 0;
    for (int64_t i = 0; i < shape_count(s); i++)
        if (r->in[1][i / s.c] > 0) error += fabs(r->in[0][i] - r->in[2][i]);
    for (int64_t i = 0; i < shape_pixels(s); i++) masked += r->in[1][i] > 0;
    r->out[0][0] = error / (masked + 1e-5) / (double)s.c;
}

/* number: the smoothing */
static void reference_class_loss(const OpReference *r)
{
    const Shape s = r->in_shape[0];
    double sum = 0, valid = 0;
    for (int64_t n = 0; n < s.n; n++) {
        const double *z = r->in[0] + n * s.c;
        const int t = loss_label_of(r, n, 0) - 1;
        double total = 0;
        if (t < 0 || t >= s.c) continue;
        for (int64_t k = 0; k < s.c; k++) total += exp(z[k]);
        for (int64_t k = 0; k < s.c; k++)
            sum -= ((k == t ? 1 - r->number : 0) + r->number / (double)s.c) * (z[k] - log(total));
        valid += 1;
    }
    r->out[0][0] = valid > 0 ? sum / valid : 0;
}

/* leaky_relu(norm(in[0]) + in[1]), the second only if it is there. */
static void reference_instance_norm_act(const OpReference *r)
{
    reference_instance_norm(r);
    for (int64_t i = 0; i < shape_count(r->out_shape[0]); i++) {
        const double y = r->out[0][i] + (r->in[1] ? r->in[1][i] : 0);
        r->out[0][i] = y > 0 ? y : r->number * y;
    }
}

static void reference_depthwise_conv2d(const OpReference *r) { convolve(r, conv_square(3, 1, 1, true), true); }

static void reference_causal_conv1d(const OpReference *r)
{
    enum { TAPS = 4 };
    const Shape s = r->in_shape[0];
    const int64_t length = s.h * s.w;
    for (int64_t i = 0; i < shape_count(s); i++) {
        const int64_t c = i % s.c, t = i / s.c % length;
        r->out[0][i] = r->param[1][c];
        for (int64_t j = 0; j < TAPS; j++)
            if (t - TAPS + 1 + j >= 0) r->out[0][i] += r->param[0][c * TAPS + j] * r->in[0][i - (TAPS - 1 - j) * s.c];
    }
}

static void reference_average_pool(const OpReference *r)
{
    const Shape in = r->in_shape[0], out = r->out_shape[0];
    const PairYX *size = r->spec;
    for (int64_t i = 0; i < shape_count(out); i++) {
        const int64_t c = i % out.c, x = i / out.c % out.w, y = i / out.c / out.w % out.h,
                      n = i / out.c / out.w / out.h;
        r->out[0][i] = 0;
        for (int64_t k = 0; k < size->y * size->x; k++)
            r->out[0][i] += r->in[0][at(in, n, y * size->y + k / size->x, x * size->x + k % size->x) + c] /
                            (double)(size->y * size->x);
    }
}

/* Adds the contribution of an input pixel to the outputs around it. */
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

static void reference_conv_transpose2d(const OpReference *r)
{
    const Shape in = r->in_shape[0], out = r->out_shape[0];
    const Conv *conv = r->spec;
    for (int64_t i = 0; i < shape_count(out); i++) r->out[0][i] = conv->bias ? r->param[1][i % out.c] : 0;
    for (int64_t n = 0; n < in.n; n++)
        for (int64_t i = 0; i < in.h; i++)
            for (int64_t j = 0; j < in.w; j++) spread_pixel(r, conv, n, i, j);
}

/* Of selective_scan; number: states. */
typedef struct ScanSpec {
    int64_t rank; /* of dt */
    ScanDirections directions;
} ScanSpec;

enum { SCAN_CHANNELS = 96, SCAN_STATES = 64, SCAN_RANK = 80 };

/* One channel's step: updates h from the pixel's [dt | B | C]; returns the contribution to y. */
static double scan_step(const OpReference *r, int64_t row, int64_t rank, const double *projected, double x, double *h)
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
        for (int64_t d = 0; d < s.c; d++) y[d] += scan_step(r, direction * s.c + d, rank, projected, x[d], h[d]);
    }
}

static void reference_selective_scan(const OpReference *r)
{
    memset(r->out[0], 0, (size_t)shape_count(r->out_shape[0]) * sizeof(double));
    for (int64_t n = 0; n < r->in_shape[0].n; n++)
        for (int direction = 0; direction < ((const ScanSpec *)r->spec)->directions.count; direction++)
            scan(r, n, direction);
}

/* ---- attention; spec: a WindowAttention, or NULL for all pixels with `number` heads ---- */

/* An axis of the padded and rolled image. */
typedef struct Rolled {
    int64_t length, window, whole, shift;
} Rolled;

static Rolled rolled(int64_t length, const WindowAttention *w)
{
    if (!w || length <= w->window) return (Rolled){length, length, length, 0};
    return (Rolled){length, w->window, (length + w->window - 1) / w->window * w->window, w->shift};
}

typedef struct AttentionCase {
    const OpReference *r;
    const WindowAttention *w;
    Rolled y, x;
    int64_t heads, channels; /* of a head */
} AttentionCase;

/* The element of q (part 0), k or v at a place of the padded and rolled image of item n. */
static double projected(const AttentionCase *a, int part, int64_t n, int64_t y, int64_t x, int64_t channel)
{
    const Shape s = a->r->in_shape[0];
    const int64_t from_y = (y + a->y.shift) % a->y.whole, from_x = (x + a->x.shift) % a->x.whole;
    const int first = a->w && a->w->projects_q ? 0 : 1; /* part with a bias */
    double value = a->w && part >= first ? a->r->param[0][(part - first) * s.c + channel] : 0;
    if (from_y >= s.h || from_x >= s.w) return value;
    const int64_t pixel = (n * s.h + from_y) * s.w + from_x;
    return value +
           (part ? a->r->in[1][pixel * 2 * s.c + (part - 1) * s.c + channel] : a->r->in[0][pixel * s.c + channel]);
}

/* What is added to the score of token j for token i of a window at (y,x). */
static double score_bias(const AttentionCase *a, int64_t y, int64_t x, int64_t i, int64_t j, int64_t head)
{
    const int64_t m = a->w->window, columns = a->x.window;
    const int64_t row = (i / m - j / m + m - 1) * (2 * m - 1) + i % m - j % m + m - 1;
    const int64_t edge_y = a->y.whole - a->y.shift, edge_x = a->x.whole - a->x.shift;
    const bool apart = (y + i / columns >= edge_y) != (y + j / columns >= edge_y) ||
                       (x + i % columns >= edge_x) != (x + j % columns >= edge_x);
    return a->r->param[1][row * a->heads + head] - (apart ? 100 : 0);
}

/* The output of token i of a window of item n at (y,x). */
static void attend_token(const AttentionCase *a, int64_t n, int64_t y, int64_t x, int64_t i, int64_t head)
{
    enum { MOST = 512 };
    const Shape s = a->r->in_shape[0];
    const int64_t columns = a->x.window, tokens = a->y.window * columns, first = head * a->channels;
    const int64_t to_y = (y + i / columns + a->y.shift) % a->y.whole,
                  to_x = (x + i % columns + a->x.shift) % a->x.whole;
    double power[MOST], total = 0;
    if (to_y >= s.h || to_x >= s.w) return;
    for (int64_t j = 0; j < tokens; j++) {
        double score = 0;
        for (int64_t c = first; c < first + a->channels; c++)
            score += projected(a, 0, n, y + i / columns, x + i % columns, c) *
                     projected(a, 1, n, y + j / columns, x + j % columns, c) / sqrt((double)a->channels);
        power[j] = exp(score + (a->w ? score_bias(a, y, x, i, j, head) : 0));
        total += power[j];
    }
    for (int64_t c = first; c < first + a->channels; c++) {
        double sum = 0;
        for (int64_t j = 0; j < tokens; j++)
            sum += power[j] / total * projected(a, 2, n, y + j / columns, x + j % columns, c);
        a->r->out[0][at(s, n, to_y, to_x) + c] = sum;
    }
}

static void reference_attention(const OpReference *r)
{
    const Shape s = r->in_shape[0];
    AttentionCase a = {.r = r, .w = r->spec};
    a.y = rolled(s.h, a.w);
    a.x = rolled(s.w, a.w);
    a.heads = a.w ? a.w->heads : (int64_t)r->number;
    a.channels = s.c / a.heads;
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t y = 0; y < a.y.whole; y += a.y.window)
            for (int64_t x = 0; x < a.x.whole; x += a.x.window)
                for (int64_t k = 0; k < a.y.window * a.x.window * a.heads; k++)
                    attend_token(&a, n, y, x, k / a.heads, k % a.heads);
}

/* ---- Dice + cross-entropy: three sums for each item and class ---- */

enum { ITEMS = 8, CLASSES = 40 };

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

static double mean_dice(const LossSums *sums, int64_t items, int64_t first, int64_t classes, double smooth)
{
    double dice = 0;
    for (int64_t n = 0; n < items; n++)
        for (int64_t c = first; c < classes; c++)
            dice += (2 * sums->inside[n][c] + smooth) / fmax(sums->truth[n][c] + sums->predicted[n][c] + smooth, 1e-8);
    return dice / (double)(items * (classes - first));
}

static void reference_dice_ce_loss(const OpReference *r)
{
    const DiceCE *loss = r->spec;
    const Shape s = r->in_shape[0];
    LossSums sums = {0};
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t p = 0; p < s.h * s.w; p++) {
            const int label = loss_label_of(r, n, p);
            if (label == loss->ignore_label || label >= s.c) continue;
            add_pixel(&sums, loss->batch_dice ? 0 : n, r->in[0] + (n * s.h * s.w + p) * s.c, s.c, label);
        }
    const double entropy = sums.valid > 0 && !loss->dice_only ? sums.cross_entropy / sums.valid : 0;
    r->out[0][0] = entropy - mean_dice(&sums, loss->batch_dice ? 1 : s.n, !loss->background, s.c, loss->smooth);
}

/* The regions of a label, as bits. */
static uint64_t regions_of(const DiceBCE *loss, int label) { return label < LOSS_LABELS ? loss->regions[label] : 0; }

static void reference_dice_bce_loss(const OpReference *r)
{
    const DiceBCE *loss = r->spec;
    const Shape s = r->in_shape[0];
    LossSums sums = {0};
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t p = 0; p < s.h * s.w; p++) {
            const int label = loss_label_of(r, n, p);
            const double *z = r->in[0] + (n * s.h * s.w + p) * s.c;
            const int64_t item = loss->batch_dice ? 0 : n;
            if (label == loss->ignore_label) continue;
            for (int64_t c = 0; c < s.c; c++) {
                const double probability = 1 / (1 + exp(-z[c])), truth = (double)(regions_of(loss, label) >> c & 1);
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

/* spec: the ignore label and the regions; number: 1 if there are regions. */
static void reference_class_counts(const OpReference *r)
{
    const DiceBCE *rule = r->spec;
    const Shape s = r->in_shape[0];
    for (int64_t i = 0; i < s.n * 3 * s.c; i++) r->out[0][i] = 0;
    for (int64_t i = 0; i < s.n * s.h * s.w; i++) {
        double *counts = r->out[0] + i / (s.h * s.w) * 3 * s.c;
        const double *z = r->in[0] + i * s.c;
        const int label = r->in[1][i] > 0 ? (int)r->in[1][i] : 0;
        int64_t largest = 0;
        for (int64_t k = 1; k < s.c; k++) largest = z[k] > z[largest] ? k : largest;
        if (label == rule->ignore_label || (r->number != 1 && label >= s.c)) continue;
        for (int64_t k = 0; k < s.c; k++) {
            const bool predicted = r->number == 1 ? z[k] > 0 : k == largest;
            const bool there = r->number == 1 ? regions_of(rule, label) >> k & 1 : k == label;
            if (predicted || there) counts[predicted && there ? k : predicted ? s.c + k : 2 * s.c + k]++;
        }
    }
}

static void reference_image_class_counts(const OpReference *r)
{
    const Shape s = r->in_shape[0];
    for (int64_t i = 0; i < s.n * 3 * s.c; i++) r->out[0][i] = 0;
    for (int64_t n = 0; n < s.n; n++) {
        const double *z = r->in[0] + n * s.c;
        double *counts = r->out[0] + n * 3 * s.c;
        const int truth = loss_label_of(r, n, 0) - 1;
        int64_t largest = 0;
        for (int64_t k = 1; k < s.c; k++) largest = z[k] > z[largest] ? k : largest;
        if (truth < 0) continue;
        if (truth == largest) counts[largest]++;
        else counts[s.c + largest]++, counts[2 * s.c + truth]++;
    }
}

/* ---- how each case builds its op ---- */

#define BUILD(op, call)                                                            \
    static void build_##op(Graph *g, const OpCase *c, const Ref *in, Ref *outputs) \
    {                                                                              \
        (void)c;                                                                   \
        outputs[0] = call;                                                         \
    }
BUILD(silu, op_silu(g, in[0]))
BUILD(silu_gate, op_silu_gate(g, in[0], in[1]))
BUILD(leaky_relu, op_leaky_relu(g, in[0], c->number))
BUILD(add, op_add(g, in[0], in[1]))
BUILD(concat, op_concat(g, in[0], in[1]))
BUILD(space_to_depth, op_space_to_depth(g, in[0], (int64_t)c->number))
BUILD(depth_to_space, op_depth_to_space(g, in[0], (int64_t)c->number))
BUILD(layer_norm, op_layer_norm(g, "norm", in[0]))
BUILD(instance_norm, op_instance_norm(g, "norm", in[0], false))
BUILD(instance_norm_affine, op_instance_norm(g, "norm", in[0], true))
BUILD(instance_norm_act, op_leaky_relu(g, op_instance_norm(g, "norm", in[0], true), c->number))
BUILD(depthwise_conv2d, op_depthwise_conv2d(g, "conv", in[0]))
BUILD(gelu, op_gelu(g, in[0]))
BUILD(layer_norm_plain, op_layer_norm_plain(g, in[0]))
BUILD(group_norm, op_group_norm(g, "norm", in[0], (int64_t)c->number))
BUILD(upsample_bilinear, op_upsample_bilinear(g, in[0]))
BUILD(position_embedding, op_position_embedding(g, "embedding", in[0]))
BUILD(mask_token, op_mask_token(g, "mask_token", in[0], in[1]))
BUILD(masked_l1_loss, op_masked_l1_loss(g, "loss", in[0], in[1], in[2]))
BUILD(class_loss, op_class_loss(g, "loss", in[0], in[1], c->number))
BUILD(attention, op_attention(g, in[0], in[1], (int64_t)c->number))
BUILD(window_attention, op_window_attention(g, in[0], in[1], c->spec))
BUILD(causal_conv1d, op_causal_conv1d(g, "conv", in[0]))
BUILD(average_pool, op_average_pool(g, in[0], *(const PairYX *)c->spec))
BUILD(mamba_scan, op_mamba_scan(g, in[0], ((const ScanSpec *)c->spec)->rank, (int64_t)c->number))
BUILD(linear, op_linear(g, "linear", in[0], (int64_t)c->number, true))
BUILD(linear_plain, op_linear(g, "linear", in[0], (int64_t)c->number, false))
BUILD(conv2d, op_conv2d(g, "conv", in[0], (int64_t)c->number, *(const Conv *)c->spec))
BUILD(conv_transpose2d, op_conv_transpose2d(g, "conv", in[0], (int64_t)c->number, *(const Conv *)c->spec))
BUILD(dice_ce_loss, op_dice_ce_loss(g, "loss", in[0], in[1], *(const DiceCE *)c->spec))
BUILD(dice_bce_loss, op_dice_bce_loss(g, "loss", in[0], in[1], c->spec))
BUILD(class_counts, op_class_counts(g, "counts", in[0], in[1], ((const DiceBCE *)c->spec)->ignore_label,
                                    c->number == 1 ? ((const DiceBCE *)c->spec)->regions : NULL))
BUILD(image_class_counts, op_image_class_counts(g, "counts", in[0], in[1]))
BUILD(weighted_sum, op_weighted_sum(g, "sum", in, c->spec, (int)c->number))

/* The inputs are in the order of the chain: the norm's first. */
static void build_instance_norm_add_act(Graph *g, const OpCase *c, const Ref *in, Ref *outputs)
{
    outputs[0] = op_leaky_relu(g, op_add(g, in[1], op_instance_norm(g, "norm", in[0], false)), c->number);
}

static void build_layer_norm_pair(Graph *g, const OpCase *c, const Ref *in, Ref *outputs)
{
    (void)c;
    op_layer_norm_pair(g, "norm", in[0], in[1], &outputs[0], &outputs[1]);
}

static void build_selective_scan(Graph *g, const OpCase *c, const Ref *in, Ref *outputs)
{
    const ScanSpec *spec = c->spec;
    outputs[0] = op_selective_scan(g, in[0], spec->rank, (int64_t)c->number, spec->directions);
}

static void build_split(Graph *g, const OpCase *c, const Ref *in, Ref *outputs)
{
    op_split(g, in[0], (int64_t)c->number, &outputs[0], &outputs[1]);
}

static const double weights[NODE_INPUTS] = {0.5, -2, 0.25, 0, 1, 0.125, 3, -0.5};
#define SS2D                                                                                          \
    {                                                                                                 \
        4, { SCAN_ROW_MAJOR, SCAN_COLUMN_MAJOR, SCAN_ROW_MAJOR_REVERSED, SCAN_COLUMN_MAJOR_REVERSED } \
    }
#define SQUARE(kernel, stride, padding) \
    {kernel, kernel}, {stride, stride}, { padding, padding }
static const Conv stem = {SQUARE(7, 2, 3), true}, same = {SQUARE(3, 1, 1), false}, same_bias = {SQUARE(3, 1, 1), true},
                  head = {SQUARE(1, 1, 0), true}, patch = {SQUARE(4, 4, 0), true},
                  flat = {{1, 3}, {1, 1}, {0, 1}, true}, tall = {{5, 2}, {1, 2}, {2, 0}, false},
                  uneven = {{3, 4}, {2, 3}, {1, 2}, true}, wide_padding = {{3, 2}, {1, 1}, {4, 3}, true};
static const Conv up = {SQUARE(2, 2, 0), false}, up_bias = {SQUARE(2, 2, 0), true},
                  up_overlap = {SQUARE(3, 2, 1), true}, up_gaps = {SQUARE(1, 2, 0), true},
                  up_flat = {{1, 2}, {1, 2}, {0, 0}, true}, up_uneven = {{4, 3}, {2, 1}, {1, 0}, true};
static const DiceCE batch = {.batch_dice = true, .smooth = 1e-5, .ignore_label = -1},
                    items = {.smooth = 1e-5, .ignore_label = -1},
                    ignoring = {.batch_dice = true, .smooth = 1e-5, .ignore_label = 2},
                    all_classes = {.batch_dice = true, .smooth = 1, .ignore_label = 1, .background = true},
                    dice_alone = {.smooth = 1e-5, .ignore_label = -1, .dice_only = true};
static const DiceBCE nested = {true, 1e-5, -1, {0, 1, 3, 7}}, overlapping = {false, 1, 2, {0, 5, 7, 2, 6}},
                     background = {true, 1e-5, -1, {4, 1, 3}}, no_background = {true, 1e-5, 0, {4, 1, 3, 7}};

/* ---- the table ---- */

/* The sizes include tails of every vector width, borders, several pieces, and single rows and columns. */
#define OP(op) .build = build_##op, .reference = reference_##op
const OpCase op_cases[] = {
    {"silu", OP(silu), .in = {{2, 3, 5, 7}}},
    {"silu wide", OP(silu), .in = {{1, 3, 3, 35}}},
    {"silu of 32 channels", OP(silu), .in = {{1, 3, 3, 32}}},
    {"gelu", OP(gelu), .in = {{2, 3, 5, 7}}},
    {"gelu wide", OP(gelu), .in = {{1, 3, 3, 35}}},
    {"silu_gate", OP(silu_gate), .in = {{2, 3, 5, 7}, {2, 3, 5, 7}}},
    {"silu_gate wide", OP(silu_gate), .in = {{1, 3, 3, 35}, {1, 3, 3, 35}}},
    {"silu_gate of 16 channels", OP(silu_gate), .in = {{1, 3, 3, 16}, {1, 3, 3, 16}}},
    {"leaky_relu", OP(leaky_relu), .in = {{2, 3, 5, 19}}, .number = 0.01},
    {"relu", OP(leaky_relu), .in = {{1, 3, 5, 2}}},
    {"add", OP(add), .in = {{3, 3, 5, 18}, {3, 3, 5, 18}}},
    {"add of 16 channels", OP(add), .in = {{3, 3, 5, 16}, {3, 3, 5, 16}}},
    {"add of many samples", OP(add), .in = {{1024, 1, 1, 2}, {1024, 1, 1, 2}}},
    {"concat", OP(concat), .in = {{2, 3, 5, 7}, {2, 3, 5, 4}}},
    {"concat of 24 channels", OP(concat), .in = {{2, 3, 5, 16}, {2, 3, 5, 8}}},
    {"split", OP(split), .in = {{2, 3, 5, 9}}, .number = 7},
    {"split of 24 channels", OP(split), .in = {{2, 3, 5, 24}}, .number = 8},
    {"split without the gradient of a part", OP(split), .in = {{2, 3, 5, 24}}, .number = 8, .unseeded = 2},
    {"space_to_depth", OP(space_to_depth), .in = {{2, 7, 5, 3}}, .number = 2},
    {"space_to_depth 3", OP(space_to_depth), .in = {{1, 6, 8, 5}}, .number = 3},
    {"space_to_depth of 8 channels", OP(space_to_depth), .in = {{2, 4, 5, 8}}, .number = 2},
    {"depth_to_space", OP(depth_to_space), .in = {{2, 3, 5, 12}}, .number = 2},
    {"depth_to_space 4", OP(depth_to_space), .in = {{1, 2, 3, 48}}, .number = 4},
    {"depth_to_space of 8 channels", OP(depth_to_space), .in = {{2, 2, 3, 32}}, .number = 2},
    {"layer_norm", OP(layer_norm), .in = {{2, 3, 5, 23}}, .macs = 5 * 690},
    {"layer_norm pieces", OP(layer_norm), .in = {{2, 9, 10, 48}}, .macs = 5 * 8640},
    {"layer_norm of many pixels", OP(layer_norm), .in = {{1, 53, 41, 8}}, .macs = 5 * 17384},
    {"layer_norm wide", OP(layer_norm), .in = {{1, 2, 3, 72}}, .macs = 5 * 432},
    {"layer_norm of the most channels", OP(layer_norm), .in = {{1, 1, 2, 6144}}, .macs = 5 * 12288},
    {"layer_norm far from 0", OP(layer_norm), .in = {{1, 3, 5, 24}}, .macs = 5 * 360, .values = VALUES_FAR},
    {"layer_norm thin", OP(layer_norm), .in = {{1, 1, 3, 5}}, .macs = 5 * 15},
    {"layer_norm without weights", .build = build_layer_norm_plain, .reference = reference_layer_norm,
     .in = {{2, 3, 5, 23}}, .macs = 4 * 690},
    {"layer_norm_pair", OP(layer_norm_pair), .in = {{2, 9, 10, 19}, {2, 9, 10, 19}}, .macs = 2 * 5 * 3420},
    {"group_norm", OP(group_norm), .in = {{2, 5, 7, 18}}, .number = 3, .macs = 5 * 1260},
    {"group_norm far from 0", OP(group_norm), .in = {{2, 5, 7, 18}}, .number = 3, .macs = 5 * 1260,
     .values = VALUES_FAR},
    {"group_norm of wide groups", OP(group_norm), .in = {{2, 3, 5, 80}}, .number = 2, .macs = 5 * 2400},
    {"group_norm wide", OP(group_norm), .in = {{1, 9, 25, 64}}, .number = 8, .macs = 5 * 14400, .brief = true},
    {"instance_norm", OP(instance_norm), .in = {{2, 5, 7, 3}}, .macs = 4 * 210},
    {"instance_norm far from 0", OP(instance_norm), .in = {{2, 7, 8, 3}}, .macs = 4 * 336, .values = VALUES_FAR},
    {"instance_norm affine", .build = build_instance_norm_affine, .reference = reference_instance_norm,
     .in = {{2, 5, 7, 19}}, .macs = 5 * 1330},
    {"instance_norm pieces", .build = build_instance_norm_affine, .reference = reference_instance_norm,
     .in = {{1, 9, 5, 1030}}, .macs = 5 * 46350},
    {"instance_norm + leaky_relu", OP(instance_norm_act), .in = {{2, 5, 7, 19}}, .number = 0.01, .macs = 5 * 1330},
    {"instance_norm + add + leaky_relu", .build = build_instance_norm_add_act, .reference = reference_instance_norm_act,
     .in = {{2, 5, 7, 19}, {2, 5, 7, 19}}, .number = 0.25, .macs = 4 * 1330},
    {"instance_norm + add + leaky_relu of 16 channels", .build = build_instance_norm_add_act,
     .reference = reference_instance_norm_act, .in = {{2, 9, 17, 16}, {2, 9, 17, 16}}, .number = 0.25,
     .macs = 4 * 4896},
    {"depthwise_conv2d of 16 channels", OP(depthwise_conv2d), .in = {{2, 9, 5, 16}}, .macs = 9 * 1440},
    {"depthwise_conv2d", OP(depthwise_conv2d), .in = {{2, 5, 6, 10}}, .macs = 9 * 600},
    {"depthwise_conv2d wide", OP(depthwise_conv2d), .in = {{1, 3, 9, 37}}, .macs = 9 * 999},
    {"depthwise_conv2d of four rows", OP(depthwise_conv2d), .in = {{2, 4, 3, 8}}, .macs = 9 * 192},
    {"depthwise_conv2d pieces", OP(depthwise_conv2d), .in = {{2, 13, 23, 8}}, .macs = 9 * 4784},
    {"depthwise_conv2d row", OP(depthwise_conv2d), .in = {{2, 1, 5, 16}}, .macs = 9 * 160},
    {"depthwise_conv2d column", OP(depthwise_conv2d), .in = {{1, 70, 1, 3}}, .macs = 9 * 210},
    {"upsample_bilinear", OP(upsample_bilinear), .in = {{2, 3, 5, 19}}, .macs = 16 * 570},
    {"upsample_bilinear of a row", OP(upsample_bilinear), .in = {{1, 1, 4, 32}}, .macs = 16 * 128},
    {"position_embedding", OP(position_embedding), .in = {{3, 3, 5, 19}}},
    {"position_embedding of 16 channels", OP(position_embedding), .in = {{3, 3, 5, 16}}},
    {"attention", OP(attention), .in = {{2, 3, 5, 12}, {2, 3, 5, 24}}, .number = 2, .macs = 2 * 2 * 225 * 12},
    {"attention in blocks", OP(attention), .in = {{1, 12, 13, 16}, {1, 12, 13, 32}}, .number = 1,
     .macs = 2 * 156 * 156 * 16, .brief = true},
    {"attention of wide heads", OP(attention), .in = {{1, 3, 4, 70}, {1, 3, 4, 140}}, .number = 2,
     .macs = 2 * 144 * 70},
    {"window_attention", .build = build_window_attention, .reference = reference_attention,
     .in = {{2, 6, 9, 6}, {2, 6, 9, 12}}, .spec = &(const WindowAttention){2, 3, 0, true}, .macs = 2 * 12 * 81 * 6},
    {"window_attention shifted", .build = build_window_attention, .reference = reference_attention,
     .in = {{1, 6, 9, 12}, {1, 6, 9, 24}}, .spec = &(const WindowAttention){3, 3, 1, true}, .macs = 2 * 6 * 81 * 12},
    {"window_attention shifted and padded", .build = build_window_attention, .reference = reference_attention,
     .in = {{1, 7, 10, 10}, {1, 7, 10, 20}}, .spec = &(const WindowAttention){1, 4, 2, true},
     .macs = 2 * 6 * 256 * 10 + 26 * 400},
    {"window_attention of other queries", .build = build_window_attention, .reference = reference_attention,
     .in = {{1, 5, 4, 8}, {1, 5, 4, 16}}, .spec = &(const WindowAttention){2, 3, 0, false},
     .macs = 2 * 4 * 81 * 8 + 16 * 192},
    {"window_attention of a short axis", .build = build_window_attention, .reference = reference_attention,
     .in = {{1, 4, 13, 6}, {1, 4, 13, 12}}, .spec = &(const WindowAttention){1, 7, 3, true},
     .macs = 2 * 2 * 784 * 6 + 4 * 144},
    {"window_attention in blocks", .build = build_window_attention, .reference = reference_attention,
     .in = {{1, 9, 10, 8}, {1, 9, 10, 16}}, .spec = &(const WindowAttention){1, 9, 4, true},
     .macs = 2 * 2 * 6561 * 8 + 72 * 256, .brief = true},
    {"window_attention in many windows", .build = build_window_attention, .reference = reference_attention,
     .in = {{1, 46, 46, 2}, {1, 46, 46, 4}}, .spec = &(const WindowAttention){1, 2, 1, true}, .macs = 2 * 529 * 16 * 2,
     .brief = true},
    {"causal_conv1d", OP(causal_conv1d), .in = {{2, 5, 6, 19}}, .macs = 4 * 1140},
    {"causal_conv1d pieces", OP(causal_conv1d), .in = {{3, 9, 10, 16}}, .macs = 4 * 4320},
    {"causal_conv1d shorter than the kernel", OP(causal_conv1d), .in = {{2, 3, 1, 48}}, .macs = 4 * 288},
    {"average_pool", OP(average_pool), .in = {{2, 7, 5, 19}}, .spec = &(const PairYX){2, 2}},
    {"average_pool 1x2", OP(average_pool), .in = {{1, 3, 8, 32}}, .spec = &(const PairYX){1, 2}},
    {"linear", OP(linear), .in = {{2, 3, 5, 13}}, .number = 9, .macs = 30 * 13 * 9},
    {"linear of many pixels", OP(linear), .in = {{1, 27, 40, 3}}, .number = 72, .macs = 1080 * 3 * 72, .brief = true},
    {"linear of many pixels, odd", OP(linear), .in = {{1, 27, 40, 3}}, .number = 37, .macs = 1080 * 3 * 37,
     .brief = true},
    {"linear without bias", .build = build_linear_plain, .reference = reference_linear, .in = {{1, 3, 5, 32}},
     .number = 17, .macs = 15 * 32 * 17},
    {"conv2d 7x7 stride 2", OP(conv2d), .in = {{2, 9, 8, 3}}, .number = 4, .spec = &stem, .macs = 2 * 5 * 4 * 4 * 147},
    {"conv2d 3x3", OP(conv2d), .in = {{2, 5, 6, 5}}, .number = 6, .spec = &same, .macs = 60 * 6 * 45},
    {"conv2d 3x3 of 32 channels", OP(conv2d), .in = {{2, 5, 6, 32}}, .number = 64, .spec = &same,
     .macs = 60 * 32 * 64 * 9},
    {"conv2d 3x3 of 8 channels", OP(conv2d), .in = {{2, 5, 6, 8}}, .number = 40, .spec = &same_bias,
     .macs = 60 * 8 * 40 * 9},
    {"conv2d 3x3 of many tiles", OP(conv2d), .in = {{2, 9, 14, 17}}, .number = 21, .spec = &same_bias,
     .macs = 252 * 17 * 21 * 9},
    {"conv2d of long fractions", OP(conv2d), .in = {{1, 4, 5, 6}}, .number = 5, .spec = &same_bias, .macs = 20 * 5 * 54,
     .values = VALUES_LONG},
    {"conv2d 1x1", OP(conv2d), .in = {{1, 5, 3, 7}}, .number = 3, .spec = &head, .macs = 15 * 21},
    {"conv2d 4x4 stride 4", OP(conv2d), .in = {{1, 9, 14, 3}}, .number = 4, .spec = &patch, .macs = 6 * 4 * 48},
    {"conv2d 4x4 stride 4 of whole patches", OP(conv2d), .in = {{2, 8, 12, 5}}, .number = 17, .spec = &patch,
     .macs = 12 * 17 * 80},
    {"conv2d 1x3", OP(conv2d), .in = {{2, 4, 6, 5}}, .number = 3, .spec = &flat, .macs = 48 * 3 * 15},
    {"conv2d 5x2 stride 1x2", OP(conv2d), .in = {{1, 6, 7, 4}}, .number = 5, .spec = &tall, .macs = 6 * 3 * 5 * 40},
    {"conv2d 3x4 stride 2x3", OP(conv2d), .in = {{2, 7, 8, 18}}, .number = 17, .spec = &uneven,
     .macs = 2 * 4 * 3 * 17 * 18 * 12},
    {"conv2d padded beyond the kernel", OP(conv2d), .in = {{1, 3, 4, 5}}, .number = 6, .spec = &wide_padding,
     .macs = 9 * 9 * 6 * 30},
    {"conv_transpose2d", OP(conv_transpose2d), .in = {{2, 3, 5, 6}}, .number = 5, .spec = &up, .macs = 30 * 6 * 5 * 4},
    {"conv_transpose2d bias", OP(conv_transpose2d), .in = {{2, 3, 5, 16}}, .number = 5, .spec = &up_bias,
     .macs = 30 * 16 * 5 * 4},
    {"conv_transpose2d of many channels", OP(conv_transpose2d), .in = {{2, 3, 5, 33}}, .number = 19, .spec = &up_bias,
     .macs = 30 * 33 * 19 * 4},
    {"conv_transpose2d 3x3 stride 2", OP(conv_transpose2d), .in = {{2, 4, 3, 6}}, .number = 7, .spec = &up_overlap,
     .macs = 24 * 42 * 9},
    {"conv_transpose2d 1x1 stride 2", OP(conv_transpose2d), .in = {{1, 3, 4, 5}}, .number = 3, .spec = &up_gaps,
     .macs = 12 * 15},
    {"conv_transpose2d 1x2", OP(conv_transpose2d), .in = {{2, 3, 5, 6}}, .number = 16, .spec = &up_flat,
     .macs = 30 * 96 * 2},
    {"conv_transpose2d 4x3 stride 2x1", OP(conv_transpose2d), .in = {{1, 5, 3, 18}}, .number = 17, .spec = &up_uneven,
     .macs = 15 * 18 * 17 * 12},
    {"dice_ce_loss", OP(dice_ce_loss), .in = {{2, 5, 7, 3}, {2, 5, 7, 1}}, .spec = &batch, .labels = 3},
    {"dice_ce_loss items", OP(dice_ce_loss), .in = {{3, 9, 9, 4}, {3, 9, 9, 1}}, .spec = &items, .labels = 4},
    {"dice_ce_loss ignoring", OP(dice_ce_loss), .in = {{2, 9, 7, 2}, {2, 9, 7, 1}}, .spec = &ignoring, .labels = 3},
    {"dice_ce_loss coarse", OP(dice_ce_loss), .in = {{2, 4, 6, 3}, {2, 17, 22, 1}}, .spec = &batch, .labels = 3},
    {"dice_ce_loss pieces", OP(dice_ce_loss), .in = {{2, 33, 40, 14}, {2, 33, 40, 1}}, .spec = &batch, .labels = 13,
     .brief = true},
    {"dice_ce_loss with background", OP(dice_ce_loss), .in = {{2, 5, 7, 3}, {2, 5, 7, 1}}, .spec = &all_classes,
     .labels = 3},
    {"dice_ce_loss dice alone", OP(dice_ce_loss), .in = {{2, 5, 7, 3}, {2, 5, 7, 1}}, .spec = &dice_alone, .labels = 3},
    {"dice_ce_loss of many classes", OP(dice_ce_loss), .in = {{2, 3, 4, 40}, {2, 3, 4, 1}}, .spec = &items,
     .labels = 40},
    {"dice_ce_loss of large logits", OP(dice_ce_loss), .in = {{2, 5, 7, 3}, {2, 5, 7, 1}}, .spec = &batch, .labels = 3,
     .scale = 128},
    {"dice_ce_loss of labels that are no classes", OP(dice_ce_loss), .in = {{2, 5, 7, 3}, {2, 5, 7, 1}}, .spec = &batch,
     .labels = 5},
    {"dice_ce_loss of ignored pixels", OP(dice_ce_loss), .in = {{2, 5, 7, 3}, {2, 5, 7, 1}},
     .spec = &(const DiceCE){.batch_dice = true, .smooth = 1e-5, .ignore_label = 0}, .labels = 1},
    {"dice_bce_loss", OP(dice_bce_loss), .in = {{2, 5, 7, 3}, {2, 5, 7, 1}}, .spec = &nested, .labels = 4},
    {"dice_bce_loss ignoring", OP(dice_bce_loss), .in = {{3, 9, 11, 3}, {3, 9, 11, 1}}, .spec = &overlapping,
     .labels = 5},
    {"dice_bce_loss coarse", OP(dice_bce_loss), .in = {{2, 4, 6, 1}, {2, 17, 22, 1}}, .spec = &nested, .labels = 3},
    {"dice_bce_loss pieces", OP(dice_bce_loss), .in = {{2, 33, 40, 3}, {2, 33, 40, 1}}, .spec = &nested, .labels = 4,
     .brief = true},
    {"dice_bce_loss long pieces", OP(dice_bce_loss), .in = {{1, 364, 363, 1}, {1, 364, 363, 1}}, .spec = &nested,
     .labels = 3, .brief = true},
    {"dice_bce_loss of the background", OP(dice_bce_loss), .in = {{2, 5, 7, 3}, {2, 5, 7, 1}}, .spec = &background,
     .labels = 3},
    {"dice_bce_loss ignoring the background", OP(dice_bce_loss), .in = {{2, 5, 7, 3}, {2, 5, 7, 1}},
     .spec = &no_background, .labels = 4},
    {"dice_bce_loss of many labels", OP(dice_bce_loss), .in = {{2, 9, 40, 2}, {2, 9, 40, 1}}, .spec = &nested,
     .labels = LOSS_LABELS + 2},
    {"mask_token", OP(mask_token), .in = {{2, 3, 5, 19}, {2, 12, 20, 1}}, .labels = 2},
    {"mask_token of 16 channels", OP(mask_token), .in = {{3, 9, 11, 16}, {3, 9, 11, 1}}, .labels = 3},
    {"mask_token of coarse labels", OP(mask_token), .in = {{2, 9, 11, 3}, {2, 3, 4, 1}}, .labels = 2},
    {"masked_l1_loss", OP(masked_l1_loss), .in = {{2, 5, 7, 3}, {2, 5, 7, 1}, {2, 5, 7, 3}}, .labels = 2},
    {"masked_l1_loss pieces", OP(masked_l1_loss), .in = {{2, 65, 64, 1}, {2, 65, 64, 1}, {2, 65, 64, 1}}, .labels = 2},
    {"masked_l1_loss of a pixel", OP(masked_l1_loss), .in = {{1, 1, 1, 3}, {1, 1, 1, 1}, {1, 1, 1, 3}}, .labels = 99},
    {"masked_l1_loss of equal values", OP(masked_l1_loss), .in = {{2, 5, 7, 8}, {2, 5, 7, 1}, {2, 5, 7, 8}},
     .labels = 2, .values = VALUES_EQUAL},
    {"class_loss", OP(class_loss), .in = {{5, 1, 1, 4}, {5, 6, 8, 1}}, .number = 0.1, .labels = 5},
    {"class_loss of labels that are no classes", OP(class_loss), .in = {{30, 1, 1, 4}, {30, 6, 8, 1}}, .labels = 6},
    {"class_loss without labels", OP(class_loss), .in = {{3, 1, 1, 4}, {3, 6, 8, 1}}, .labels = 1},
    {"class_loss of many classes", OP(class_loss), .in = {{9, 1, 1, 70}, {9, 3, 3, 1}}, .number = 0.1, .labels = 71},
    {"class_counts", OP(class_counts), .in = {{3, 33, 40, 3}, {3, 33, 40, 1}}, .spec = &nested, .labels = 3},
    {"class_counts pieces", OP(class_counts), .in = {{2, 65, 64, 2}, {2, 65, 64, 1}}, .spec = &nested, .labels = 2,
     .values = VALUES_TIED},
    {"class_counts of many classes", OP(class_counts), .in = {{1, 3, 5, 100}, {1, 3, 5, 1}}, .spec = &nested,
     .labels = 100},
    {"class_counts of many labels", OP(class_counts), .in = {{2, 9, 40, 3}, {2, 9, 40, 1}}, .spec = &nested,
     .number = 1, .labels = LOSS_LABELS + 2},
    {"class_counts of equal logits", OP(class_counts), .in = {{2, 9, 40, 3}, {2, 9, 40, 1}}, .spec = &nested,
     .labels = 3, .values = VALUES_TIED},
    {"class_counts of regions of equal logits", OP(class_counts), .in = {{2, 9, 40, 3}, {2, 9, 40, 1}}, .spec = &nested,
     .number = 1, .labels = 4, .values = VALUES_TIED},
    {"class_counts ignoring", OP(class_counts), .in = {{2, 5, 7, 4}, {2, 5, 7, 1}}, .spec = &overlapping, .labels = 6},
    {"class_counts of regions", OP(class_counts), .in = {{2, 33, 40, 3}, {2, 33, 40, 1}}, .spec = &nested, .number = 1,
     .labels = 4},
    {"class_counts of regions ignoring", OP(class_counts), .in = {{2, 9, 11, 3}, {2, 9, 11, 1}}, .spec = &overlapping,
     .number = 1, .labels = 5},
    {"class_counts of images", OP(image_class_counts), .in = {{30, 1, 1, 3}, {30, 5, 4, 1}}, .labels = 4},
    {"selective_scan", OP(selective_scan), .in = {{2, 3, 5, 20}}, .number = 16, .spec = &(const ScanSpec){2, SS2D},
     .macs = 4 * 600 * (2 * 2 + 32 + 57)},
    {"selective_scan of long fractions", OP(selective_scan), .in = {{1, 3, 4, 5}}, .number = 3,
     .spec = &(const ScanSpec){2, {1, {SCAN_ROW_MAJOR}}}, .macs = 30 * (2 * 10 + 23), .values = VALUES_LONG},
    {"selective_scan row", OP(selective_scan), .in = {{1, 1, 70, 8}}, .number = 5, .spec = &(const ScanSpec){1, SS2D},
     .macs = 2 * 560 * (2 * 12 + 37)},
    {"selective_scan column", OP(selective_scan), .in = {{2, 67, 1, 3}}, .number = 2,
     .spec = &(const ScanSpec){3, SS2D}, .macs = 4 * 402 * (2 * 3 + 4 + 8)},
    {"selective_scan blocks", OP(selective_scan), .in = {{1, 5, 14, 70}}, .number = 16,
     .spec = &(const ScanSpec){5, SS2D}, .macs = 4 * 4900 * (2 * 5 + 32 + 57), .brief = true},
    {"selective_scan states", OP(selective_scan), .in = {{1, 4, 3, 5}}, .number = 43,
     .spec = &(const ScanSpec){13, SS2D}, .macs = 2 * 60 * (2 * 112 + 303)},
    {"selective_scan rank", OP(selective_scan), .in = {{1, 4, 3, 5}}, .number = 2, .spec = &(const ScanSpec){70, SS2D},
     .macs = 4 * 60 * (2 * 70 + 4 + 8)},
    {"selective_scan one direction", OP(selective_scan), .in = {{2, 5, 14, 20}}, .number = 16,
     .spec = &(const ScanSpec){2, {1, {SCAN_ROW_MAJOR}}}, .macs = 2800 * (2 * 2 + 32 + 57)},
    {"selective_scan one reversed direction", OP(selective_scan), .in = {{1, 14, 5, 7}}, .number = 6,
     .spec = &(const ScanSpec){3, {1, {SCAN_COLUMN_MAJOR_REVERSED}}}, .macs = 490 * (2 * 3 + 12 + 22)},
    {"selective_scan both ways", OP(selective_scan), .in = {{2, 3, 23, 18}}, .number = 16,
     .spec = &(const ScanSpec){4, {2, {SCAN_ROW_MAJOR, SCAN_ROW_MAJOR_REVERSED}}},
     .macs = 2 * 2484 * (2 * 4 + 32 + 57)},
    {"selective_scan two alike", OP(selective_scan), .in = {{1, 7, 10, 33}}, .number = 4,
     .spec = &(const ScanSpec){1, {2, {SCAN_COLUMN_MAJOR, SCAN_COLUMN_MAJOR}}}, .macs = 2 * 2310 * (2 * 1 + 8 + 15)},
    /* On a GPU cut into pieces of a chunk, and of two; nine images are not cut. */
    {"selective_scan pieces", OP(selective_scan), .in = {{2, 23, 9, 7}}, .number = 16,
     .spec = &(const ScanSpec){2, SS2D}, .macs = 4 * 2898 * (2 * 2 + 32 + 57), .brief = true},
    {"selective_scan long pieces", OP(selective_scan), .in = {{1, 4, 530, 2}}, .number = 3,
     .spec = &(const ScanSpec){1, {1, {SCAN_COLUMN_MAJOR_REVERSED}}}, .macs = 2120 * (2 * (2 * 1 + 6) + 23),
     .brief = true},
    {"selective_scan states in pieces", OP(selective_scan), .in = {{1, 23, 9, 3}}, .number = 21,
     .spec = &(const ScanSpec){2, SS2D}, .macs = 2 * 621 * (2 * 46 + 149), .brief = true},
    {"selective_scan of whole chunks and groups", OP(selective_scan), .in = {{1, 8, 16, 64}}, .number = 16,
     .spec = &(const ScanSpec){4, {1, {SCAN_ROW_MAJOR}}}, .macs = 8192 * (2 * 4 + 32 + 57), .brief = true},
    {"selective_scan whole", OP(selective_scan), .in = {{9, 1, 140, 3}}, .number = 4,
     .spec = &(const ScanSpec){2, {2, {SCAN_ROW_MAJOR, SCAN_ROW_MAJOR_REVERSED}}}, .macs = 2 * 3780 * (2 * 2 + 8 + 15),
     .brief = true},
    {"mamba_scan", .build = build_mamba_scan, .reference = reference_selective_scan, .in = {{2, 5, 14, 20}},
     .number = 16, .spec = &(const ScanSpec){2, {1, {SCAN_ROW_MAJOR}}}, .macs = 2800 * (2 * 2 + 32 + 57)},
    {"mamba_scan of three pixels", .build = build_mamba_scan, .reference = reference_selective_scan,
     .in = {{1, 3, 1, 48}}, .number = 16, .spec = &(const ScanSpec){2, {1, {SCAN_ROW_MAJOR}}},
     .macs = 144 * (2 * 2 + 32 + 57)},
    {"weighted_sum", OP(weighted_sum), .in = {{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}}, .number = 3, .spec = weights},
    {"weighted_sum of eight", OP(weighted_sum),
     .in = {{1, 1, 1, 1},
            {1, 1, 1, 1},
            {1, 1, 1, 1},
            {1, 1, 1, 1},
            {1, 1, 1, 1},
            {1, 1, 1, 1},
            {1, 1, 1, 1},
            {1, 1, 1, 1}},
     .number = 8, .spec = weights},
    {.name = NULL},
};
