/* FoldNetworks: the networks of all folds as one TileNetwork.
 *
 * The folds' logits are averaged before the sliding window weights them; except for rounding this equals the mean of the
 * folds' predictions. With `apart` the logits of all folds are kept (pixel, fold, head), because nnU-Net rounds each
 * fold's prediction to half precision before the mean (fold_mean).
 *
 * The folds run one after another, and their executors share one arena. With several folds the images have memory of
 * their own, since each run may overwrite its input.
 *   FoldNetworks f = {.models = …, .count = …, …};  fold_networks_prepare … fold_networks_release */
#ifndef INFERENCE_FOLD_NETWORKS_H
#define INFERENCE_FOLD_NETWORKS_H

#include <stdbool.h>

#include "inference/sliding_window.h"
#include "model/model.h"
#include "network/executor/executor.h"

typedef struct FoldNetworks {
    const Model *models; /* borrowed */
    int count, channels, heads;
    int64_t tile_yx[2];
    bool apart;
    DType precision;      /* of the networks' arithmetic (network/executor/precision.h) */
    int batch;            /* 0: not prepared */
    const Device *device; /* that they run on; NULL: the CPU */
    Executor **executors; /* one per fold; owned */
    float *images;        /* (batch, tile_y, tile_x, channels), on the host */
    float *logits;        /* (batch, tile_y, tile_x, folds?, heads), on the device */
    bool owns_memory;     /* of images and logits: with several folds; else they are the executor's */
} FoldNetworks;

/* Makes the executors for `batch` tiles at a time; does nothing if they exist. Fails: as executor_new. */
int fold_networks_prepare(FoldNetworks *f, int batch, Err *e);
void fold_networks_release(FoldNetworks *f);

/* The memory in bytes that fold_networks_prepare allocates: all of it is the host's where the device shares that. */
typedef struct FoldBytes {
    int64_t host, device;
} FoldBytes;

/* Fails: as executor_new. */
int fold_networks_bytes(const FoldNetworks *f, int batch, FoldBytes *bytes, Err *e);

/* The TileNetwork, after prepare; valid until release. With `apart`, its classes are folds x heads. */
TileNetwork fold_networks_tiles(FoldNetworks *f);

/* mean (pixels, heads) of logits (pixels, folds, heads), each sum and the quotient rounded to half. */
void fold_mean(float *mean, const float *logits, int64_t pixels, int folds, int heads);

#endif
