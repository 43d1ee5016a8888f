#include "trainer/augment.h"

#include "trainer/intensity.h"

static bool chance(Rng *rng, double probability) { return rng_uniform(rng) < probability; }

/* nnU-Net's draw around 1: a coin decides between less and more. */
static double factor_around_one(Rng *rng, double low, double high)
{
    return chance(rng, 0.5) ? rng_range(rng, low, 1) : rng_range(rng, 1, high);
}

static void draw_spatial(AugmentDraw *d, Rng *rng, double largest_angle)
{
    const bool rotate = chance(rng, 0.2), scale = chance(rng, 0.2);
    d->spatial = rotate || scale;
    d->angle = rotate ? rng_range(rng, -largest_angle, largest_angle) : 0;
    d->scale = scale ? rng_range(rng, 0.7, 1.4) : 1;
}

static void draw_blur(AugmentDraw *d, Rng *rng, int channels)
{
    if (!chance(rng, 0.2)) return;
    for (int c = 0; c < channels; c++) {
        if (!chance(rng, 0.5)) continue;
        for (int axis = 0; axis < 2; axis++) d->channel[c].blur_sigma_yx[axis] = rng_range(rng, 0.5, 1);
    }
}

AugmentDraw augment_draw(Rng *rng, int channels, double largest_angle, const bool mirror_axes[2])
{
    AugmentDraw d = {0};
    draw_spatial(&d, rng, largest_angle);
    if (chance(rng, 0.1)) d.noise_sigma = rng_range(rng, 0, 0.1);
    draw_blur(&d, rng, channels);
    if (chance(rng, 0.15))
        for (int c = 0; c < channels; c++) d.channel[c].brightness = factor_around_one(rng, 0.75, 1.25);
    if (chance(rng, 0.15))
        for (int c = 0; c < channels; c++) d.channel[c].contrast = factor_around_one(rng, 0.75, 1.25);
    if (chance(rng, 0.25))
        for (int c = 0; c < channels; c++)
            if (chance(rng, 0.5)) d.channel[c].low_resolution = rng_range(rng, 0.5, 1);
    if (chance(rng, 0.1))
        for (int c = 0; c < channels; c++) d.channel[c].gamma_inverted = factor_around_one(rng, 0.7, 1.5);
    if (chance(rng, 0.3))
        for (int c = 0; c < channels; c++) d.channel[c].gamma = factor_around_one(rng, 0.7, 1.5);
    for (int axis = 0; axis < 2; axis++) d.mirror_yx[axis] = mirror_axes[axis] && chance(rng, 0.5);
    return d;
}

void augment_intensities(Patch *patch, const AugmentDraw *draw, Rng *noise, float *scratch)
{
    const int64_t pixels = patch->height * patch->width;
    for (int c = 0; c < patch->channels; c++) {
        float *plane = patch->planes + c * pixels;
        const ChannelDraw *d = &draw->channel[c];
        if (draw->noise_sigma > 0) intensity_noise(plane, pixels, draw->noise_sigma, noise);
        if (d->blur_sigma_yx[0] > 0) intensity_blur(plane, patch->height, patch->width, d->blur_sigma_yx, scratch);
        if (d->brightness > 0) intensity_brightness(plane, pixels, d->brightness);
        if (d->contrast > 0) intensity_contrast(plane, pixels, d->contrast, true);
        if (d->low_resolution > 0)
            intensity_low_resolution(plane, patch->height, patch->width, d->low_resolution, scratch);
        if (d->gamma_inverted > 0) intensity_gamma(plane, pixels, d->gamma_inverted, true, true);
        if (d->gamma > 0) intensity_gamma(plane, pixels, d->gamma, false, true);
    }
}

void augment_store(const Patch *patch, const bool mirror_yx[2], const bool *mask_channel, float *image,
                   int16_t *labels)
{
    const int64_t height = patch->height, width = patch->width, channels = patch->channels;
    for (int64_t i = 0; i < height; i++) {
        const int64_t from_row = (mirror_yx[0] ? height - 1 - i : i) * width;
        for (int64_t j = 0; j < width; j++) {
            const int64_t from = from_row + (mirror_yx[1] ? width - 1 - j : j), to = i * width + j;
            const int16_t label = patch->labels[from];
            for (int64_t c = 0; c < channels; c++)
                image[to * channels + c] =
                    mask_channel[c] && label < 0 ? 0.0f : patch->planes[c * height * width + from];
            labels[to] = label < 0 ? 0 : label;
        }
    }
}
