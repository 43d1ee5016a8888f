#include <math.h>
#include <string.h>

#include "preprocess/resample.h"
#include "trainer/older_transforms.h"

/* ---- blur ---- */

enum { MAX_RADIUS = 16 };

static int64_t reflected(int64_t i, int64_t n)
{
    i = (i % (2 * n) + 2 * n) % (2 * n);
    return i < n ? i : 2 * n - 1 - i;
}

void older_blur(float *plane, int64_t height, int64_t width, double sigma, float *scratch)
{
    double weight[2 * MAX_RADIUS + 1], sum = 0;
    const int wanted = (int)(4 * sigma + 0.5), radius = wanted < MAX_RADIUS ? wanted : MAX_RADIUS;
    for (int k = -radius; k <= radius; k++) sum += weight[k + radius] = exp(-0.5 * k * k / (sigma * sigma));
    for (int k = 0; k <= 2 * radius; k++) weight[k] /= sum;
    for (int64_t i = 0; i < height; i++)
        for (int64_t j = 0; j < width; j++) {
            double value = 0;
            for (int k = -radius; k <= radius; k++)
                value += weight[k + radius] * plane[reflected(i + k, height) * width + j];
            scratch[i * width + j] = (float)value;
        }
    for (int64_t i = 0; i < height; i++)
        for (int64_t j = 0; j < width; j++) {
            double value = 0;
            for (int k = -radius; k <= radius; k++)
                value += weight[k + radius] * scratch[i * width + reflected(j + k, width)];
            plane[i * width + j] = (float)value;
        }
}

/* ---- gamma ---- */

static void mean_and_std(const float *plane, int64_t pixels, double *mean, double *std)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < pixels; i++) sum += plane[i];
    *mean = sum / (double)pixels;
    for (int64_t i = 0; i < pixels; i++) squares += (plane[i] - *mean) * (plane[i] - *mean);
    *std = sqrt(squares / (double)pixels);
}

void older_gamma(float *plane, int64_t pixels, double gamma, bool invert, bool retain_stats)
{
    const float sign = invert ? -1.0f : 1.0f;
    double mean = 0, std = 1, mean_now = 0, std_now = 1;
    for (int64_t i = 0; i < pixels; i++) plane[i] *= sign;
    if (retain_stats) mean_and_std(plane, pixels, &mean, &std);
    float low = plane[0], high = plane[0];
    for (int64_t i = 1; i < pixels; i++) {
        low = fminf(low, plane[i]);
        high = fmaxf(high, plane[i]);
    }
    const double range = (double)(high - low) + 1e-7;
    for (int64_t i = 0; i < pixels; i++) plane[i] = (float)(pow((plane[i] - low) / range, gamma) * range + low);
    if (retain_stats) mean_and_std(plane, pixels, &mean_now, &std_now);
    const double factor = retain_stats ? std / (std_now + 1e-8) : 1;
    for (int64_t i = 0; i < pixels; i++) plane[i] = (float)((plane[i] - mean_now) * factor + mean) * sign;
}

/* ---- low resolution ---- */

static Volume plane_volume(void *data, DType dtype, int64_t height, int64_t width)
{
    const Array a = array_view(dtype, 3, (int64_t[]){1, height, width}, data);
    return volume_of_array(&a);
}

int older_low_resolution(float *plane, int64_t height, int64_t width, double zoom, double *low, Err *e)
{
    const int64_t low_height = (int64_t)rint((double)height * zoom), low_width = (int64_t)rint((double)width * zoom);
    if (low_height < 1 || low_width < 1) return 0;
    const Volume full = plane_volume(plane, DTYPE_F32, height, width);
    const Volume small = plane_volume(low, DTYPE_F64, low_height, low_width);
    const PlanResampling down = {.order = 0}, up = {.order = 3};
    TRY(resample_values(&full, &small, &down, 0, e));
    return resample_values(&small, &full, &up, 0, e);
}
