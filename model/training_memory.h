/* The memory of training, by the executor's memory plan. Nothing of it is allocated. */
#ifndef MODEL_TRAINING_MEMORY_H
#define MODEL_TRAINING_MEMORY_H

#include "network/device/device.h"
#include "network/graph/graph.h"
#include "plans/dataset_json.h"
#include "plans/plan.h"

/* What is trained on at a time, and where. */
typedef struct TrainingSetup {
    int batch, patch_yx[2];
    DType precision;
    const Device *device; /* NULL: the CPU */
} TrainingSetup;

/* The bytes that training with this plan takes: activations and their gradients as the executor would place them (with the
 * plan's training.recompute), weights and their packed copies, also those for validation, their gradients and the
 * optimizer's state. Negative on failure: as network_build, executor_new. */
int64_t training_memory(const Plan *plan, const DatasetInfo *dataset, const TrainingSetup *setup, Err *e);

/* The same for a network that is built already: the graph of the plan. */
int64_t training_memory_of(const Graph *g, const Plan *plan, const TrainingSetup *setup, Err *e);

/* The bytes of a batch of images and labels, of which the loader keeps some on a device that does not share the host's memory. */
int64_t training_batch_bytes(const Plan *plan, const TrainingSetup *setup);

#endif
