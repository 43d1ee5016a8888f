#include "trainer/intensity.h"

#include <math.h>
#include <string.h>

enum { MAX_RADIUS = 16, ROW_PART = 512 };

void intensity_noise(float *plane, int64_t pixels, double sigma, Rng *rng)
{
    for (int64_t i = 0; i < pixels; i++) plane[i] += (float)(sigma * rng_normal(rng));
}

/* ---- blur ---- */

typedef struct Taps {
    int radius;
    float weight[2 * MAX_RADIUS + 1];
} Taps;

int intensity_blur_length(double sigma) { return 2 * (int)((6 * sigma + 0.5) / 2) + 1; }

static Taps gaussian_taps(double sigma)
{
    Taps t = {.radius = intensity_blur_length(sigma) / 2};
    if (t.radius > MAX_RADIUS) t.radius = MAX_RADIUS;
    double sum = 0;
    for (int k = -t.radius; k <= t.radius; k++) sum += exp(-0.5 * k * k / (sigma * sigma));
    for (int k = -t.radius; k <= t.radius; k++)
        t.weight[k + t.radius] = (float)(exp(-0.5 * k * k / (sigma * sigma)) / sum);
    return t;
}

static int64_t reflected(int64_t i, int64_t size)
{
    if (size == 1) return 0;
    const int64_t period = 2 * (size - 1);
    i = (i % period + period) % period;
    return i < size ? i : period - i;
}

static void blur_columns(const float *in, float *out, int64_t height, int64_t width, const Taps *t)
{
    for (int64_t i = 0; i < height; i++) {
        float *row = out + i * width;
        memset(row, 0, (size_t)width * sizeof(float));
        for (int k = -t->radius; k <= t->radius; k++) {
            const float *from = in + reflected(i + k, height) * width, weight = t->weight[k + t->radius];
            for (int64_t j = 0; j < width; j++) row[j] += weight * from[j];
        }
    }
}

static void blur_rows(const float *in, float *out, int64_t height, int64_t width, const Taps *t)
{
    float part[ROW_PART + 2 * MAX_RADIUS]; /* a part of a row with its neighbours left and right */
    for (int64_t i = 0; i < height; i++) {
        const float *row = in + i * width;
        for (int64_t j0 = 0; j0 < width; j0 += ROW_PART) {
            const int64_t count = width - j0 < ROW_PART ? width - j0 : ROW_PART;
            for (int64_t j = -t->radius; j < count + t->radius; j++)
                part[j + t->radius] = row[reflected(j0 + j, width)];
            float *to = out + i * width + j0;
            memset(to, 0, (size_t)count * sizeof(float));
            for (int k = 0; k <= 2 * t->radius; k++)
                for (int64_t j = 0; j < count; j++) to[j] += t->weight[k] * part[j + k];
        }
    }
}

void intensity_blur(float *plane, int64_t height, int64_t width, const double sigma_yx[2], float *scratch)
{
    const Taps along_y = gaussian_taps(sigma_yx[0]), along_x = gaussian_taps(sigma_yx[1]);
    blur_columns(plane, scratch, height, width, &along_y);
    blur_rows(scratch, plane, height, width, &along_x);
}

/* ---- brightness, contrast ---- */

void intensity_brightness(float *plane, int64_t pixels, double factor)
{
    for (int64_t i = 0; i < pixels; i++) plane[i] *= (float)factor;
}

static double mean_of(const float *plane, int64_t pixels)
{
    double sum = 0;
    for (int64_t i = 0; i < pixels; i++) sum += plane[i];
    return sum / (double)pixels;
}

static double unbiased_std(const float *plane, int64_t pixels, double mean)
{
    double sum = 0;
    for (int64_t i = 0; i < pixels; i++) sum += (plane[i] - mean) * (plane[i] - mean);
    return pixels > 1 ? sqrt(sum / (double)(pixels - 1)) : 0;
}

static void range_of(const float *plane, int64_t pixels, float *low, float *high)
{
    *low = *high = plane[0];
    for (int64_t i = 1; i < pixels; i++) {
        if (plane[i] < *low) *low = plane[i];
        if (plane[i] > *high) *high = plane[i];
    }
}

void intensity_contrast(float *plane, int64_t pixels, double factor, bool preserve_range)
{
    const float mean = (float)mean_of(plane, pixels);
    float low = -INFINITY, high = INFINITY;
    if (preserve_range) range_of(plane, pixels, &low, &high);
    for (int64_t i = 0; i < pixels; i++) {
        const float value = (plane[i] - mean) * (float)factor + mean;
        plane[i] = value < low ? low : value > high ? high : value;
    }
}

/* ---- low resolution ---- */

static int64_t nearest_exact(int64_t k, int64_t from, int64_t to)
{
    const int64_t source = (int64_t)(((double)k + 0.5) * (double)from / (double)to);
    return source < from ? source : from - 1;
}

/* The two input samples, of `from`, for output k of `to` in linear interpolation; edge values are repeated. */
static void linear_taps(int64_t k, int64_t from, int64_t to, int64_t *first, int64_t *second, float *weight)
{
    double t = ((double)k + 0.5) * (double)from / (double)to - 0.5;
    if (t < 0) t = 0;
    *first = (int64_t)t;
    if (*first > from - 1) *first = from - 1;
    *second = *first < from - 1 ? *first + 1 : *first;
    *weight = (float)(t - (double)*first);
}

void intensity_low_resolution(float *plane, int64_t height, int64_t width, double scale, float *scratch)
{
    const int64_t low_height = (int64_t)rint((double)height * (double)(float)scale);
    const int64_t low_width = (int64_t)rint((double)width * (double)(float)scale);
    if (low_height < 1 || low_width < 1) return;
    for (int64_t i = 0; i < low_height; i++) {
        const float *row = plane + nearest_exact(i, height, low_height) * width;
        for (int64_t j = 0; j < low_width; j++) scratch[i * low_width + j] = row[nearest_exact(j, width, low_width)];
    }
    for (int64_t i = 0; i < height; i++) {
        int64_t y0, y1;
        float wy;
        linear_taps(i, low_height, height, &y0, &y1, &wy);
        const float *upper = scratch + y0 * low_width, *lower = scratch + y1 * low_width;
        for (int64_t j = 0; j < width; j++) {
            int64_t x0, x1;
            float wx;
            linear_taps(j, low_width, width, &x0, &x1, &wx);
            const float above = upper[x0] * (1 - wx) + upper[x1] * wx, below = lower[x0] * (1 - wx) + lower[x1] * wx;
            plane[i * width + j] = above * (1 - wy) + below * wy;
        }
    }
}

/* ---- gamma ---- */

void intensity_gamma(float *plane, int64_t pixels, double gamma, bool invert, bool retain_stats)
{
    static const float TINY = 1e-7f;
    const float sign = invert ? -1.0f : 1.0f;
    for (int64_t i = 0; i < pixels; i++) plane[i] *= sign;
    const double mean = mean_of(plane, pixels), std = retain_stats ? unbiased_std(plane, pixels, mean) : 0;
    float low, high;
    range_of(plane, pixels, &low, &high);
    const float range = high - low, divisor = range > TINY ? range : TINY;
    for (int64_t i = 0; i < pixels; i++) plane[i] = powf((plane[i] - low) / divisor, (float)gamma) * range + low;
    float factor = 1, before = 0, after = 0;
    if (retain_stats) {
        const double mean_now = mean_of(plane, pixels), std_now = unbiased_std(plane, pixels, mean_now);
        factor = (float)(std / fmax(std_now, TINY));
        before = (float)mean_now;
        after = (float)mean;
    }
    for (int64_t i = 0; i < pixels; i++) plane[i] = ((plane[i] - before) * factor + after) * sign;
}
