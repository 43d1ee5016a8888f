/* Checks that a plan's values agree with each other and are supported. */
#include "plans/plan.h"

#include <math.h>
#include <string.h>

static int check_geometry(const Plan *plan, Err *e)
{
    for (int i = 0; i < 3; i++) {
        const int axis = plan->transpose_forward[i];
        if (plan->transpose_backward[axis] != i)
            return err_set(e, ERR_VALUE, "transpose_backward is not the inverse of transpose_forward");
    }
    const int *patch = plan->configuration.patch_size;
    int divisor[2], fitting[2];
    plan_patch_divisor(plan, divisor);
    for (int i = 0; i < 2; i++) fitting[i] = (patch[i] + divisor[i] - 1) / divisor[i] * divisor[i];
    if (fitting[0] == patch[0] && fitting[1] == patch[1]) return 0;
    return err_set(e, ERR_VALUE,
                   "configurations.2d.patch_size: found %dx%d; %s needs multiples of %dx%d, "
                   "such as %dx%d",
                   patch[0], patch[1], plan->network.name, divisor[0], divisor[1], fitting[0], fitting[1]);
}

static int check_channels(const Plan *plan, Err *e)
{
    const PlanConfiguration *c = &plan->configuration;
    if (c->channel_count < 1)
        return err_set(e, ERR_VALUE, "normalization_schemes is empty, expected one for each channel");
    if (c->mask_count != c->channel_count)
        return err_set(e, ERR_VALUE, "use_mask_for_norm has %d entries, normalization_schemes %d", c->mask_count,
                       c->channel_count);
    if (plan_input_channels(plan) > PLAN_MAX_CHANNELS)
        return err_set(e, ERR_UNSUPPORTED,
                       "configurations.2d.adjacent_slices: %d of %d channels on each side are %d channels for the "
                       "network: at most %d; give fewer adjacent_slices",
                       c->adjacent_slices, c->channel_count, plan_input_channels(plan), PLAN_MAX_CHANNELS);
    if (!c->slice_axes_count)
        return err_set(e, ERR_VALUE, "configurations.2d.slice_axes is empty, expected [0], or [0, 1, 2] for all");
    for (int i = 0; i < c->slice_axes_count; i++)
        for (int k = 0; k < i; k++)
            if (c->slice_axes[i] == c->slice_axes[k])
                return err_set(e, ERR_VALUE, "configurations.2d.slice_axes: axis %d twice", c->slice_axes[i]);
    if (plan->intensity_count > c->channel_count)
        return err_set(e, ERR_VALUE,
                       "foreground_intensity_properties_per_channel has %d entries, normalization_schemes %d",
                       plan->intensity_count, c->channel_count);
    for (int i = plan->intensity_count; i < c->channel_count; i++)
        if (c->normalization_schemes[i] == NORMALIZE_CT)
            return err_set(e, ERR_VALUE,
                           "CTNormalization of channel %d needs its "
                           "foreground_intensity_properties_per_channel",
                           i);
    return 0;
}

static int check_preprocessing(const PlanConfiguration *c, Err *e)
{
    const PlanResampling *const all[] = {&c->resampling_data, &c->resampling_seg, &c->resampling_probabilities};
    for (int i = 0; i < 3; i++) {
        if (strcmp(all[i]->function, "resample_data_or_seg_to_shape"))
            return err_set(e, ERR_UNSUPPORTED,
                           "a resampling function \"%s\": only nnU-Net's "
                           "resample_data_or_seg_to_shape is supported",
                           all[i]->function);
        if (all[i]->order == 2 || all[i]->order > 3 || all[i]->order_z == 2 || all[i]->order_z > 3)
            return err_set(e, ERR_UNSUPPORTED, "resampling orders %d and %d: supported are 0, 1 and 3", all[i]->order,
                           all[i]->order_z);
    }
    if (strcmp(c->preprocessor_name, "DefaultPreprocessor"))
        return err_set(e, ERR_UNSUPPORTED, "preprocessor_name %s: only DefaultPreprocessor is supported",
                       c->preprocessor_name);
    return 0;
}

static int check_network(const Plan *plan, Err *e)
{
    const NetworkKind *kind = plan_network_kind(plan);
    NetworkConfig config;
    if (!kind) return network_unknown(plan->network.name, e) ? err_context(e, "network.name") : 0;
    plan_network_config(plan, &config);
    return kind->check(&config, e);
}

static int check_training(const PlanTraining *t, Err *e)
{
    if (t->recipe == RECIPE_TIME && t->minutes <= 0)
        return err_set(e, ERR_VALUE, "training.recipe: time needs training.minutes: give --minutes N");
    if (t->recipe != RECIPE_TIME && t->minutes > 0)
        return err_set(
            e, ERR_VALUE,
            "training.minutes: %g is for training.recipe: time: give --minutes N, or remove training.minutes",
            t->minutes);
    if (t->schedule_epochs && t->schedule_epochs < t->epochs)
        return err_set(e, ERR_VALUE, "training.schedule_epochs: %d, expected 0 or at least epochs, %d",
                       t->schedule_epochs, t->epochs);
    if (t->schedule == SCHEDULE_COSINE && t->final_learning_rate > t->learning_rate)
        return err_set(e, ERR_VALUE, "training.final_learning_rate: %g is above learning_rate, %g",
                       t->final_learning_rate, t->learning_rate);
    return 0;
}

static int check_inference(const PlanInference *i, Err *e)
{
    if (i->mirror_axes_count == 2 && i->mirror_axes[0] == i->mirror_axes[1])
        return err_set(e, ERR_VALUE, "inference.mirror_axes: axis %d twice", i->mirror_axes[0]);
    return 0;
}

/* The schema's range of spacings is checked here too, so that the planner does not write a plan that cannot be
 * read. */
static int check_spacing(const PlanConfiguration *c, Err *e)
{
    for (int i = 0; i < 2; i++)
        if (!(c->spacing_mm[i] >= PLAN_LEAST_SPACING && c->spacing_mm[i] <= PLAN_MOST_SPACING))
            return err_set(e, ERR_VALUE,
                           "configurations.2d.spacing: found %g mm, expected %g to %g; look at the "
                           "spacings in the images' headers",
                           c->spacing_mm[i], PLAN_LEAST_SPACING, PLAN_MOST_SPACING);
    return 0;
}

static int check_reader(const Plan *plan, Err *e)
{
    ReaderAxes axes;
    return reader_axes(&axes, plan->image_reader_writer, "image_reader_writer", e);
}

static int check_all(const Plan *plan, Err *e)
{
    TRY(check_reader(plan, e));
    TRY(check_spacing(&plan->configuration, e));
    TRY(check_network(plan, e));
    TRY(check_channels(plan, e));
    TRY(check_geometry(plan, e));
    TRY(check_preprocessing(&plan->configuration, e));
    TRY(check_training(&plan->training, e));
    return check_inference(&plan->inference, e);
}

int plan_check(const Plan *plan, Err *e) { return check_all(plan, e) ? err_context(e, "plan") : 0; }

static int check_statistics(const IntensityProperties *p, int channel, Err *e)
{
    const bool finite = isfinite(p->mean) && isfinite(p->percentile_00_5) && isfinite(p->percentile_99_5);
    if (finite && p->percentile_99_5 >= p->percentile_00_5 && p->std >= 0 && isfinite(p->std)) return 0;
    return err_set(e, ERR_VALUE,
                   "foreground_intensity_properties_per_channel of channel %d: mean %g, std %g, percentile_00_5 %g, "
                   "percentile_99_5 %g: expected numbers, std not below 0, and percentile_99_5 not below "
                   "percentile_00_5",
                   channel, p->mean, p->std, p->percentile_00_5, p->percentile_99_5);
}

int plan_check_statistics(const Plan *plan, Err *e)
{
    const PlanConfiguration *c = &plan->configuration;
    for (int i = 0; i < c->channel_count && i < plan->intensity_count; i++)
        if (c->normalization_schemes[i] == NORMALIZE_CT) TRY(check_statistics(&plan->intensities[i], i, e));
    return 0;
}
