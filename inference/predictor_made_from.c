#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/program.h"
#include "inference/predictor.h"
#include "plans/plan_keys.h"
#include "weights/safetensors.h"
#include "weights/weights_io.h"

enum { KEY_BYTES = 256 };

static void add(MadeFrom *m, const char *prefix, const char *key, const char *value)
{
    char whole[KEY_BYTES];
    snprintf(whole, sizeof whole, "%s%s", prefix, key);
    made_from_add(m, whole, "%s", value);
}

static void add_text(MadeFrom *m, const char *prefix, const char *key, Text *value)
{
    if (!text_check(value, &m->failure)) add(m, prefix, key, value->data ? value->data : "");
    text_free(value);
}

static void add_number(MadeFrom *m, const char *prefix, const char *key, double value)
{
    Text text = {0};
    text_add_double(&text, value);
    add_text(m, prefix, key, &text);
}

static void add_weights(MadeFrom *m, const char *prefix, const ModelSource *s)
{
    Text folds = {0};
    char name[FOLD_NAME_BYTES], own[FOLD_KEY_BYTES], key[KEY_BYTES];
    for (int i = 0; i < s->folds.count; i++)
        text_add(&folds, "%s%s", i ? " " : "", fold_name(name, s->folds.numbers[i]));
    add_text(m, prefix, "folds", &folds);
    add(m, prefix, "checkpoint", s->checkpoint);
    for (int i = 0; i < s->folds.count; i++) {
        snprintf(key, sizeof key, "%s%s", prefix, fold_weights_key(own, s->folds.numbers[i]));
        made_from_add_file(m, key, s->paths[i]);
    }
}

/* Adds the labels, "background=0 liver=1 tumour=2 both=1+2", and the order of regions. */
static void add_labels(MadeFrom *m, const char *prefix, const DatasetInfo *info)
{
    Text labels = {0}, order = {0};
    for (int i = 0; i < info->label_count; i++) {
        text_add(&labels, "%s%s", i ? " " : "", info->labels[i].name);
        for (int k = 0; k < info->labels[i].value_count; k++)
            text_add(&labels, "%c%d", k ? '+' : '=', info->labels[i].values[k]);
    }
    for (int i = 0; i < info->regions_class_count; i++)
        text_add(&order, "%s%d", i ? " " : "", info->regions_class_order[i]);
    add_text(m, prefix, "labels", &labels);
    add_text(m, prefix, "regions_class_order", &order);
    add(m, prefix, "file_ending", info->file_ending);
}

static void add_window(MadeFrom *m, const char *prefix, const WindowOptions *w)
{
    add_number(m, prefix, "step", w->step);
    add(m, prefix, "gaussian", w->gaussian ? "true" : "false");
    add(m, prefix, "mirroring",
        w->mirror_yx[0]   ? w->mirror_yx[1] ? "height and width" : "height"
        : w->mirror_yx[1] ? "width"
                          : "none");
}

static bool begins_with_one(const char *key, const char *const *beginnings)
{
    while (*beginnings && strncmp(key, *beginnings, strlen(*beginnings))) beginnings++;
    return *beginnings;
}

/* Whether predictions depend on a key of the plan. They do not depend on names, statistics for the planner, and training
 * keys (the weights are compared by content). The options of inference are added separately, with their actual values. */
static bool decides_labels(const char *key, const Plan *plan)
{
    static const char *const others[] = {"format",
                                         "training.",
                                         "inference.",
                                         "dataset_name",
                                         "plans_name",
                                         "original_median_",
                                         "median_image_size",
                                         "data_identifier",
                                         "preprocessor_name",
                                         "experiment_planner_used",
                                         "label_manager",
                                         "batch_",
                                         "resampling_fn_seg",
                                         "network.drop_path",
                                         "orientations",
                                         NULL};
    if (!plan_uses_architecture(plan) && !strncmp(key, "architecture.", 13)) return false;
    return !begins_with_one(key, others);
}

static void add_plan(MadeFrom *m, const char *prefix, const Plan *plan)
{
    char name[KEY_BYTES];
    MadeFrom keys = {0};
    plan_keys(&keys, plan);
    if (!m->failure.code) made_from_check(&keys, &m->failure);
    for (int i = 0; i < keys.count; i++) {
        if (!decides_labels(keys.items[i].key, plan)) continue;
        snprintf(name, sizeof name, "plan %s", keys.items[i].key);
        add(m, prefix, name, keys.items[i].value);
    }
    made_from_free(&keys);
}

int predictor_trained_otherwise(Text *differences, const char *path, const Plan *plan, Err *e)
{
    Plan then;
    WeightsFile weights;
    MadeFrom before = {0}, now = {0};
    if (!path_ends_with(path, ".safetensors")) return 0;
    TRY(safetensors_open(&weights, path, e));
    const char *text = weights_note_text(&weights, "plan");
    int code = text ? plan_parse(&then, path, text, strlen(text), e) : 0;
    if (text && !code) {
        add_plan(&before, "", &then);
        add_plan(&now, "", plan);
        if (!(code = made_from_check(&before, e)) && !(code = made_from_check(&now, e)))
            made_from_differences(differences, &before, &now, "");
    }
    weights_close(&weights);
    made_from_free(&before);
    made_from_free(&now);
    return code ? code : text_check(differences, e);
}

void predictor_made_from(MadeFrom *m, const char *prefix, const ModelSource *s, const PredictorOptions *o)
{
    const WindowOptions window = predictor_window(&s->plan, o);
    add(m, prefix, "program version", PROGRAM_VERSION);
    add_weights(m, prefix, s);
    add_labels(m, prefix, &s->info);
    add_window(m, prefix, &window);
    add(m, prefix, "precision", o->precision == DTYPE_BF16 ? "bf16" : "fp32");
    add_plan(m, prefix, &s->plan);
}
