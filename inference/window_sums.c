#include "inference/window_sums.h"

#include <string.h>

#include "base/half.h"
#include "base/memory.h"

enum { WORTH_THREADS = 1 << 14 }; /* values of a tile: below, a team takes longer to start than to work */

static bool is_parallel(const WindowSums *s) { return s->height * s->width * s->classes >= WORTH_THREADS; }

/* ---- on the CPU: all threads work on the rows of a tile ---- */

static void gather(const WindowSums *s, const float *logits, int mirroring, bool first)
{
    const int64_t height = s->height, width = s->width, classes = s->classes;
#pragma omp parallel for schedule(static) if (is_parallel(s))
    for (int64_t i = 0; i < height; i++) {
        const float *from = logits + (mirroring & 1 ? height - 1 - i : i) * width * classes;
        float *to = s->mirrored + i * width * classes;
        for (int64_t j = 0; j < width; j++) {
            const float *pixel = from + (mirroring & 2 ? width - 1 - j : j) * classes;
            for (int64_t k = 0; k < classes; k++) to[j * classes + k] = (first ? 0 : to[j * classes + k]) + pixel[k];
        }
    }
}

static void add(const WindowSums *s, const float *logits, int64_t y, int64_t x)
{
    const int64_t height = s->height, width = s->width, classes = s->classes;
    const float share = (float)s->mirrorings;
#pragma omp parallel for schedule(static) if (is_parallel(s))
    for (int64_t i = 0; i < height; i++) {
        const int64_t ring_row = (y + i) % height * s->ring_width + x;
        float *sums = s->sums + ring_row * classes, *weights = s->weights + ring_row;
        const float *from = logits + i * width * classes, *importance = s->importance + i * width;
        for (int64_t j = 0; j < width; j++) {
            const float g = importance[j];
            for (int64_t k = 0; k < classes; k++) sums[j * classes + k] += from[j * classes + k] / share * g;
            weights[j] += g;
        }
        if (!s->half) continue;
        for (int64_t j = 0; j < width * classes; j++) sums[j] = half_rounded(sums[j]);
        for (int64_t j = 0; j < width; j++) weights[j] = half_rounded(weights[j]);
    }
}

static void divide(const WindowSums *s, int64_t first, int64_t count)
{
    const int64_t width = s->ring_width, classes = s->classes;
#pragma omp parallel for schedule(static) if (is_parallel(s))
    for (int64_t i = first; i < first + count; i++) {
        float *sums = s->sums + i * width * classes;
        for (int64_t j = 0; j < width; j++)
            for (int64_t k = 0; k < classes; k++) sums[j * classes + k] /= s->weights[i * width + j];
        for (int64_t j = 0; s->half && j < width * classes; j++) sums[j] = half_rounded(sums[j]);
    }
}

static void add_fold(float *sum, const float *logits, int64_t count, bool first, int divisor)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) sum[i] = ((first ? 0 : sum[i]) + logits[i]) / (float)divisor;
}

static void keep_fold(float *all, const float *logits, int64_t pixels, int heads, int fold, int folds)
{
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < pixels; p++)
        memcpy(all + (p * folds + fold) * heads, logits + p * heads, (size_t)heads * sizeof(float));
}

static const WindowKernels on_cpu = {gather, add, divide, add_fold, keep_fold};

/* ---- for all devices ---- */

const WindowKernels *window_kernels(const Device *device)
{
    return device->kind == DEVICE_CUDA ? &window_kernels_cuda : &on_cpu;
}

static size_t tile_pixels(const WindowSums *s) { return (size_t)(s->height * s->width); }
static size_t ring_pixels(const WindowSums *s) { return (size_t)(s->height * s->ring_width); }
static size_t values(const WindowSums *s, size_t pixels) { return mem_product(pixels, (size_t)s->classes); }

int64_t window_sums_bytes(const WindowSums *s)
{
    return (int64_t)(tile_pixels(s) + ring_pixels(s)) * (s->classes + 1) * (int64_t)sizeof(float);
}

static float *new_floats(const WindowSums *s, size_t count, Err *e)
{
    return s->device->alloc(s->device, mem_product(count, sizeof(float)), e);
}

int window_sums_new(WindowSums *s, const float *importance, Err *e)
{
    const Device *d = s->device;
    s->importance = new_floats(s, tile_pixels(s), e);
    s->mirrored = new_floats(s, values(s, tile_pixels(s)), e);
    s->sums = new_floats(s, values(s, ring_pixels(s)), e);
    s->weights = new_floats(s, ring_pixels(s), e);
    int failed = s->importance && s->mirrored && s->sums && s->weights ? 0 : ERR_NOMEM;
    if (!failed) failed = d->copy(d, s->importance, importance, tile_pixels(s) * sizeof(float), COPY_TO_DEVICE, e);
    if (!failed) failed = d->clear(d, s->sums, values(s, ring_pixels(s)) * sizeof(float), e);
    if (!failed) failed = d->clear(d, s->weights, ring_pixels(s) * sizeof(float), e);
    if (!failed) failed = d->wait(d, e);
    if (failed) window_sums_free(s);
    return failed;
}

void window_sums_free(WindowSums *s)
{
    float **const owned[] = {&s->importance, &s->mirrored, &s->sums, &s->weights};
    for (int i = 0; i < 4; i++) {
        if (*owned[i]) s->device->free(s->device, *owned[i]);
        *owned[i] = NULL;
    }
}
