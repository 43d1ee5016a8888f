/* The command line of plan_and_preprocess. */
#ifndef PLANNER_PLANNING_COMMAND_H
#define PLANNER_PLANNING_COMMAND_H

#include "base/program.h"
#include "base/text.h"
#include "model/planning_device.h"
#include "planner/fold_planner.h"
#include "plans/plan.h"

/* Text is borrowed from argv, except for memory_options. */
typedef struct PlanningCommand {
    CommonOptions common;
    const char *dataset, *network, *planner, *override, *plans;
    double memory_gb;     /* of the --memory-target; 0: not given */
    size_t device_memory; /* 0: not given */
    PlanningDevice gpu;   /* that it is planned for; device NULL: none */
    Text memory_options;  /* of these, as given, for planning_options; owned */
    PlanRecipe recipe;    /* of --recipe; else time with --minutes, and auto without */
    double minutes;       /* 0: not given */
    bool has_recipe, explain, verify;
    FoldRequest folds;
} PlanningCommand;

/* Reads the command line, or ends the program with a message as all programs do (base/program.h). */
void planning_command_parse(PlanningCommand *c, int argc, char **argv);

/* Sets the GPU that is planned for. Fails: ERR_VALUE if the options exclude each other;
 * ERR_UNSUPPORTED without the GPU or the precision. */
int planning_command_device(PlanningCommand *c, Err *e);

void planning_command_free(PlanningCommand *c);

#endif
