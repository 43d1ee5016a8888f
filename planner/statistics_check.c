#include "planner/statistics_check.h"

#include <math.h>

static void check_channel(FaultList *faults, const IntensityProperties *p, int channel, const char *name)
{
    static const char advice[] = "look at the labels, or name the channel otherwise in dataset.json (channel_names), such as "
                                 "\"MRI\", for a normalisation that needs no labels";
    if (!isfinite(p->mean) || !isfinite(p->std) || !isfinite(p->percentile_00_5) || !isfinite(p->percentile_99_5))
        fault_add(faults, FAULT_ERROR, "channel %d, %s: no voxel has a label above 0: no statistics to normalise by; %s",
                  channel, name, advice);
    else if (!(p->percentile_99_5 > p->percentile_00_5) || !(p->std > 0))
        fault_add(faults, FAULT_ERROR, "channel %d, %s: %s voxels with a label above 0 are %g: no statistics to normalise by; %s",
                  channel, name, p->max > p->min ? "nearly all" : "all", p->median, advice);
}

void statistics_check(FaultList *faults, const Plan *plan, const DatasetInfo *info)
{
    const PlanConfiguration *c = &plan->configuration;
    for (int i = 0; i < c->channel_count && i < info->channel_count && i < plan->intensity_count; i++)
        if (c->normalization_schemes[i] == NORMALIZE_CT)
            check_channel(faults, &plan->intensities[i], i, info->channel_names[i]);
}
