/* Sliding window: prediction of whole slices by a network for tiles (nnU-Net's rules; docs/reference.md, Sliding window).
 *
 * The network processes batches of tiles, which may belong to several slices. Each tile's logits are weighted with an
 * importance map and added up. A row is passed to a sink, in order, as soon as no later tile contributes to it: besides
 * one batch, only tile_height rows of one slice are in memory, independent of the size of the volume. */
#ifndef INFERENCE_SLIDING_WINDOW_H
#define INFERENCE_SLIDING_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct WindowOptions {
    int64_t tile_yx[2];
    double step;       /* as a fraction of the tile, above 0, at most 1 */
    bool gaussian;     /* Gaussian importance, else all weights are 1 */
    bool mirror_yx[2]; /* average over the mirror images along these axes too */
    bool half;         /* nnU-Net's half-precision accumulators; else fp32 */
} WindowOptions;

/* A network for tiles. run reads all of images and writes all of logits; returns 0, or negative with e filled. */
typedef struct TileNetwork {
    int batch, channels, classes;
    float *images;       /* (batch, tile_y, tile_x, channels) */
    const float *logits; /* (batch, tile_y, tile_x, classes) */
    int (*run)(void *context, Err *e);
    void *context;
} TileNetwork;

/* Receives one row of logits (width, classes), borrowed during the call. Rows come slice by slice, in ascending order. A
 * failure ends the prediction. */
typedef struct RowSink {
    int (*row)(void *context, int64_t z, int64_t y, const float *logits, Err *e);
    void *context;
} RowSink;

/* The first pixel of every tile along one axis, image >= tile; starts may be NULL. Returns their number. */
int64_t window_starts(int64_t image, int64_t tile, double step, int64_t *starts);

/* The importance map of a tile with `axes` axes, row-major: a Gaussian with a standard deviation of an eighth of the tile,
 * scaled to a maximum of 10, rounded to half precision, without zeros; all ones if not gaussian. Fails: ERR_NOMEM. */
int window_importance(float *map, const int64_t *tile, int axes, bool gaussian, Err *e);

/* The number of tiles, mirror images included, of a prediction of that size. */
int64_t window_tiles(const WindowOptions *o, const int64_t shape_zyx[3]);

/* The memory of window_predict in bytes, without image and network. */
int64_t window_bytes(const WindowOptions *o, int classes, const int64_t shape_zyx[3]);

/* Predicts image (Z, Y, X, channels), borrowed. Slices smaller than a tile are padded with 0.
 * Fails: ERR_NOMEM, or as the network or the sink does. */
int window_predict(const WindowOptions *o, const TileNetwork *network, const float *image, const int64_t shape_zyx[3],
                   const RowSink *sink, Err *e);

#endif
