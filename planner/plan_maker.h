/* PlanMaker: the plan of a dataset, from the planner, the command line and what a person changed in plans.yaml.
 *
 * Beside plans.yaml the planner keeps plans_as_planned.yaml, the plan without a person's changes. Where the two differ
 * when it runs again, a person edited plans.yaml: such keys are kept, also against --override, or dropped by name where
 * --overwrite is given.
 *   plan_maker_open(&m, &request, e);
 *   plan_maker_axes(&m, &axes, reader, e);             // before anything is measured
 *   plan_maker_make(&m, &dataset, &fingerprint, e);    // m.plan; m.told, m.warnings, m.explained for the user
 *   plan_maker_write(&m, e);
 *   plan_maker_close(&m); */
#ifndef PLANNER_PLAN_MAKER_H
#define PLANNER_PLAN_MAKER_H

#include "base/text.h"
#include "data/dataset.h"
#include "plans/fingerprint.h"
#include "plans/made_from.h"
#include "plans/plan.h"

typedef struct PlanRequest {
    const char *dataset_name, *preprocessed;
    const char *network, *override, *plans;   /* of the command line; NULL: not given */
    double memory_gb;
    bool overwrite;
} PlanRequest;

typedef struct PlanMaker {
    PlanRequest request;
    MadeFrom edits;               /* key and value, as plan_leaves.h has them */
    bool had_plan;                /* plans.yaml was there: */
    Plan now, before;             /* as it is there, and as it was planned */
    Plan plan, as_planned;
    Text told, warnings, explained, unused;   /* lines; unused: keys that have no use here */
} PlanMaker;

/* Finds the edits, and reads the files that the command line names: a bad one is known before anything is computed.
 * Fails: ERR_FORMAT where plans.yaml or a file cannot be read; ERR_VALUE where plans.yaml stands there and nobody knows
 * who wrote it; ERR_IO, ERR_NOMEM. */
int plan_maker_open(PlanMaker *m, const PlanRequest *request, Err *e);

/* In which order of axes the plan will read images. Fails: ERR_VALUE where --plans is for other channels. */
int plan_maker_axes(const PlanMaker *m, ReaderAxes *axes, const DatasetInfo *info, Err *e);

/* Fails: as plan_experiment and plan_check; ERR_VALUE where the plan does not fit the dataset's channels. */
int plan_maker_make(PlanMaker *m, const Dataset *dataset, const Fingerprint *fingerprint, Err *e);
int plan_maker_write(const PlanMaker *m, Err *e);
void plan_maker_close(PlanMaker *m);

#endif
