#include "trainer/training_recipe.h"

#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "plans/plan_keys.h"
#include "recipe/recipe.h"

static const double SHARE = 0.5; /* of the machine's memory, or of a GPU's that is free */

static PlanRecipe asked_recipe(const Plan *plan, const TrainingOptions *o)
{
    const PlanRecipe planned = plan->training.recipe;
    const bool is_pretrained = *plan->training.pretrained || o->overrides.pretrained;
    const NetworkKind *kind = plan_network_kind(plan);
    const bool is_pretraining = kind && kind->build_pretraining;
    if (o->overrides.has_recipe) return o->overrides.recipe;
    if (planned != RECIPE_AUTO || o->overrides.minutes <= 0 || is_pretrained || is_pretraining) return planned;
    return RECIPE_TIME;
}

/* The recipe auto has the values of the recipe paper. */
static bool has_recipe(const Plan *plan, PlanRecipe asked, double minutes)
{
    const PlanTraining *t = &plan->training;
    if (asked == RECIPE_TIME) return t->recipe == RECIPE_TIME && (minutes <= 0 || t->minutes == minutes);
    return t->recipe == asked || (t->recipe == RECIPE_AUTO && asked == RECIPE_PAPER);
}

static int memory_for_training(double *gb, const Device *device, int processes, Err *e)
{
    DeviceMemory m = {.available = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE)};
    if (processes > 1) m.available /= (size_t)processes;
    if (device->memory) TRY(device->memory(device, &m, e));
    *gb = SHARE * (double)m.available / (1 << 30);
    return 0;
}

static int processes_of(const TrainingOptions *o) { return o->ranks ? o->ranks->count : 1; }

static int choose(Plan *plan, const TrainingOptions *o, Err *e)
{
    DatasetInfo info;
    RecipeTask task = {.dataset = &info,
                       .device = o->device ? o->device : device_cpu(),
                       .threads = o->threads,
                       .processes = processes_of(o)};
    TRY(memory_for_training(&task.memory_gb, task.device, o->processes_here, e));
    char *path = path_format(e, "%s/dataset.json", o->preprocessed);
    int code = path ? dataset_info_read(&info, path, e) : ERR_NOMEM;
    mem_free(path);
    if (code) return code;
    code = recipe_choose(plan, &task, e);
    if (!code) code = recipe_length(plan, &task, e);
    dataset_info_free(&info);
    return code;
}

/* The reasons are long, and told by themselves. */
static int tell_replaced(Text *notes, Plan before, Plan now, Err *e)
{
    Text differences = {0};
    if (*now.training.reasons) text_add(notes, "the recipe time: %s\n", now.training.reasons);
    *before.training.reasons = *now.training.reasons = 0;
    const int code = plan_differences(&differences, &before, &now, e);
    if (code > 0) text_add(notes, "values of the plan that the recipe replaces: %s\n", differences.data);
    text_free(&differences);
    return code < 0 ? code : text_check(notes, e);
}

/* What the planner chose for a time cannot be undone here. */
static void tell_kept(Text *notes, const Plan *before, const Plan *now)
{
    const PlanRecipe recipe = now->training.recipe;
    if (before->training.recipe != RECIPE_TIME) return;
    text_add(notes, "%s were planned for %g minutes and do not get larger: plan_and_preprocess with ",
             recipe == RECIPE_TIME ? "patch and width of the network" : "patch, batch and width of the network",
             before->training.minutes);
    if (recipe == RECIPE_TIME) text_add(notes, "--minutes %g plans them anew\n", now->training.minutes);
    else text_add(notes, "--recipe %s plans them anew\n", recipe == RECIPE_NNUNET ? "nnunet" : "paper");
}

int training_recipe_take(Plan *plan, const TrainingOptions *o, Text *notes, Err *e)
{
    const Plan before = *plan;
    const PlanRecipe asked = asked_recipe(plan, o);
    const double minutes = o->overrides.minutes / (o->overrides.cpu_minutes ? o->threads * processes_of(o) : 1);
    if (has_recipe(plan, asked, minutes)) return 0;
    TRY(plan_check(plan, e));
    if (asked == RECIPE_TIME && o->tell)
        o->tell(o->context, TRAINING_NOTE, "some training steps are timed, to choose how to train");
    recipe_leave(plan);
    plan->training.recipe = asked;
    plan->training.minutes = asked == RECIPE_TIME ? minutes : 0;
    TRY(choose(plan, o, e));
    tell_kept(notes, &before, plan);
    return tell_replaced(notes, before, *plan, e);
}
