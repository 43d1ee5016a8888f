#include "model/training_memory.h"

#include "model/model.h"
#include "network/executor/executor.h"

/* Plans the executor that trains, or the one that validates, as trainer/training.c makes them. */
static int plan_pass(const Graph *g, const Plan *plan, const TrainingSetup *s, bool train, MemoryReport *m, Err *e)
{
    const Shape pixels = {s->batch, s->patch_yx[0], s->patch_yx[1], 1};
    const Shape inputs[] = {{pixels.n, pixels.h, pixels.w, plan_input_channels(plan)}, pixels};
    Ref outputs[2];
    Executor *x;
    const bool has_counts = graph_find(g, "counts", &outputs[1]);
    if (!graph_find(g, "loss", &outputs[0]))
        return err_set(e, ERR_VALUE, "the network %s has no output named loss", plan->network.name);
    const ExecutorOptions options = {.inputs = inputs,
                                     .outputs = outputs,
                                     .output_count = train || !has_counts ? 1 : 2,
                                     .train = train,
                                     .recompute = train && plan->training.recompute,
                                     .precision = s->precision,
                                     .device = s->device};
    TRY(executor_new(&x, g, NULL, &options, e));
    *m = executor_memory(x);
    executor_free(x);
    return 0;
}

int64_t training_memory_of(const Graph *g, const Plan *plan, const TrainingSetup *setup, Err *e)
{
    const size_t averages = plan->training.weight_averaging > 0;
    const size_t moments = averages + (plan->training.optimizer == OPTIMIZER_SGD ? 1 : 2); /* for each gradient */
    MemoryReport training, validation;
    TRY(plan_pass(g, plan, setup, true, &training, e));
    TRY(plan_pass(g, plan, setup, false, &validation, e));
    const size_t own_arena = validation.arena > training.arena ? validation.arena : 0; /* else it is the trainer's */
    return (int64_t)(memory_of_training(training, moments) + validation.packed + own_arena);
}

int64_t training_memory(const Plan *plan, const DatasetInfo *dataset, const TrainingSetup *setup, Err *e)
{
    NetworkSpec spec;
    Graph *g;
    TRY(model_spec(&spec, plan, dataset, e));
    spec.height = setup->patch_yx[0];
    spec.width = setup->patch_yx[1];
    TRY(network_build(&g, &spec, e));
    const int64_t bytes = training_memory_of(g, plan, setup, e);
    graph_free(g);
    return bytes;
}

int64_t training_batch_bytes(const Plan *plan, const TrainingSetup *setup)
{
    const int64_t pixels = (int64_t)setup->batch * setup->patch_yx[0] * setup->patch_yx[1];
    return pixels * (int64_t)((size_t)plan_input_channels(plan) * sizeof(float) + sizeof(int16_t));
}
