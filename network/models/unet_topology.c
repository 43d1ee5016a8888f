#include "network/models/unet_topology.h"

#include <math.h>
#include <string.h>

enum { MIN_EDGE = 4, BASE_FEATURES = 32, MAX_FEATURES = 512 };

/* Convolutions of a plain stage, and blocks or convolutions of a stage with a residual encoder. */
static int encoder_count(int stage, bool residual) { return !residual ? 2 : stage < 3 ? (int[]){1, 3, 4}[stage] : 6; }
static int decoder_count(bool residual) { return residual ? 1 : 2; }

int unet_features(int stage) { return stage < 4 ? BASE_FEATURES << stage : MAX_FEATURES; }

/* Finds the axes that can be halved; returns their number. */
static int poolable(const double spacing_mm[2], const double size[2], bool axes[2])
{
    double smallest = INFINITY;
    int count = 0, last = 0;
    for (int i = 0; i < 2; i++)
        if (size[i] >= 2 * MIN_EDGE) smallest = fmin(smallest, spacing_mm[i]);
    for (int i = 0; i < 2; i++) {
        axes[i] = size[i] >= 2 * MIN_EDGE && spacing_mm[i] / smallest < 2;
        if (axes[i]) count++, last = i;
    }
    return count == 1 && size[last] < 3 * MIN_EDGE ? 0 : count;
}

static void finish(UnetTopology *t, const double size[2])
{
    for (int i = 0; i < 2; i++) {
        t->divisor[i] = 1;
        for (int s = 0; s < t->stages; s++) t->divisor[i] *= t->strides[s][i];
        t->patch[i] = (int)ceil(size[i] / t->divisor[i]) * t->divisor[i];
        t->kernels[t->stages - 1][i] = 3;
    }
}

int unet_topology(UnetTopology *t, const double spacing_mm[2], const double size[2], Err *e)
{
    double spacing[2] = {spacing_mm[0], spacing_mm[1]}, left[2] = {size[0], size[1]};
    int kernel[2] = {1, 1};
    bool pooled[2];
    *t = (UnetTopology){.stages = 1, .strides = {{1, 1}}};
    while (poolable(spacing, left, pooled)) {
        if (t->stages == ARCHITECTURE_STAGES)
            return err_set(e, ERR_VALUE, "a patch of %gx%g at %gx%g mm would need a network of more than %d stages",
                           size[0], size[1], spacing_mm[0], spacing_mm[1], ARCHITECTURE_STAGES);
        const double smallest = fmin(spacing[0], spacing[1]);
        for (int i = 0; i < 2; i++) {
            if (spacing[i] / smallest < 2) kernel[i] = 3; /* also in all later stages */
            t->kernels[t->stages - 1][i] = kernel[i];
            t->strides[t->stages][i] = pooled[i] ? 2 : 1;
        }
        for (int i = 0; i < 2; i++) {
            if (!pooled[i]) continue;
            spacing[i] *= 2;
            left[i] = ceil(left[i] / 2);
        }
        t->stages++;
    }
    finish(t, size);
    return 0;
}

void unet_write_architecture(Architecture *a, const UnetTopology *t, bool residual)
{
    architecture_defaults(a);
    if (residual) strcpy(a->network_class_name, "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet");
    a->n_stages = a->features_count = a->kernels_count = a->strides_count = t->stages;
    *(residual ? &a->blocks_count : &a->convs_count) = t->stages;
    a->decoder_convs_count = t->stages - 1;
    for (int s = 0; s < t->stages; s++) {
        a->features_per_stage[s] = unet_features(s);
        (residual ? a->n_blocks_per_stage : a->n_conv_per_stage)[s] = encoder_count(s, residual);
        if (s < t->stages - 1) a->n_conv_per_stage_decoder[s] = decoder_count(residual);
    }
    memcpy(a->kernel_sizes, t->kernels, sizeof a->kernel_sizes);
    memcpy(a->strides, t->strides, sizeof a->strides);
}

/* Convolutions of an encoder stage: a block has two, the first block of a later stage also that of its shortcut, which is
 * counted even if it only pools; stage 0 is preceded by the stem. */
static int encoder_convolutions(int stage, bool residual)
{
    return encoder_count(stage, residual) * (residual ? 2 : 1) + residual;
}

double unet_feature_map_size(const UnetTopology *t, bool residual, int classes)
{
    int64_t size[2] = {t->patch[0], t->patch[1]};
    double values = (double)classes * (double)(size[0] * size[1]);
    for (int s = 0; s < t->stages; s++) {
        size[0] /= t->strides[s][0];
        size[1] /= t->strides[s][1];
        const int transposed = 1, decoder = s < t->stages - 1 ? transposed + decoder_count(residual) : 0;
        values +=
            (double)(encoder_convolutions(s, residual) + decoder) * unet_features(s) * (double)(size[0] * size[1]);
    }
    return values;
}
