#include "trainer/augment.h"

#include "trainer/intensity.h"
#include "trainer/older_transforms.h"

static bool chance(Rng *rng, double probability) { return rng_uniform(rng) < probability; }

/* nnU-Net's factor around 1: below or above 1 with equal probability. */
static double factor_around_one(Rng *rng, double low, double high)
{
    return chance(rng, 0.5) ? rng_range(rng, low, 1) : rng_range(rng, 1, high);
}

static void draw_spatial(AugmentDraw *d, Rng *rng, const AugmentRules *rules)
{
    const bool rotate = chance(rng, 0.2 * rules->strength), scale = chance(rng, 0.2 * rules->strength);
    d->spatial = rotate || scale;
    d->angle = rotate ? rng_range(rng, -rules->largest_angle, rules->largest_angle) : 0;
    d->scale = !scale ? 1 : rules->older ? factor_around_one(rng, 0.7, 1.4) : rng_range(rng, 0.7, 1.4);
}

static void draw_blur(AugmentDraw *d, Rng *rng, const AugmentRules *rules, int channels)
{
    if (!chance(rng, 0.2 * rules->strength)) return;
    for (int c = 0; c < channels; c++) {
        double *sigma = d->channel[c].blur_sigma_yx;
        if (!chance(rng, 0.5)) continue;
        sigma[0] = rng_range(rng, 0.5, 1);
        sigma[1] = rules->older ? sigma[0] : rng_range(rng, 0.5, 1);
    }
}

AugmentDraw augment_draw(Rng *rng, const AugmentRules *rules, int channels)
{
    AugmentDraw d = {0};
    const double strength = rules->strength;
    draw_spatial(&d, rng, rules);
    if (chance(rng, 0.1 * strength)) d.noise_sigma = rng_range(rng, 0, 0.1);
    draw_blur(&d, rng, rules, channels);
    if (chance(rng, 0.15 * strength))
        for (int c = 0; c < channels; c++)
            d.channel[c].brightness = rules->older ? rng_range(rng, 0.75, 1.25) : factor_around_one(rng, 0.75, 1.25);
    if (chance(rng, 0.15 * strength))
        for (int c = 0; c < channels; c++) d.channel[c].contrast = factor_around_one(rng, 0.75, 1.25);
    if (chance(rng, 0.25 * strength))
        for (int c = 0; c < channels; c++)
            if (chance(rng, 0.5)) d.channel[c].low_resolution = rng_range(rng, 0.5, 1);
    if (chance(rng, 0.1 * strength))
        for (int c = 0; c < channels; c++) d.channel[c].gamma_inverted = factor_around_one(rng, 0.7, 1.5);
    if (chance(rng, 0.3 * strength))
        for (int c = 0; c < channels; c++) d.channel[c].gamma = factor_around_one(rng, 0.7, 1.5);
    for (int axis = 0; axis < 2; axis++) d.mirror_yx[axis] = rules->mirror_axes[axis] && chance(rng, 0.5);
    return d;
}

static void blur(float *plane, const Patch *patch, const double sigma_yx[2], bool older, double *scratch)
{
    if (older) older_blur(plane, patch->height, patch->width, sigma_yx[0], (float *)(void *)scratch);
    else intensity_blur(plane, patch->height, patch->width, sigma_yx, (float *)(void *)scratch);
}

static int lower_resolution(float *plane, const Patch *patch, double scale, bool older, double *scratch, Err *e)
{
    if (older) return older_low_resolution(plane, patch->height, patch->width, scale, scratch, e);
    intensity_low_resolution(plane, patch->height, patch->width, scale, (float *)(void *)scratch);
    return 0;
}

int augment_intensities(Patch *patch, const AugmentDraw *draw, bool older, Rng *noise, double *scratch, Err *e)
{
    const int64_t pixels = patch->height * patch->width;
    void (*const gamma)(float *, int64_t, double, bool, bool) = older ? older_gamma : intensity_gamma;
    for (int c = 0; c < patch->channels; c++) {
        float *plane = patch->planes + c * pixels;
        const ChannelDraw *d = &draw->channel[c];
        if (draw->noise_sigma > 0) intensity_noise(plane, pixels, draw->noise_sigma, noise);
        if (d->blur_sigma_yx[0] > 0) blur(plane, patch, d->blur_sigma_yx, older, scratch);
        if (d->brightness > 0) intensity_brightness(plane, pixels, d->brightness);
        if (d->contrast > 0) intensity_contrast(plane, pixels, d->contrast, true);
        if (d->low_resolution > 0) TRY(lower_resolution(plane, patch, d->low_resolution, older, scratch, e));
        if (d->gamma_inverted > 0) gamma(plane, pixels, d->gamma_inverted, true, true);
        if (d->gamma > 0) gamma(plane, pixels, d->gamma, false, true);
    }
    return 0;
}

void augment_store(const Patch *patch, const bool mirror_yx[2], const bool *mask_channel, float *image, int16_t *labels)
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
