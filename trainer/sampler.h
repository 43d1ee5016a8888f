/* Sampler: makes one item of a batch. Case, position and augmentation are a pure function of (seed, epoch, iteration,
 * item), so that any thread can make any item (nnU-Net's 2D loader; docs/reference.md, Patch sampling).
 *
 * A struct without owned memory; what it points to must outlive it. Threads may share one, each with its own workspace
 * (sampler_workspace_new … sampler_workspace_free). */
#ifndef TRAINER_SAMPLER_H
#define TRAINER_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "plans/plan.h"
#include "trainer/augment.h"
#include "trainer/case_set.h"
#include "trainer/patch.h"
#include "trainer/patch_mask.h"

typedef struct Sampler {
    const CaseSet *cases;
    PatchGeometry geometry;
    int adjacent_slices; /* on each side: their channels come before and after those of the slice */
    int slice_axes[3],
        slice_axes_count;         /* as in the plan: each patch is of a slice across one of them, all equally often */
    int batch_size;               /* of the global batch, over all ranks */
    double oversample_foreground; /* share of the global batch that must contain foreground */
    int class_count;              /* number of classes in the locations, with equal probability */
    bool has_ignore;              /* one more class follows: all annotated voxels */
    int largest_label;            /* largest valid label of a voxel, the ignore label included */
    bool augment;                 /* false: patches are not augmented (validation) */
    AugmentRules rules;
    bool mask_channel[PLAN_MAX_CHANNELS]; /* of a patch: set to 0 where the label is -1: normalised only elsewhere */
    NetworkMask mask; /* size above 0: the labels are a mask (patch_mask.h), not those of the case */
    uint64_t seed;
} Sampler;

typedef struct SamplerWorkspace {
    float *planes;   /* (channels, height, width) */
    double *scratch; /* one per pixel of the initial crop */
    int16_t *labels; /* (height, width) */
} SamplerWorkspace;

/* The channels of a patch. */
int sampler_channels(const Sampler *s);

int sampler_workspace_new(SamplerWorkspace *w, const Sampler *s, Err *e);
void sampler_workspace_free(SamplerWorkspace *w);

/* Writes image (height, width, channels) and labels (height, width) of one item of the global batch. The item does not
 * depend on the process that makes it. Validation numbers its iterations like training, with other random numbers. Fails:
 * as augment_intensities; ERR_VALUE if the patch contains a label above largest_label. */
int sampler_fill(const Sampler *s, SamplerWorkspace *w, int epoch, int iteration, int item, float *image,
                 int16_t *labels, Err *e);

#endif
