#include "inference/predictor.h"

#include <pthread.h>
#include <string.h>

#include "base/memory.h"
#include "inference/export.h"
#include "inference/model.h"
#include "inference/results.h"
#include "inference/sliding_window.h"
#include "network/executor.h"
#include "plans/splits.h"

enum { BATCH_PIXELS = 1 << 16, MAX_FOLDS = 64 };

struct Predictor {
    Plan plan;
    DatasetInfo info;
    bool has_info;
    WindowOptions window;
    size_t memory_limit;
    Model *models;             /* one per fold */
    int fold_count;
    pthread_mutex_t lock;      /* guards what follows: the executors of the batch size last used */
    Executor **executors;      /* one per fold */
    int batch;
    float *mean;               /* logits of an ensemble (batch, tile_y, tile_x, heads) */
};

/* ---- opening ---- */

/* The checkpoints to use: of the folds asked for, or of all where it is there; a fold trained on
 * everything needs no company. */
static int find_checkpoints(const char *results, const PredictorOptions *o, char *paths[MAX_FOLDS],
                            int *count, Err *e)
{
    const char *name = o->checkpoint ? o->checkpoint : "final";
    const int tries = o->fold_count ? o->fold_count : MAX_FOLDS - 1;
    *count = 0;
    if (tries > MAX_FOLDS)
        return err_set(e, ERR_VALUE, "%d folds, at most %d are possible", tries, MAX_FOLDS);
    for (int i = 0; i < tries; i++) {
        const int fold = o->fold_count ? o->folds[i] : i + SPLITS_FOLD_ALL;
        TRY(results_checkpoint(&paths[*count], results, fold, name, e));
        if (paths[*count]) ++*count;
        else if (o->fold_count)
            return err_set(e, ERR_VALUE, "%s: fold %d has no checkpoint_%s; train it first", results, fold,
                           name);
        if (!o->fold_count && fold == SPLITS_FOLD_ALL && *count) break;
    }
    if (*count) return 0;
    return err_set(e, ERR_VALUE,
                   "%s: no fold has a checkpoint_%s; finish a training first, or name another checkpoint",
                   results, name);
}

static WindowOptions window_of(const Plan *plan, const PredictorOptions *o)
{
    const PlanInference *inference = &plan->inference;
    WindowOptions w = {.tile_yx = {plan->configuration.patch_size[0], plan->configuration.patch_size[1]},
                       .step = o->step > 0 ? o->step : inference->step,
                       .gaussian = inference->gaussian,
                       .half = plan->compatibility != COMPATIBILITY_NONE};
    if (o->mirroring == SWITCH_ON || (o->mirroring == SWITCH_AUTO && inference->mirroring))
        for (int i = 0; i < inference->mirror_axes_count; i++) w.mirror_yx[inference->mirror_axes[i]] = true;
    return w;
}

static int read_models(Predictor *p, char *const *paths, int count, Err *e)
{
    p->models = mem_zalloc((size_t)count, sizeof *p->models, e);
    p->executors = mem_zalloc((size_t)count, sizeof(Executor *), e);
    if (!p->models || !p->executors) return ERR_NOMEM;
    while (p->fold_count < count) {
        Model *m = &p->models[p->fold_count];
        TRY(model_new(m, &p->plan, &p->info, e));
        TRY(model_read(m, paths[p->fold_count++], e));
    }
    return 0;
}

static int open_results(Predictor *p, const char *results, const PredictorOptions *o, Err *e)
{
    char *paths[MAX_FOLDS];
    int count;
    int code = find_checkpoints(results, o, paths, &count, e);
    if (!code && !(code = results_read(&p->plan, &p->info, results, paths[0], e))) p->has_info = true;
    if (!code) {
        p->window = window_of(&p->plan, o);
        code = read_models(p, paths, count, e);
    }
    for (int i = 0; i < count; i++) mem_free(paths[i]);
    return code;
}

int predictor_open(Predictor **result, const char *results, const PredictorOptions *o, Err *e)
{
    Predictor *p = *result = mem_zalloc(1, sizeof *p, e);
    if (!p) return ERR_NOMEM;
    pthread_mutex_init(&p->lock, NULL);
    p->memory_limit = o->memory_limit;
    const int code = open_results(p, results, o, e);
    if (code) {
        predictor_close(p);
        *result = NULL;
    }
    return code;
}

static void free_executors(Predictor *p)
{
    for (int i = 0; i < p->fold_count; i++) {
        executor_free(p->executors[i]);
        p->executors[i] = NULL;
    }
    mem_free(p->mean);
    p->mean = NULL;
    p->batch = 0;
}

void predictor_close(Predictor *p)
{
    if (!p) return;
    free_executors(p);
    for (int i = 0; i < p->fold_count; i++) model_free(&p->models[i]);
    mem_free(p->models);
    mem_free(p->executors);
    if (p->has_info) dataset_info_free(&p->info);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

const Plan *predictor_plan(const Predictor *p) { return &p->plan; }
const DatasetInfo *predictor_dataset(const Predictor *p) { return &p->info; }
int predictor_fold_count(const Predictor *p) { return p->fold_count; }

/* ---- predicting ---- */

/* m->parameters NULL: only the plan is made. */
static int new_executor(Executor **x, const Model *m, Shape input, Err *e)
{
    Ref head;
    if (!graph_find(m->graph, "head0", &head))
        return err_set(e, ERR_UNSUPPORTED, "the network has no output head0");
    const Shape inputs[] = {input, {input.n, input.h, input.w, 1}}; /* labels are not asked for */
    const ExecutorOptions options = {.inputs = inputs, .outputs = &head, .output_count = 1};
    return executor_new(x, m->graph, m->parameters, &options, e);
}

static Shape tiles_shape(const Predictor *p, int batch)
{
    return (Shape){batch, p->window.tile_yx[0], p->window.tile_yx[1], p->plan.configuration.channel_count};
}

/* Weights, what is packed of them, and activations, of all folds. */
static int network_bytes(const Predictor *p, int batch, size_t *bytes, Err *e)
{
    Executor *x;
    const Model plan_only = {p->models[0].graph, NULL};
    TRY(new_executor(&x, &plan_only, tiles_shape(p, batch), e));
    const MemoryReport r = executor_memory(x);
    executor_free(x);
    const size_t mean = (size_t)batch * (size_t)(p->window.tile_yx[0] * p->window.tile_yx[1]) *
                        (size_t)dataset_head_count(&p->info) * sizeof(float);
    *bytes = (size_t)p->fold_count * (2 * r.parameters + r.arena) + (p->fold_count > 1 ? mean : 0);
    return 0;
}

/* A power of two of tiles that fills the machine, no more than there are, and no more than the memory limit
 * allows beside `rest` bytes. */
static int choose_batch(const Predictor *p, int64_t tiles, size_t rest, int *batch, size_t *network, Err *e)
{
    const int64_t pixels = p->window.tile_yx[0] * p->window.tile_yx[1];
    *batch = 1;
    while (2 * *batch <= tiles && 2 * *batch * pixels <= BATCH_PIXELS) *batch *= 2;
    for (;; *batch /= 2) {
        TRY(network_bytes(p, *batch, network, e));
        if (!p->memory_limit || rest + *network <= p->memory_limit) return 0;
        if (*batch == 1)
            return err_set(e, ERR_VALUE, "%.0f MiB of memory are needed, %.0f MiB are allowed",
                           (double)(rest + *network) / (1 << 20), (double)p->memory_limit / (1 << 20));
    }
}

int predictor_memory(Predictor *p, const MemoryCase *c, MemoryBound *bound, Err *e)
{
    int batch;
    *bound = memory_bound(&p->plan, dataset_head_count(&p->info), &p->window, 0, c);
    return choose_batch(p, INT64_MAX / 4, memory_bound_peak(bound), &batch, &bound->network, e);
}

static int prepare_executors(Predictor *p, int batch, Err *e)
{
    if (p->batch == batch) return 0;
    free_executors(p);
    for (int i = 0; i < p->fold_count; i++)
        TRY(new_executor(&p->executors[i], &p->models[i], tiles_shape(p, batch), e));
    if (p->fold_count > 1) {
        p->mean = mem_alloc((size_t)shape_count(executor_output(p->executors[0], 0)->shape) * sizeof(float),
                            e);
        if (!p->mean) return ERR_NOMEM;
    }
    p->batch = batch;
    return 0;
}

static void run_folds(void *context)
{
    Predictor *p = context;
    const Step step = {0};
    const Tensor *first = executor_input(p->executors[0], 0);
    const size_t bytes = (size_t)shape_count(first->shape) * sizeof(float);
    for (int i = 1; i < p->fold_count; i++)
        memcpy(executor_input(p->executors[i], 0)->data, first->data, bytes);
    for (int i = 0; i < p->fold_count; i++) executor_forward(p->executors[i], &step);
    const int64_t count = shape_count(executor_output(p->executors[0], 0)->shape);
    for (int64_t k = 0; p->mean && k < count; k++) {
        float sum = 0;
        for (int i = 0; i < p->fold_count; i++)
            sum += ((const float *)executor_output(p->executors[i], 0)->data)[k];
        p->mean[k] = sum / (float)p->fold_count;
    }
}

/* rest: what the process takes beside the network, for the memory limit. */
static int predict_locked(Predictor *p, const Array *image, size_t rest, const RowSink *sink, Err *e)
{
    int batch;
    size_t bytes;
    TRY(choose_batch(p, window_tiles(&p->window, image->shape), rest, &batch, &bytes, e));
    TRY(prepare_executors(p, batch, e));
    const Tensor *head = executor_output(p->executors[0], 0);
    const TileNetwork network = {p->batch,
                                 p->plan.configuration.channel_count,
                                 (int)head->shape.c,
                                 executor_input(p->executors[0], 0)->data,
                                 p->mean ? p->mean : head->data,
                                 run_folds,
                                 p};
    return window_predict(&p->window, &network, image->data, image->shape, sink, e);
}

static int predict_into(Predictor *p, const Array *image, const CaseProperties *properties,
                        const Array *labels, const ProbabilitySink *probabilities, Err *e)
{
    Exporter *exporter;
    if (probabilities) TRY(probabilities->begin(probabilities->rows.context, properties, &p->info, e));
    TRY(exporter_new(&exporter, &p->plan, &p->info, properties, labels,
                     probabilities ? &probabilities->rows : NULL, e));
    const RowSink sink = exporter_sink(exporter);
    MemoryCase size = {0};
    case_raw_shape(properties, size.shape_zyx);
    memcpy(size.spacing_zyx_mm, properties->spacing_mm, sizeof size.spacing_zyx_mm);
    const MemoryBound bound = memory_bound(&p->plan, dataset_head_count(&p->info), &p->window, 0, &size);
    pthread_mutex_lock(&p->lock);
    const int code = predict_locked(p, image, memory_bound_peak(&bound), &sink, e);
    pthread_mutex_unlock(&p->lock);
    exporter_free(exporter);
    return code;
}

int predictor_predict_preprocessed(Predictor *p, const Array *image, const CaseProperties *properties,
                                   Array *labels, const ProbabilitySink *probabilities, Err *e)
{
    TRY(export_labels_new(labels, &p->info, properties, e));
    const int code = predict_into(p, image, properties, labels, probabilities, e);
    if (code) array_free(labels);
    return code;
}

int predictor_predict(Predictor *p, Array *image, const double spacing_zyx_mm[3], Array *labels,
                      const ProbabilitySink *probabilities, Err *e)
{
    PreprocessedCase c;
    const int failed = case_preprocess(&c, image, spacing_zyx_mm, NULL, &p->plan, NULL, e);
    array_free(image);
    if (failed) return failed;
    const int code = predictor_predict_preprocessed(p, &c.image, &c.properties, labels, probabilities, e);
    case_free(&c);
    return code;
}
