/* Sliding window: a network that sees tiles predicts whole slices (nnU-Net's rules;
 * docs/reference.md, Sliding window).
 *
 * Tiles go through the network in batches, across slices; each is weighted with an importance map and
 * added to its neighbours. Rows are handed to a sink, in order, as soon as no later tile can change
 * them: besides one batch, memory for tile_height rows of one slice is all that is needed, however
 * large the volume. */
#ifndef INFERENCE_SLIDING_WINDOW_H
#define INFERENCE_SLIDING_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct WindowOptions {
    int64_t tile_yx[2];
    double step;          /* in tiles, above 0, at most 1 */
    bool gaussian;        /* Gaussian importance, else every tile counts evenly */
    bool mirror_yx[2];    /* mean over the mirror images along these axes too */
    bool half;            /* nnU-Net's half-precision accumulators; else fp32 */
} WindowOptions;

/* What predicts tiles. run reads all of images and writes all of logits; 0, or negative with e filled. */
typedef struct TileNetwork {
    int batch, channels, classes;
    float *images;        /* (batch, tile_y, tile_x, channels) */
    const float *logits;  /* (batch, tile_y, tile_x, classes) */
    int (*run)(void *context, Err *e);
    void *context;
} TileNetwork;

/* Takes one row of logits (width, classes), borrowed during the call: rows come slice by slice, from
 * top to bottom. A failure ends the prediction. */
typedef struct RowSink {
    int (*row)(void *context, int64_t z, int64_t y, const float *logits, Err *e);
    void *context;
} RowSink;

/* The first pixel of every tile along one axis, image >= tile; starts may be NULL. Returns their number. */
int64_t window_starts(int64_t image, int64_t tile, double step, int64_t *starts);

/* The importance map of a tile of `axes` extents, row-major: a Gaussian of an eighth of the tile, at most
 * 10, as half precision has it, nowhere 0; all ones if not gaussian. Fails: ERR_NOMEM. */
int window_importance(float *map, const int64_t *tile, int axes, bool gaussian, Err *e);

/* Tiles, mirror images included, that a prediction of that size runs. */
int64_t window_tiles(const WindowOptions *o, const int64_t shape_zyx[3]);

/* The memory that window_predict takes beside image and network. */
int64_t window_bytes(const WindowOptions *o, int classes, const int64_t shape_zyx[3]);

/* Predicts image (Z, Y, X, channels), borrowed. Slices smaller than a tile are padded with 0.
 * Fails: ERR_NOMEM, or as the network or the sink does. */
int window_predict(const WindowOptions *o, const TileNetwork *network, const float *image,
                   const int64_t shape_zyx[3], const RowSink *sink, Err *e);

#endif
