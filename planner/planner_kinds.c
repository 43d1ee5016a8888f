#include "planner/planner_kinds.h"

#include <string.h>

#include "base/nearest.h"

enum { KINDS = 5 };
static const double batch_rule = 0.05, whole = 1; /* covered_share */

static const PlannerKind kinds[KINDS] = {
    {"ExperimentPlanner", "nnUNetPlans", "nnU-Net's U-Net (default)", false, 8, 85e6, batch_rule},
    {"nnUNetPlannerResEncM", "nnUNetResEncUNetMPlans", "residual encoder, 8 GB", true, 8, 135e6, whole},
    {"nnUNetPlannerResEncL", "nnUNetResEncUNetLPlans", "residual encoder, 24 GB", true, 24, 380e6, whole},
    {"nnUNetPlannerResEncXL", "nnUNetResEncUNetXLPlans", "residual encoder, 40 GB", true, 40, 560e6, whole},
    {"ResEncUNetPlanner", "nnUNetResEncUNetPlans", "residual encoder, 8 GB, smaller batches", true, 8, 135e6,
     batch_rule},
};

const PlannerKind *planner_kind(const char *name)
{
    for (int i = 0; i < KINDS; i++)
        if (!strcmp(kinds[i].name, name)) return &kinds[i];
    return NULL;
}

double planner_target_gb(const Plan *plan, double given)
{
    const PlannerKind *kind = planner_kind(plan->experiment_planner_used);
    if (given > 0) return given;
    return (kind ? kind : kinds)->target_gb;
}

void planner_add_help(Text *text)
{
    for (int i = 0; i < KINDS; i++) text_add(text, "  %-22s %s\n", kinds[i].name, kinds[i].about);
}

void planner_add_names(Text *text)
{
    for (int i = 0; i < KINDS; i++) text_add(text, "%s%s", i ? ", " : "", kinds[i].name);
}

int planner_unknown(const char *name, Err *e)
{
    const char *names[KINDS + 1] = {NULL};
    Text known = {0};
    for (int i = 0; i < KINDS; i++) names[i] = kinds[i].name;
    planner_add_names(&known);
    err_set(e, ERR_VALUE, "unknown planner %s; the planners are %s; the nearest name is %s", name,
            known.failed ? "those of --help" : known.data, name_nearest(name, names));
    text_free(&known);
    return ERR_VALUE;
}

int planner_check(const Plan *plan, Err *e)
{
    const PlannerKind *kind = planner_kind(plan->experiment_planner_used);
    if (!kind) return planner_unknown(plan->experiment_planner_used, e);
    if (!kind->residual || plan_uses_architecture(plan)) return 0;
    return err_set(e, ERR_VALUE, "%s plans a U-Net with a residual encoder: choose --network nnunet, not %s",
                   kind->name, plan->network.name);
}
