/* The part of the sliding window that runs where the network does: its logits are mirrored back, weighted and added up in
 * the device's memory, and only finished rows leave it.
 *
 *   WindowSums s = {.device = …, .height = …, …};     all but the memory
 *   TRY(window_sums_new(&s, importance, e)); … window_sums_free(&s);
 * The functions of WindowKernels are called between the device's begin and end. They cannot fail on the CPU. */
#ifndef INFERENCE_WINDOW_SUMS_H
#define INFERENCE_WINDOW_SUMS_H

#include "network/device/device.h"

typedef struct WindowSums {
    const Device *device;
    int64_t height, width;       /* of a tile, in pixels */
    int64_t ring_width, classes; /* pixels of a padded row; the rings have `height` rows */
    int mirrorings;              /* images that a tile's logits are the mean of */
    bool half;                   /* sums, weights and quotients are rounded to half precision */
    float *importance;           /* (height, width) */
    float *mirrored;             /* (height, width, classes): the sum over a tile's mirror images */
    float *sums, *weights;       /* rings: (height, ring_width, classes), (height, ring_width) */
} WindowSums;

/* Bit 0 of a mirroring: the y axis, bit 1: x. All pointers are to the device's memory. */
typedef struct WindowKernels {
    /* Sets s->mirrored to a tile's logits, mirrored back; or adds them, if it is not the first. */
    void (*gather)(const WindowSums *s, const float *logits, int mirroring, bool first);
    /* Adds a tile, whose first pixel is (y, x) of the padded slice, to the rings. */
    void (*add)(const WindowSums *s, const float *logits, int64_t y, int64_t x);
    /* Divides the sums of `count` rows of the ring by their weights. */
    void (*divide)(const WindowSums *s, int64_t first, int64_t count);
    /* sum = (first ? 0 : sum) + logits, divided by `divisor`; `count` values. */
    void (*add_fold)(float *sum, const float *logits, int64_t count, bool first, int divisor);
    /* Copies the logits (pixels, heads) of a fold to logits of all folds (pixels, folds, heads). */
    void (*keep_fold)(float *all, const float *logits, int64_t pixels, int heads, int fold, int folds);
} WindowKernels;

const WindowKernels *window_kernels(const Device *device);
__attribute__((weak, visibility("hidden"))) extern const WindowKernels window_kernels_cuda; /* window_sums.cu */

/* importance (height, width): copied. Fails: ERR_NOMEM, or as the device's copy; then nothing is owned. */
int window_sums_new(WindowSums *s, const float *importance, Err *e);
void window_sums_free(WindowSums *s);

/* The bytes of its memory. */
int64_t window_sums_bytes(const WindowSums *s);

#endif
