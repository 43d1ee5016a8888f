#include "trainer/training_plan.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"

static int read_plan(Plan *plan, const char *folder, Err *e)
{
    char *path = path_format(e, "%s/plans.yaml", folder);
    const int code = path ? plan_read(plan, path, NULL, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

static int apply(Plan *plan, const TrainingOverrides *o, Err *e)
{
    if (o->file) TRY(plan_override(plan, o->file, NULL, e));
    const struct {
        int *field, value;
    } changes[] = {{&plan->training.epochs, o->epochs},
                   {&plan->training.iterations_per_epoch, o->iterations_per_epoch},
                   {&plan->training.validation_iterations, o->validation_iterations},
                   {&plan->configuration.batch_size, o->batch_size},
                   {&plan->configuration.patch_size[0], o->patch_size[0]},
                   {&plan->configuration.patch_size[1], o->patch_size[1]}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        if (changes[i].value) *changes[i].field = changes[i].value;
    if (o->learning_rate > 0) plan->training.learning_rate = o->learning_rate;
    if (o->pretrained && strlen(o->pretrained) >= sizeof plan->training.pretrained)
        return err_set(e, ERR_VALUE, "%s: the path is too long, at most %zu bytes are possible",
                       o->pretrained, sizeof plan->training.pretrained - 1);
    if (o->pretrained) strcpy(plan->training.pretrained, o->pretrained);
    if (o->seed >= 0) plan->training.seed = o->seed;
    return plan_check(plan, e);
}

static int differ(const Plan *a, const Plan *b, bool *differs, Err *e)
{
    Text of_a = {0}, of_b = {0};
    int code = plan_text(a, &of_a, e);
    if (!code) code = plan_text(b, &of_b, e);
    if (!code) *differs = strcmp(of_a.data, of_b.data);
    text_free(&of_a);
    text_free(&of_b);
    return code;
}

/* The recorded plan must be this one, but for how long it trains and what memory that may take. */
static int check_recorded(const Plan *recorded, Plan plan, const char *results, Err *e)
{
    bool differs = false;
    plan.training.epochs = recorded->training.epochs;
    plan.training.schedule_epochs = recorded->training.schedule_epochs;
    plan.training.recompute = recorded->training.recompute;
    TRY(differ(recorded, &plan, &differs, e));
    if (!differs) return 0;
    return err_set(e, ERR_VALUE,
                   "%s/plans.yaml is another plan than this run's: give the options of the earlier run, "
                   "or another results folder",
                   results);
}

/* What training chooses may change between preprocessing and results; the data may not. */
static int check_preprocessed(const Plan *plan, const char *preprocessed, Err *e)
{
    Plan now;
    bool differs = false;
    TRY(read_plan(&now, preprocessed, e));
    now.network = plan->network;
    now.training = plan->training;
    now.inference = plan->inference;
    now.compatibility = plan->compatibility;
    now.configuration.batch_size = plan->configuration.batch_size;
    now.configuration.architecture = plan->configuration.architecture;
    memcpy(now.configuration.patch_size, plan->configuration.patch_size, sizeof now.configuration.patch_size);
    TRY(differ(plan, &now, &differs, e));
    if (!differs) return 0;
    return err_set(e, ERR_VALUE,
                   "%s was preprocessed anew, by another plan, since this run began: it cannot go on; "
                   "give --overwrite or another results folder",
                   preprocessed);
}

static int copy_dataset(const char *from_folder, const char *to_folder, Err *e)
{
    char *from = path_format(e, "%s/dataset.json", from_folder),
         *to = path_format(e, "%s/dataset.json", to_folder);
    char *text = NULL;
    size_t bytes;
    int code = from && to ? file_get(from, &text, &bytes, e) : ERR_NOMEM;
    if (!code) code = file_put(to, text, bytes, e);
    mem_free(text);
    mem_free(from);
    mem_free(to);
    return code;
}

/* A run that is bound to a recorded plan is as long as that says, whatever time there is. */
static void take_length(PlanTraining *training, const PlanTraining *recorded)
{
    training->epochs = recorded->epochs;
    training->iterations_per_epoch = recorded->iterations_per_epoch;
    training->validation_iterations = recorded->validation_iterations;
}

int training_plan_make(Plan *plan, bool *is_bound, const TrainingOptions *o, const RunFolder *folder, Err *e)
{
    bool has_siblings = false;
    Plan recorded;
    char *path = path_format(e, "%s/plans.yaml", o->results);
    if (!path) return ERR_NOMEM;
    int code = run_folder_has_siblings(folder, &has_siblings, e);
    const bool goes_on = o->mode == RUN_CONTINUE && file_exists(path);
    *is_bound = file_exists(path) && (goes_on || has_siblings);
    mem_free(path);
    if (!code && *is_bound) code = read_plan(&recorded, o->results, e);
    if (!code && goes_on) *plan = recorded;
    else if (!code) code = read_plan(plan, o->preprocessed, e);
    if (!code) code = apply(plan, &o->overrides, e);
    if (!code && *is_bound && o->overrides.minutes > 0) take_length(&plan->training, &recorded.training);
    if (!code && *is_bound) code = check_recorded(&recorded, *plan, o->results, e);
    if (!code && goes_on) code = check_preprocessed(plan, o->preprocessed, e);
    return code;
}

int training_plan_record(const Plan *plan, const TrainingOptions *o, Err *e)
{
    char *path = path_format(e, "%s/plans.yaml", o->results);
    const int code = path ? plan_write(plan, path, e) : ERR_NOMEM;
    mem_free(path);
    return code ? code : copy_dataset(o->preprocessed, o->results, e);
}
