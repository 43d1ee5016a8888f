/* The keys of a plan as a flat list, each with its value as it stands in the file: to compare plans key by key
 * and to name what differs. */
#ifndef PLANS_PLAN_KEYS_H
#define PLANS_PLAN_KEYS_H

#include "plans/made_from.h"
#include "plans/plan.h"

/* Adds every key that plan_write writes: "training.epochs": "1000", "spacing": "[1, 1]" … The keys of
 * configurations.2d stand without these two names. Failures stick in keys (made_from_check). */
void plan_keys(MadeFrom *keys, const Plan *plan);

/* Adds to text in which keys two plans differ: "training.epochs: 10, now 20; …". Returns how many, or negative:
 * ERR_NOMEM. Weights to start from count by their content where both plans know it, else by their path. */
int plan_differences(Text *text, const Plan *then, const Plan *now, Err *e);

#endif
