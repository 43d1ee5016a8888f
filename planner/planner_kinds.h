/* nnU-Net's experiment planners: their numbers for the 2d configuration (docs/reference.md, Planner). */
#ifndef PLANNER_PLANNER_KINDS_H
#define PLANNER_PLANNER_KINDS_H

#include <stdbool.h>

#include "base/text.h"
#include "plans/plan.h"

typedef struct PlannerKind {
    const char *name;        /* of nnU-Net's class: the plan's experiment_planner_used */
    const char *plans_name;  /* of the plans that it makes */
    const char *about;       /* for --help */
    bool residual;           /* plans a ResidualEncoderUNet, else a PlainConvUNet */
    double target_gb;        /* memory that it plans for, in GB of a GPU */
    double reference_values; /* values of an image's feature maps (unet_feature_map_size) of which 12 fit target_gb */
    double covered_share;    /* of the dataset's voxels, the most that a batch may have */
} PlannerKind;

/* The planner of that name; NULL if it is not known. The first of the table is nnU-Net's default. */
const PlannerKind *planner_kind(const char *name);

/* The memory in GB that a plan is made for: `given`, or if that is 0 its planner's (8 if that is not known). */
double planner_target_gb(const Plan *plan, double given);

void planner_add_names(Text *text); /* joined by ", " */
/* Adds a line "  NAME   what it is" for each planner. */
void planner_add_help(Text *text);

/* Checks that the plan's planner is known, and plans networks like the plan's. Fails: ERR_VALUE. */
int planner_check(const Plan *plan, Err *e);

/* Sets the error for an unknown planner: lists all and suggests the nearest name. Returns ERR_VALUE. */
int planner_unknown(const char *name, Err *e);

#endif
