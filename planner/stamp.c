#include "planner/stamp.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/file.h"

enum { STAMP_FORMAT = 1 }; /* to be raised when preprocessing itself changes */

static int add_file(Text *t, const char *path, Err *e)
{
    uint64_t bytes;
    int64_t modified_ns;
    TRY(file_version(path, &bytes, &modified_ns, e));
    text_add(t, "%s %" PRIu64 " %" PRId64 "\n", path_base(path), bytes, modified_ns);
    return 0;
}

static int add_case(Text *t, const Case *c, Err *e)
{
    for (int i = 0; i < c->image_count; i++) TRY(add_file(t, c->images[i], e));
    return c->label ? add_file(t, c->label, e) : 0;
}

static void add_labels(Text *t, const DatasetInfo *info)
{
    for (int i = 0; i < info->label_count; i++) {
        text_add(t, "label");
        for (int k = 0; k < info->labels[i].value_count; k++) text_add(t, " %d", info->labels[i].values[k]);
        text_add(t, "\n");
    }
    text_add(t, "ignore %d\n", info->ignore_value);
}

static void add_resampling(Text *t, const PlanResampling *r)
{
    text_add(t, "resampling %d %d %d\n", r->order, r->order_z, (int)r->force_separate_z);
}

static void add_plan(Text *t, const Plan *plan)
{
    const PlanConfiguration *c = &plan->configuration;
    text_add(t, "older rules %d\n", plan->compatibility == COMPATIBILITY_NNUNET_2_1);
    for (int i = 0; i < 3; i++) text_add(t, "axis %d\n", plan->transpose_forward[i]);
    text_add(t, "spacing %.17g %.17g\n", c->spacing_mm[0], c->spacing_mm[1]);
    for (int i = 0; i < c->channel_count; i++) {
        const IntensityProperties *p = &plan->intensities[i];
        text_add(t, "channel %d %d", (int)c->normalization_schemes[i], c->use_mask_for_norm[i]);
        if (c->normalization_schemes[i] == NORMALIZE_CT)
            text_add(t, " %.17g %.17g %.17g %.17g", p->mean, p->std, p->percentile_00_5, p->percentile_99_5);
        text_add(t, "\n");
    }
    add_resampling(t, &c->resampling_data);
    add_resampling(t, &c->resampling_seg);
}

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
static uint64_t hash(const Text *t)
{
    uint64_t value = 0xcbf29ce484222325u;
    for (size_t i = 0; i < t->length; i++) value = (value ^ (unsigned char)t->data[i]) * 0x100000001b3u;
    return value;
}

static int finish(char stamp[CASE_STAMP_BYTES], Text *t, int code, Err *e)
{
    if (!code) code = text_check(t, e);
    if (!code) snprintf(stamp, CASE_STAMP_BYTES, "v%d-%016" PRIx64, STAMP_FORMAT, hash(t));
    text_free(t);
    return code;
}

int stamp_of_case(char stamp[CASE_STAMP_BYTES], const Case *c, const DatasetInfo *info, const Plan *plan,
                  Err *e)
{
    Text t = {0};
    const int code = add_case(&t, c, e);
    add_labels(&t, info);
    add_plan(&t, plan);
    return finish(stamp, &t, code, e);
}

int stamp_of_dataset(char stamp[CASE_STAMP_BYTES], const Dataset *d, Err *e)
{
    Text t = {0};
    int code = 0;
    for (int i = 0; i < d->training.count && !code; i++) code = add_case(&t, &d->training.cases[i], e);
    add_labels(&t, &d->info);
    return finish(stamp, &t, code, e);
}
