#include "planner/fingerprint_extract.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "planner/case_loop.h"
#include "planner/intensities.h"
#include "planner/order_statistics.h"
#include "planner/planning_share.h"
#include "preprocess/crop.h"

enum { ALL_DRAWS = 100000000 };

typedef struct Extraction {
    const Dataset *dataset;
    ReaderAxes axes;
    int *units; /* xyzt_units, per case */
    Fingerprint *fingerprint;
    int64_t draws;          /* per case and channel */
    double *relative_sizes; /* per case */
    Moments *moments;       /* per case and channel */
    PoolChannel *pool;      /* per channel */
} Extraction;

typedef struct PassOptions {
    int threads;
    const Process *world;
} PassOptions;

/* The cropped region of a case that the fingerprint is computed from, with axes in the reader's order. */
typedef struct Region {
    Box box;
    Volume labels;      /* cropped */
    int64_t foreground; /* voxels with a label above 0 */
} Region;

static int64_t count_foreground(const Volume *labels)
{
    int64_t count = 0;
    for (int64_t z = 0; z < labels->shape[0]; z++)
        for (int64_t y = 0; y < labels->shape[1]; y++) {
            const int16_t *row = (const int16_t *)volume_row(labels, z, y);
            for (int64_t x = 0; x < labels->shape[2]; x++) count += row[x] > 0;
        }
    return count;
}

static int find_region(Region *r, const CaseData *data, Err *e)
{
    Volume channels[PLAN_MAX_CHANNELS];
    Array mask;
    const int count = (int)data->image.voxels.shape[0];
    if (count > PLAN_MAX_CHANNELS)
        return err_set(e, ERR_UNSUPPORTED, "%d channels: at most %d", count, PLAN_MAX_CHANNELS);
    for (int c = 0; c < count; c++) channels[c] = volume_of_channel_first(&data->image.voxels, c);
    TRY(nonzero_mask(&mask, channels, count, e));
    r->box = mask_box(&mask);
    array_free(&mask);
    r->labels = volume_cropped(volume_of_array(&data->labels), &r->box);
    r->foreground = count_foreground(&r->labels);
    return 0;
}

static void note_geometry(Extraction *x, int index, const CaseData *data, const Region *r)
{
    double before = 1, after = 1;
    for (int i = 0; i < 3; i++) {
        const int64_t size = r->box.past[i] - r->box.first[i];
        x->fingerprint->shapes_after_crop[index][i] = (int)size;
        x->fingerprint->spacings_mm[index][i] = data->image.geometry.spacing_zyx_mm[i];
        before *= (double)data->image.geometry.shape_zyx[i];
        after *= (double)size;
    }
    x->relative_sizes[index] = after / before;
}

static void collect_foreground(float *values, const Volume *channel, const Volume *labels)
{
    for (int64_t z = 0; z < labels->shape[0]; z++)
        for (int64_t y = 0; y < labels->shape[1]; y++) {
            const int16_t *label = (const int16_t *)volume_row(labels, z, y);
            const float *row = (const float *)volume_row(channel, z, y);
            for (int64_t v = 0; v < labels->shape[2]; v++)
                if (label[v] > 0) *values++ = row[v];
        }
}

/* Draws voxels of each channel and adds them to the pool. */
static int sample_channels(Extraction *x, int index, const CaseData *data, const Region *r, Err *e)
{
    const int channels = x->fingerprint->channel_count;
    const size_t places = (size_t)mt_mask((uint32_t)(r->foreground - 1)) + 1;
    float *values = mem_alloc((size_t)r->foreground * sizeof *values, e);
    uint32_t *counts = mem_alloc(places * sizeof *counts, e);
    DrawStream *stream = mem_alloc(sizeof *stream, e);
    int code = values && counts && stream ? 0 : ERR_NOMEM;
    if (!code) draw_begin(stream);
    for (int c = 0; c < channels && !code; c++) {
        const Volume channel = volume_cropped(volume_of_channel_first(&data->image.voxels, c), &r->box);
        collect_foreground(values, &channel, &r->labels);
        memset(counts, 0, places * sizeof *counts);
        draw_counts(stream, r->foreground, x->draws, counts);
        x->moments[index * channels + c] = moments_of_draws(values, counts, r->foreground);
#pragma omp critical(fingerprint_pool)
        code = pool_add(&x->pool[c], values, counts, r->foreground, e);
    }
    mem_free(stream);
    mem_free(counts);
    mem_free(values);
    return code;
}

/* Reorders the axes of a case to the reader's order. */
static int turn_case(CaseData *data, ReaderAxes reader, Err *e)
{
    const GridAxes axes = grid_axes_read(&data->image.geometry, reader, 0);
    TRY(grid_axes_turn(&axes, &data->image.voxels, e));
    data->image.geometry = grid_axes_apply(&axes, &data->image.geometry);
    return grid_axes_turn(&axes, &data->labels, e);
}

static int extract_case(void *context, int index, const Case *c, FaultList *faults, Err *e)
{
    Extraction *x = context;
    CaseData data;
    Region region;
    if (dataset_load_case(&data, &x->dataset->info, c, faults)) return 0; /* its fault was added to the list */
    grid_axes_code(&data.image.geometry, x->fingerprint->orientations[index]);
    x->units[index] = data.image.geometry.orientation.units;
    int code = turn_case(&data, x->axes, e);
    if (!code) code = find_region(&region, &data, e);
    if (!code) note_geometry(x, index, &data, &region);
    if (!code && region.foreground >= UINT32_MAX) code = err_set(e, ERR_UNSUPPORTED, "2^32 foreground voxels");
    if (!code && region.foreground) code = sample_channels(x, index, &data, &region, e);
    case_data_free(&data);
    return code;
}

static void write_statistics(Extraction *x)
{
    Fingerprint *f = x->fingerprint;
    for (int c = 0; c < f->channel_count; c++) {
        Moments all = {0};
        bool as_float = true; /* as in NumPy: with a case without foreground the joined array has the type double */
        for (int i = 0; i < f->case_count; i++) {
            const Moments *one = &x->moments[i * f->channel_count + c];
            all = moments_join(all, *one);
            as_float = as_float && one->count > 0;
        }
        IntensityProperties *p = &f->intensities[c];
        if (!(all.count > 0)) {
            *p = (IntensityProperties){NAN, NAN, NAN, NAN, NAN, NAN, NAN};
            continue;
        }
        double percentiles[3];
        pool_percentiles(&x->pool[c], as_float, percentiles);
        *p = (IntensityProperties){.min = all.low,
                                   .max = all.high,
                                   .mean = (float)all.mean,
                                   .std = (float)sqrt(all.squares / all.count),
                                   .median = percentiles[1],
                                   .percentile_00_5 = percentiles[0],
                                   .percentile_99_5 = percentiles[2]};
    }
    sort_doubles(x->relative_sizes, f->case_count);
    f->median_relative_size_after_cropping = sorted_median(x->relative_sizes, f->case_count);
}

/* ---- several processes ---- */

/* The parameters of a job: the axes, the pass, and in the second one of each channel which values it takes. */
static void pack_parameters(Text *t, const Extraction *x, bool again)
{
    text_add_bytes(t, (const char *)&x->axes, sizeof x->axes);
    text_add_bytes(t, (const char *)&again, sizeof again);
    for (int c = 0; again && c < x->fingerprint->channel_count; c++) pool_pack_wanted(t, &x->pool[c]);
}

/* What is known of a case. */
static void pack_case(Text *t, const Extraction *x, int index)
{
    const Fingerprint *f = x->fingerprint;
    const size_t channels = (size_t)f->channel_count;
    text_add_bytes(t, (const char *)f->spacings_mm[index], sizeof f->spacings_mm[index]);
    text_add_bytes(t, (const char *)f->shapes_after_crop[index], sizeof f->shapes_after_crop[index]);
    text_add_bytes(t, f->orientations[index], sizeof f->orientations[index]);
    text_add_bytes(t, (const char *)&x->units[index], sizeof x->units[index]);
    text_add_bytes(t, (const char *)&x->relative_sizes[index], sizeof x->relative_sizes[index]);
    text_add_bytes(t, (const char *)(x->moments + (size_t)index * channels), channels * sizeof *x->moments);
}

static void take_case(Extraction *x, int index, const char *at)
{
    Fingerprint *f = x->fingerprint;
    const size_t channels = (size_t)f->channel_count;
    at = bytes_take(f->spacings_mm[index], at, sizeof f->spacings_mm[index]);
    at = bytes_take(f->shapes_after_crop[index], at, sizeof f->shapes_after_crop[index]);
    at = bytes_take(f->orientations[index], at, sizeof f->orientations[index]);
    at = bytes_take(&x->units[index], at, sizeof x->units[index]);
    at = bytes_take(&x->relative_sizes[index], at, sizeof x->relative_sizes[index]);
    bytes_take(x->moments + (size_t)index * channels, at, channels * sizeof *x->moments);
}

static int take_result(void *context, int index, const char *result, size_t bytes, Err *e)
{
    Extraction *x = context;
    int code = 0;
    (void)bytes;
    if (index >= 0) take_case(x, index, result);
    for (int c = 0; index < 0 && c < x->fingerprint->channel_count && !code; c++) {
#pragma omp critical(fingerprint_pool)
        code = pool_join(&x->pool[c], &result, e);
    }
    return code;
}

static int run_pass(Extraction *x, const PassOptions *o, bool again, Progress *progress, FaultList *faults, Err *e)
{
    Text parameters = {0};
    pack_parameters(&parameters, x, again);
    int code = text_check(&parameters, e);
    const CaseShare share = {o->world, SHARE_FINGERPRINT, parameters.data, parameters.length, take_result};
    if (!code) code = for_each_case(x->dataset, extract_case, x, o->threads, &share, progress, faults, e);
    text_free(&parameters);
    return code;
}

static int run_passes(Extraction *x, const PassOptions *o, Progress *progress, FaultList *faults, Err *e)
{
    TRY(run_pass(x, o, false, progress, faults, e));
    bool again = false;
    for (int c = 0; c < x->fingerprint->channel_count; c++) again = again || pool_needs_second_pass(&x->pool[c]);
    if (!again || faults->errors) return 0;
    for (int c = 0; c < x->fingerprint->channel_count; c++) pool_begin_second_pass(&x->pool[c]);
    FaultList known = {0};
    const int code = run_pass(x, o, true, NULL, &known, e);
    faults_free(&known);
    return code;
}

/* One warning if headers have another unit than millimetres: a wrong unit makes spacings wrong by a factor of 1000. */
static void note_units(const Extraction *x, FaultList *faults)
{
    const char *name = NULL, *unit;
    int count = 0, first = 0;
    for (int i = 0; i < x->fingerprint->case_count; i++) {
        if (geometry_unit_mm(x->units[i], &unit) == 1 || count++) continue;
        first = i;
        name = unit;
    }
    if (count)
        fault_add(faults, FAULT_WARNING, "%d case%s, the first %s: the header says %s: spacings are converted to mm",
                  count, count == 1 ? "" : "s", x->dataset->training.cases[first].images[0], name);
}

static void free_extraction(Extraction *x)
{
    for (int c = 0; x->pool && c < x->dataset->info.channel_count; c++) pool_free(&x->pool[c]);
    mem_free(x->pool);
    mem_free(x->moments);
    mem_free(x->units);
    mem_free(x->relative_sizes);
}

/* To be freed also on failure. */
static int new_extraction(Extraction *x, Fingerprint *f, const Dataset *d, ReaderAxes axes, Err *e)
{
    const size_t cases = (size_t)d->training.count, channels = (size_t)d->info.channel_count;
    *x = (Extraction){.dataset = d, .axes = axes, .fingerprint = f, .draws = ALL_DRAWS / d->training.count};
    x->relative_sizes = mem_zalloc(cases, sizeof *x->relative_sizes, e);
    x->units = mem_zalloc(cases, sizeof *x->units, e);
    x->moments = mem_zalloc(cases * channels, sizeof *x->moments, e);
    x->pool = mem_zalloc(channels, sizeof *x->pool, e);
    if (!x->relative_sizes || !x->units || !x->moments || !x->pool) return ERR_NOMEM;
    for (size_t c = 0; c < channels; c++) TRY(pool_new(&x->pool[c], e));
    return 0;
}

int fingerprint_extract(Fingerprint *f, const Dataset *d, ReaderAxes axes, int threads, const Process *world,
                        Progress *progress, FaultList *faults, Err *e)
{
    Extraction x;
    if (!d->training.count) return err_set(e, ERR_VALUE, "%s: no training cases", d->folder);
    TRY(fingerprint_new(f, d->training.count, d->info.channel_count, e));
    int code = new_extraction(&x, f, d, axes, e);
    if (!code) code = run_passes(&x, &(PassOptions){threads, world}, progress, faults, e);
    if (!code) note_units(&x, faults);
    if (!code && !faults->errors) write_statistics(&x);
    free_extraction(&x);
    if (code) fingerprint_free(f);
    return code;
}

/* ---- the part of another process ---- */

struct FingerprintPart {
    Fingerprint fingerprint;
    Extraction extraction;
};

static int open_part(FingerprintPart *p, const Dataset *d, const char *at, Err *e)
{
    ReaderAxes axes;
    bool again;
    at = bytes_take(&axes, at, sizeof axes);
    at = bytes_take(&again, at, sizeof again);
    TRY(fingerprint_new(&p->fingerprint, d->training.count, d->info.channel_count, e));
    TRY(new_extraction(&p->extraction, &p->fingerprint, d, axes, e));
    for (int c = 0; again && c < d->info.channel_count; c++)
        pool_take_wanted(&p->extraction.pool[c], at + c * POOL_WANTED_BYTES);
    return 0;
}

int fingerprint_part_new(FingerprintPart **part, const Dataset *d, const char *parameters, size_t bytes, Err *e)
{
    (void)bytes;
    FingerprintPart *p = *part = mem_zalloc(1, sizeof *p, e);
    if (!p) return ERR_NOMEM;
    p->extraction.dataset = d;
    const int code = open_part(p, d, parameters, e);
    if (!code) return 0;
    fingerprint_part_free(p);
    *part = NULL;
    return code;
}

int fingerprint_part_case(FingerprintPart *p, int index, Text *result, Err *e)
{
    FaultList faults = {0};
    const Case *c = &p->extraction.dataset->training.cases[index];
    const int code = extract_case(&p->extraction, index, c, &faults, e);
    if (code) err_context(e, "case %s", c->id);
    case_faults_pack(result, &faults);
    pack_case(result, &p->extraction, index);
    faults_free(&faults);
    return code;
}

int fingerprint_part_end(FingerprintPart *p, Text *result, Err *e)
{
    for (int c = 0; c < p->fingerprint.channel_count; c++) pool_pack(result, &p->extraction.pool[c]);
    return text_check(result, e);
}

void fingerprint_part_free(FingerprintPart *p)
{
    if (!p) return;
    free_extraction(&p->extraction);
    fingerprint_free(&p->fingerprint);
    mem_free(p);
}
