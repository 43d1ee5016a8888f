/* The windows of an image for attention (attention.c): the image is padded at the bottom and right to whole windows and
 * rolled up and to the left by a shift. Plain values; the caller owns all memory. */
#ifndef NETWORK_OPS_ATTENTION_WINDOWS_H
#define NETWORK_OPS_ATTENTION_WINDOWS_H

#include "network/graph/host_device.h"
#include "network/graph/op.h"

typedef struct WindowAxis {
    int64_t length, window, windows, shift;
} WindowAxis;

typedef struct WindowGrid {
    WindowAxis y, x;
    int64_t tokens; /* of a window */
    int64_t count;  /* windows of all images */
} WindowGrid;

/* window 0: an image is one window. An axis not longer than the window is one window without shift. */
WindowGrid window_grid(Shape s, int64_t window, int64_t shift);

/* Where position i of the padded and rolled axis comes from; -1: from the padding. */
HOST_DEVICE static inline int64_t window_source(const WindowAxis *a, int64_t i)
{
    const int64_t at = (i + a->shift) % (a->windows * a->window);
    return at < a->length ? at : -1;
}

/* The part of the rolled axis, 0 … 2, whose pixels are neighbours in the image. */
HOST_DEVICE static inline int window_part(const WindowAxis *a, int64_t i)
{
    const int64_t padded = a->windows * a->window;
    return !a->shift || i < padded - a->window ? 0 : i < padded - a->shift ? 1 : 2;
}

/* The tokens of a window, row by row: their pixels (-1: padding), and the parts of the image that they belong to: pixels
 * of one part are neighbours in the image, not only because of the roll. */
typedef struct WindowTokens {
    int64_t *pixel;
    float *part;
    bool mixed; /* several parts */
} WindowTokens;

void window_find(WindowTokens *t, const WindowGrid *g, int64_t window);

/* Prefetches a window's pixels in data or gradients (`start`, may be NULL) of t, row by row: the rows are short, so that
 * the hardware does not. Does nothing after the last window. */
void window_prefetch(const Tensor *t, const void *start, const WindowGrid *g, int64_t window);

/* The row of the table of position biases for two tokens. Their places are those in a whole window, also where an axis
 * is shorter, as in MONAI. */
static inline int64_t window_table_row(int64_t window, int64_t i, int64_t j)
{
    return (i / window - j / window + window - 1) * (2 * window - 1) + i % window - j % window + window - 1;
}

#endif
