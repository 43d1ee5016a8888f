#include "trainer/sampler.h"

#include "base/memory.h"
#include "base/random.h"
#include "preprocess/class_locations.h"
#include "trainer/older_transforms.h"

static const uint32_t VALIDATION = 0x80000000u; /* separates its random numbers from those of training */

int sampler_channels(const Sampler *s) { return s->cases->channels * (2 * s->adjacent_slices + 1); }

int sampler_workspace_new(SamplerWorkspace *w, const Sampler *s, Err *e)
{
    const size_t pixels = (size_t)(s->geometry.final_yx[0] * s->geometry.final_yx[1]);
    w->planes = mem_alloc(pixels * (size_t)sampler_channels(s) * sizeof(float), e);
    w->scratch = mem_alloc((size_t)(s->geometry.initial_yx[0] * s->geometry.initial_yx[1]) * sizeof(double), e);
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

/* The position of a patch: the slice and the crop's corner, which may be outside of it. */
typedef struct Place {
    int order[3]; /* of the volume's axes (plan_slice_order) */
    int64_t z;    /* the slice's number */
    Crop crop;
} Place;

static bool shows(const TrainingCase *c, int class_index)
{
    int64_t first, past;
    class_locations_range(&c->locations, class_index, &first, &past);
    return first < past;
}

/* The class to centre on, or -1 for none. If forced: chosen uniformly from those that occur in the case. With an ignore
 * label: the other patches are centred on an annotated voxel. */
static int choose_class(const Sampler *s, const TrainingCase *c, bool forced, Rng *rng)
{
    const int annotated = s->has_ignore && shows(c, s->class_count) ? s->class_count : -1;
    uint32_t present = 0;
    for (int i = 0; forced && i < s->class_count; i++) present += shows(c, i);
    if (!present) return annotated;
    uint32_t rank = rng_below(rng, present);
    for (int i = 0;; i++)
        if (shows(c, i) && rank-- == 0) return i;
}

static int64_t uniform_between(Rng *rng, int64_t low, int64_t high)
{
    return low + (int64_t)rng_below(rng, (uint32_t)(high - low + 1));
}

/* With one axis no random number is drawn. */
static int choose_axis(const Sampler *s, Rng *rng)
{
    return s->slice_axes[s->slice_axes_count > 1 ? rng_below(rng, (uint32_t)s->slice_axes_count) : 0];
}

static Place choose_place(const Sampler *s, const TrainingCase *c, bool forced, Rng *rng)
{
    const int64_t *crop = s->augment ? s->geometry.initial_yx : s->geometry.final_yx, *shape = c->labels.shape;
    int64_t low[2], high[2], first, past;
    Place p = {.crop = {.height = crop[0], .width = crop[1]}};
    plan_slice_order(p.order, choose_axis(s, rng));
    for (int axis = 0; axis < 2; axis++)
        patch_corner_range(shape[p.order[axis + 1]], s->geometry.final_yx[axis], crop[axis], &low[axis], &high[axis]);
    const int shown = choose_class(s, c, forced, rng);
    if (shown < 0) {
        p.z = uniform_between(rng, 0, shape[p.order[0]] - 1);
        p.crop.y = uniform_between(rng, low[0], high[0]);
        p.crop.x = uniform_between(rng, low[1], high[1]);
        return p;
    }
    class_locations_range(&c->locations, shown, &first, &past);
    const int32_t *voxel = (const int32_t *)c->locations.data + 4 * uniform_between(rng, first, past - 1) + 1;
    p.z = voxel[p.order[0]];
    p.crop.y = patch_corner_around(voxel[p.order[1]], crop[0], low[0]);
    p.crop.x = patch_corner_around(voxel[p.order[2]], crop[1], low[1]);
    return p;
}

/* The first and the last slice stand for those beyond the ends. */
static SliceView slice_of(const TrainingCase *c, const int order[3], int64_t number)
{
    const int64_t *shape = c->labels.shape, steps[3] = {shape[1] * shape[2], shape[2], 1}; /* pixels */
    const int64_t last = shape[order[0]] - 1, z = number < 0 ? 0 : number > last ? last : number;
    const int64_t first = z * steps[order[0]], channels = c->image.shape[3];
    return (SliceView){.image = (const float *)c->image.data + first * channels,
                       .labels = (const int16_t *)c->labels.data + first,
                       .height = shape[order[1]],
                       .width = shape[order[2]],
                       .channels = (int)channels,
                       .row = steps[order[1]],
                       .column = steps[order[2]]};
}

static void cut_slice(const Sampler *s, const SliceView *slice, const Place *place, const AugmentDraw *draw,
                      Patch *patch, double *scratch)
{
    if (!draw->spatial) spatial_copy(slice, patch_center(place->crop, s->geometry.final_yx), patch);
    else if (s->rules.older) older_spatial_transform(slice, place->crop, draw->angle, draw->scale, 1, patch, scratch);
    else spatial_transform(slice, place->crop, draw->angle, draw->scale, patch);
}

/* The same patch of all slices. That of the place comes last, so that the labels are its own. */
static void cut_patch(const Sampler *s, const TrainingCase *c, const Place *place, const AugmentDraw *draw,
                      Patch *patch, double *scratch)
{
    const int adjacent = s->adjacent_slices, count = 2 * adjacent + 1, channels = s->cases->channels;
    for (int i = 1; i <= count; i++) {
        const int at = (adjacent + i) % count;
        const SliceView slice = slice_of(c, place->order, place->z + at - adjacent);
        Patch part = *patch;
        part.planes += at * channels * patch->height * patch->width;
        part.channels = channels;
        cut_slice(s, &slice, place, draw, &part, scratch);
    }
}

static int check_labels(const Sampler *s, const TrainingCase *c, const Patch *patch, Err *e)
{
    int low = -1, high = 0;
    for (int64_t i = 0; i < patch->height * patch->width; i++) {
        low = patch->labels[i] < low ? patch->labels[i] : low;
        high = patch->labels[i] > high ? patch->labels[i] : high;
    }
    if (low >= -1 && high <= s->largest_label) return 0;
    return err_set(e, ERR_VALUE, "%s_seg.npy: the label value %d, expected -1 to %d; preprocess again", c->name,
                   low < -1 ? low : high, s->largest_label);
}

/* A channel of the image is changed in the same way in all slices: their intensities belong together. */
static AugmentDraw draw_for_slices(const Sampler *s, Rng *rng)
{
    const int channels = s->cases->channels;
    AugmentDraw draw = augment_draw(rng, &s->rules, channels);
    for (int c = channels; c < sampler_channels(s); c++) draw.channel[c] = draw.channel[c - channels];
    return draw;
}

int sampler_fill(const Sampler *s, SamplerWorkspace *w, int epoch, int iteration, int item, float *image,
                 int16_t *labels, Err *e)
{
    const uint32_t time = s->augment ? (uint32_t)iteration : (uint32_t)iteration | VALIDATION;
    Rng choice = rng_make(s->seed, (uint32_t)epoch, time, (uint32_t)item, RNG_SAMPLE);
    const TrainingCase *c = &s->cases->cases[rng_below(&choice, (uint32_t)s->cases->count)];
    const Place place = choose_place(s, c, patch_is_forced(item, s->batch_size, s->oversample_foreground), &choice);

    Patch patch = {w->planes, w->labels, s->geometry.final_yx[0], s->geometry.final_yx[1], sampler_channels(s)};
    AugmentDraw draw = {0};
    Rng augment = rng_make(s->seed, (uint32_t)epoch, time, (uint32_t)item, RNG_AUGMENT);
    if (s->augment) draw = draw_for_slices(s, &augment);
    cut_patch(s, c, &place, &draw, &patch, w->scratch);
    TRY(check_labels(s, c, &patch, e));
    TRY(augment_intensities(&patch, &draw, s->rules.older, &augment, w->scratch, e));
    augment_store(&patch, draw.mirror_yx, s->mask_channel, image, labels);
    if (s->mask.size) {
        Rng squares = rng_make(s->seed, (uint32_t)epoch, time, (uint32_t)item, RNG_MASK);
        patch_mask(labels, patch.height, patch.width, s->mask, &squares);
    }
    return 0;
}
