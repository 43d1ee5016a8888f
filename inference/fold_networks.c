#include "inference/fold_networks.h"

#include <string.h>

#include "base/half.h"
#include "base/memory.h"

static int new_executor(Executor **x, const FoldNetworks *f, int fold, int batch, Parameters *parameters, Err *e)
{
    const Graph *graph = f->models[fold].graph;
    Ref head;
    if (!graph_find(graph, "head0", &head)) return err_set(e, ERR_UNSUPPORTED, "the network has no output head0");
    const Shape inputs[] = {{batch, f->tile_yx[0], f->tile_yx[1], f->channels},
                            {batch, f->tile_yx[0], f->tile_yx[1], 1}}; /* of the labels, which head0 does not need */
    const ExecutorOptions options = {
        .inputs = inputs, .outputs = &head, .output_count = 1, .precision = f->precision, .device = f->device};
    return executor_new(x, graph, parameters, &options, e);
}

/* Size of the logits of all folds; 0 if the only executor's own are used. */
static size_t logit_bytes(const FoldNetworks *f, int batch)
{
    const int64_t values = batch * f->tile_yx[0] * f->tile_yx[1] * f->heads * (f->apart ? f->count : 1);
    return f->count > 1 ? (size_t)values * sizeof(float) : 0;
}

/* Allocates host memory for images and logits. */
static int make_memory(FoldNetworks *f, int batch, Err *e)
{
    f->images = executor_input_memory(f->executors[0], 0, e);
    f->fold_logits = mem_zalloc((size_t)f->count, sizeof *f->fold_logits, e);
    if (!f->images || !f->fold_logits) return ERR_NOMEM;
    for (int i = 0; i < f->count; i++)
        if (!(f->fold_logits[i] = executor_output_memory(f->executors[i], 0, e))) return ERR_NOMEM;
    return f->count == 1 || (f->logits = mem_alloc(logit_bytes(f, batch), e)) ? 0 : ERR_NOMEM;
}

int fold_networks_prepare(FoldNetworks *f, int batch, Err *e)
{
    if (f->batch == batch) return 0;
    fold_networks_release(f);
    f->executors = mem_zalloc((size_t)f->count, sizeof *f->executors, e);
    if (!f->executors) return ERR_NOMEM;
    for (int i = 0; i < f->count; i++) TRY(new_executor(&f->executors[i], f, i, batch, f->models[i].parameters, e));
    TRY(make_memory(f, batch, e));
    f->batch = batch;
    return 0;
}

void fold_networks_release(FoldNetworks *f)
{
    for (int i = 0; f->executors && i < f->count; i++) executor_free(f->executors[i]);
    mem_free(f->executors);
    mem_free(f->fold_logits);
    mem_free(f->logits);
    f->executors = NULL;
    f->images = NULL;
    f->fold_logits = NULL;
    f->logits = NULL;
    f->batch = 0;
}

int fold_networks_bytes(const FoldNetworks *f, int batch, int64_t *bytes, Err *e)
{
    Executor *plan;
    TRY(new_executor(&plan, f, 0, batch, NULL, e));
    const MemoryReport m = executor_memory(plan);
    executor_free(plan);
    *bytes = f->count * (int64_t)(m.arena + m.packed) + (int64_t)logit_bytes(f, batch);
    return 0;
}

/* ---- running ---- */

static void average(const FoldNetworks *f)
{
    const int64_t values = f->batch * f->tile_yx[0] * f->tile_yx[1] * f->heads;
    for (int64_t k = 0; k < values; k++) {
        float sum = 0;
        for (int i = 0; i < f->count; i++) sum += f->fold_logits[i][k];
        f->logits[k] = sum / (float)f->count;
    }
}

static void lay_side_by_side(const FoldNetworks *f)
{
    const int64_t pixels = f->batch * f->tile_yx[0] * f->tile_yx[1];
    const size_t heads = (size_t)f->heads;
    for (int i = 0; i < f->count; i++)
        for (int64_t p = 0; p < pixels; p++)
            memcpy(f->logits + (p * f->count + i) * f->heads, f->fold_logits[i] + p * f->heads, heads * sizeof(float));
}

static int run(void *context, Err *e)
{
    FoldNetworks *f = context;
    const Step step = {0};
    for (int i = 0; i < f->count; i++) TRY(executor_feed(f->executors[i], 0, f->images, e));
    for (int i = 0; i < f->count; i++) TRY(executor_forward(f->executors[i], &step, e));
    for (int i = 0; i < f->count; i++) TRY(executor_fetch(f->executors[i], 0, f->fold_logits[i], e));
    for (int i = 0; i < f->count; i++) TRY(executor_wait(f->executors[i], e));
    if (f->count > 1) (f->apart ? lay_side_by_side : average)(f);
    return 0;
}

TileNetwork fold_networks_tiles(FoldNetworks *f)
{
    return (TileNetwork){
        .batch = f->batch,
        .channels = f->channels,
        .classes = f->heads * (f->apart ? f->count : 1),
        .images = f->images,
        .logits = f->logits ? f->logits : f->fold_logits[0],
        .run = run,
        .context = f,
    };
}

void fold_mean(float *mean, const float *logits, int64_t pixels, int folds, int heads)
{
    for (int64_t p = 0; p < pixels; p++, logits += (int64_t)folds * heads)
        for (int h = 0; h < heads; h++) {
            float sum = logits[h];
            for (int i = 1; i < folds; i++) sum = half_rounded(sum + logits[i * heads + h]);
            mean[p * heads + h] = half_rounded(sum / (float)folds);
        }
}
