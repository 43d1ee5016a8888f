#include "trainer/training_plan.h"

#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "plans/plan_keys.h"
#include "recipe/recipe.h"
#include "recipe/run_length.h"
#include "trainer/checkpoint.h"
#include "trainer/preprocess_command.h"
#include "trainer/training_recipe.h"

enum { SHOWN = 500 }; /* bytes of a list of keys, so that the message has room for the advice */

static int read_named(Plan *plan, bool *there, const char *folder, const char *name, Err *e)
{
    char *path = path_format(e, "%s/%s", folder, name);
    int code = file_is_there(path, there, e);
    if (!code && *there) code = plan_read(plan, path, NULL, e);
    mem_free(path);
    return code;
}

static int read_plan(Plan *plan, const char *folder, Err *e)
{
    char *path = path_format(e, "%s/plans.yaml", folder);
    const int code = path ? plan_read(plan, path, NULL, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

/* Removes the recorded hash of initial weights if their path has changed. */
static void forget_content(PlanTraining *now, const PlanTraining *before)
{
    if (strcmp(now->pretrained, before->pretrained) && !strcmp(now->pretrained_content, before->pretrained_content))
        *now->pretrained_content = 0;
}

static int apply(Plan *plan, const TrainingOverrides *o, Err *e)
{
    const PlanTraining before = plan->training;
    if (o->has_recipe) plan->training.recipe = o->recipe;
    const PlanRecipe recipe = plan->training.recipe;
    const double minutes = plan->training.minutes;
    if (o->keys) TRY(plan_override_text(plan, "the program's plan keys", o->keys, strlen(o->keys), e));
    if (o->file) TRY(plan_override(plan, o->file, NULL, e));
    if (plan->training.recipe != recipe)
        return err_set(
            e, ERR_VALUE,
            "%s: training.recipe names where values come from; it does not change them: give --recipe instead",
            o->file);
    if (plan->training.minutes != minutes)
        return err_set(
            e, ERR_VALUE,
            "%s: training.minutes is the time that values were chosen for; it does not change them: give --minutes instead",
            o->file);
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
        return err_set(e, ERR_VALUE, "%s: the path is too long, at most %zu bytes are possible", o->pretrained,
                       sizeof plan->training.pretrained - 1);
    if (o->pretrained) strcpy(plan->training.pretrained, o->pretrained);
    forget_content(&plan->training, &before);
    if (o->seed >= 0) plan->training.seed = o->seed;
    if (o->precision) plan->training.precision = strcmp(o->precision, "bf16") ? PRECISION_FP32 : PRECISION_BF16;
    return plan_check(plan, e);
}

/* The plan of a new run: what follows from its length is that of the options. */
static int apply_to_new(Plan *plan, const TrainingOverrides *o, Err *e)
{
    const double planned = run_length_of(&plan->training);
    TRY(apply(plan, o, e));
    recipe_follow_length(plan, planned);
    return 0;
}

int training_plan_alone(Plan *plan, const TrainingOptions *o, Err *e)
{
    TRY(read_plan(plan, o->preprocessed, e));
    return apply(plan, &o->overrides, e);
}

/* ---- initial weights ---- */

/* Sets the hash of the initial weights; fails if the plan has another one. owner: the file of the plan, for messages. */
static int know_weights(PlanTraining *p, const char *owner, const char *advice, Err *e)
{
    enum { DIGITS = 8 }; /* enough to distinguish two hashes */
    char content[HASH_BYTES];
    bool is_folder;
    if (!*p->pretrained) return 0;
    TRY(file_is_folder(p->pretrained, &is_folder, e));
    if (is_folder) return 0; /* an error when the weights are read */
    TRY(hash_file(content, p->pretrained, e));
    if (*p->pretrained_content && strcmp(p->pretrained_content, content))
        return err_set(e, ERR_VALUE,
                       "%s: this is another file than the initial weights of %s (content %.*s…, now "
                       "%.*s…): %s",
                       p->pretrained, owner, DIGITS, p->pretrained_content, DIGITS, content, advice);
    strcpy(p->pretrained_content, content);
    return 0;
}

static int know_new_weights(PlanTraining *p, const TrainingOptions *o, Err *e)
{
    char *owner = path_format(e, "%s/plans.yaml", o->preprocessed);
    const int code =
        owner ? know_weights(p, owner, "give the earlier file, or set training.pretrained_content there to null", e)
              : ERR_NOMEM;
    mem_free(owner);
    return code;
}

/* The same for the plan of a results folder. A run that continues from a checkpoint does not read them: the file may be
 * missing. */
static int know_recorded_weights(PlanTraining *p, const PlanTraining *recorded, const TrainingOptions *o,
                                 bool has_checkpoint, Err *e)
{
    const bool is_same = !strcmp(p->pretrained, recorded->pretrained), is_given = o->overrides.pretrained || !is_same;
    if (has_checkpoint && !is_given) return 0;
    if (!*p->pretrained_content) strcpy(p->pretrained_content, recorded->pretrained_content);
    char *owner = path_format(e, "%s/plans.yaml", o->results);
    int code = owner ? know_weights(p, owner,
                                    "give the earlier file with --pretrained FILE, by its present path, or another "
                                    "results folder with -o",
                                    e)
                     : ERR_NOMEM;
    if (code == ERR_IO && !is_given)
        err_context(e, "the initial weights of %s/plans.yaml (if they were moved, give --pretrained FILE)", o->results);
    mem_free(owner);
    return code;
}

/* ---- comparing ---- */

/* Fails with the message "BEFORE: DIFFERENCES AFTER". */
static int refuse(const char *before, const Text *differences, const char *after, Err *e)
{
    return err_set(e, ERR_VALUE, "%s: %.*s%s%s", before, SHOWN, differences->data,
                   differences->length > SHOWN ? " …" : "", after);
}

/* Copies the keys that only change time or memory: results not at all, or, with the precision, only by rounding. */
static void take_memory(Plan *plan, const Plan *from)
{
    plan->training.recompute = from->training.recompute;
    plan->training.precision = from->training.precision;
}

static void take_epochs(Plan *plan, const Plan *from)
{
    plan->training.epochs = from->training.epochs;
    plan->training.schedule_epochs = from->training.schedule_epochs;
}

static void take_length(Plan *plan, const Plan *from)
{
    take_epochs(plan, from);
    plan->training.iterations_per_epoch = from->training.iterations_per_epoch;
    plan->training.validation_iterations = from->training.validation_iterations;
}

/* Copies the keys that only affect training: they may differ between preprocessing and results. */
static void take_training(Plan *plan, const Plan *from)
{
    plan->network = from->network;
    plan->training = from->training;
    plan->inference = from->inference;
    plan->compatibility = from->compatibility;
    plan->configuration.batch_size = from->configuration.batch_size;
    plan->configuration.adjacent_slices = from->configuration.adjacent_slices;
    plan_copy_slice_axes(plan, from);
    plan->configuration.architecture = from->configuration.architecture;
    memcpy(plan->configuration.patch_size, from->configuration.patch_size, sizeof plan->configuration.patch_size);
}

/* Fails if the options do not agree with the recorded plan. sibling: another fold with this plan; NULL for a continued
 * run. */
static int check_options(const Plan *recorded, Plan plan, const char *sibling, const char *results, Err *e)
{
    Text text = {0};
    take_memory(&plan, recorded);
    if (!sibling) take_epochs(&plan, recorded);
    int code = plan_differences(&text, recorded, &plan, e);
    char *before = path_format(e, "%s/plans.yaml differs from the plan with these options%s%s", results,
                               sibling ? ", and is that of " : "", sibling ? sibling : "");
    if (!before) code = ERR_NOMEM;
    if (code > 0)
        code = refuse(before, &text,
                      sibling ? "; omit these options to train this fold by the same plan, or give another "
                                "results folder with -o"
                              : "; omit these options to continue, or give --overwrite or another results folder",
                      e);
    mem_free(before);
    text_free(&text);
    return code;
}

static int check_data(const Plan *plan, Plan now, const char *preprocessed, const char *results, Err *e)
{
    Text text = {0}, after = {0};
    take_training(&now, plan);
    int code = plan_differences(&text, plan, &now, e);
    char *before = path_format(e, "%s was preprocessed again, by another plan, since this run began", preprocessed);
    text_add(&after,
             "; to continue, give --overwrite or another results folder, or preprocess by the run's plan, type: ");
    preprocess_command_add(&after, &(PreprocessCommand){preprocessed, plan->dataset_name, results, NULL});
    if (!before || text_check(&after, e)) code = ERR_NOMEM;
    if (code > 0) code = refuse(before, &text, after.data, e);
    text_free(&after);
    mem_free(before);
    text_free(&text);
    return code;
}

int training_plan_check_checkpoint(const Plan *plan, const Text *trained_by, const char *path, const char *results,
                                   Err *e)
{
    Text text = {0};
    Plan then;
    if (!trained_by->length) return 0;
    TRY(plan_parse(&then, path, trained_by->data, trained_by->length, e));
    take_memory(&then, plan);
    take_epochs(&then, plan);
    int code = plan_differences(&text, &then, plan, e);
    char *what = path_format(e, "%s was trained by another plan than the present %s/plans.yaml", path, results);
    if (!what) code = ERR_NOMEM;
    if (code > 0)
        code = refuse(what, &text, "; undo the change of plans.yaml, or give another results folder with -o", e);
    mem_free(what);
    text_free(&text);
    return code;
}

/* Fails if the plan is not the one that the other fold's weights were trained by. */
static int check_sibling(const Plan *recorded, const char *results, const char *sibling, Err *e)
{
    static const char *const kinds[] = {"final", "latest", "best"};
    Text plan = {0};
    int code = 0;
    bool there = false;
    for (int i = 0; i < 3 && !code && !there; i++) {
        char *path = path_format(e, "%s/%s/checkpoint_%s.safetensors", results, sibling, kinds[i]);
        code = file_is_there(path, &there, e);
        if (!code && there) code = checkpoint_plan(&plan, path, e);
        if (!code && there) code = training_plan_check_checkpoint(recorded, &plan, path, results, e);
        mem_free(path);
    }
    text_free(&plan);
    return code;
}

/* Checks whether the preprocessed folder's plan was edited or replaced since the results folder was made. */
static int check_origin(PlanChoice *c, const Plan *origin, const TrainingOptions *o, const char *sibling, Err *e)
{
    Text text = {0};
    int code = plan_differences(&text, &c->plan, &c->preprocessed, e);
    text_free(&text);
    if (code <= 0) return code; /* not changed, or changed to the plan of the results */
    code = plan_differences(&text, origin, &c->preprocessed, e);
    char *before = path_format(e, "%s/plans.yaml was changed since %s was made", o->preprocessed, o->results);
    if (!before) code = ERR_NOMEM;
    if (code > 0 && sibling)
        code = refuse(before, &text,
                      "; all folds of a results folder have the same plan: undo the change, or give another results "
                      "folder with -o",
                      e);
    else if (code > 0) {
        text_add(&c->notes, "%s: %s; the run continues with %s/plans.yaml\n", before, text.data, o->results);
        code = 0;
    }
    mem_free(before);
    text_free(&text);
    return code;
}

/* Adds a note about the values that a fold takes from the plan of the others and not from its own options. */
static int note_followed(PlanChoice *c, const TrainingOptions *o, const char *sibling, Err *e)
{
    Text text = {0}, chosen = {0};
    Plan own = c->preprocessed;
    Err misfit = {0};
    const bool fits = !training_recipe_take(&own, o, &chosen, &misfit) && !apply_to_new(&own, &o->overrides, &misfit);
    int code = fits ? plan_differences(&text, &own, &c->plan, e) : 0;
    if (code > 0)
        text_add(&c->notes,
                 "the plan is that of %s (%s/plans.yaml); %s/plans.yaml with these options would differ: %s\n", sibling,
                 o->results, o->preprocessed, text.data);
    text_free(&chosen);
    text_free(&text);
    return code < 0 ? code : text_check(&c->notes, e);
}

/* ---- choosing ---- */

/* Results of an older version have no plans_preprocessed.yaml: then all options must be given again. */
static int follow_unknown(PlanChoice *c, const Plan *recorded, const TrainingOptions *o, const char *sibling, Err *e)
{
    if (!sibling) return 0;
    c->plan = c->preprocessed;
    TRY(apply_to_new(&c->plan, &o->overrides, e));
    if (o->overrides.minutes > 0) take_length(&c->plan, recorded);
    return check_options(recorded, c->plan, sibling, o->results, e);
}

static int follow(PlanChoice *c, const Plan *recorded, const TrainingOptions *o, bool has_checkpoint,
                  const char *sibling, Err *e)
{
    Plan origin;
    bool has_origin;
    c->plan = *recorded;
    TRY(apply(&c->plan, &o->overrides, e));
    TRY(know_recorded_weights(&c->plan.training, &recorded->training, o, has_checkpoint, e));
    if (o->overrides.minutes > 0) {
        take_length(&c->plan, recorded);
        text_add(&c->notes, "%s has no effect: %s/plans.yaml has %d epochs of %d iterations\n",
                 o->overrides.cpu_minutes ? "--cpu-minutes" : "--minutes", o->results, c->plan.training.epochs,
                 c->plan.training.iterations_per_epoch);
    }
    if (sibling) TRY(check_sibling(recorded, o->results, sibling, e));
    TRY(check_options(recorded, c->plan, sibling, o->results, e));
    TRY(read_named(&origin, &has_origin, o->results, "plans_preprocessed.yaml", e));
    if (!has_origin) TRY(follow_unknown(c, recorded, o, sibling, e));
    if (!sibling) TRY(check_data(&c->plan, c->preprocessed, o->preprocessed, o->results, e));
    if (has_origin) TRY(check_origin(c, &origin, o, sibling, e));
    const bool is_chosen_here =
        o->overrides.minutes > 0; /* then the other fold's plan differs from the preprocessed folder's */
    return has_origin && sibling && !is_chosen_here ? note_followed(c, o, sibling, e) : text_check(&c->notes, e);
}

static int choose(PlanChoice *c, const TrainingOptions *o, bool holds_run, const char *sibling, Err *e)
{
    Plan recorded;
    bool there;
    TRY(read_plan(&c->preprocessed, o->preprocessed, e));
    TRY(read_named(&recorded, &there, o->results, "plans.yaml", e));
    c->is_bound = there && (o->mode == RUN_CONTINUE || sibling);
    c->goes_on = c->is_bound && o->mode == RUN_CONTINUE && (holds_run || !sibling);
    if (c->is_bound) return follow(c, &recorded, o, c->goes_on && holds_run, c->goes_on ? NULL : sibling, e);
    c->plan = c->preprocessed;
    TRY(training_recipe_take(&c->plan, o, &c->notes, e));
    TRY(apply_to_new(&c->plan, &o->overrides, e));
    return know_new_weights(&c->plan.training, o, e);
}

int training_plan_choose(PlanChoice *c, const TrainingOptions *o, const RunFolder *folder, Err *e)
{
    char *sibling;
    *c = (PlanChoice){0};
    TRY(run_folder_sibling(folder, &sibling, e));
    const int code = choose(c, o, folder->holds_run, sibling, e);
    mem_free(sibling);
    return code;
}

int training_plan_check_still_free(const Plan *plan, const RunFolder *folder, Err *e)
{
    char *sibling;
    Plan recorded;
    bool there = false;
    TRY(run_folder_sibling(folder, &sibling, e));
    int code = sibling ? read_named(&recorded, &there, folder->results, "plans.yaml", e) : 0;
    if (!code && there) code = check_options(&recorded, *plan, sibling, folder->results, e);
    mem_free(sibling);
    return code;
}

/* ---- recording ---- */

static int write_plan(const Plan *plan, const char *folder, const char *name, Err *e)
{
    char *path = path_format(e, "%s/%s", folder, name);
    const int code = path ? plan_write(plan, path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

static int copy_dataset(const char *from_folder, const char *to_folder, Err *e)
{
    char *from = path_format(e, "%s/dataset.json", from_folder), *to = path_format(e, "%s/dataset.json", to_folder);
    char *text = NULL;
    size_t bytes;
    int code = from && to ? file_get(from, &text, &bytes, e) : ERR_NOMEM;
    if (!code) code = file_put(to, text, bytes, e);
    mem_free(text);
    mem_free(from);
    mem_free(to);
    return code;
}

static int forget_plan(const char *folder, Err *e)
{
    char *path = path_format(e, "%s/plans.yaml", folder);
    const int code = path ? file_remove(path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

/* plans.yaml is removed first and written last: if it exists, the others belong to it, also after a killed process. */
int training_plan_record(const PlanChoice *c, const TrainingOptions *o, const char *folder, Err *e)
{
    if (c->is_bound) return c->goes_on ? write_plan(&c->plan, folder, "plans.yaml", e) : 0;
    TRY(forget_plan(folder, e));
    TRY(write_plan(&c->preprocessed, folder, "plans_preprocessed.yaml", e));
    TRY(copy_dataset(o->preprocessed, folder, e));
    return write_plan(&c->plan, folder, "plans.yaml", e);
}
