/* The time of a training step on this machine, by a model with two numbers: a fixed part (optimizer, packing of weights), and one for each
 * pixel of the batch. Both are measured, with made-up images, in a few seconds. */
#ifndef RECIPE_STEP_TIME_H
#define RECIPE_STEP_TIME_H

#include "network/device/device.h"
#include "plans/dataset_json.h"
#include "plans/plan.h"

typedef struct StepTime {
    double fixed, pixel; /* seconds */
} StepTime;

/* Measures steps of the plan's network: forward and backward pass, clipping, optimizer, averaging; without the loader. The pixels measured
 * are fewer than a batch's where that is large. Uses as many OpenMP threads as are set. Fails: as model_new, executor_new and a run. */
int step_time_measure(StepTime *time, const Plan *plan, const DatasetInfo *dataset, DType precision,
                      const Device *device, Err *e);

/* The time by which a step of few pixels takes short_step seconds, and one of many long_step. */
StepTime step_time_between(double short_step, double few_pixels, double long_step, double many_pixels);

/* Seconds of a step of `batch` patches. */
double step_time_of(StepTime time, int batch, const int patch_yx[2]);

#endif
