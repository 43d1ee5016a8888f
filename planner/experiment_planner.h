/* From a dataset's fingerprint to its plan: nnU-Net's planner for the 2d configuration, 2.8.1's or the older
 * one of 2.1 (FACTS section 4), to the last bit; for other networks the patch becomes a multiple of 32 and
 * the batch is what the engine's memory plan says fits. */
#ifndef PLANNER_EXPERIMENT_PLANNER_H
#define PLANNER_EXPERIMENT_PLANNER_H

#include "base/text.h"
#include "plans/dataset_json.h"
#include "plans/fingerprint.h"
#include "plans/plan.h"

/* Bytes that one training step takes with this plan's network, for a batch of patches of height x width;
 * negative if that cannot be told, with e filled. */
typedef int64_t TrainingBytes(const Plan *plan, const DatasetInfo *dataset, int batch, int height, int width,
                              Err *e);

enum { PLANNER_MIN_BATCH = 2 };

typedef struct PlannerInput {
    const DatasetInfo *dataset;
    const Fingerprint *fingerprint; /* intensities may be absent (channel_count 0) */
    const char *dataset_name;
    double memory_gb;              /* target; nnU-Net's default is 8 */
    TrainingBytes *training_bytes; /* NULL: nnU-Net's own estimate for every network */
} PlannerInput;

/* plan: on entry defaults with network and compatibility chosen (plan_defaults, overrides); everything that
 * follows from the dataset is written. explain (may be NULL): a line per decision, with the figures it came
 * from. Fails: ERR_VALUE, ERR_NOMEM, what training_bytes fails with. */
int plan_experiment(Plan *plan, const PlannerInput *in, Text *explain, Err *e);

/* Rounds the patch up to what the plan's network can halve; true if that changed it. */
bool planner_round_patch(Plan *plan);

/* How many patches cover so many pixels: rounded, at least PLANNER_MIN_BATCH. */
int planner_batch_bound(double covered_pixels, const int patch_yx[2]);

#endif
