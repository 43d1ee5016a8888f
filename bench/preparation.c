/* Measures the processing of images before the network: normalisation, resampling, augmentation. */
#include "base/memory.h"
#include "base/random.h"
#include "bench/measure.h"
#include "data/phantom.h"
#include "preprocess/crop.h"
#include "preprocess/normalize.h"
#include "preprocess/resample.h"
#include "trainer/augment.h"

/* A phantom as the input of preprocessing, and its output. */
typedef struct PhantomInput {
    Array image, labels;         /* float32 and int16 (Z,Y,X) */
    Array image_out, labels_out; /* resampled to 1.2 times the in-plane spacing */
    Array mask;
} PhantomInput;

static void case_drop(PhantomInput *c)
{
    array_free(&c->image);
    array_free(&c->labels);
    array_free(&c->image_out);
    array_free(&c->labels_out);
    array_free(&c->mask);
}

static int case_make(PhantomInput *c, bool quick, Err *e)
{
    const PhantomOptions options = {.shape_zyx = {quick ? 4 : 16, 512, 512}, .channels = 1, .seed = 1};
    const int64_t *in = options.shape_zyx, out[] = {in[0], 427, 427};
    Phantom p;
    TRY(phantom_make(&p, &options, 0, e));
    int failed = array_new(&c->image, DTYPE_F32, 3, in, e);
    if (!failed) failed = array_new(&c->labels, DTYPE_I16, 3, in, e);
    if (!failed) failed = array_new(&c->image_out, DTYPE_F32, 3, out, e);
    if (!failed) failed = array_new(&c->labels_out, DTYPE_I16, 3, out, e);
    for (int64_t i = 0; !failed && i < array_count(&c->image); i++) {
        ((float *)c->image.data)[i] = ((const int16_t *)p.voxels.data)[i];
        ((int16_t *)c->labels.data)[i] = ((const uint8_t *)p.labels.data)[i];
    }
    phantom_free(&p);
    return failed;
}

static const PlanResampling cubic = {.order = 3, .force_separate_z = SWITCH_AUTO};
static const PlanResampling linear_labels = {.is_seg = true, .order = 1, .force_separate_z = SWITCH_AUTO};
enum { SLICES = 0 }; /* the axis that is resampled separately */

static void find_region(void *context)
{
    PhantomInput *c = context;
    const Volume image = volume_of_array(&c->image);
    array_free(&c->mask);
    nonzero_mask(&c->mask, &image, 1, NULL);
}

static void normalize(void *context)
{
    PhantomInput *c = context;
    Volume image = volume_of_array(&c->image);
    normalize_channel(&image, NORMALIZE_ZSCORE, NULL, NULL, NULL);
}

static void resample_image(void *context)
{
    PhantomInput *c = context;
    const Volume in = volume_of_array(&c->image), out = volume_of_array(&c->image_out);
    resample_values(&in, &out, &cubic, SLICES, NULL);
}

static void resample_map(void *context)
{
    PhantomInput *c = context;
    const Volume in = volume_of_array(&c->labels), out = volume_of_array(&c->labels_out);
    resample_labels(&in, &out, &linear_labels, false, SLICES, NULL);
}

static void measure_case(PhantomInput *c, const MeasureOptions *o, BenchReport *r)
{
    static const struct {
        const char *what;
        void (*run)(void *);
    } parts[] = {{"nonzero region", find_region},
                 {"z-score", normalize},
                 {"resample, cubic", resample_image},
                 {"resample labels", resample_map}};
    const double voxels = (double)array_count(&c->image);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        measure_tell(r, parts[i].what, "voxels", voxels, measure_best(parts[i].run, c, o->seconds / 3));
}

/* ---- augmentation ---- */

enum { PATCH = 320, PATCHES = 64 };

typedef struct Augmentation {
    SliceView slice;
    Patch patch;
    PatchGeometry geometry;
    double *scratch;
    float *planes, *image;
    int16_t *labels;
} Augmentation;

/* Augments PATCHES patches, enough to include every transform with its probability. */
static void augment(void *context)
{
    const Augmentation *a = context;
    const Crop crop = {20, 20, a->geometry.initial_yx[0], a->geometry.initial_yx[1]};
    const AugmentRules rules = {a->geometry.largest_angle, 1, {true, true}, false};
    const bool mask_channel[] = {false};
    for (uint32_t i = 0; i < PATCHES; i++) {
        Patch patch = a->patch;
        Rng rng = rng_make(1, 0, 0, i, RNG_AUGMENT);
        const AugmentDraw draw = augment_draw(&rng, &rules, 1);
        if (draw.spatial) spatial_transform(&a->slice, crop, draw.angle, draw.scale, &patch);
        else spatial_copy(&a->slice, patch_center(crop, a->geometry.final_yx), &patch);
        augment_intensities(&patch, &draw, rules.older, &rng, a->scratch, NULL);
        augment_store(&patch, draw.mirror_yx, mask_channel, a->image, a->labels);
    }
}

static int measure_augmentation(const PhantomInput *c, const MeasureOptions *o, BenchReport *r, Err *e)
{
    enum { PIXELS = PATCH * PATCH };
    Augmentation a = {.slice = slice_view(c->image.data, c->labels.data, c->image.shape[1], c->image.shape[2], 1),
                      .geometry = patch_geometry((int64_t[]){PATCH, PATCH}),
                      .scratch = mem_alloc(PIXELS * (sizeof(double) + 2 * sizeof(float) + 2 * sizeof(int16_t)), e)};
    if (!a.scratch) return ERR_NOMEM;
    a.planes = (float *)(a.scratch + PIXELS);
    a.image = a.planes + PIXELS;
    a.labels = (int16_t *)(a.image + PIXELS);
    a.patch = (Patch){a.planes, a.labels + PIXELS, PATCH, PATCH, 1};
    const double seconds = measure_best(augment, &a, o->seconds / 3);
    measure_tell(r, "augmentation", "patches 320x320", PATCHES, seconds);
    mem_free(a.scratch);
    return 0;
}

int measure_preparation(const MeasureOptions *o, BenchReport *r, Err *e)
{
    PhantomInput c = {0};
    int failed = case_make(&c, o->quick, e);
    if (!failed) measure_case(&c, o, r);
    if (!failed) failed = measure_augmentation(&c, o, r, e);
    case_drop(&c);
    return failed ? failed : report_check(r, e);
}
