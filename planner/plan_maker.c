#include "planner/plan_maker.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "formats/schema.h"
#include "network/models/network.h"
#include "planner/experiment_planner.h"
#include "planner/network_fit.h"
#include "planner/orientations.h"
#include "planner/planner_kinds.h"
#include "plans/plan_leaves.h"
#include "recipe/recipe.h"
#include "recipe/run_length.h"

static const char STEP_TIMES[] = "step_times.yaml";
static const char AS_PLANNED[] = "plans_as_planned.yaml";
static const char AS_PLANNED_NEXT[] = "plans_as_planned_next.yaml"; /* only while plans.yaml is replaced */
static const char STATISTICS[] = "foreground_intensity_properties_per_channel", REASONS[] = "training.reasons";

enum { CHANGES_TOLD = 12 };

void plan_maker_close(PlanMaker *m)
{
    made_from_free(&m->edits);
    made_from_free(&m->measured);
    text_free(&m->told);
    text_free(&m->warnings);
    text_free(&m->explained);
    text_free(&m->unused);
}

/* ---- the user's edits ---- */

/* If the user chose another network, only values that differ from that network's defaults are edits. */
static int find_edits(MadeFrom *edits, const Plan *before, const Plan *now, Err *e)
{
    MadeFrom then_leaves, now_leaves;
    const bool other_network = strcmp(before->network.name, now->network.name);
    Plan then_plan = *before;
    plan_set_network(&then_plan, now->network.name);
    TRY(plan_leaves(&then_leaves, &then_plan, e));
    int code = plan_leaves(&now_leaves, now, e);
    for (int i = 0; !code && i < now_leaves.count; i++) {
        const MadeFromItem *item = &now_leaves.items[i];
        const char *then = made_from_find(&then_leaves, item->key);
        if (!then || strcmp(then, item->value) || (other_network && !strcmp(item->key, "network.name")))
            made_from_add(edits, item->key, "%s", item->value);
    }
    made_from_free(&then_leaves);
    if (code) return code;
    made_from_free(&now_leaves);
    return made_from_check(edits, e);
}

/* Reads a copy of the plan as planned, if it exists. If there are two, a run ended between writing plans.yaml and the
 * second copy: the one with fewer differences from plans.yaml belongs to it. */
static int take_copy(PlanMaker *m, const char *name, Err *e)
{
    Plan before;
    MadeFrom edits = {0};
    bool there;
    char *path = path_format(e, "%s/%s", m->request.preprocessed, name);
    int code = file_is_there(path, &there, e);
    if (!code && there) {
        code = plan_read(&before, path, NULL, e);
        if (!code) code = find_edits(&edits, &before, &m->now, e);
        if (!code && (!m->had_plan || edits.count < m->edits.count)) {
            made_from_free(&m->edits);
            m->edits = edits;
            m->before = before;
            m->had_plan = true;
        } else {
            made_from_free(&edits);
        }
    }
    mem_free(path);
    return code;
}

static bool is_same_file(const char *a, const char *b)
{
    char *x = path_absolute(a, NULL), *y = path_absolute(b, NULL);
    const bool same = x && y && !strcmp(x, y);
    mem_free(x);
    mem_free(y);
    return same;
}

/* A plans.yaml without the planner's copy beside it. */
static int meet_unknown(const PlanMaker *m, const char *path, Err *e)
{
    if (m->request.plans && is_same_file(m->request.plans, path)) return 0;
    return err_set(e, ERR_VALUE,
                   "%s: there is no %s beside it, so your edits cannot be distinguished: --plans %s uses it as it "
                   "is, --overwrite replaces it by a new plan",
                   path, AS_PLANNED, path);
}

static int read_plans(PlanMaker *m, const char *path, Err *e)
{
    bool has_plan;
    TRY(file_is_there(path, &has_plan, e));
    if (!has_plan) return 0;
    if (plan_read(&m->now, path, NULL, e))
        return err_context(e, "your edits cannot be kept (--overwrite replaces the file by a new plan)");
    TRY(take_copy(m, AS_PLANNED, e));
    TRY(take_copy(m, AS_PLANNED_NEXT, e));
    return m->had_plan ? 0 : meet_unknown(m, path, e);
}

static int apply_edits(const PlanMaker *m, Plan *plan, Err *e)
{
    for (int i = 0; i < m->edits.count && !m->request.overwrite; i++)
        if (plan_set(plan, m->edits.items[i].key, m->edits.items[i].value, e))
            return err_context(e, "%s/plans.yaml, changed by hand", m->request.preprocessed);
    return 0;
}

/* The file or option that network, planner and reader of the plan come from, for messages. */
typedef struct Sources {
    const char *network, *planner, *reader;
} Sources;

static void note_source(Sources *s, const Plan *before, const Plan *now, const char *source)
{
    if (strcmp(before->network.name, now->network.name)) s->network = source;
    if (strcmp(before->experiment_planner_used, now->experiment_planner_used)) s->planner = source;
    if (strcmp(before->image_reader_writer, now->image_reader_writer)) s->reader = source;
}

static int expect_agreement(const PlanMaker *m, const char *key, const char *found, const char *option,
                            const char *given, Err *e)
{
    if (!given || !strcmp(found, given)) return 0;
    return err_set(e, ERR_VALUE, "%s: %s: %s, but %s says %s: leave out one of them", m->request.override, key, found,
                   option, given);
}

static int take_precision(const PlanRequest *r, Plan *plan, Err *e)
{
    return r->precision ? plan_set(plan, "training.precision", r->precision, e) : 0;
}

static void take_names(const PlanRequest *r, Plan *plan)
{
    const char *network = r->network ? r->network : recipe_network(r->recipe);
    if (network) plan_set_network(plan, network);
    if (!r->plans) plan->training.recipe = r->recipe;
    if (!r->plans) plan->training.minutes = r->minutes;
    if (r->planner) snprintf(plan->experiment_planner_used, sizeof plan->experiment_planner_used, "%s", r->planner);
}

/* --network is applied first: the keys of --override are those of that network. */
static int take_options(const PlanMaker *m, Plan *plan, Err *e)
{
    const PlanRequest *r = &m->request;
    take_names(r, plan);
    TRY(take_precision(r, plan, e));
    if (r->override) TRY(plan_override(plan, r->override, NULL, e));
    TRY(expect_agreement(m, "network.name", plan->network.name, "--network", r->network, e));
    TRY(expect_agreement(m, "training.precision", plan->training.precision == PRECISION_BF16 ? "bf16" : "fp32",
                         "--precision", r->precision, e));
    return expect_agreement(m, "experiment_planner_used", plan->experiment_planner_used, "--planner", r->planner, e);
}

/* Reads what is known of the plan before the planner runs: from files, command line and edits. */
static int read_known(const PlanMaker *m, Plan *plan, Sources *s, const char *reader, Err *e)
{
    const PlanRequest *r = &m->request;
    plan_defaults(plan);
    Plan before = *plan;
    *s = (Sources){r->plans ? r->plans : "--network", "--planner", r->plans ? r->plans : "dataset.json"};
    if (r->plans) TRY(plan_read(plan, r->plans, NULL, e));
    else if (reader) snprintf(plan->image_reader_writer, sizeof plan->image_reader_writer, "%s", reader);
    take_names(r, plan);
    before = *plan;
    TRY(take_options(m, plan, e));
    note_source(s, &before, plan, r->override);
    before = *plan;
    TRY(apply_edits(m, plan, e));
    note_source(s, &before, plan, "plans.yaml, changed by hand");
    return 0;
}

/* A plan may name a network that this build lacks. */
static int check_network(const PlanMaker *m, const char *name, const char *source, Err *e)
{
    if (network_of_segmentation(name)) return 0;
    Err unknown = {0};
    network_unknown(name, &unknown);
    return err_set(e, ERR_VALUE, "%s: network.name: %s%s%s", source, unknown.text,
                   m->request.plans ? "; choose one with --network in addition to --plans " : "",
                   m->request.plans ? m->request.plans : "");
}

/* A plan that is taken as it is may be by any planner. */
static int check_planner(const PlanMaker *m, const Plan *plan, const char *source, Err *e)
{
    if (m->request.plans || !planner_check(plan, e)) return 0;
    return err_context(e, "%s: experiment_planner_used", source);
}

static int check_files(const PlanMaker *m, Err *e)
{
    Plan plan;
    Sources sources;
    ReaderAxes axes;
    TRY(read_known(m, &plan, &sources, NULL, e));
    TRY(check_network(m, plan.network.name, sources.network, e));
    TRY(check_planner(m, &plan, sources.planner, e));
    return reader_axes(&axes, plan.image_reader_writer, "image_reader_writer", e) ? err_context(e, "%s", sources.reader)
                                                                                  : 0;
}

int plan_maker_open(PlanMaker *m, const PlanRequest *request, Err *e)
{
    *m = (PlanMaker){.request = *request};
    char *path = path_format(e, "%s/plans.yaml", request->preprocessed);
    Err unknown = {0};
    int code = path ? read_plans(m, path, request->overwrite ? &unknown : e) : ERR_NOMEM;
    if (request->overwrite && unknown.code) code = 0; /* without readable edits there are none to list */
    mem_free(path);
    return code ? code : check_files(m, e);
}

/* ---- making the plan ---- */

static int expect_channels(const PlanMaker *m, const Plan *plan, const DatasetInfo *info, Err *e)
{
    if (plan->configuration.channel_count == info->channel_count) return 0;
    return err_set(e, ERR_VALUE, "%s: the plan is for %d channel%s, the dataset has %d",
                   m->request.plans ? m->request.plans : "plan", plan->configuration.channel_count,
                   plan->configuration.channel_count == 1 ? "" : "s", info->channel_count);
}

int plan_maker_axes(const PlanMaker *m, ReaderAxes *axes, const DatasetInfo *info, Err *e)
{
    Plan plan;
    Sources sources;
    TRY(read_known(m, &plan, &sources, info->reader, e));
    if (m->request.plans) TRY(expect_channels(m, &plan, info, e));
    *axes = plan_reader_axes(&plan);
    return 0;
}

static int take_plan(PlanMaker *m, Plan *plan, Err *e)
{
    const PlanRequest *r = &m->request;
    TRY(plan_read(plan, r->plans, &m->unused, e));
    snprintf(plan->dataset_name, sizeof plan->dataset_name, "%s", r->dataset_name);
    if (r->network && strcmp(r->network, plan->network.name)) plan_choose_network(plan, r->network);
    TRY(take_precision(r, plan, e));
    if (planner_round_patch(plan))
        text_add(&m->warnings, "%s: the patch is rounded up to %dx%d, a size that %s can halve often enough\n",
                 r->plans, plan->configuration.patch_size[0], plan->configuration.patch_size[1], plan->network.name);
    return 0;
}

static PlannerInput planner_input(const PlanRequest *r, const DatasetInfo *info, const Fingerprint *f)
{
    return (PlannerInput){info, f, r->dataset_name, r->memory_gb, training_memory, r->gpu};
}

static int apply_given(const PlanMaker *m, Plan *plan, bool steered, Err *e)
{
    TRY(take_precision(&m->request, plan, e));
    if (m->request.override) TRY(plan_override(plan, m->request.override, NULL, e));
    return steered ? apply_edits(m, plan, e) : 0;
}

/* The recipe sees the values of override and edits before it chooses the length, which they may give, too. */
static int follow_recipe(PlanMaker *m, Plan *plan, bool steered, const DatasetInfo *info, Err *e)
{
    const PlanRequest *r = &m->request;
    const RecipeTask task = {.dataset = info,
                             .memory_gb = r->gpu ? planning_device_room(r->gpu) : planner_target_gb(plan, r->memory_gb),
                             .device = r->gpu ? r->gpu->device : device_cpu(),
                             .threads = r->threads,
                             .measured = &m->measured};
    TRY(recipe_choose(plan, &task, e));
    TRY(apply_given(m, plan, steered, e));
    TRY(recipe_length(plan, &task, e));
    const double fitting = run_length_of(&plan->training);
    TRY(apply_given(m, plan, steered, e));
    recipe_follow_length(plan, fitting);
    return 0;
}

/* The override is read again after the planner, to replace planned values. The caller applies the edits. */
static int run_planner(PlanMaker *m, Plan *plan, bool steered, const Dataset *d, const Fingerprint *f, Text *explained,
                       Err *e)
{
    const PlanRequest *r = &m->request;
    if (r->plans) {
        TRY(take_plan(m, plan, e));
    } else {
        const PlannerInput in = planner_input(r, &d->info, f);
        plan_defaults(plan);
        TRY(take_options(m, plan, e));
        if (steered) TRY(apply_edits(m, plan, e));
        plan_choose_network(plan, plan->network.name);
        TRY(plan_experiment(plan, &in, explained, e));
        TRY(follow_recipe(m, plan, steered, &d->info, e));
    }
    orientations_of_plan(plan->orientations, f);
    return r->override ? plan_override(plan, r->override, &m->warnings, e) : 0;
}

/* Sets m->plan, with the edits, and m->as_planned, without: edits of network or compatibility were input of the planner,
 * so their keys get the values of `unedited`, the plan made without edits. */
static int plan_with_edits(PlanMaker *m, const Dataset *d, const Fingerprint *f, const Plan *unedited, Err *e)
{
    MadeFrom planned, base;
    text_free(&m->unused);
    text_free(&m->warnings);
    TRY(run_planner(m, &m->as_planned, true, d, f, &m->explained, e));
    const bool other_network = strcmp(unedited->network.name, m->as_planned.network.name);
    m->plan = m->as_planned;
    TRY(apply_edits(m, &m->plan, e));
    TRY(plan_leaves(&planned, &m->as_planned, e));
    int code = plan_leaves(&base, unedited, e);
    for (int i = 0; !code && i < m->edits.count; i++) {
        const MadeFromItem *edit = &m->edits.items[i];
        const char *value = made_from_find(&planned, edit->key), *without = made_from_find(&base, edit->key);
        if (value && without && !strcmp(value, edit->value)) code = plan_set(&m->as_planned, edit->key, without, e);
    }
    if (other_network) m->as_planned.network = unedited->network;
    made_from_free(&planned);
    if (!code) made_from_free(&base);
    return code;
}

static int tell_edits(PlanMaker *m, Err *e)
{
    MadeFrom planned;
    Text *text = m->request.overwrite ? &m->warnings : &m->told;
    int told = 0;
    if (!m->edits.count) return 0;
    TRY(plan_leaves(&planned, &m->as_planned, e));
    for (int i = 0; i < m->edits.count; i++) {
        const MadeFromItem *edit = &m->edits.items[i];
        const char *value = made_from_find(&planned, edit->key);
        if (value && !strcmp(value, edit->value)) continue; /* equal to the planned value, from --plans or --override */
        if (told++) text_add(text, ", ");
        else
            text_add(text, "%s your edits of %s/plans.yaml: ", m->request.overwrite ? "--overwrite dropped" : "kept",
                     m->request.preprocessed);
        text_add(text, "%s %s (%s %s)", edit->key, edit->value, m->request.overwrite ? "now" : "planned",
                 value ? value : "none");
    }
    if (told) text_add(text, "%s\n", m->request.overwrite ? "" : "; --overwrite drops them");
    made_from_free(&planned);
    return 0;
}

/* Lists planned values that differ from the last run's, because of other options or other cases. The reasons are told by themselves. */
static int tell_changes(PlanMaker *m, Err *e)
{
    MadeFrom then, now;
    int told = 0;
    if (!m->had_plan) return 0;
    TRY(plan_leaves(&then, &m->before, e));
    const int code = plan_leaves(&now, &m->as_planned, e);
    for (int i = 0; !code && i < now.count; i++) {
        const char *before = made_from_find(&then, now.items[i].key);
        if ((before && !strcmp(before, now.items[i].value)) || !strcmp(now.items[i].key, REASONS) ||
            !strncmp(now.items[i].key, STATISTICS, strlen(STATISTICS)))
            continue;
        if (told++ < CHANGES_TOLD)
            text_add(&m->told, "%s%s: %s, now %s",
                     told > 1 ? "; " : "planned values that differ from the last run: ", now.items[i].key,
                     before ? before : "none", now.items[i].value);
    }
    if (told > CHANGES_TOLD) text_add(&m->told, "; and %d more keys", told - CHANGES_TOLD);
    if (told) text_add(&m->told, "\n");
    made_from_free(&then);
    if (!code) made_from_free(&now);
    return code;
}

/* With --plans the plan decides how images are read, as in nnU-Net. */
static int warn_of_reader(PlanMaker *m, const DatasetInfo *info, Err *e)
{
    ReaderAxes asked, taken;
    if (!m->request.plans || !info->reader) return 0;
    TRY(reader_axes(&asked, info->reader, "overwrite_image_reader_writer", e));
    TRY(reader_axes(&taken, m->plan.image_reader_writer, "image_reader_writer", e));
    if (asked != taken)
        text_add(&m->warnings, "dataset.json: overwrite_image_reader_writer: %s is not used: the plan has %s\n",
                 info->reader, m->plan.image_reader_writer);
    return 0;
}

/* The planner respects the memory it is given; values from files and edits may need more. */
static int warn_of_memory(PlanMaker *m, const DatasetInfo *info, Err *e)
{
    const PlanConfiguration *c = &m->plan.configuration;
    const PlannerInput in = planner_input(&m->request, info, NULL);
    const double gib = 1024.0 * 1024 * 1024, target = planner_target_gb(&m->plan, in.memory_gb);
    double bytes;
    if (!m->request.plans && !m->request.override && !m->edits.count) return 0;
    TRY(fit_step_bytes(&m->plan, &in, c->batch_size, &bytes, e));
    if (bytes > target * gib)
        text_add(&m->warnings,
                 "a training step of %d patches of %dx%d takes %.3g GiB, more than %s, %g GiB: train on "
                 "a machine with enough memory, or choose a smaller batch_size or patch_size\n",
                 c->batch_size, c->patch_size[0], c->patch_size[1], bytes / gib,
                 in.gpu ? "the GPU's memory" : "--memory-target", target);
    return 0;
}

/* Times that an earlier run measured; without them the plan could change with each run. */
static int read_measured(PlanMaker *m, Err *e)
{
    bool there = false;
    if (m->request.overwrite) return 0;
    char *path = path_format(e, "%s/%s", m->request.preprocessed, STEP_TIMES);
    int code = path ? file_is_there(path, &there, e) : ERR_NOMEM;
    if (!code && there && (code = made_from_read(&m->measured, path, e)))
        err_context(e,
                    "the times of training steps of an earlier run cannot be read (--overwrite measures them again)");
    mem_free(path);
    return code;
}

static int write_measured(const PlanMaker *m, Err *e)
{
    if (!m->measured.count) return 0;
    char *path = path_format(e, "%s/%s", m->request.preprocessed, STEP_TIMES);
    const int code = path ? made_from_write(&m->measured, path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

int plan_maker_make(PlanMaker *m, const Dataset *dataset, const Fingerprint *fingerprint, Err *e)
{
    const bool edited = m->edits.count && !m->request.overwrite;
    TRY(read_measured(m, e));
    TRY(run_planner(m, &m->plan, false, dataset, fingerprint, edited ? NULL : &m->explained, e));
    m->as_planned = m->plan;
    if (edited) {
        const Plan unedited = m->plan;
        TRY(plan_with_edits(m, dataset, fingerprint, &unedited, e));
    }
    TRY(tell_edits(m, e));
    TRY(tell_changes(m, e));
    if (plan_check(&m->plan, e))
        return edited ? err_context(e, "%s/plans.yaml, changed by hand", m->request.preprocessed) : (int)e->code;
    TRY(expect_channels(m, &m->plan, &dataset->info, e));
    TRY(warn_of_reader(m, &dataset->info, e));
    TRY(warn_of_memory(m, &dataset->info, e));
    TRY(text_check(&m->told, e));
    return text_check(&m->warnings, e);
}

static int is_same_plan(bool *same, const Plan *a, const Plan *b, Err *e)
{
    Text x = {0}, y = {0};
    int code = plan_text(a, &x, e);
    if (!code) code = plan_text(b, &y, e);
    *same = !code && x.length == y.length && !memcmp(x.data, y.data, x.length);
    text_free(&x);
    text_free(&y);
    return code;
}

/* The copy is written first, under another name: if a run ends between the files, take_copy finds out which copy is
 * valid. A plans.yaml with equal values is not written again and keeps its comments. */
static int write_files(const PlanMaker *m, const char *path, const char *copy, const char *next, Err *e)
{
    bool stays = false;
    if (m->had_plan) TRY(is_same_plan(&stays, &m->now, &m->plan, e));
    if (!stays) TRY(plan_write(&m->as_planned, next, e));
    if (!stays) TRY(plan_write(&m->plan, path, e));
    TRY(plan_write(&m->as_planned, copy, e));
    return file_remove(next, e);
}

int plan_maker_write(const PlanMaker *m, Err *e)
{
    TRY(write_measured(m, e));
    char *path = path_format(e, "%s/plans.yaml", m->request.preprocessed),
         *copy = path_format(e, "%s/%s", m->request.preprocessed, AS_PLANNED),
         *next = path_format(e, "%s/%s", m->request.preprocessed, AS_PLANNED_NEXT);
    const int code = path && copy && next ? write_files(m, path, copy, next, e) : ERR_NOMEM;
    mem_free(next);
    mem_free(copy);
    mem_free(path);
    return code;
}
