/* Recipe: where the values of a plan's `training:` come from.
 *
 * auto:   paper; train takes time instead if it is given minutes and no pretrained weights.
 * paper:  as the authors of the plan's network train it (NetworkKind's `training`).
 * nnunet: as nnU-Net trains its own network: SGD, its schedule, deep supervision, mirroring in prediction.
 * time:   for training from random weights in a given time. Its rule is in docs/recipes.md, with the measurements that it comes from. It
 *         sets patch, width, batch, precision, optimizer, rate, schedule, averaging and length, from the dataset, the time, the memory and
 *         the measured speed of training steps on this machine. */
#ifndef RECIPE_RECIPE_H
#define RECIPE_RECIPE_H

#include "network/device/device.h"
#include "plans/dataset_json.h"
#include "plans/made_from.h"
#include "plans/plan.h"
#include "recipe/step_time.h"

/* The time of a step of the plan's network, in the plan's precision (step_time_measure). */
typedef int RecipeStepTime(StepTime *time, const Plan *plan, const DatasetInfo *dataset, DType precision,
                           const Device *device, Err *e);

typedef struct RecipeTask {
    const DatasetInfo *dataset;
    double memory_gb;     /* GiB that training may take */
    const Device *device; /* that trains */
    int threads;          /* of the CPU, in each process */
    int processes;        /* that share each batch; 0: one */
    /* Times of steps by what was measured: known ones are taken, new ones are added. So a repeated choice is the same. NULL: all are measured. */
    MadeFrom *measured;
    RecipeStepTime *step_time; /* NULL: step_time_measure */
} RecipeTask;

/* The network that a recipe trains if none is named; NULL: the plan's. */
const char *recipe_network(PlanRecipe recipe);

/* Sets the values of plan->training.recipe in a plan whose network, patch, spacing and channels are known: for the recipe time all but what
 * recipe_length sets. Fails: ERR_VALUE if the recipe time has no minutes, or not enough memory; as step_time_measure. */
int recipe_choose(Plan *plan, const RecipeTask *task, Err *e);

/* The recipe time: sets what follows from the number of iterations that fit into training.minutes (length, warm-up, averaging), and
 * training.reasons. To be called once, after recipe_choose, when the plan has all values that a user gives. Other recipes: nothing. Fails: as step_time_measure. */
int recipe_length(Plan *plan, const RecipeTask *task, Err *e);

/* The recipe time, if the length of the run was changed from `before` iterations: warm-up and averaging follow it where they are those
 * of that length; others are a user's, and stay. Other recipes: nothing. */
void recipe_follow_length(Plan *plan, double before);

/* Before another recipe is chosen: values that the plan's recipe sets and others leave alone get their defaults. Patch, batch and width
 * stay: the plan does not have the planner's. */
void recipe_leave(Plan *plan);

/* "paper", "nnunet", "time"; false for another name. */
bool recipe_named(PlanRecipe *recipe, const char *name);

#endif
