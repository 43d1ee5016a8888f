/* Loader: threads that prepare batches in a ring buffer for the training.
 *
 *   loader_new(&loader, &options, e);
 *   while (…) {
 *       loader_borrow(loader, &batch, e);      // waits; batches come in order, independent of the threads
 *       … use batch->images, batch->labels …
 *       loader_give_back(loader);              // the one that was borrowed first
 *   }
 *   loader_free(loader);
 * For a device with its own memory a batch is copied there while the one before it is in use (Device's uploads).
 * An epoch consists of its training iterations, then its validation iterations. The loader owns the batches. One is
 * given back when the device has finished with it. The loader is used by one thread; its own threads use no OpenMP. */
#ifndef TRAINER_LOADER_H
#define TRAINER_LOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "network/device/device.h"
#include "trainer/sampler.h"

typedef struct Loader Loader;

typedef struct Batch {
    int epoch, iteration; /* iteration: of the epoch's training, or of its validation */
    bool is_validation;
    float *images;                     /* (items, height, width, channels), of this process's part of the batch */
    int16_t *labels;                   /* (items, height, width) */
    void *images_there, *labels_there; /* copies in the device's memory; NULL: it shares the host's */
} Batch;

/* The part of the global batch for this process: first_item … first_item + items - 1. With one process: all items. */
typedef struct BatchPart {
    int first_item, items;
} BatchPart;

typedef struct LoaderOptions {
    const Sampler *training, *validation;  /* of the same patch and global batch size */
    BatchPart part;                        /* items at least 1 */
    const Device *device;                  /* that batches will be copied to; must outlive the loader */
    int iterations, validation_iterations; /* per epoch */
    int epochs;                            /* number of epochs: batches are made up to the last one */
    int first_epoch, first_iteration;      /* the first batch: a training iteration */
    int threads, ring; /* threads: at least 1; ring: batches in the ring buffer, more than are borrowed at a time */
} LoaderOptions;

/* Starts the threads. Options are copied, samplers borrowed. Fails: ERR_NOMEM, ERR_IO (no thread). */
int loader_new(Loader **loader, const LoaderOptions *o, Err *e);
void loader_free(Loader *loader); /* stops and joins them; NULL is fine */

/* The next batch, valid until it is given back. Fails: as sampler_fill, or as the device; ERR_VALUE after the last one. */
int loader_borrow(Loader *loader, const Batch **batch, Err *e);
void loader_give_back(Loader *loader);

/* CPU seconds of its threads so far. */
double loader_cpu_seconds(Loader *loader);

#endif
