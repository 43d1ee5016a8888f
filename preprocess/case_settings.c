#include "preprocess/case_settings.h"

#include <stdio.h>
#include <string.h>

#include "plans/plan_keys.h"

static const char *const PLAN_KEYS[] = {"transpose_forward",
                                        "spacing",
                                        "normalization_schemes",
                                        "use_mask_for_norm",
                                        "resampling_fn_data_kwargs.order",
                                        "resampling_fn_data_kwargs.order_z",
                                        "resampling_fn_data_kwargs.force_separate_z",
                                        "resampling_fn_seg_kwargs.order",
                                        "resampling_fn_seg_kwargs.order_z",
                                        "resampling_fn_seg_kwargs.force_separate_z"};
static const char *const CT_KEYS[] = {"mean", "std", "percentile_00_5", "percentile_99_5"};
static const char *const GROUPS[] = {"preprocessing ", "plan ", "dataset.json "};

static void add_plan_key(MadeFrom *m, const MadeFrom *keys, const char *key)
{
    char name[128];
    const char *value = made_from_find(keys, key);
    snprintf(name, sizeof name, "plan %s", key);
    if (value) made_from_add(m, name, "%s", value);
}

/* Only CT normalisation uses the dataset's statistics. */
static void add_statistics(MadeFrom *m, const MadeFrom *keys, const PlanConfiguration *c)
{
    char key[96];
    for (int i = 0; i < c->channel_count; i++)
        for (size_t k = 0; c->normalization_schemes[i] == NORMALIZE_CT && k < sizeof CT_KEYS / sizeof *CT_KEYS; k++) {
            snprintf(key, sizeof key, "foreground_intensity_properties_per_channel.%d.%s", i, CT_KEYS[k]);
            add_plan_key(m, keys, key);
        }
}

/* Values, not names: "0; 1; 1 2; ignore 3". */
static void add_labels(MadeFrom *m, const DatasetInfo *info)
{
    Text t = {0};
    for (int i = 0; i < info->label_count; i++) {
        text_add(&t, "%s", i ? ";" : "");
        for (int k = 0; k < info->labels[i].value_count; k++)
            text_add(&t, "%s%d", i + k ? " " : "", info->labels[i].values[k]);
    }
    if (info->ignore_value >= 0) text_add(&t, "; ignore %d", info->ignore_value);
    if (!text_check(&t, &m->failure)) made_from_add(m, CASE_LABELS_KEY, "%s", t.data ? t.data : "");
    text_free(&t);
}

void case_settings_add(MadeFrom *m, const Plan *plan, const DatasetInfo *info)
{
    MadeFrom keys = {0};
    plan_keys(&keys, plan);
    made_from_check(&keys, &m->failure);
    made_from_add(m, "preprocessing version", "%d", PREPROCESSING_VERSION);
    /* Only 2.1's rules of resampling differ from the others. */
    made_from_add(m, "plan compatibility", "%s",
                  plan->compatibility == COMPATIBILITY_NNUNET_2_1 ? "nnunet_2_1" : "none");
    if (plan_reader_axes(plan) != READER_STORED) /* only then, so that cases of earlier versions stay valid */
        made_from_add(m, "plan orientation", "canonical, %s", plan->image_reader_writer);
    for (size_t i = 0; i < sizeof PLAN_KEYS / sizeof *PLAN_KEYS; i++) add_plan_key(m, &keys, PLAN_KEYS[i]);
    add_statistics(m, &keys, &plan->configuration);
    add_labels(m, info);
    made_from_free(&keys);
}

int case_settings_differ(Text *text, const MadeFrom *made_from, const MadeFrom *settings)
{
    int found = 0;
    for (size_t i = 0; i < sizeof GROUPS / sizeof *GROUPS; i++) {
        Text part = {0};
        const int more = made_from_differences(&part, made_from, settings, GROUPS[i]);
        if (more) text_add(text, "%s%s", found ? "; " : "", part.data ? part.data : "");
        found += more;
        text_free(&part);
    }
    return found;
}
