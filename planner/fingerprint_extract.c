#include "planner/fingerprint_extract.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "planner/case_loop.h"
#include "planner/intensities.h"
#include "planner/order_statistics.h"
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

static int run_passes(Extraction *x, int threads, Progress *progress, FaultList *faults, Err *e)
{
    TRY(for_each_case(x->dataset, extract_case, x, threads, progress, faults, e));
    bool again = false;
    for (int c = 0; c < x->fingerprint->channel_count; c++) again = again || pool_needs_second_pass(&x->pool[c]);
    if (!again || faults->errors) return 0;
    for (int c = 0; c < x->fingerprint->channel_count; c++) pool_begin_second_pass(&x->pool[c]);
    FaultList known = {0};
    const int code = for_each_case(x->dataset, extract_case, x, threads, NULL, &known, e);
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

int fingerprint_extract(Fingerprint *f, const Dataset *d, ReaderAxes axes, int threads, Progress *progress,
                        FaultList *faults, Err *e)
{
    const int cases = d->training.count, channels = d->info.channel_count;
    if (!cases) return err_set(e, ERR_VALUE, "%s: no training cases", d->folder);
    TRY(fingerprint_new(f, cases, channels, e));
    Extraction x = {.dataset = d, .axes = axes, .fingerprint = f, .draws = ALL_DRAWS / cases};
    int code = ERR_NOMEM;
    x.relative_sizes = mem_zalloc((size_t)cases, sizeof *x.relative_sizes, e);
    x.units = mem_zalloc((size_t)cases, sizeof *x.units, e);
    x.moments = mem_zalloc((size_t)cases * (size_t)channels, sizeof *x.moments, e);
    x.pool = mem_zalloc((size_t)channels, sizeof *x.pool, e);
    if (!x.relative_sizes || !x.units || !x.moments || !x.pool) goto done;
    for (int c = 0; c < channels; c++)
        if (pool_new(&x.pool[c], e)) goto done;
    code = run_passes(&x, threads, progress, faults, e);
    if (!code) note_units(&x, faults);
    if (!code && !faults->errors) write_statistics(&x);
done:
    for (int c = 0; x.pool && c < channels; c++) pool_free(&x.pool[c]);
    mem_free(x.pool);
    mem_free(x.moments);
    mem_free(x.units);
    mem_free(x.relative_sizes);
    if (code) fingerprint_free(f);
    return code;
}
