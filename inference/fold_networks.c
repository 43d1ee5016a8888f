#include "inference/fold_networks.h"

#include <string.h>

#include "base/half.h"
#include "base/memory.h"
#include "inference/window_sums.h"

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

/* Of images; of logits with several folds. */
static int64_t image_bytes(const FoldNetworks *f, int batch) { return image_values(f, batch) * (int64_t)sizeof(float); }

static int64_t logit_bytes(const FoldNetworks *f, int batch)
{
    return f->count > 1 ? logit_values(f, batch) * (int64_t)sizeof(float) : 0;
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static const Device *device_of(const FoldNetworks *f) { return f->device ? f->device : device_cpu(); }

/* The logits of a fold, on the device. */
static float *logits_of(const FoldNetworks *f, int fold) { return executor_output(f->executors[fold], 0)->data; }

static int make_memory(FoldNetworks *f, int batch, Err *e)
{
    const Device *d = device_of(f);
    f->owns_memory = f->count > 1;
    if (!f->owns_memory) {
        f->images = executor_input_memory(f->executors[0], 0, e);
        f->logits = logits_of(f, 0);
        return f->images ? 0 : ERR_NOMEM;
    }
    f->images = d->alloc_host(d, (size_t)image_bytes(f, batch), e);
    f->logits = d->alloc(d, (size_t)logit_bytes(f, batch), e);
    return f->images && f->logits ? 0 : ERR_NOMEM;
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
    if (f->owns_memory) {
        device_of(f)->free_host(device_of(f), f->images);
        device_of(f)->free(device_of(f), f->logits);
    }
    f->executors = NULL;
    f->images = f->logits = NULL;
    f->owns_memory = false;
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
    const int64_t images = image_bytes(f, batch), logits = logit_bytes(f, batch);
    const int64_t running = (int64_t)m.arena + logits + (apart || f->count == 1 ? 0 : images);
    const int64_t all = f->count * (int64_t)(m.packed + m.direct) + larger(running, (int64_t)m.reading);
    *bytes = apart ? (FoldBytes){images, all} : (FoldBytes){all, 0};
    return 0;
}

/* ---- running ---- */

/* Adds a fold's logits to the sum, and makes it the mean with the last fold; or puts them beside those of the others. */
static int take_fold(const FoldNetworks *f, int fold, Err *e)
{
    const Device *d = device_of(f);
    const WindowKernels *kernels = window_kernels(d);
    const float *logits = logits_of(f, fold);
    d->begin(d, "mean of the folds");
    if (f->apart)
        kernels->keep_fold(f->logits, logits, f->batch * f->tile_yx[0] * f->tile_yx[1], f->heads, fold, f->count);
    else kernels->add_fold(f->logits, logits, logit_values(f, f->batch), !fold, fold == f->count - 1 ? f->count : 1);
    return d->end(d, e);
}

static int run(void *context, Err *e)
{
    FoldNetworks *f = context;
    const Step step = {0};
    for (int i = 0; i < f->count; i++) {
        TRY(executor_feed(f->executors[i], 0, f->images, e));
        TRY(executor_forward(f->executors[i], &step, e));
        if (f->count > 1) TRY(take_fold(f, i, e));
    }
    return executor_wait(f->executors[0], e);
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
        .device = f->device,
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
