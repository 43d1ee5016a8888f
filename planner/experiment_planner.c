#include "planner/experiment_planner.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "network/models/unet_topology.h"
#include "planner/network_fit.h"
#include "planner/order_statistics.h"
#include "planner/planner_kinds.h"
#include "preprocess/resample.h"

static const double anisotropy = 3;
enum { REFERENCE_BATCH = 12, LARGEST_EDGE = 2048 };

/* The statistics that the planner uses, in the file's order of axes. */
typedef struct Medians {
    double spacing_mm[3], size[3]; /* numpy.median */
    double target_mm[3];
    double new_size[3]; /* median size at the target spacing */
} Medians;

/* One column of the fingerprint: all cases' values along an axis, sorted. */
static void sorted_column(double *column, const Fingerprint *f, int axis, const double *target_mm, bool sizes)
{
    for (int i = 0; i < f->case_count; i++) {
        const int *shape = f->shapes_after_crop[i];
        const double *mm = f->spacings_mm[i];
        column[i] = !sizes ? mm[axis] : target_mm ? nearbyint(mm[axis] / target_mm[axis] * shape[axis]) : shape[axis];
    }
    sort_doubles(column, f->case_count);
}

static double larger_of_others(const double v[3], int axis)
{
    const int a = axis == 0 ? 1 : 0, b = axis == 2 ? 1 : 2;
    return fmax(v[a], v[b]);
}

static double smaller_of_others(const double v[3], int axis)
{
    const int a = axis == 0 ? 1 : 0, b = axis == 2 ? 1 : 2;
    return fmin(v[a], v[b]);
}

static int largest_axis(const double v[3])
{
    int axis = 0;
    for (int i = 1; i < 3; i++)
        if (v[i] > v[axis]) axis = i;
    return axis;
}

/* The median per axis. If slices are thick and few, the spacing between them is a finer one than the median. */
static void choose_target_spacing(Medians *m, const Fingerprint *f, double *column, Text *explain)
{
    double median_size[3];
    for (int i = 0; i < 3; i++) {
        sorted_column(column, f, i, NULL, false);
        m->spacing_mm[i] = sorted_median(column, f->case_count);
        m->target_mm[i] = sorted_percentile(column, f->case_count, 50);
        sorted_column(column, f, i, NULL, true);
        m->size[i] = sorted_median(column, f->case_count);
        median_size[i] = sorted_percentile(column, f->case_count, 50);
    }
    const int worst = largest_axis(m->target_mm);
    const double others = larger_of_others(m->target_mm, worst);
    const bool thick = m->target_mm[worst] > anisotropy * others;
    const bool few = median_size[worst] * anisotropy < smaller_of_others(median_size, worst);
    text_add(explain, "target spacing: the median over cases is %g x %g x %g mm", m->target_mm[0], m->target_mm[1],
             m->target_mm[2]);
    if (thick && few) {
        sorted_column(column, f, worst, NULL, false);
        const double tenth = sorted_percentile(column, f->case_count, 10);
        m->target_mm[worst] = tenth < others ? fmax(others, tenth) + 1e-5 : tenth;
        text_add(explain, "; along axis %d slices are thick and few: the 10th percentile, %g mm, is used there", worst,
                 m->target_mm[worst]);
    }
    text_add(explain, "\n");
}

static void measure_new_size(Medians *m, const Fingerprint *f, double *column)
{
    for (int i = 0; i < 3; i++) {
        sorted_column(column, f, i, m->target_mm, true);
        m->new_size[i] = sorted_median(column, f->case_count);
    }
}

/* The only axis along which every case has a single voxel, or -1. Slices are perpendicular to it, whatever its spacing,
 * which is often not meaningful. nnU-Net takes the axis of largest spacing here too, and may plan for slices that are
 * one voxel wide. */
static int flat_axis(const Fingerprint *f)
{
    int flat = -1;
    for (int axis = 0; axis < 3; axis++) {
        bool all = true;
        for (int i = 0; i < f->case_count && all; i++) all = f->shapes_after_crop[i][axis] == 1;
        if (all && flat >= 0) return -1;
        if (all) flat = axis;
    }
    return flat;
}

static void choose_transpose(Plan *plan, const Medians *m, const Fingerprint *f, Text *explain)
{
    const int flat = plan->compatibility == COMPATIBILITY_NONE ? flat_axis(f) : -1;
    const int first = flat < 0 ? largest_axis(m->target_mm) : flat;
    const int forward[3] = {first, first == 0 ? 1 : 0, first == 2 ? 1 : 2};
    for (int i = 0; i < 3; i++) {
        plan->transpose_forward[i] = forward[i];
        plan->transpose_backward[forward[i]] = i;
        plan->original_median_spacing_mm[i] = m->spacing_mm[forward[i]];
        plan->original_median_shape[i] = (int)nearbyint(m->size[forward[i]]);
    }
    for (int i = 0; i < 2; i++) {
        plan->configuration.spacing_mm[i] = m->target_mm[forward[1 + i]];
        plan->configuration.median_image_size_in_voxels[i] = m->new_size[forward[1 + i]];
    }
    text_add(explain, "order of axes: %d %d %d of the file: axis %d has %s, slices are perpendicular to it\n",
             forward[0], forward[1], forward[2], first, flat < 0 ? "the largest spacing" : "one voxel in every case");
    text_add(explain, "median size of a slice: %g x %g voxels of %g x %g mm\n",
             plan->configuration.median_image_size_in_voxels[0], plan->configuration.median_image_size_in_voxels[1],
             plan->configuration.spacing_mm[0], plan->configuration.spacing_mm[1]);
}

static const struct {
    const char *channel;
    PlanNormalization scheme;
    const char *name;
} schemes[] = {
    {"CT", NORMALIZE_CT, "CT"},
    {"noNorm", NORMALIZE_NONE, "none"},
    {"zscore", NORMALIZE_ZSCORE, "z-score"},
    {"rescale_to_0_1", NORMALIZE_RESCALE_0_1, "0 to 1"},
    {"rgb_to_0_1", NORMALIZE_RGB_0_1, "RGB to 0 to 1"},
};

static PlanNormalization scheme_of_channel(const char *name, bool any_case)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (!(any_case ? strcasecmp(name, schemes[i].channel) : strcmp(name, schemes[i].channel)))
            return schemes[i].scheme;
    return NORMALIZE_ZSCORE;
}

static void choose_normalization(Plan *plan, const PlannerInput *in, Text *explain)
{
    PlanConfiguration *c = &plan->configuration;
    const DatasetInfo *dataset = in->dataset;
    const double kept = in->fingerprint->median_relative_size_after_cropping;
    c->channel_count = c->mask_count = dataset->channel_count;
    for (int i = 0; i < c->channel_count; i++) {
        const bool any_case = plan->compatibility != COMPATIBILITY_NNUNET_2_1;
        const PlanNormalization scheme = scheme_of_channel(dataset->channel_names[i], any_case);
        c->normalization_schemes[i] = scheme;
        c->use_mask_for_norm[i] = scheme == NORMALIZE_ZSCORE && kept < 0.75;
        for (size_t k = 0; k < sizeof schemes / sizeof *schemes; k++)
            if (schemes[k].scheme == scheme)
                text_add(explain, "normalisation of channel %d, \"%s\": %s%s\n", i, dataset->channel_names[i],
                         schemes[k].name, c->use_mask_for_norm[i] ? " within the nonzero region" : "");
    }
    text_add(explain, "cropping to the nonzero region keeps %.1f %% of the median image\n", 100 * kept);
    plan->intensity_count = in->fingerprint->channel_count;
    if (plan->intensity_count)
        memcpy(plan->intensities, in->fingerprint->intensities,
               (size_t)plan->intensity_count * sizeof *plan->intensities);
}

/* The patch to start from: the median image, at most 2048 x 2048 pixels of the same proportions. */
static void initial_patch(double size[2], const PlanConfiguration *c)
{
    const double inverse[2] = {1 / c->spacing_mm[0], 1 / c->spacing_mm[1]};
    const double area = (double)LARGEST_EDGE * LARGEST_EDGE;
    const double factor = pow(area / (inverse[0] * inverse[1]), 0.5);
    for (int i = 0; i < 2; i++) size[i] = fmin(nearbyint(inverse[i] * factor), c->median_image_size_in_voxels[i]);
}

/* Reduces the patch by one step: one divisor less along the axis whose patch is the largest part of the median image. */
static int reduce_patch(UnetTopology *t, const PlanConfiguration *c, Err *e)
{
    const double *median = c->median_image_size_in_voxels;
    const int axis = t->patch[1] / median[1] >= t->patch[0] / median[0] ? 1 : 0;
    double size[2] = {t->patch[0], t->patch[1]};
    UnetTopology trial;
    size[axis] -= t->divisor[axis];
    TRY(unet_topology(&trial, c->spacing_mm, size, e));
    size[axis] = t->patch[axis] - trial.divisor[axis];
    return unet_topology(t, c->spacing_mm, size, e);
}

/* The number of pixels that a batch may have at most: a share of the dataset's voxels as nnU-Net's planner counts
 * them. */
static double covered_pixels(const Plan *plan, const Medians *m, const PlannerInput *in)
{
    double voxels = 1;
    for (int i = 0; i < 3; i++) voxels *= m->new_size[plan->transpose_forward[i]];
    return voxels * (double)in->dataset->num_training * planner_kind(plan->experiment_planner_used)->covered_share;
}

/* The values of an image's feature maps with which a batch of REFERENCE_BATCH fits the memory. */
static double reference_values(const PlannerKind *kind, const PlannerInput *in)
{
    return kind->reference_values * (in->memory_gb / kind->target_gb);
}

static double image_values(const PlannerKind *kind, const PlannerInput *in, const UnetTopology *t)
{
    return unet_feature_map_size(t, kind->residual, dataset_label_entries(in->dataset));
}

static void choose_batch(Plan *plan, const PlannerInput *in, const Medians *m, const UnetTopology *t, Text *explain)
{
    PlanConfiguration *c = &plan->configuration;
    const PlannerKind *kind = planner_kind(plan->experiment_planner_used);
    const double estimate = image_values(kind, in, t);
    const double fits = nearbyint(reference_values(kind, in) / estimate * REFERENCE_BATCH);
    const int bound = batch_bound(covered_pixels(plan, m, in), c->patch_size);
    c->batch_size = fits < PLANNER_MIN_BATCH ? PLANNER_MIN_BATCH : fits < bound ? (int)fits : bound;
    text_add(explain,
             "batch: %.0f fit %g GB by nnU-Net's estimate (%.4g values an image), %d are %g %% of the "
             "dataset's voxels: %d\n",
             fits, in->memory_gb, estimate, bound, 100 * kind->covered_share, c->batch_size);
}

static int choose_patch_and_batch(Plan *plan, const PlannerInput *in, const Medians *m, Text *explain, Err *e)
{
    PlanConfiguration *c = &plan->configuration;
    const PlannerKind *kind = planner_kind(plan->experiment_planner_used);
    /* 2.8.1 plans the largest patch with which a batch of two fits; the older planner, and those of residual encoders,
     * one of which twelve fit. */
    const bool twelve = plan->compatibility == COMPATIBILITY_NNUNET_2_1 || kind->residual;
    const double images = twelve ? 1 : 2.0 / REFERENCE_BATCH;
    UnetTopology t;
    double size[2];
    initial_patch(size, c);
    TRY(unet_topology(&t, c->spacing_mm, size, e));
    text_add(explain, "patch: %g x %g of the median image, %d x %d so that it can be halved %d times", size[0], size[1],
             t.patch[0], t.patch[1], t.stages - 1);
    while (image_values(kind, in, &t) * images > reference_values(kind, in)) TRY(reduce_patch(&t, c, e));
    text_add(explain, "; by memory %d x %d, %d times\n", t.patch[0], t.patch[1], t.stages - 1);
    memcpy(c->patch_size, t.patch, sizeof c->patch_size);
    unet_write_architecture(&c->architecture, &t, kind->residual);
    choose_batch(plan, in, m, &t, explain);
    return 0;
}

bool planner_round_patch(Plan *plan)
{
    int *patch = plan->configuration.patch_size, divisor[2];
    bool changed = false;
    plan_patch_divisor(plan, divisor);
    for (int i = 0; i < 2; i++) {
        const int rounded = (patch[i] + divisor[i] - 1) / divisor[i] * divisor[i];
        changed = changed || rounded != patch[i];
        patch[i] = rounded;
    }
    return changed;
}

/* For networks other than nnU-Net's U-Net, whose batch is only reduced to what a GPU holds: rounds the patch up to a multiple of their divisor, and chooses the batch by
 * their memory. nnU-Net's batch of a U-Net is only reduced, where it does not fit a GPU. */
static int choose_for_network(Plan *plan, const PlannerInput *in, const Medians *m, Text *explain, Err *e)
{
    PlanConfiguration *c = &plan->configuration;
    if (plan_uses_architecture(plan)) return in->gpu ? fit_batch_to_memory(plan, in, explain, e) : 0;
    UnetTopology t;
    planner_round_patch(plan);
    text_add(explain, "patch rounded up to a multiple of what %s can halve: %d x %d\n", plan->network.name,
             c->patch_size[0], c->patch_size[1]);
    if (in->training_bytes) return fit_network_memory(plan, in, covered_pixels(plan, m, in), explain, e);
    TRY(unet_topology(&t, c->spacing_mm, (const double[]){c->patch_size[0], c->patch_size[1]}, e));
    choose_batch(plan, in, m, &t, explain);
    return 0;
}

/* nnU-Net's name of the reader for files with this ending. TIFF files of several slices are read by Tiff3DIO, as in
 * nnU-Net. */
static const char *reader_name(const char *ending, const Fingerprint *f)
{
    if (!strcasecmp(ending, ".tif") && f->shapes_after_crop[0][0] > 1) return "Tiff3DIO";
    static const struct {
        const char *ending, *reader;
    } readers[] = {{".png", "NaturalImage2DIO"},
                   {".bmp", "NaturalImage2DIO"},
                   {".tif", "NaturalImage2DIO"},
                   {".tiff", "Tiff3DIO"}};
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (!strcasecmp(ending, readers[i].ending)) return readers[i].reader;
    return "SimpleITKIO";
}

static int choose_planner(Plan *plan, PlannerInput *in, Err *e)
{
    TRY(planner_check(plan, e));
    snprintf(plan->plans_name, sizeof plan->plans_name, "%s", planner_kind(plan->experiment_planner_used)->plans_name);
    in->memory_gb = planner_target_gb(plan, in->memory_gb);
    plan->planned_gpu_gb = in->gpu ? in->memory_gb : 0;
    return 0;
}

int plan_experiment(Plan *plan, const PlannerInput *input, Text *explain, Err *e)
{
    PlannerInput own = *input, *in = &own;
    const Fingerprint *f = in->fingerprint;
    Medians m;
    Text unread = {0};
    if (!explain) explain = &unread;
    TRY(choose_planner(plan, in, e));
    if (!f->case_count) return err_set(e, ERR_VALUE, "the fingerprint has no cases");
    double *column = mem_alloc((size_t)f->case_count * sizeof *column, e);
    if (!column) return ERR_NOMEM;
    const char *ending = in->dataset->file_ending, *reader = in->dataset->reader;
    if (reader) snprintf(plan->image_reader_writer, sizeof plan->image_reader_writer, "%s", reader);
    else if (ending)
        snprintf(plan->image_reader_writer, sizeof plan->image_reader_writer, "%s", reader_name(ending, f));
    snprintf(plan->dataset_name, sizeof plan->dataset_name, "%s", in->dataset_name);
    choose_target_spacing(&m, f, column, explain);
    measure_new_size(&m, f, column);
    mem_free(column);
    choose_transpose(plan, &m, f, explain);
    choose_normalization(plan, in, explain);
    int code = choose_patch_and_batch(plan, in, &m, explain, e);
    if (!code) code = choose_for_network(plan, in, &m, explain, e);
    text_free(&unread);
    return code;
}
