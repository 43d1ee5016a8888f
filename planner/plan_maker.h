/* PlanMaker: makes the plan of a dataset from the planner, the command line and the user's edits of plans.yaml.
 *
 * Beside plans.yaml it writes plans_as_planned.yaml, the plan without edits. Keys in which the two differ at the next run
 * were edited by the user. Edits are kept, also if --override has other values; with --overwrite they are dropped and
 * listed.
 *   plan_maker_open(&m, &request, e);
 *   plan_maker_axes(&m, &axes, reader, e);             // before anything is measured
 *   plan_maker_make(&m, &dataset, &fingerprint, e);    // m.plan; messages: m.told, m.warnings, m.explained
 *   plan_maker_write(&m, e);
 *   plan_maker_close(&m); */
#ifndef PLANNER_PLAN_MAKER_H
#define PLANNER_PLAN_MAKER_H

#include "base/text.h"
#include "data/dataset.h"
#include "model/planning_device.h"
#include "plans/fingerprint.h"
#include "plans/made_from.h"
#include "plans/plan.h"

typedef struct PlanRequest {
    const char *dataset_name, *preprocessed;
    const char *network, *planner, *override, *plans, *precision; /* from the command line; NULL: not given */
    double memory_gb;                                             /* that training, or the GPU, has; 0: not given */
    PlanRecipe recipe;
    double minutes; /* of the recipe time; else 0 */
    int threads;    /* with which training is measured for it */
    bool overwrite;
    const PlanningDevice *gpu; /* that it is planned for; NULL: none. Borrowed */
} PlanRequest;

typedef struct PlanMaker {
    PlanRequest request;
    MadeFrom edits;   /* key and value, as in plan_leaves.h */
    bool had_plan;    /* plans.yaml existed: */
    Plan now, before; /* its values, and those of plans_as_planned.yaml */
    Plan plan, as_planned;
    MadeFrom measured; /* times of training steps, of this run and of earlier ones (step_times.yaml) */
    Text told, warnings, explained, unused; /* lines; unused: keys that are not used */
} PlanMaker;

/* Finds the edits, and reads the files given on the command line, so that errors in them are reported before anything is
 * computed. Fails: ERR_FORMAT if plans.yaml or a file cannot be read; ERR_VALUE if plans.yaml exists without
 * plans_as_planned.yaml; ERR_IO, ERR_NOMEM. */
int plan_maker_open(PlanMaker *m, const PlanRequest *request, Err *e);

/* The order of axes in which images are read by the plan. Fails: ERR_VALUE if --plans is for other channels. */
int plan_maker_axes(const PlanMaker *m, ReaderAxes *axes, const DatasetInfo *info, Err *e);

/* Fails: as plan_experiment and plan_check; ERR_VALUE if the plan does not fit the dataset's channels. */
int plan_maker_make(PlanMaker *m, const Dataset *dataset, const Fingerprint *fingerprint, Err *e);
int plan_maker_write(const PlanMaker *m, Err *e);
void plan_maker_close(PlanMaker *m);

#endif
