#include "preprocess/case.h"

#include <string.h>

#include "preprocess/class_locations.h"
#include "preprocess/crop.h"
#include "preprocess/normalize.h"
#include "preprocess/resample.h"

static int check_fit(const Array *image, const Array *labels, const PlanConfiguration *c, Err *e)
{
    if (image->rank != 4 || image->dtype != DTYPE_F32)
        return err_set(e, ERR_SHAPE, "an image of %s, rank %d: expected float32 (C,Z,Y,X)", dtype_name(image->dtype),
                       image->rank);
    if (image->shape[0] != c->channel_count)
        return err_set(e, ERR_SHAPE, "%lld channels, the plan has %d", (long long)image->shape[0], c->channel_count);
    if (labels && (labels->rank != 3 || memcmp(labels->shape, image->shape + 1, 3 * sizeof *labels->shape)))
        return err_set(e, ERR_SHAPE, "the labels' shape is not that of the image");
    return 0;
}

static void transposed_spacing(const CaseProperties *p, double mm[3])
{
    for (int i = 0; i < 3; i++) mm[i] = p->spacing_mm[p->axes.from[p->transpose_forward[i]]];
}

/* Slices are never merged: the first axis keeps its spacing. */
static void target_spacing(const double own_mm[3], const PlanConfiguration *c, double mm[3])
{
    mm[0] = own_mm[0];
    mm[1] = c->spacing_mm[0];
    mm[2] = c->spacing_mm[1];
}

/* The labels within the box (0 where there are none), -1 outside the mask. */
static int crop_labels(Array *cropped, const Array *labels, const Array *mask, const CaseProperties *p, Err *e)
{
    int64_t shape[3];
    case_crop_shape(p, shape);
    TRY(array_new(cropped, DTYPE_I16, 3, shape, e));
    if (labels) {
        const Volume from = volume_cropped(case_view(p, volume_of_array(labels)), &p->box);
        const Volume to = volume_of_array(cropped);
        volume_copy(&from, &to);
    }
    mark_outside(cropped, mask, &p->box);
    return 0;
}

/* cropped stays empty if neither labels nor the mask are needed. */
static int find_crop(CaseProperties *p, Array *cropped, const Volume *channels, const Array *labels,
                     const PlanConfiguration *c, Err *e)
{
    Array mask;
    TRY(nonzero_mask(&mask, channels, c->channel_count, e));
    p->box = mask_box(&mask);
    const int code = labels || plan_uses_mask(c) ? crop_labels(cropped, labels, &mask, p, e) : 0;
    array_free(&mask);
    return code;
}

static int plan_shape(CaseProperties *p, const PlanConfiguration *c, Err *e)
{
    double own_mm[3], target_mm[3];
    int64_t crop[3];
    transposed_spacing(p, own_mm);
    target_spacing(own_mm, c, target_mm);
    case_crop_shape(p, crop);
    resample_shape(p->shape, crop, own_mm, target_mm);
    for (int i = 0; i < 3; i++)
        if (p->shape[i] < 1)
            return err_set(e, ERR_SHAPE, "axis %d of %lld voxels at %g mm would have none at the plan's %g mm", i,
                           (long long)crop[i], own_mm[i], target_mm[i]);
    return 0;
}

static int normalize_and_resample(PreprocessedCase *out, Volume *channels, const Array *cropped, const Plan *plan,
                                  int axis, Err *e)
{
    const PlanConfiguration *c = &plan->configuration;
    const CaseProperties *p = &out->properties;
    const Volume inside = cropped->data ? volume_of_array(cropped) : (Volume){0};
    const int64_t shape[] = {p->shape[0], p->shape[1], p->shape[2], c->channel_count};
    TRY(array_new(&out->image, DTYPE_F32, 4, shape, e));
    for (int i = 0; i < c->channel_count; i++) {
        Volume channel = volume_cropped(channels[i], &p->box);
        if (normalize_channel(&channel, c->normalization_schemes[i], &plan->intensities[i],
                              c->use_mask_for_norm[i] ? &inside : NULL, e))
            return err_context(e, "channel %d", i);
        const Volume resampled = volume_of_channel_last(&out->image, i);
        TRY(resample_values(&channel, &resampled, &c->resampling_data, axis, e));
    }
    return 0;
}

static int resample_and_sample_labels(PreprocessedCase *out, const Array *cropped, const Plan *plan,
                                      const DatasetInfo *info, int axis, Err *e)
{
    TRY(array_new(&out->labels, DTYPE_I16, 3, out->properties.shape, e));
    const Volume from = volume_of_array(cropped), to = volume_of_array(&out->labels);
    const bool at_half = plan->compatibility == COMPATIBILITY_NNUNET_2_1;
    TRY(resample_labels(&from, &to, &plan->configuration.resampling_seg, at_half, axis, e));
    return class_locations_sample(&out->locations, &out->labels, info, e);
}

/* The axis that is resampled separately (separate z) between two spacings, or -1. */
static int apart(const PlanResampling *how, const double from_mm[3], const double to_mm[3])
{
    return resample_separate_axis(how->force_separate_z, from_mm, to_mm);
}

int case_preprocess(PreprocessedCase *out, Array *image, const double spacing_mm[3], const GridAxes *axes,
                    const Array *labels, const Plan *plan, const DatasetInfo *info, Err *e)
{
    const PlanConfiguration *c = &plan->configuration;
    CaseProperties *p = &out->properties;
    Volume channels[PLAN_MAX_CHANNELS];
    Array cropped = {0};
    double own_mm[3], target_mm[3];
    *out = (PreprocessedCase){0};
    TRY(check_fit(image, labels, c, e));
    memcpy(p->spacing_mm, spacing_mm, sizeof p->spacing_mm);
    p->axes = axes ? *axes : grid_axes_stored();
    memcpy(p->transpose_forward, plan->transpose_forward, sizeof p->transpose_forward);
    for (int i = 0; i < c->channel_count; i++) channels[i] = case_view(p, volume_of_channel_first(image, i));
    memcpy(p->shape_before_crop, channels[0].shape, sizeof p->shape_before_crop);
    transposed_spacing(p, own_mm);
    target_spacing(own_mm, c, target_mm);

    int code = find_crop(p, &cropped, channels, labels, c, e);
    if (!code) code = plan_shape(p, c, e);
    if (!code)
        code = normalize_and_resample(out, channels, &cropped, plan, apart(&c->resampling_data, own_mm, target_mm), e);
    if (!code && labels)
        code = resample_and_sample_labels(out, &cropped, plan, info, apart(&c->resampling_seg, own_mm, target_mm), e);
    array_free(&cropped);
    if (code) case_free(out);
    return code;
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t case_preprocess_bytes(int64_t out_shape[3], const int64_t shape[3], const double spacing_mm[3],
                              const Plan *plan)
{
    const PlanConfiguration *c = &plan->configuration;
    const int64_t voxels = shape[0] * shape[1] * shape[2], sample = c->channel_count * (int64_t)sizeof(float);
    CaseProperties p = {0};
    double own_mm[3], target_mm[3];
    p.axes = grid_axes_stored();
    memcpy(p.spacing_mm, spacing_mm, sizeof p.spacing_mm);
    memcpy(p.transpose_forward, plan->transpose_forward, sizeof p.transpose_forward);
    for (int i = 0; i < 3; i++) p.shape_before_crop[i] = shape[p.transpose_forward[i]];
    transposed_spacing(&p, own_mm);
    target_spacing(own_mm, c, target_mm);
    resample_shape(out_shape, p.shape_before_crop, own_mm, target_mm);
    const int64_t labels = plan_uses_mask(c) ? voxels * (int64_t)sizeof(int16_t) : 0;
    const int64_t result = out_shape[0] * out_shape[1] * out_shape[2] * sample;
    const int64_t cropping = voxels + larger(fill_holes_bytes(p.shape_before_crop), labels);
    const int axis = apart(&c->resampling_data, own_mm, target_mm);
    return voxels * sample +
           larger(cropping,
                  labels + result + resample_bytes(p.shape_before_crop, out_shape, &c->resampling_data, axis));
}

void case_free(PreprocessedCase *c)
{
    array_free(&c->image);
    array_free(&c->labels);
    array_free(&c->locations);
}

void case_crop_shape(const CaseProperties *p, int64_t shape[3])
{
    for (int i = 0; i < 3; i++) shape[i] = p->box.past[i] - p->box.first[i];
}

void case_raw_shape(const CaseProperties *p, int64_t shape[3])
{
    for (int i = 0; i < 3; i++) shape[p->axes.from[p->transpose_forward[i]]] = p->shape_before_crop[i];
}

Volume case_view(const CaseProperties *p, Volume raw)
{
    return volume_transposed(volume_turned(raw, &p->axes), p->transpose_forward);
}

int case_separate_axis_back(const Plan *plan, const CaseProperties *p)
{
    double own_mm[3], planned_mm[3];
    transposed_spacing(p, own_mm);
    /* 2.1 uses the spacing in the file's order of axes here (docs/reference.md, Export). */
    for (int i = 0; i < 3 && plan->compatibility == COMPATIBILITY_NNUNET_2_1; i++)
        own_mm[i] = p->spacing_mm[p->axes.from[i]];
    target_spacing(own_mm, &plan->configuration, planned_mm);
    return apart(&plan->configuration.resampling_probabilities, planned_mm, own_mm);
}

int case_resample_back(const Volume *prediction, const Volume *cropped, const Plan *plan, const CaseProperties *p,
                       Err *e)
{
    return resample_values(prediction, cropped, &plan->configuration.resampling_probabilities,
                           case_separate_axis_back(plan, p), e);
}

void case_paste(const Volume *cropped, const CaseProperties *p, const Volume *raw)
{
    const Volume to = volume_cropped(case_view(p, *raw), &p->box);
    volume_copy(cropped, &to);
}
