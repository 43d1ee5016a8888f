/* Sliding window: prediction of whole slices by a network for tiles (nnU-Net's rules; docs/reference.md, Sliding window).
 *
 * The network processes batches of tiles, which may belong to several slices. Each tile's logits are weighted with an
 * importance map and added up. Rows are passed to a sink, in order, as soon as no later tile contributes to them: besides
 * one batch, only tile_height rows of one slice are in memory, independent of the size of the volume. Sums are where the
 * network runs (window_sums.h). On the CPU each row is computed by one thread: the result has the same bits for any number
 * of threads. */
#ifndef INFERENCE_SLIDING_WINDOW_H
#define INFERENCE_SLIDING_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "network/device/device.h"

typedef struct WindowOptions {
    int64_t tile_yx[2];
    double step;         /* as a fraction of the tile, above 0, at most 1 */
    bool gaussian;       /* Gaussian importance, else all weights are 1 */
    bool mirror_yx[2];   /* average over the mirror images along these axes too */
    bool half;           /* nnU-Net's half-precision accumulators; else fp32 */
    int adjacent_slices; /* on each side: their channels come before and after those of the slice */
} WindowOptions;

/* A network for tiles; channels are those of the image for each of the 2 adjacent_slices + 1 slices. run reads all of images and writes all of logits; returns 0, or negative with e filled. */
typedef struct TileNetwork {
    int batch, channels, classes;
    float *images;       /* (batch, tile_y, tile_x, channels), in the host's memory */
    const float *logits; /* (batch, tile_y, tile_x, classes), in the device's */
    int (*run)(void *context, Err *e);
    void *context;
    const Device *device; /* NULL: the CPU */
} TileNetwork;

/* The rows y … y + count - 1 of slice z, each (width, classes), borrowed. */
typedef struct RowBlock {
    int64_t z, y, count;
    const float *values; /* of the first row */
    int64_t pitch;       /* elements from one row to the next */
} RowBlock;

static inline const float *row_of(const RowBlock *b, int64_t y) { return b->values + (y - b->y) * b->pitch; }

/* Receives rows. They come slice by slice, in ascending order, several at a time. A failure ends the prediction. */
typedef struct RowSink {
    int (*rows)(void *context, const RowBlock *rows, Err *e);
    void *context;
} RowSink;

enum { ROWS_AT_ONCE = 16 }; /* that a sink computes before it passes them on; so all threads have work */

/* The first pixel of every tile along one axis, image >= tile; starts may be NULL. Returns their number. */
int64_t window_starts(int64_t image, int64_t tile, double step, int64_t *starts);

/* The importance map of a tile with `axes` axes, row-major: a Gaussian with a standard deviation of an eighth of the tile,
 * scaled to a maximum of 10, rounded to half precision, without zeros; all ones if not gaussian. Fails: ERR_NOMEM. */
int window_importance(float *map, const int64_t *tile, int axes, bool gaussian, Err *e);

/* The number of tiles, mirror images included, of a prediction of that size. */
int64_t window_tiles(const WindowOptions *o, const int64_t shape_zyx[3]);

/* The memory of window_predict in bytes, without image and network. device: that of the network; NULL: the CPU. */
typedef struct WindowBytes {
    int64_t host, device; /* device: 0 if it shares the host's memory */
} WindowBytes;

WindowBytes window_bytes(const WindowOptions *o, const Device *device, int classes, const int64_t shape_zyx[3]);

/* Predicts image (Z, Y, X, channels), borrowed. Slices smaller than a tile are padded with 0. The first and the last
 * slice stand for adjacent ones beyond the ends.
 * Fails: ERR_NOMEM, or as the network or the sink does. */
int window_predict(const WindowOptions *o, const TileNetwork *network, const float *image, const int64_t shape_zyx[3],
                   const RowSink *sink, Err *e);

#endif
