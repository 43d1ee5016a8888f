#include "planner/plan_faults.h"

#include <math.h>

#include "data/channel_values.h"
#include "preprocess/spacing_check.h"

static int check_case(FaultList *faults, int *far, const Plan *plan, const Fingerprint *f, const Case *c, int index,
                      Err *e)
{
    const int *s = f->shapes_after_crop[index];
    const int64_t shape[3] = {s[0], s[1], s[2]};
    Text note = {0};
    Err refused = {0};
    const int code = spacing_check(&note, shape, f->spacings_mm[index], plan, &refused);
    if (code == ERR_VALUE) fault_add(faults, FAULT_ERROR, "case %s: %s: %s", c->id, c->images[0], refused.text);
    else if (code) *e = refused;
    else if (note.length && ++*far <= SPACING_SHOWN)
        fault_add(faults, FAULT_WARNING, "case %s: %s: %s", c->id, c->images[0], note.data);
    text_free(&note);
    return code == ERR_VALUE ? 0 : code;
}

int plan_faults_spacing(FaultList *faults, const Plan *plan, const Fingerprint *f, const Dataset *d, Err *e)
{
    int far = 0;
    for (int i = 0; i < f->case_count && i < d->training.count; i++)
        TRY(check_case(faults, &far, plan, f, &d->training.cases[i], i, e));
    if (far > SPACING_SHOWN)
        fault_add(faults, FAULT_WARNING, "%d more cases have spacings that differ much from the others'",
                  far - SPACING_SHOWN);
    return 0;
}

static void check_channel(FaultList *faults, const IntensityProperties *p, int channel, const char *name)
{
    static const char advice[] =
        "check the labels, or give the channel another name in dataset.json (channel_names), such as "
        "\"MRI\", for a normalisation that does not use the labels";
    if (!isfinite(p->mean) || !isfinite(p->std) || !isfinite(p->percentile_00_5) || !isfinite(p->percentile_99_5))
        fault_add(faults, FAULT_ERROR,
                  "channel %d, %s: no voxel has a label above 0, so CT normalisation has no statistics; %s", channel,
                  name, advice);
    else if (!(p->percentile_99_5 > p->percentile_00_5) || !(p->std > 0))
        fault_add(
            faults, FAULT_ERROR,
            "channel %d, %s: %s voxels with a label above 0 are %g, so CT normalisation has no usable statistics; %s",
            channel, name, p->max > p->min ? "nearly all" : "all", p->median, advice);
}

/* Of the voxels with a label above 0, whose range is known. */
static void check_raw(FaultList *faults, const IntensityProperties *p, int channel, const char *name)
{
    Text found = {0};
    if (p->min < p->max) channel_values_add(&found, (float)p->min, (float)p->max, false);
    if (found.length) fault_add(faults, FAULT_WARNING, "channel %d, %s: %s", channel, name, found.data);
    text_free(&found);
}

void plan_faults_statistics(FaultList *faults, const Plan *plan, const DatasetInfo *info)
{
    const PlanConfiguration *c = &plan->configuration;
    for (int i = 0; i < c->channel_count && i < info->channel_count && i < plan->intensity_count; i++) {
        const PlanNormalization scheme = c->normalization_schemes[i];
        if (scheme == NORMALIZE_CT) check_channel(faults, &plan->intensities[i], i, info->channel_names[i]);
        if (scheme == NORMALIZE_NONE) check_raw(faults, &plan->intensities[i], i, info->channel_names[i]);
    }
}
