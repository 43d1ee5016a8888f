#include "planner/plan_maker.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "network/network.h"
#include "planner/experiment_planner.h"
#include "planner/orientations.h"
#include "planner/training_memory.h"
#include "plans/plan_leaves.h"
#include "plans/schema.h"

static const char AS_PLANNED[] = "plans_as_planned.yaml";

enum { CHANGES_TOLD = 12 };

void plan_maker_close(PlanMaker *m)
{
    made_from_free(&m->edits);
    text_free(&m->told);
    text_free(&m->warnings);
    text_free(&m->explained);
    text_free(&m->unused);
}

/* ---- what a person changed ---- */

static int find_edits(PlanMaker *m, const Plan *now, Err *e)
{
    MadeFrom then_leaves, now_leaves;
    TRY(plan_leaves(&then_leaves, &m->before, e));
    int code = plan_leaves(&now_leaves, now, e);
    for (int i = 0; !code && i < now_leaves.count; i++) {
        const MadeFromItem *item = &now_leaves.items[i];
        const char *then = made_from_find(&then_leaves, item->key);
        if (!then || strcmp(then, item->value)) made_from_add(&m->edits, item->key, "%s", item->value);
    }
    made_from_free(&then_leaves);
    if (code) return code;
    made_from_free(&now_leaves);
    return made_from_check(&m->edits, e);
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
    return err_set(e, ERR_VALUE, "%s: there is no %s beside it, so what you changed in it cannot be told: --plans %s takes it "
                   "as it is, --overwrite plans anew", path, AS_PLANNED, path);
}

static int read_plans(PlanMaker *m, const char *path, const char *copy, Err *e)
{
    Plan now;
    bool has_plan, has_copy;
    TRY(file_is_there(path, &has_plan, e));
    TRY(file_is_there(copy, &has_copy, e));
    if (!has_plan) return 0;
    if (!has_copy) return meet_unknown(m, path, e);
    TRY(plan_read(&m->before, copy, NULL, e));
    if (plan_read(&now, path, NULL, e)) return err_context(e, "what you changed there cannot be kept (--overwrite plans anew)");
    m->had_plan = true;
    return find_edits(m, &now, e);
}

static int apply_edits(const PlanMaker *m, Plan *plan, Err *e)
{
    for (int i = 0; i < m->edits.count && !m->request.overwrite; i++)
        if (plan_set(plan, m->edits.items[i].key, m->edits.items[i].value, e))
            return err_context(e, "%s/plans.yaml, changed by hand", m->request.preprocessed);
    return 0;
}

/* A plan may name networks of nnU-Net's world that this build does not have. */
static int check_network(const PlanMaker *m, const char *name, Err *e)
{
    Text known = {0};
    bool found = false;
    for (const char *const *n = network_names(); *n; n++) {
        found = found || !strcmp(*n, name);
        text_add(&known, "%s%s", known.length ? ", " : "", *n);
    }
    if (!found)
        err_set(e, ERR_VALUE, "network.name: there is no network %s here; there are %s; the nearest is %s%s%s", name,
                known.data ? known.data : "", schema_nearest_name(name, network_names()),
                m->request.plans ? "; choose one with --network, beside --plans " : "",
                m->request.plans ? m->request.plans : "");
    text_free(&known);
    return found ? 0 : ERR_VALUE;
}

/* What is known of the plan before the planner runs: files, command line, edits. */
static int read_known(const PlanMaker *m, Plan *plan, const char *reader, Err *e)
{
    const PlanRequest *r = &m->request;
    plan_defaults(plan);
    if (r->plans) TRY(plan_read(plan, r->plans, NULL, e));
    else if (reader) snprintf(plan->image_reader_writer, sizeof plan->image_reader_writer, "%s", reader);
    if (r->override) TRY(plan_override(plan, r->override, NULL, e));
    if (r->network) snprintf(plan->network.name, sizeof plan->network.name, "%s", r->network);
    return apply_edits(m, plan, e);
}

static int check_files(const PlanMaker *m, Err *e)
{
    Plan plan;
    TRY(read_known(m, &plan, NULL, e));
    return check_network(m, plan.network.name, e);
}

int plan_maker_open(PlanMaker *m, const PlanRequest *request, Err *e)
{
    *m = (PlanMaker){.request = *request};
    char *path = path_format(e, "%s/plans.yaml", request->preprocessed),
         *copy = path_format(e, "%s/%s", request->preprocessed, AS_PLANNED);
    Err unknown = {0};
    int code = path && copy ? 0 : ERR_NOMEM;
    if (!code) code = read_plans(m, path, copy, request->overwrite ? &unknown : e);
    if (request->overwrite && unknown.code) code = 0; /* there is nothing that could be named */
    mem_free(copy);
    mem_free(path);
    return code ? code : check_files(m, e);
}

/* ---- making ---- */

int plan_maker_axes(const PlanMaker *m, ReaderAxes *axes, const char *reader, Err *e)
{
    Plan plan;
    TRY(read_known(m, &plan, reader, e));
    TRY(reader_axes(axes, plan.image_reader_writer, "image_reader_writer", e));
    *axes = plan_reader_axes(&plan);
    return 0;
}

static int take_plan(PlanMaker *m, Plan *plan, Err *e)
{
    const PlanRequest *r = &m->request;
    TRY(plan_read(plan, r->plans, &m->unused, e));
    snprintf(plan->dataset_name, sizeof plan->dataset_name, "%s", r->dataset_name);
    if (r->network && strcmp(r->network, plan->network.name)) plan_choose_network(plan, r->network);
    if (planner_round_patch(plan))
        text_add(&m->warnings, "%s: its patch is rounded up to %dx%d, which %s can halve\n", r->plans,
                 plan->configuration.patch_size[0], plan->configuration.patch_size[1], plan->network.name);
    return 0;
}

/* Overrides and edits are read twice: network and compatibility steer the planner, and what it would decide otherwise is
 * overruled afterwards (edits: by the caller). */
static int run_planner(PlanMaker *m, Plan *plan, bool steered, const Dataset *d, const Fingerprint *f, Text *explained,
                       Err *e)
{
    const PlanRequest *r = &m->request;
    if (r->plans) {
        TRY(take_plan(m, plan, e));
    } else {
        const PlannerInput in = {&d->info, f, r->dataset_name, r->memory_gb, training_memory};
        plan_defaults(plan);
        if (r->override) TRY(plan_override(plan, r->override, NULL, e));
        if (r->network) snprintf(plan->network.name, sizeof plan->network.name, "%s", r->network);
        if (steered) TRY(apply_edits(m, plan, e));
        plan_choose_network(plan, plan->network.name);
        TRY(plan_experiment(plan, &in, explained, e));
    }
    orientations_of_plan(plan->orientations, f);
    return r->override ? plan_override(plan, r->override, &m->unused, e) : 0;
}

/* m->plan with the edits; m->as_planned the same without: where an edit steered the planner and so stands in its
 * plan already, the value is that of a plan without any edit. */
static int plan_with_edits(PlanMaker *m, const Dataset *d, const Fingerprint *f, const Plan *unedited, Err *e)
{
    MadeFrom planned, base;
    text_free(&m->unused);
    text_free(&m->warnings);
    TRY(run_planner(m, &m->as_planned, true, d, f, &m->explained, e));
    m->plan = m->as_planned;
    TRY(apply_edits(m, &m->plan, e));
    TRY(plan_leaves(&planned, &m->as_planned, e));
    int code = plan_leaves(&base, unedited, e);
    for (int i = 0; !code && i < m->edits.count; i++) {
        const MadeFromItem *edit = &m->edits.items[i];
        const char *value = made_from_find(&planned, edit->key), *without = made_from_find(&base, edit->key);
        if (value && without && !strcmp(value, edit->value)) code = plan_set(&m->as_planned, edit->key, without, e);
    }
    made_from_free(&planned);
    if (!code) made_from_free(&base);
    return code;
}

static int tell_edits(PlanMaker *m, Err *e)
{
    MadeFrom planned;
    Text *text = m->request.overwrite ? &m->warnings : &m->told;
    if (!m->edits.count) return 0;
    TRY(plan_leaves(&planned, &m->as_planned, e));
    text_add(text, "%s your edits of %s/plans.yaml: ", m->request.overwrite ? "--overwrite dropped" : "kept",
             m->request.preprocessed);
    for (int i = 0; i < m->edits.count; i++) {
        const MadeFromItem *edit = &m->edits.items[i];
        const char *value = made_from_find(&planned, edit->key);
        text_add(text, "%s%s %s (%s %s)", i ? ", " : "", edit->key, edit->value, m->request.overwrite ? "now" : "planned",
                 value ? value : "none");
    }
    text_add(text, "%s\n", m->request.overwrite ? "" : "; --overwrite drops them");
    made_from_free(&planned);
    return 0;
}

/* What the planner itself plans otherwise than the last time: because of other options, or other cases. */
static int tell_changes(PlanMaker *m, Err *e)
{
    MadeFrom then, now;
    int told = 0;
    if (!m->had_plan) return 0;
    TRY(plan_leaves(&then, &m->before, e));
    const int code = plan_leaves(&now, &m->as_planned, e);
    for (int i = 0; !code && i < now.count; i++) {
        const char *before = made_from_find(&then, now.items[i].key);
        if ((before && !strcmp(before, now.items[i].value)) || now.items[i].value[0] == '{') continue;
        if (told++ < CHANGES_TOLD)
            text_add(&m->told, "%s%s: %s, now %s", told > 1 ? "; " : "planned otherwise than the last time: ", now.items[i].key,
                     before ? before : "none", now.items[i].value);
    }
    if (told > CHANGES_TOLD) text_add(&m->told, "; and %d keys more", told - CHANGES_TOLD);
    if (told) text_add(&m->told, "\n");
    made_from_free(&then);
    if (!code) made_from_free(&now);
    return code;
}

int plan_maker_make(PlanMaker *m, const Dataset *dataset, const Fingerprint *fingerprint, Err *e)
{
    const bool edited = m->edits.count && !m->request.overwrite;
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
    if (m->plan.configuration.channel_count != dataset->info.channel_count)
        return err_set(e, ERR_VALUE, "%s: the plan is for %d channels, the dataset has %d", m->request.plans ? m->request.plans : "plan",
                       m->plan.configuration.channel_count, dataset->info.channel_count);
    TRY(text_check(&m->told, e));
    return text_check(&m->warnings, e);
}

int plan_maker_write(const PlanMaker *m, Err *e)
{
    char *path = path_format(e, "%s/plans.yaml", m->request.preprocessed),
         *copy = path_format(e, "%s/%s", m->request.preprocessed, AS_PLANNED);
    int code = path && copy ? plan_write(&m->plan, path, e) : ERR_NOMEM;
    if (!code) code = plan_write(&m->as_planned, copy, e);
    mem_free(copy);
    mem_free(path);
    return code;
}
