/* Sampler: makes one item of a batch — choosing case, place and augmentation — as a pure function of
 * (seed, epoch, iteration, item), so that any thread can make any item (nnU-Net's 2D loader;
 * docs/reference.md, Patch sampling).
 *
 * A plain value without owned memory; what it points to must outlive it. Threads may share one, each
 * with a workspace of its own (sampler_workspace_new … sampler_workspace_free). */
#ifndef TRAINER_SAMPLER_H
#define TRAINER_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "plans/plan.h"
#include "trainer/augment.h"
#include "trainer/case_set.h"
#include "trainer/patch.h"

typedef struct Sampler {
    const CaseSet *cases;
    PatchGeometry geometry;
    int batch_size;                      /* of the global batch, over all ranks */
    double oversample_foreground;        /* share of the global batch that must show foreground */
    int class_count;                     /* of the locations, each as likely */
    bool has_ignore;                     /* one more class follows: all that is annotated */
    int largest_label;                   /* that a voxel may have, the ignore label included */
    bool augment;                        /* else the patch as it is (validation) */
    AugmentRules rules;
    bool mask_channel[PLAN_MAX_CHANNELS]; /* set to 0 outside: normalised only inside */
    uint64_t seed;
} Sampler;

typedef struct SamplerWorkspace {
    float *planes;                       /* (channels, height, width) */
    double *scratch;                     /* one per pixel of the initial crop */
    int16_t *labels;                     /* (height, width) */
} SamplerWorkspace;

int sampler_workspace_new(SamplerWorkspace *w, const Sampler *s, Err *e);
void sampler_workspace_free(SamplerWorkspace *w);

/* Writes image (height, width, channels) and labels (height, width) of one item of the global batch: so processes that
 * make parts of it make together what one would. Validation counts its
 * iterations like training and never shares numbers with it. Fails: as augment_intensities; ERR_VALUE where the
 * patch holds a label that there is no class for. */
int sampler_fill(const Sampler *s, SamplerWorkspace *w, int epoch, int iteration, int item, float *image,
                 int16_t *labels, Err *e);

#endif
