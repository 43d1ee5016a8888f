/* The optimizer that a plan asks for. */
#ifndef RECIPE_PLAN_OPTIMIZER_H
#define RECIPE_PLAN_OPTIMIZER_H

#include "network/optimizer/optimizer.h"
#include "plans/plan.h"

/* A new optimizer of these parameters (borrowed), owned by the caller. Fails: ERR_NOMEM. */
int plan_optimizer_new(Optimizer **o, Parameters *parameters, const PlanTraining *plan, Err *e);

#endif
