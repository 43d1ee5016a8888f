/* The input of the experiment planner. */
#ifndef PLANNER_PLANNER_INPUT_H
#define PLANNER_PLANNER_INPUT_H

#include "base/text.h"
#include "model/planning_device.h"
#include "model/training_memory.h"
#include "plans/dataset_json.h"
#include "plans/fingerprint.h"
#include "plans/plan.h"

/* Memory in bytes of training with this plan's network (training_memory); negative on failure, with e filled. */
typedef int64_t TrainingBytes(const Plan *plan, const DatasetInfo *dataset, const TrainingSetup *setup, Err *e);

enum { PLANNER_MIN_BATCH = 2 };

typedef struct PlannerInput {
    const DatasetInfo *dataset;
    const Fingerprint *fingerprint; /* intensities may be absent (channel_count 0) */
    const char *dataset_name;
    double memory_gb;              /* target, in GiB; 0: the planner's own (planner_kinds.h) */
    TrainingBytes *training_bytes; /* NULL: nnU-Net's own estimate for every network, and no gpu */
    const PlanningDevice *gpu;     /* whose memory is the target; NULL: training may use the target itself */
} PlannerInput;

#endif
