/* The keys of a plan as a flat list, each with its value as text, to compare plans key by key and to name the
 * differences. */
#ifndef PLANS_PLAN_KEYS_H
#define PLANS_PLAN_KEYS_H

#include "plans/made_from.h"
#include "plans/plan.h"

/* Adds every key that plan_write writes: "training.epochs": "1000", "spacing": "[1, 1]" … The prefix
 * configurations.2d is left out. Failures are kept in keys (made_from_check). */
void plan_keys(MadeFrom *keys, const Plan *plan);

/* Adds the keys in which two plans differ to text: "training.epochs: 10, now 20; …". Returns their number, or
 * ERR_NOMEM (negative). Pretrained weights are compared by content where both plans have its hash, else by path. */
int plan_differences(Text *text, const Plan *then, const Plan *now, Err *e);

/* Adds the network in words, with the keys that differ from its defaults: "NAME, width 0.5". Fails: ERR_NOMEM. */
int plan_describe_network(Text *text, const Plan *plan, Err *e);

#endif
