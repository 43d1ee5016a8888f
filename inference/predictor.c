#include "inference/predictor.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "inference/export.h"
#include "inference/fold_networks.h"
#include "inference/label_rule.h"
#include "inference/slice_axes.h"
#include "network/executor/precision.h"

enum { BATCHES = 17, BATCH_PIXELS = 1 << (BATCHES - 1) }; /* a batch is a power of two, of a pixel or more each */
static const double MIB = 1 << 20;

struct Predictor {
    ModelSource source;
    PredictorOptions options; /* its pointers, except context, are not used after opening */
    WindowOptions window;
    Model *models;            /* one per fold */
    int64_t base_bytes;       /* of the process once opened */
    pthread_mutex_t lock;     /* protects all fields below */
    FoldNetworks networks;    /* prepared for the last batch */
    FoldBytes bytes[BATCHES]; /* of a batch of 2^i, once they were needed: planning an executor takes milliseconds */
    bool has_bytes[BATCHES];
    int most_batch;            /* allowed by the memory; 0: any */
    int device_batch;          /* allowed by the device's memory; 0: any */
    int64_t tiles, tiles_done; /* of the present prediction */
    atomic_llong network_ns;   /* predictor_network_seconds; not protected */
};

/* ---- the batch ---- */

static const char *device_remedy(const FoldNetworks *f)
{
    const bool wide = f->precision == DTYPE_F32, several = f->count > 1;
    return wide && several ? "give fewer folds (-f), --precision bf16, or another --device"
           : wide          ? "give --precision bf16, or another --device"
           : several       ? "give fewer folds (-f), or another --device"
                           : "give another --device";
}

static bool allows(int most, int batch) { return !most || batch <= most; }

/* The batch: a power of two, large enough for all threads, at most `tiles` and what the memory allows. */
static int choose_batch(const Predictor *p, int64_t tiles)
{
    const int64_t pixels = p->window.tile_yx[0] * p->window.tile_yx[1];
    int batch = 1;
    while (2 * batch <= tiles && 2 * batch * pixels <= BATCH_PIXELS && allows(p->most_batch, 2 * batch) &&
           allows(p->device_batch, 2 * batch))
        batch *= 2;
    return batch;
}

static int window_classes(const FoldNetworks *f) { return f->heads * (f->apart ? f->count : 1); }

/* The sums of the sliding window are on the device, too: those of a slice that is a tile are the least. */
static int expect_room(const FoldNetworks *f, const WindowOptions *w, const char *network, int batch, Err *e)
{
    const int64_t slice[3] = {1, f->tile_yx[0], f->tile_yx[1]};
    FoldBytes bytes;
    char work[256];
    snprintf(work, sizeof work, "%s of %d fold%s on %d tile%s of %lldx%lld in %s", network, f->count,
             f->count == 1 ? "" : "s", batch, batch == 1 ? "" : "s", (long long)f->tile_yx[0], (long long)f->tile_yx[1],
             precision_name(f->precision));
    TRY(fold_networks_bytes(f, batch, &bytes, e));
    bytes.device += window_bytes(w, f->device, window_classes(f), slice).device;
    return device_expect_room(f->device, (size_t)bytes.device, work, device_remedy(f), e);
}

static bool is_limited(const Device *d) { return d && d->memory; }

/* Finds the largest batch that the device's memory holds. */
static int fit_device(Predictor *p, Err *e)
{
    if (!is_limited(p->networks.device)) return 0;
    p->device_batch = choose_batch(p, INT64_MAX);
    for (;; p->device_batch /= 2) {
        const int code = expect_room(&p->networks, &p->window, p->source.plan.network.name, p->device_batch, e);
        if (code != ERR_NOMEM || p->device_batch == 1) return code;
    }
}

/* ---- opening ---- */

WindowOptions predictor_window(const Plan *plan, const PredictorOptions *o)
{
    const PlanInference *inference = &plan->inference;
    WindowOptions w = {.tile_yx = {plan->configuration.patch_size[0], plan->configuration.patch_size[1]},
                       .step = o->step > 0 ? o->step : inference->step,
                       .gaussian = inference->gaussian,
                       .adjacent_slices = plan->configuration.adjacent_slices,
                       .half = plan->compatibility != COMPATIBILITY_NONE};
    if (o->mirroring == SWITCH_ON || (o->mirroring == SWITCH_AUTO && inference->mirroring))
        for (int i = 0; i < inference->mirror_axes_count; i++) w.mirror_yx[inference->mirror_axes[i]] = true;
    return w;
}

/* The folds' networks, none of them opened (count 0). */
static FoldNetworks networks_of(const ModelSource *source, const PredictorOptions *o, const Model *models)
{
    const WindowOptions w = predictor_window(&source->plan, o);
    return (FoldNetworks){.models = models,
                          .channels = plan_input_channels(&source->plan),
                          .heads = dataset_head_count(&source->info),
                          .tile_yx = {w.tile_yx[0], w.tile_yx[1]},
                          .apart = w.half && source->folds.count > 1,
                          .precision = o->precision,
                          .device = o->device};
}

int predictor_expect_room(const ModelSource *source, const PredictorOptions *o, Err *e)
{
    Model m;
    if (!is_limited(o->device)) return 0;
    TRY(model_define(&m, &source->plan, &source->info, e));
    FoldNetworks f = networks_of(source, o, &m);
    f.count = source->folds.count;
    const WindowOptions w = predictor_window(&source->plan, o);
    const int code = expect_room(&f, &w, source->plan.network.name, 1, e);
    model_free(&m);
    return code;
}

static int read_models(Predictor *p, Err *e)
{
    const int count = p->source.folds.count;
    p->models = mem_zalloc((size_t)count, sizeof *p->models, e);
    if (!p->models) return ERR_NOMEM;
    p->networks = networks_of(&p->source, &p->options, p->models);
    while (p->networks.count < count) {
        Model *m = &p->models[p->networks.count];
        TRY(model_open(m, &p->source.plan, &p->source.info, p->source.paths[p->networks.count++], e));
    }
    return 0;
}

int predictor_open_source(Predictor **result, ModelSource *source, const PredictorOptions *o, Err *e)
{
    Predictor *p = *result = mem_zalloc(1, sizeof *p, e);
    if (!p) {
        model_source_free(source);
        return ERR_NOMEM;
    }
    pthread_mutex_init(&p->lock, NULL);
    p->options = *o;
    p->source = *source;
    *source = (ModelSource){0};
    p->window = predictor_window(&p->source.plan, o);
    int code = read_models(p, e);
    if (!code) code = fit_device(p, e);
    p->base_bytes = mem_resident();
    if (code) {
        predictor_close(p);
        *result = NULL;
    }
    return code;
}

int predictor_open(Predictor **p, const char *results, const PredictorOptions *o, Err *e)
{
    ModelSource source;
    *p = NULL;
    TRY(model_source_open(&source, results, o->folds, o->fold_count, o->checkpoint, e));
    return predictor_open_source(p, &source, o, e);
}

void predictor_close(Predictor *p)
{
    if (!p) return;
    fold_networks_release(&p->networks);
    for (int i = 0; i < p->networks.count; i++) model_free(&p->models[i]);
    mem_free(p->models);
    model_source_free(&p->source);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

const Plan *predictor_plan(const Predictor *p) { return &p->source.plan; }
const DatasetInfo *predictor_dataset(const Predictor *p) { return &p->source.info; }
const ModelSource *predictor_source(const Predictor *p) { return &p->source; }
int predictor_fold_count(const Predictor *p) { return p->networks.count; }
double predictor_network_seconds(const Predictor *p) { return 1e-9 * (double)atomic_load(&p->network_ns); }

/* ---- the mean of folds whose logits are kept apart ---- */

/* A RowSink between the window, whose rows may contain all folds, and a sink for rows of their mean. */
typedef struct FoldMean {
    const FoldNetworks *networks;
    const RowSink *sink;
    int64_t width;
    float *rows; /* (ROWS_AT_ONCE, width, heads) */
} FoldMean;

static int64_t fold_mean_values(const FoldNetworks *f, int64_t width) { return ROWS_AT_ONCE * width * f->heads; }

/* The longest row of any of the plan's slices. */
static int64_t widest(const PlanConfiguration *c, const int64_t shape[3])
{
    int64_t most = 0;
    for (int i = 0; i < c->slice_axes_count; i++) {
        int order[3];
        plan_slice_order(order, c->slice_axes[i]);
        if (shape[order[2]] > most) most = shape[order[2]];
    }
    return most;
}

static int mean_rows(void *context, const RowBlock *b, Err *e)
{
    const FoldMean *m = context;
    const FoldNetworks *f = m->networks;
    const int64_t pitch = m->width * f->heads, past = b->y + b->count;
    for (int64_t first = b->y, count; first < past; first += count) {
        count = past - first < ROWS_AT_ONCE ? past - first : ROWS_AT_ONCE;
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < count; i++)
            fold_mean(m->rows + i * pitch, row_of(b, first + i), m->width, f->count, f->heads);
        TRY(m->sink->rows(m->sink->context, &(RowBlock){b->z, first, count, m->rows, pitch}, e));
    }
    return 0;
}

/* ---- memory ---- */

/* Computes the parts of a cost that do not depend on the batch. */
static void count_phases(const Predictor *p, const CaseSize *size, PredictionCost *cost)
{
    int64_t shape[3], crop[3];
    const FoldNetworks *f = &p->networks;
    const PlanConfiguration *c = &p->source.plan.configuration;
    const int64_t voxels = size->shape_zyx[0] * size->shape_zyx[1] * size->shape_zyx[2];
    const int64_t image = size->channels * voxels * (int64_t)sizeof(float);
    const int64_t labels = voxels * (int64_t)dtype_size(label_dtype(&p->source.info));
    for (int i = 0; i < 3; i++) crop[i] = size->shape_zyx[p->source.plan.transpose_forward[i]];
    cost->reading = image + size->reading_bytes;
    cost->preprocessing = case_preprocess_bytes(shape, size->shape_zyx, size->spacing_zyx_mm, &p->source.plan);
    cost->predicting =
        shape[0] * shape[1] * shape[2] * size->channels * (int64_t)sizeof(float) + labels +
        slice_axes_bytes(c, &p->window, f->device, window_classes(f), c->channel_count, f->heads, shape).host +
        exporter_bytes(&p->source.info, shape, crop);
    if (f->apart) cost->predicting += fold_mean_values(f, widest(c, shape)) * (int64_t)sizeof(float);
    cost->finishing = labels + size->finishing_bytes;
    cost->tiles = slice_axes_tiles(c, &p->window, shape);
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static int batch_bytes(Predictor *p, int batch, FoldBytes *bytes, Err *e)
{
    int i = 0;
    while (1 << i < batch) i++;
    if (!p->has_bytes[i]) TRY(fold_networks_bytes(&p->networks, batch, &p->bytes[i], e));
    p->has_bytes[i] = true;
    *bytes = p->bytes[i];
    return 0;
}

static int count_peak(Predictor *p, PredictionCost *cost, Err *e)
{
    /* Memory of libraries: buffers, machine code generated at run time, stacks of threads. */
    static const int64_t allowance = 24 << 20;
    FoldBytes networks;
    TRY(batch_bytes(p, cost->batch, &networks, e));
    cost->networks = networks.host;
    const int64_t phases =
        larger(larger(cost->reading, cost->preprocessing), larger(cost->predicting, cost->finishing));
    cost->peak = allowance + cost->networks + phases;
    if (!p->options.in_host) cost->peak += p->base_bytes;
    return 0;
}

static int cost_locked(Predictor *p, PredictionCost *cost, Err *e)
{
    const int64_t limit = p->options.memory;
    p->most_batch = 0;
    cost->batch = choose_batch(p, cost->tiles);
    TRY(count_peak(p, cost, e));
    while (limit && cost->peak > limit && cost->batch > 1) {
        p->most_batch = cost->batch /= 2;
        TRY(count_peak(p, cost, e));
    }
    if (p->networks.batch != cost->batch) fold_networks_release(&p->networks); /* those of the last case */
    if (!limit || cost->peak <= limit) {
        /* What was before cannot be changed: it is told, but refuses nothing. */
        if (!p->options.in_host) cost->peak = larger(mem_resident_most(), cost->peak);
        return 0;
    }
    return err_set(e, ERR_LIMIT,
                   "needs up to %.0f MiB, and may use %.0f: allow more, or use a smaller network, "
                   "fewer folds or a part of the image",
                   ceil((double)cost->peak / MIB), floor((double)limit / MIB));
}

int predictor_cost(Predictor *p, const CaseSize *size, PredictionCost *cost, Err *e)
{
    *cost = (PredictionCost){0};
    if (size->channels != p->source.plan.configuration.channel_count)
        return err_set(e, ERR_SHAPE, "%lld channels, the plan has %d", (long long)size->channels,
                       p->source.plan.configuration.channel_count);
    count_phases(p, size, cost);
    pthread_mutex_lock(&p->lock);
    const int code = cost_locked(p, cost, e);
    pthread_mutex_unlock(&p->lock);
    return code;
}

/* ---- predicting ---- */

static int run_networks(Predictor *p, Err *e)
{
    const TileNetwork network = fold_networks_tiles(&p->networks);
    const double began = clock_seconds();
    const int code = network.run(network.context, e);
    atomic_fetch_add(&p->network_ns, (long long)(1e9 * (clock_seconds() - began)));
    return code;
}

/* The batch of a slice of the training images' median size; 0 if the memory does not allow any. */
static int usual_batch(Predictor *p)
{
    const Plan *plan = &p->source.plan;
    const double *pixels = plan->configuration.median_image_size_in_voxels;
    CaseSize size = {.channels = plan->configuration.channel_count, .shape_zyx = {1, 1, 1}};
    PredictionCost cost;
    for (int i = 0; i < 2; i++) {
        const int axis = plan->transpose_forward[i + 1];
        size.shape_zyx[axis] = pixels[i] > 1 ? (int64_t)pixels[i] : 1;
        size.spacing_zyx_mm[axis] = plan->configuration.spacing_mm[i];
    }
    size.spacing_zyx_mm[plan->transpose_forward[0]] = 1;
    return predictor_cost(p, &size, &cost, NULL) ? 0 : cost.batch;
}

static int warm_locked(Predictor *p, int batch, Err *e)
{
    TRY(fold_networks_prepare(&p->networks, batch, e));
    const TileNetwork network = fold_networks_tiles(&p->networks);
    memset(network.images, 0,
           (size_t)(batch * p->window.tile_yx[0] * p->window.tile_yx[1] * network.channels) * sizeof(float));
    return run_networks(p, e);
}

int predictor_warm(Predictor *p, Err *e)
{
    const int batch = usual_batch(p);
    if (!batch) return 0;
    pthread_mutex_lock(&p->lock);
    const int code = warm_locked(p, batch, e);
    pthread_mutex_unlock(&p->lock);
    return code;
}

static int run_tiles(void *context, Err *e)
{
    Predictor *p = context;
    TRY(run_networks(p, e));
    p->tiles_done += p->networks.batch;
    if (p->tiles_done > p->tiles) p->tiles_done = p->tiles;
    return p->options.progress ? p->options.progress(p->options.context, p->tiles_done, p->tiles, e) : 0;
}

/* The slices across one axis. */
static int predict_slices(void *context, const float *image, const int64_t shape[3], const RowSink *sink, Err *e)
{
    Predictor *p = context;
    TileNetwork network = fold_networks_tiles(&p->networks);
    network.run = run_tiles;
    network.context = p;
    if (!p->networks.apart) return window_predict(&p->window, &network, image, shape, sink, e);
    FoldMean mean = {.networks = &p->networks, .sink = sink, .width = shape[2]};
    mean.rows = mem_alloc((size_t)fold_mean_values(&p->networks, mean.width) * sizeof *mean.rows, e);
    if (!mean.rows) return ERR_NOMEM;
    const RowSink rows = {mean_rows, &mean};
    const int code = window_predict(&p->window, &network, image, shape, &rows, e);
    mem_free(mean.rows);
    return code;
}

static int predict_locked(Predictor *p, const Array *image, const RowSink *sink, Err *e)
{
    const PlanConfiguration *c = &p->source.plan.configuration;
    const SlicePredictor slices = {predict_slices, p, c->channel_count, p->networks.heads};
    p->tiles = slice_axes_tiles(c, &p->window, image->shape);
    p->tiles_done = 0;
    TRY(fold_networks_prepare(&p->networks, choose_batch(p, p->tiles), e));
    return slice_axes_predict(c, &slices, image->data, image->shape, sink, e);
}

static int predict_into(Predictor *p, const Array *image, const CaseProperties *properties, const Array *labels,
                        const ProbabilitySink *probabilities, Err *e)
{
    Exporter *exporter;
    if (probabilities) TRY(probabilities->begin(probabilities->rows.context, properties, &p->source.info, e));
    TRY(exporter_new(&exporter, &p->source.plan, &p->source.info, properties, labels,
                     probabilities ? &probabilities->rows : NULL, e));
    const RowSink sink = exporter_sink(exporter);
    pthread_mutex_lock(&p->lock);
    const int code = predict_locked(p, image, &sink, e);
    pthread_mutex_unlock(&p->lock);
    exporter_free(exporter);
    return code;
}

int predictor_predict_preprocessed(Predictor *p, const Array *image, const CaseProperties *properties, Array *labels,
                                   const ProbabilitySink *probabilities, Err *e)
{
    TRY(export_labels_new(labels, &p->source.info, properties, e));
    const int code = predict_into(p, image, properties, labels, probabilities, e);
    if (code) array_free(labels);
    return code;
}

/* Fails for NaN and infinity: by normalisation one such voxel would make its whole channel NaN. */
static int expect_numbers(const Array *image, Err *e)
{
    const float *values = image->data;
    const int64_t count = array_count(image);
    int64_t strange = 0, first = count;
#pragma omp parallel for reduction(+ : strange) reduction(min : first)
    for (int64_t i = 0; i < count; i++) {
        if (isfinite(values[i])) continue;
        strange++;
        first = i < first ? i : first;
    }
    if (!strange) return 0;
    const int64_t *shape = image->shape, row = first / shape[3], slice = row / shape[2];
    return err_set(e, ERR_VALUE,
                   "%lld voxel(s) are not finite, the first %g in channel %lld at x %lld, y %lld, z %lld (from 0): "
                   "expected numbers; replace them",
                   (long long)strange, (double)values[first], (long long)(slice / shape[1]),
                   (long long)(first % shape[3]), (long long)(row % shape[2]), (long long)(slice % shape[1]));
}

int predictor_predict(Predictor *p, Array *image, const double spacing_zyx_mm[3], const GridAxes *axes, Array *labels,
                      const ProbabilitySink *probabilities, Err *e)
{
    PreprocessedCase c;
    int failed = expect_numbers(image, e);
    if (!failed) failed = case_preprocess(&c, image, spacing_zyx_mm, axes, NULL, &p->source.plan, NULL, e);
    array_free(image);
    if (failed) return failed;
    const int code = predictor_predict_preprocessed(p, &c.image, &c.properties, labels, probabilities, e);
    case_free(&c);
    return code;
}
