/* The parts of the bench. Each measures and adds rows to the report. They fail only for lack of memory. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>

#include "base/error.h"
#include "bench/report.h"
#include "network/executor/executor.h"
#include "network/models/network.h"

enum { MEASURE_SIZES = 8, MEASURE_BATCHES = 4, MEASURE_NETWORKS = 16 };

/* The limits of the machine; rates per second. Index 0: one thread, 1: all threads. */
typedef struct Limits {
    double flops[2], bf16_flops[2], copy_bytes[2], exps; /* bf16_flops: 0 where the CPU has no bfloat16 */
} Limits;

typedef struct MeasureOptions {
    const char *networks[MEASURE_NETWORKS];
    int network_count;
    int64_t sizes[MEASURE_SIZES][2]; /* height, width */
    int size_count;
    int batches[MEASURE_BATCHES];
    int batch_count;
    bool forward, train;
    bool fp32, bf16; /* precisions of whole networks; bf16 only where the device has it */
    int threads;     /* number of "all threads" */
    double seconds;  /* time to repeat each measurement; at least one run */
    bool quick;
    const Device *device; /* of ops and networks */
} MeasureOptions;

int measure_limits(Limits *limits, const MeasureOptions *o, BenchReport *r, Err *e);        /* of the CPU */
int measure_device_limits(Limits *limits, const MeasureOptions *o, BenchReport *r, Err *e); /* all that is not 0 */
int measure_ops(const MeasureOptions *o, BenchReport *r, Err *e);
int measure_scan(const MeasureOptions *o, BenchReport *r, Err *e); /* only the kernel of the scan */
int measure_networks(const Limits *limits, const MeasureOptions *o, BenchReport *r, Err *e);
int measure_table(const Limits *limits, const MeasureOptions *o, BenchReport *r, Err *e); /* the same in short */
int measure_preparation(const MeasureOptions *o, BenchReport *r, Err *e); /* preprocessing, augmentation */
int measure_results(const MeasureOptions *o, BenchReport *r, Err *e);     /* after the network; metrics */
int measure_export(const MeasureOptions *o, BenchReport *r, Err *e);      /* part of it: labels, packing */

/* The shortest time of run(context), in seconds, from runs during about `seconds` after a warm-up run. */
double measure_best(void (*run)(void *context), void *context, double seconds);

/* Reports a step of the pipeline that processed `amount` units in `seconds`. */
void measure_tell(BenchReport *r, const char *what, const char *unit, double amount, double seconds);

/* Builds a network with the official widths, for 3 channels and 14 classes. */
int measure_build(Graph **g, const char *network, const int64_t size[2], Err *e);

/* Multiply-adds of convolutions and matrix products: all that a fraction of the peak counts. */
int64_t measure_products(const Node *node);

typedef struct MeasureRun {
    const int64_t *size; /* height, width */
    int batch;
    bool train;
    DType precision;
    const Device *device;
    bool by_nodes; /* each node of forward is issued alone, in place of what a GPU has recorded */
} MeasureRun;

/* An executor for the network's loss (train) or first head, with random inputs. */
typedef struct Subject {
    Executor *executor;
    void *inputs[2]; /* image, labels (NULL: only forward) */
} Subject;

int measure_subject(Subject *s, const Graph *g, Parameters *parameters, const MeasureRun *run, Err *e);
void measure_drop(Subject *s);
int measure_feed(const Subject *s, Err *e); /* sets the inputs, as training does before each forward */
int measure_seed(const Subject *s, Err *e); /* sets the gradient of the loss: 1 */

#endif
