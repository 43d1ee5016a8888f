#include "planner/network_fit.h"

#include <math.h>

static const double gib = 1024.0 * 1024 * 1024;
enum { LOADED_BATCHES = 6 }; /* that the trainer's loader has on a GPU, with 16 threads */

int fit_step_bytes(const Plan *plan, const PlannerInput *in, int batch, double *bytes, Err *e)
{
    const int *patch = plan->configuration.patch_size;
    const DType precision = plan->training.precision == PRECISION_BF16 ? DTYPE_BF16 : DTYPE_F32;
    const TrainingSetup setup = {batch, {patch[0], patch[1]}, precision, in->gpu ? in->gpu->device : NULL};
    const int64_t found = in->training_bytes(plan, in->dataset, &setup, e);
    *bytes = (double)found;
    if (in->gpu && found >= 0)
        *bytes = (double)planning_device_bytes(in->gpu, (size_t)found) +
                 LOADED_BATCHES * (double)training_batch_bytes(plan, &setup);
    return found < 0 ? err_context(e, "the memory plan of %s", plan->network.name) : 0;
}

/* Reduces the patch by one divisor along the axis that is the largest part of the median image and can be reduced. */
static bool shrink(PlanConfiguration *c, const int divisor[2])
{
    const double *median = c->median_image_size_in_voxels;
    int axis = c->patch_size[1] / median[1] >= c->patch_size[0] / median[0] ? 1 : 0;
    if (c->patch_size[axis] <= divisor[axis]) axis = !axis;
    if (c->patch_size[axis] <= divisor[axis]) return false;
    c->patch_size[axis] -= divisor[axis];
    return true;
}

static int fit_patch(Plan *plan, const PlannerInput *in, double most, double *bytes, Text *explain, Err *e)
{
    PlanConfiguration *c = &plan->configuration;
    int divisor[2];
    plan_patch_divisor(plan, divisor);
    for (;;) {
        TRY(fit_step_bytes(plan, in, PLANNER_MIN_BATCH, bytes, e));
        if (*bytes <= most) return 0;
        text_add(explain, "%d patches of %d x %d take %.2f GiB, more than %g\n", PLANNER_MIN_BATCH, c->patch_size[0],
                 c->patch_size[1], *bytes / gib, most / gib);
        if (!shrink(c, divisor))
            return err_set(e, ERR_VALUE,
                           "%s: %d patches of %d x %d take %.2f GiB; give a larger --%s, a "
                           "smaller network%s",
                           plan->network.name, PLANNER_MIN_BATCH, c->patch_size[0], c->patch_size[1], *bytes / gib,
                           in->gpu ? "device-memory" : "memory-target",
                           plan->training.recompute ? "" : ", or training.recompute: true");
    }
}

/* Memory grows almost linearly with the batch: linear interpolation between two known points gives the answer or a
 * number next to it. */
static int fit_batch(Plan *plan, const PlannerInput *in, double most, int bound, double low_bytes, Err *e)
{
    int low = PLANNER_MIN_BATCH, high = bound + 1; /* low fits; high does not fit, or is above the bound */
    double slope = low_bytes / low;
    while (high - low > 1) {
        const double guess = low + (most - low_bytes) / slope;
        int probe = guess >= high ? high - 1 : (int)guess;
        if (probe <= low) probe = low + 1;
        double bytes;
        TRY(fit_step_bytes(plan, in, probe, &bytes, e));
        if (bytes > low_bytes) slope = (bytes - low_bytes) / (probe - low);
        if (bytes <= most) {
            low = probe;
            low_bytes = bytes;
        } else {
            high = probe;
        }
    }
    plan->configuration.batch_size = low;
    return 0;
}

int batch_bound(double covered_pixels, const int patch_yx[2])
{
    const double bound = nearbyint(covered_pixels / ((double)patch_yx[0] * patch_yx[1]));
    return bound < PLANNER_MIN_BATCH ? PLANNER_MIN_BATCH : bound < INT32_MAX ? (int)bound : INT32_MAX;
}

int fit_network_memory(Plan *plan, const PlannerInput *in, double covered_pixels, Text *explain, Err *e)
{
    PlanConfiguration *c = &plan->configuration;
    const double most = in->memory_gb * gib;
    double bytes;
    TRY(fit_patch(plan, in, most, &bytes, explain, e));
    const int bound = batch_bound(covered_pixels, c->patch_size);
    TRY(fit_batch(plan, in, most, bound, bytes, e));
    TRY(fit_step_bytes(plan, in, c->batch_size, &bytes, e));
    text_add(explain,
             "batch: %d patches of %d x %d take %.2f of %g GiB by the memory plan of %s%s%s%s; at most %d are 5 %% "
             "of the dataset's voxels\n",
             c->batch_size, c->patch_size[0], c->patch_size[1], bytes / gib, in->memory_gb, plan->network.name,
             plan->training.recompute ? " with recomputation" : "", in->gpu ? ", " : "", in->gpu ? in->gpu->basis : "",
             bound);
    return 0;
}

int fit_batch_to_memory(Plan *plan, const PlannerInput *in, Text *explain, Err *e)
{
    PlanConfiguration *c = &plan->configuration;
    const double most = in->memory_gb * gib;
    const int chosen = c->batch_size;
    double bytes;
    TRY(fit_step_bytes(plan, in, chosen, &bytes, e));
    if (bytes > most) {
        TRY(fit_step_bytes(plan, in, PLANNER_MIN_BATCH, &bytes, e));
        if (bytes > most)
            return err_set(
                e, ERR_VALUE, "%s: %d patches of %d x %d take %.2f GiB, more than %g: give a larger --device-memory",
                plan->network.name, PLANNER_MIN_BATCH, c->patch_size[0], c->patch_size[1], bytes / gib, in->memory_gb);
        TRY(fit_batch(plan, in, most, chosen, bytes, e));
        TRY(fit_step_bytes(plan, in, c->batch_size, &bytes, e));
    }
    text_add(explain, "batch: %d take %.2f of %g GiB by %s%s\n", c->batch_size, bytes / gib, in->memory_gb,
             in->gpu->basis, c->batch_size < chosen ? ": fewer than nnU-Net's estimate allows" : "");
    return 0;
}
