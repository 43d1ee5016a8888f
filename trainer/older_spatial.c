#include <math.h>

#include "trainer/older_transforms.h"

enum { OUTSIDE = -1 };

/* ---- cubic B-spline as in scipy.ndimage, with the border mode "mirror" ---- */

static void prefilter_line(double *line, int64_t n, int64_t stride)
{
    const double z = sqrt(3.0) - 2, gain = 6;
    if (n < 2) return;
    for (int64_t i = 0; i < n; i++) line[i * stride] *= gain;
    const double last_power = pow(z, (double)(n - 1));
    double power = z, first = line[0] + last_power * line[(n - 1) * stride];
    for (int64_t i = 1; i < n - 1; i++, power *= z)
        first += power * (line[i * stride] + last_power * line[(n - 1 - i) * stride]);
    line[0] = first / (1 - last_power * last_power);
    for (int64_t i = 1; i < n; i++) line[i * stride] += z * line[(i - 1) * stride];
    line[(n - 1) * stride] = (z * line[(n - 2) * stride] + line[(n - 1) * stride]) * z / (z * z - 1);
    for (int64_t i = n - 2; i >= 0; i--) line[i * stride] = z * (line[(i + 1) * stride] - line[i * stride]);
}

static bool is_seen(const SliceView *slice, Crop crop, int64_t y, int64_t x)
{
    return crop.y + y >= 0 && crop.y + y < slice->height && crop.x + x >= 0 && crop.x + x < slice->width;
}

static void spline_coefficients(const SliceView *slice, Crop crop, int channel, double *c)
{
    for (int64_t y = 0; y < crop.height; y++)
        for (int64_t x = 0; x < crop.width; x++) {
            const int64_t at = slice_pixel(slice, crop.y + y, crop.x + x);
            c[y * crop.width + x] = is_seen(slice, crop, y, x) ? slice->image[at * slice->channels + channel] : 0;
        }
    for (int64_t x = 0; x < crop.width; x++) prefilter_line(c + x, crop.height, crop.width);
    for (int64_t y = 0; y < crop.height; y++) prefilter_line(c + y * crop.width, crop.width, 1);
}

static int64_t mirrored(int64_t i, int64_t n)
{
    if (n == 1) return 0;
    const int64_t period = 2 * (n - 1);
    i = (i % period + period) % period;
    return i < n ? i : period - i;
}

static void cubic_weights(double t, double w[4])
{
    const double s = 1 - t;
    w[0] = s * s * s / 6;
    w[1] = (t * t * (t - 2) * 3 + 4) / 6;
    w[2] = (s * s * (s - 2) * 3 + 4) / 6;
    w[3] = 1 - w[0] - w[1] - w[2];
}

static double spline_at(const double *c, Crop crop, double y, double x)
{
    double wy[4], wx[4], sum = 0;
    const int64_t y0 = (int64_t)floor(y), x0 = (int64_t)floor(x);
    cubic_weights(y - (double)y0, wy);
    cubic_weights(x - (double)x0, wx);
    for (int i = 0; i < 4; i++) {
        const double *row = c + mirrored(y0 - 1 + i, crop.height) * crop.width;
        for (int j = 0; j < 4; j++) sum += row[mirrored(x0 - 1 + j, crop.width)] * wy[i] * wx[j];
    }
    return sum;
}

/* ---- labels ---- */

static int16_t label_at(const SliceView *slice, Crop crop, int64_t y, int64_t x)
{
    return is_seen(slice, crop, y, x) ? slice->labels[slice_pixel(slice, crop.y + y, crop.x + x)] : OUTSIDE;
}

static int16_t bilinear_label(const SliceView *slice, Crop crop, double y, double x)
{
    const int64_t y0 = (int64_t)floor(y), x0 = (int64_t)floor(x);
    const int16_t nearest = label_at(slice, crop, (int64_t)floor(y + 0.5), (int64_t)floor(x + 0.5));
    const double south = y - (double)y0, east = x - (double)x0;
    const double w[4] = {(1 - south) * (1 - east), (1 - south) * east, south * (1 - east), south * east};
    int16_t corner[4], winner = INT16_MAX;
    double best = 0, of_nearest = -1;
    for (int t = 0; t < 4; t++) /* a corner outside of the crop has the weight 0: the point is on the last pixel */
        corner[t] = label_at(slice, crop, mirrored(y0 + t / 2, crop.height), mirrored(x0 + t % 2, crop.width));
    for (int t = 0; t < 4; t++) {
        double score = 0;
        for (int u = 0; u < 4; u++) score += corner[u] == corner[t] ? w[u] : 0;
        if (score > best || (score == best && corner[t] < winner)) {
            best = score;
            winner = corner[t];
        }
        if (corner[t] == nearest) of_nearest = score;
    }
    return of_nearest == best ? nearest : winner;
}

/* ---- the transform ---- */

typedef struct Rotation {
    double c, s;               /* cosine and sine of the angle, times the scale */
    double middle_y, middle_x; /* of the crop */
} Rotation;

/* The point of the crop for patch pixel (i, j); false if it is outside of the outermost pixel centres. */
static bool source_of(const Rotation *r, Crop crop, const Patch *patch, int64_t i, int64_t j, double *y, double *x)
{
    const double vy = (double)i - (double)(patch->height - 1) / 2, vx = (double)j - (double)(patch->width - 1) / 2;
    *y = r->c * vy + r->s * vx + r->middle_y;
    *x = -r->s * vy + r->c * vx + r->middle_x;
    return *y >= 0 && *x >= 0 && *y <= (double)(crop.height - 1) && *x <= (double)(crop.width - 1);
}

void older_spatial_transform(const SliceView *slice, Crop crop, double angle, double scale, int label_order,
                             Patch *patch, double *coefficients)
{
    const Rotation r = {scale * cos(angle), scale * sin(angle), (double)crop.height / 2 - 0.5,
                        (double)crop.width / 2 - 0.5};
    const int64_t pixels = patch->height * patch->width;
    double y, x;
    for (int channel = 0; channel < patch->channels; channel++) {
        float *plane = patch->planes + channel * pixels;
        spline_coefficients(slice, crop, channel, coefficients);
        for (int64_t k = 0; k < pixels; k++)
            plane[k] = source_of(&r, crop, patch, k / patch->width, k % patch->width, &y, &x)
                           ? (float)spline_at(coefficients, crop, y, x)
                           : 0;
    }
    for (int64_t k = 0; k < pixels; k++) {
        const bool inside = source_of(&r, crop, patch, k / patch->width, k % patch->width, &y, &x);
        patch->labels[k] = !inside            ? OUTSIDE
                           : label_order == 0 ? label_at(slice, crop, (int64_t)floor(y + 0.5), (int64_t)floor(x + 0.5))
                                              : bilinear_label(slice, crop, y, x);
    }
}
