/* The least time that a network's steps can take on a GPU, by the roofline (Williams et al. 2009): an estimate from published
 * peaks, not a measurement.
 *
 * Each node takes the longest of four: its bytes at the memory's bandwidth; its matrix products; its other arithmetic; its
 * exponentials. The nodes run one after another, so their times are added. Bytes: each tensor, what is saved for backward and
 * each parameter once per pass; in the selective scan also its input and its float32 output once for each direction, as the
 * kernels do (ops/scan_gpu.h). Exponentials: of the scan, 1 for a state in forward and 2 in backward, and of attention's
 * softmax, 1 and 2 for a pair. The optimizer (AdamW) moves 40 bytes a parameter. */
#ifndef MODEL_ROOFLINE_H
#define MODEL_ROOFLINE_H

#include "network/executor/executor.h"

/* Published peaks a second, at the boost clock: bytes, floating-point operations, exponentials. */
typedef struct GpuPeaks {
    const char *name;
    double bandwidth;    /* bytes */
    double bf16;         /* dense, tensor cores, float32 sums */
    double fp32;         /* without tensor cores */
    double exponentials; /* 16 a cycle and multiprocessor (CUDA C++ Programming Guide, throughput of instructions) */
} GpuPeaks;

enum { ROOFLINE_GPUS = 3 };
extern const GpuPeaks roofline_gpus[ROOFLINE_GPUS];

typedef enum RooflineLimit {
    LIMIT_MEMORY,
    LIMIT_PRODUCTS,
    LIMIT_ARITHMETIC,
    LIMIT_EXPONENTIALS,
    ROOFLINE_LIMITS
} RooflineLimit;

/* Seconds of a step, and those of the nodes that each limit holds for. */
typedef struct Roofline {
    double seconds, by[ROOFLINE_LIMITS];
    double with_launches; /* if no pass of a node took less than 2 µs, about the time of a launch */
} Roofline;

/* The bytes that a pass of a node moves at least. */
double roofline_bytes(const Node *node, bool backward);

/* Forward and, of an executor for training, backward and optimizer. x may be one that only plans. */
Roofline roofline_of(const Executor *x, const GpuPeaks *gpu, bool train);

#endif
