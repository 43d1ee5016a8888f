/* The most memory that a prediction can take, known before it begins. Upper bounds in bytes: crops are taken
 * for as large as the image. */
#ifndef INFERENCE_MEMORY_BOUND_H
#define INFERENCE_MEMORY_BOUND_H

#include <stddef.h>
#include <stdint.h>

#include "inference/sliding_window.h"
#include "plans/plan.h"

/* What is to be predicted. */
typedef struct MemoryCase {
    int64_t shape_zyx[3];      /* of the file, in its order of axes */
    double spacing_zyx_mm[3];
    int64_t file_bytes;        /* of all its files: they are mapped while they are read */
    int files;
} MemoryCase;

/* The parts; a case is read, preprocessed and predicted one after the other, the rest is there all along. */
typedef struct MemoryBound {
    size_t program, network, reading, preprocessing, predicting;
} MemoryBound;

/* network: bytes of weights and activations. */
MemoryBound memory_bound(const Plan *plan, int heads, const WindowOptions *window, size_t network,
                         const MemoryCase *c);
size_t memory_bound_peak(const MemoryBound *b);

#endif
