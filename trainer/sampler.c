#include "trainer/sampler.h"

#include "base/memory.h"
#include "base/random.h"
#include "trainer/augment.h"
#include "trainer/spatial.h"

static const uint32_t VALIDATION = 0x80000000u; /* keeps its random numbers apart from training's */

int sampler_workspace_new(SamplerWorkspace *w, const Sampler *s, Err *e)
{
    const size_t pixels = (size_t)(s->geometry.final_yx[0] * s->geometry.final_yx[1]);
    w->planes = mem_alloc(pixels * (size_t)s->cases->channels * sizeof(float), e);
    w->scratch = mem_alloc(pixels * sizeof(float), e);
    w->labels = mem_alloc(pixels * sizeof(int16_t), e);
    if (w->planes && w->scratch && w->labels) return 0;
    sampler_workspace_free(w);
    return ERR_NOMEM;
}

void sampler_workspace_free(SamplerWorkspace *w)
{
    mem_free(w->planes);
    mem_free(w->scratch);
    mem_free(w->labels);
    *w = (SamplerWorkspace){0};
}

/* Where a patch is cut: the slice and the crop's corner, which may lie outside of it. */
typedef struct Place {
    int64_t z;
    Crop crop;
} Place;

/* The class to centre on: a uniform choice among those that the case shows; NULL if it shows none. */
static const ForegroundClass *choose_class(const Sampler *s, const ForegroundIndex *index, Rng *rng)
{
    uint32_t present = 0;
    for (int i = 0; i < s->class_count; i++) present += foreground_count(index, &s->classes[i]) > 0;
    if (!present) return s->annotated && foreground_count(index, s->annotated) > 0 ? s->annotated : NULL;
    uint32_t rank = rng_below(rng, present);
    for (int i = 0;; i++)
        if (foreground_count(index, &s->classes[i]) > 0 && rank-- == 0) return &s->classes[i];
}

static int64_t uniform_between(Rng *rng, int64_t low, int64_t high)
{
    return low + (int64_t)rng_below(rng, (uint32_t)(high - low + 1));
}

/* The rank of a voxel among `count`, which may exceed 32 bits. */
static int64_t uniform_rank(Rng *rng, int64_t count)
{
    const int64_t rank = (int64_t)(rng_uniform(rng) * (double)count);
    return rank < count ? rank : count - 1;
}

static int choose_place(const Sampler *s, int which, bool forced, Rng *rng, Place *place, Err *e)
{
    const TrainingCase *c = &s->cases->cases[which];
    const int64_t *crop = s->augment ? s->geometry.initial_yx : s->geometry.final_yx, *shape = c->labels.shape;
    int64_t low[2], high[2], voxel[3];
    for (int axis = 0; axis < 2; axis++)
        patch_corner_range(shape[axis + 1], s->geometry.final_yx[axis], crop[axis], &low[axis], &high[axis]);
    place->crop = (Crop){.height = crop[0], .width = crop[1]};
    const ForegroundIndex *index = NULL;
    const ForegroundClass *shown = NULL;
    if (forced || s->annotated) TRY(case_set_index(s->cases, which, &index, e));
    if (forced) shown = choose_class(s, index, rng);
    else if (s->annotated && foreground_count(index, s->annotated) > 0) shown = s->annotated;
    if (!shown) {
        place->z = uniform_between(rng, 0, shape[0] - 1);
        place->crop.y = uniform_between(rng, low[0], high[0]);
        place->crop.x = uniform_between(rng, low[1], high[1]);
        return 0;
    }
    foreground_voxel(index, c->labels.data, shown, uniform_rank(rng, foreground_count(index, shown)), voxel);
    place->z = voxel[0];
    place->crop.y = patch_corner_around(voxel[1], crop[0], low[0]);
    place->crop.x = patch_corner_around(voxel[2], crop[1], low[1]);
    return 0;
}

static SliceView slice_of(const TrainingCase *c, int64_t z)
{
    const int64_t height = c->labels.shape[1], width = c->labels.shape[2], channels = c->image.shape[3];
    return (SliceView){(const float *)c->image.data + z * height * width * channels,
                       (const int16_t *)c->labels.data + z * height * width, height, width, (int)channels};
}

int sampler_fill(const Sampler *s, SamplerWorkspace *w, int epoch, int iteration, int item, float *image,
                 int16_t *labels, Err *e)
{
    const uint32_t time = s->augment ? (uint32_t)iteration : (uint32_t)iteration | VALIDATION;
    Rng choice = rng_make(s->seed, (uint32_t)epoch, time, (uint32_t)item, RNG_SAMPLE);
    const int which = (int)rng_below(&choice, (uint32_t)s->cases->count);
    Place place;
    TRY(choose_place(s, which, patch_is_forced(item, s->batch_size, s->oversample_foreground), &choice, &place, e));

    const SliceView slice = slice_of(&s->cases->cases[which], place.z);
    Patch patch = {w->planes, w->labels, s->geometry.final_yx[0], s->geometry.final_yx[1], slice.channels};
    AugmentDraw draw = {0};
    Rng augment = rng_make(s->seed, (uint32_t)epoch, time, (uint32_t)item, RNG_AUGMENT);
    if (s->augment) draw = augment_draw(&augment, slice.channels, s->geometry.largest_angle, s->mirror_axes);
    if (draw.spatial) spatial_transform(&slice, place.crop, draw.angle, draw.scale, &patch);
    else spatial_copy(&slice, patch_center(place.crop, s->geometry.final_yx), &patch);
    augment_intensities(&patch, &draw, &augment, w->scratch);
    augment_store(&patch, draw.mirror_yx, s->mask_channel, image, labels);
    return 0;
}
