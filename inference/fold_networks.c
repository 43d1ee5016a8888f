#include "inference/fold_networks.h"

#include <string.h>

#include "base/half.h"
#include "base/memory.h"

static int new_executor(Executor **x, const FoldNetworks *f, int fold, int batch, Parameters *parameters,
                        const Executor *lender, Err *e)
{
    const Graph *graph = f->models[fold].graph;
    Ref head;
    if (!graph_find(graph, "head0", &head)) return err_set(e, ERR_UNSUPPORTED, "the network has no output head0");
    const Shape inputs[] = {{batch, f->tile_yx[0], f->tile_yx[1], f->channels},
                            {batch, f->tile_yx[0], f->tile_yx[1], 1}}; /* of the labels, which head0 does not need */
    const ExecutorOptions options = {.inputs = inputs,
                                     .outputs = &head,
                                     .output_count = 1,
                                     .precision = f->precision,
                                     .lender = lender,
                                     .device = f->device};
    return executor_new(x, graph, parameters, &options, e);
}

/* Values of images and of logits that are the FoldNetworks' own, with several folds. */
static int64_t image_values(const FoldNetworks *f, int batch)
{
    return batch * f->tile_yx[0] * f->tile_yx[1] * f->channels;
}

static int64_t logit_values(const FoldNetworks *f, int batch)
{
    return batch * f->tile_yx[0] * f->tile_yx[1] * f->heads * (f->apart ? f->count : 1);
}

static size_t own_bytes(const FoldNetworks *f, int batch)
{
    return f->count > 1 ? (size_t)(image_values(f, batch) + logit_values(f, batch)) * sizeof(float) : 0;
}

/* Host memory of the executors for a device that does not share it: one image, and the logits of a fold. */
static int64_t copied_bytes(const FoldNetworks *f, int batch)
{
    const int64_t pixels = batch * f->tile_yx[0] * f->tile_yx[1];
    return pixels * (f->channels + f->heads) * (int64_t)sizeof(float);
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* Allocates host memory for images and logits. */
static int make_memory(FoldNetworks *f, int batch, Err *e)
{
    if (f->count == 1) {
        f->images = executor_input_memory(f->executors[0], 0, e);
        f->logits = f->fold_logits = executor_output_memory(f->executors[0], 0, e);
        return f->images && f->logits ? 0 : ERR_NOMEM;
    }
    f->own = mem_alloc(own_bytes(f, batch), e);
    f->fold_logits = executor_output_memory(f->executors[0], 0, e);
    if (!f->own || !f->fold_logits) return ERR_NOMEM;
    f->images = f->own;
    f->logits = f->own + image_values(f, batch);
    return 0;
}

int fold_networks_prepare(FoldNetworks *f, int batch, Err *e)
{
    if (f->batch == batch) return 0;
    fold_networks_release(f);
    f->executors = mem_zalloc((size_t)f->count, sizeof *f->executors, e);
    if (!f->executors) return ERR_NOMEM;
    for (int i = 0; i < f->count; i++)
        TRY(new_executor(&f->executors[i], f, i, batch, f->models[i].parameters, i ? f->executors[0] : NULL, e));
    TRY(make_memory(f, batch, e));
    f->batch = batch;
    return 0;
}

void fold_networks_release(FoldNetworks *f)
{
    for (int i = f->count - 1; f->executors && i >= 0; i--) executor_free(f->executors[i]); /* the lender last */
    mem_free(f->executors);
    mem_free(f->own);
    f->executors = NULL;
    f->images = f->logits = f->fold_logits = f->own = NULL;
    f->batch = 0;
}

/* While the last parameters are read, the arena takes no memory yet. */
int fold_networks_bytes(const FoldNetworks *f, int batch, FoldBytes *bytes, Err *e)
{
    Executor *plan;
    TRY(new_executor(&plan, f, 0, batch, NULL, NULL, e));
    const MemoryReport m = executor_memory(plan);
    executor_free(plan);
    const bool apart = f->device && !f->device->shares_memory;
    const int64_t own = (int64_t)own_bytes(f, batch), running = (int64_t)m.arena + (apart ? 0 : own);
    const int64_t all = f->count * (int64_t)(m.packed + m.direct) + larger(running, (int64_t)m.reading);
    *bytes = apart ? (FoldBytes){own + copied_bytes(f, batch), all} : (FoldBytes){all, 0};
    return 0;
}

/* ---- running ---- */

/* Adds a fold's logits to the sum, and makes it the mean with the last fold. */
static void add_fold(const FoldNetworks *f, int fold)
{
    const int64_t values = logit_values(f, f->batch);
    const bool first = !fold, last = fold == f->count - 1;
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < values; k++) {
        const float sum = (first ? 0 : f->logits[k]) + f->fold_logits[k];
        f->logits[k] = last ? sum / (float)f->count : sum;
    }
}

/* Puts a fold's logits beside those of the others. */
static void keep_fold(const FoldNetworks *f, int fold)
{
    const int64_t pixels = f->batch * f->tile_yx[0] * f->tile_yx[1];
    const size_t heads = (size_t)f->heads;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < pixels; p++)
        memcpy(f->logits + (p * f->count + fold) * f->heads, f->fold_logits + p * f->heads, heads * sizeof(float));
}

static int run(void *context, Err *e)
{
    FoldNetworks *f = context;
    const Step step = {0};
    for (int i = 0; i < f->count; i++) {
        TRY(executor_feed(f->executors[i], 0, f->images, e));
        TRY(executor_forward(f->executors[i], &step, e));
        TRY(executor_fetch(f->executors[i], 0, f->fold_logits, e));
        TRY(executor_wait(f->executors[i], e));
        if (f->count > 1) (f->apart ? keep_fold : add_fold)(f, i);
    }
    return 0;
}

TileNetwork fold_networks_tiles(FoldNetworks *f)
{
    return (TileNetwork){
        .batch = f->batch,
        .channels = f->channels,
        .classes = f->heads * (f->apart ? f->count : 1),
        .images = f->images,
        .logits = f->logits,
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
