/* A plan as a list of its single values: "training.epochs": "77", "configurations.2d.patch_size": "[64, 96]".
 *
 * Used to compare plans key by key, and to set a key by its name. Values are in YAML's flow form, as in plans.yaml. */
#ifndef PLANS_PLAN_LEAVES_H
#define PLANS_PLAN_LEAVES_H

#include "plans/made_from.h"
#include "plans/plan.h"

/* A new list, owned by the caller (made_from_free). Fails: ERR_NOMEM. */
int plan_leaves(MadeFrom *leaves, const Plan *plan, Err *e);

/* Sets one key to the text of a value. Fails: ERR_FORMAT; ERR_NOMEM. */
int plan_set(Plan *plan, const char *key, const char *value, Err *e);

#endif
