#include "inference/memory_bound.h"

#include "preprocess/resample.h"

/* The program itself: code, libraries, stacks, buffers of a fixed size. */
static const size_t PROGRAM = (size_t)96 << 20;

static size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

static size_t voxels_of(const int64_t shape[3])
{
    return (size_t)shape[0] * (size_t)shape[1] * (size_t)shape[2];
}

/* The preprocessed shape of the uncropped image, in the plan's order of axes. */
static void planned_shape(const Plan *plan, const MemoryCase *c, int64_t own[3], int64_t planned[3])
{
    double own_mm[3], planned_mm[3];
    for (int i = 0; i < 3; i++) {
        own[i] = c->shape_zyx[plan->transpose_forward[i]];
        own_mm[i] = planned_mm[i] = c->spacing_zyx_mm[plan->transpose_forward[i]];
    }
    planned_mm[1] = plan->configuration.spacing_mm[0];
    planned_mm[2] = plan->configuration.spacing_mm[1];
    resample_shape(planned, own, own_mm, planned_mm);
}

/* Lines in double precision: a slice between its two passes. */
static size_t slice_bytes(const int64_t from[3], const int64_t to[3])
{
    if (from[1] == to[1] && from[2] == to[2]) return 0;
    return (size_t)(from[1] + 4) * max_size((size_t)from[2], (size_t)to[2]) * sizeof(double);
}

static size_t window_bytes(const WindowOptions *w, int heads, int64_t width)
{
    const size_t padded = max_size((size_t)width, (size_t)w->tile_yx[1]), tile = (size_t)w->tile_yx[0];
    const size_t ring = tile * padded * (size_t)(heads + 1), rows = 4 * padded * (size_t)heads;
    return (ring + rows + tile * (size_t)w->tile_yx[1] * (size_t)(heads + 1)) * sizeof(float);
}

MemoryBound memory_bound(const Plan *plan, int heads, const WindowOptions *window, size_t network,
                         const MemoryCase *c)
{
    int64_t own[3], planned[3];
    planned_shape(plan, c, own, planned);
    const size_t channels = (size_t)plan->configuration.channel_count, voxels = voxels_of(own);
    const size_t raw = channels * voxels * sizeof(float),
                 ready = channels * voxels_of(planned) * sizeof(float);
    const size_t mask = voxels * (plan_uses_mask(&plan->configuration) ? 1 + sizeof(int16_t) : 1);
    const size_t labels = voxels * (heads > 255 ? 2 : 1);
    return (MemoryBound){
        .program = PROGRAM,
        .network = network,
        .reading = raw * (c->files > 1 ? 2 : 1) + channels * voxels * 2 + (size_t)c->file_bytes,
        .preprocessing = raw + mask + ready + slice_bytes(own, planned),
        .predicting = ready + labels + window_bytes(window, heads, planned[2]) +
                      (size_t)own[2] * (size_t)heads * sizeof(float),
    };
}

size_t memory_bound_peak(const MemoryBound *b)
{
    return b->program + b->network + max_size(b->reading, max_size(b->preprocessing, b->predicting));
}
