#include "inference/predictor.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "inference/export.h"
#include "inference/model.h"
#include "inference/sliding_window.h"
#include "network/executor.h"
#include "plans/splits.h"

enum { BATCH_PIXELS = 1 << 16, MAX_FOLDS = 64 };

struct Predictor {
    Plan plan;
    DatasetInfo info;
    bool has_info;
    WindowOptions window;
    bool probabilities;
    Model *models;             /* one per fold */
    int fold_count;
    pthread_mutex_t lock;      /* guards what follows: the executors of the batch size last used */
    Executor **executors;      /* one per fold */
    int batch;
    float *mean;               /* logits of an ensemble (batch, tile_y, tile_x, heads) */
};

/* ---- opening ---- */

static char *checkpoint_path(const char *results, int fold, const PredictorOptions *o, Err *e)
{
    char name[16] = "all";
    if (fold != SPLITS_FOLD_ALL) snprintf(name, sizeof name, "%d", fold);
    return path_format(e, "%s/fold_%s/checkpoint_%s.safetensors", results, name,
                       o->checkpoint ? o->checkpoint : "final");
}

/* The folds to use: those asked for, or all whose checkpoint is there. */
static int choose_folds(const char *results, const PredictorOptions *o, int folds[MAX_FOLDS], int *count,
                        Err *e)
{
    *count = 0;
    if (o->fold_count > MAX_FOLDS)
        return err_set(e, ERR_VALUE, "%d folds, at most %d are possible", o->fold_count, MAX_FOLDS);
    for (int i = 0; i < o->fold_count; i++) folds[(*count)++] = o->folds[i];
    for (int fold = SPLITS_FOLD_ALL; !o->fold_count && fold < MAX_FOLDS; fold++) {
        char *path = checkpoint_path(results, fold, o, e);
        if (!path) return ERR_NOMEM;
        if (file_exists(path)) folds[(*count)++] = fold;
        mem_free(path);
        if (fold == SPLITS_FOLD_ALL && *count) break; /* trained on everything: needs no company */
    }
    if (*count) return 0;
    return err_set(e, ERR_VALUE,
                   "%s: no fold_*/checkpoint_%s.safetensors is there; finish a training first, or name "
                   "another checkpoint",
                   results, o->checkpoint ? o->checkpoint : "final");
}

static int read_plan(Predictor *p, const char *results, const PredictorOptions *o, Err *e)
{
    char *plans = path_format(e, "%s/plans.yaml", results),
         *dataset = path_format(e, "%s/dataset.json", results);
    int code = plans && dataset ? plan_read(&p->plan, plans, NULL, e) : ERR_NOMEM;
    if (!code && (code = plan_check(&p->plan, e))) err_context(e, "%s", plans);
    if (!code && !(code = dataset_info_read(&p->info, dataset, e))) p->has_info = true;
    mem_free(plans);
    mem_free(dataset);
    if (code) return code;
    const PlanInference *inference = &p->plan.inference;
    p->window = (WindowOptions){{p->plan.configuration.patch_size[0], p->plan.configuration.patch_size[1]},
                                o->step > 0 ? o->step : inference->step, inference->gaussian, {false, false},
                                p->plan.compatibility != COMPATIBILITY_NONE};
    if (o->mirroring == SWITCH_ON || (o->mirroring == SWITCH_AUTO && inference->mirroring))
        for (int i = 0; i < inference->mirror_axes_count; i++)
            p->window.mirror_yx[inference->mirror_axes[i]] = true;
    return 0;
}

static int read_models(Predictor *p, const char *results, const PredictorOptions *o, Err *e)
{
    int folds[MAX_FOLDS], count;
    TRY(choose_folds(results, o, folds, &count, e));
    p->models = mem_zalloc((size_t)count, sizeof *p->models, e);
    p->executors = mem_zalloc((size_t)count, sizeof(Executor *), e);
    if (!p->models || !p->executors) return ERR_NOMEM;
    for (p->fold_count = 0; p->fold_count < count; p->fold_count++) {
        Model *m = &p->models[p->fold_count];
        TRY(model_new(m, &p->plan, &p->info, e));
        char *path = checkpoint_path(results, folds[p->fold_count], o, e);
        const int code = path ? model_read(m, path, e) : ERR_NOMEM;
        mem_free(path);
        if (code) {
            model_free(m);
            return code;
        }
    }
    return 0;
}

int predictor_open(Predictor **result, const char *results, const PredictorOptions *o, Err *e)
{
    Predictor *p = *result = mem_zalloc(1, sizeof *p, e);
    if (!p) return ERR_NOMEM;
    pthread_mutex_init(&p->lock, NULL);
    p->probabilities = o->probabilities;
    int code = read_plan(p, results, o, e);
    if (!code) code = read_models(p, results, o, e);
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

/* A power of two of tiles that fills the machine, and no more than there are. */
static int choose_batch(const Predictor *p, int64_t tiles)
{
    const int64_t pixels = p->window.tile_yx[0] * p->window.tile_yx[1];
    int batch = 1;
    while (2 * batch <= tiles && 2 * batch * pixels <= BATCH_PIXELS) batch *= 2;
    return batch;
}

static int new_executor(Executor **x, const Model *m, Shape input, Err *e)
{
    Ref head;
    if (!graph_find(m->graph, "head0", &head))
        return err_set(e, ERR_UNSUPPORTED, "the network has no output head0");
    const Shape inputs[] = {input, {input.n, input.h, input.w, 1}}; /* labels are not asked for */
    const ExecutorOptions options = {.inputs = inputs, .outputs = &head, .output_count = 1};
    return executor_new(x, m->graph, m->parameters, &options, e);
}

static int prepare_executors(Predictor *p, int batch, Err *e)
{
    if (p->batch == batch) return 0;
    free_executors(p);
    const Shape input = {batch, p->window.tile_yx[0], p->window.tile_yx[1],
                         p->plan.configuration.channel_count};
    for (int i = 0; i < p->fold_count; i++) TRY(new_executor(&p->executors[i], &p->models[i], input, e));
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

static int predict_locked(Predictor *p, const Array *image, const RowSink *sink, Err *e)
{
    TRY(prepare_executors(p, choose_batch(p, window_tiles(&p->window, image->shape)), e));
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

void prediction_free(Prediction *prediction)
{
    array_free(&prediction->labels);
    array_free(&prediction->probabilities);
}

static int predict_into(Predictor *p, const Array *image, const CaseProperties *properties, Prediction *out,
                        Err *e)
{
    Exporter *exporter;
    TRY(export_labels_new(&out->labels, &p->info, properties, e));
    if (p->probabilities) TRY(export_probabilities_new(&out->probabilities, &p->info, properties, e));
    TRY(exporter_new(&exporter, &p->plan, &p->info, properties, &out->labels,
                     p->probabilities ? &out->probabilities : NULL, e));
    const RowSink sink = exporter_sink(exporter);
    pthread_mutex_lock(&p->lock);
    const int code = predict_locked(p, image, &sink, e);
    pthread_mutex_unlock(&p->lock);
    exporter_free(exporter);
    return code;
}

int predictor_predict_preprocessed(Predictor *p, const Array *image, const CaseProperties *properties,
                                   Prediction *out, Err *e)
{
    *out = (Prediction){0};
    const int code = predict_into(p, image, properties, out, e);
    if (code) prediction_free(out);
    return code;
}

int predictor_predict(Predictor *p, Array *image, const double spacing_zyx_mm[3], Prediction *out, Err *e)
{
    PreprocessedCase c;
    const int failed = case_preprocess(&c, image, spacing_zyx_mm, NULL, &p->plan, NULL, e);
    array_free(image);
    if (failed) return failed;
    const int code = predictor_predict_preprocessed(p, &c.image, &c.properties, out, e);
    case_free(&c);
    return code;
}
