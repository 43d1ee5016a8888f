#include "planner/training_memory.h"

#include "model/model.h"
#include "network/executor/executor.h"

/* The packed parameters of the executor that validates: its arena is the trainer's. */
static int validation_bytes(const Graph *g, const Shape *sizes, size_t *bytes, Err *e)
{
    Ref head;
    Executor *x;
    if (!graph_find(g, "head0", &head)) return err_set(e, ERR_VALUE, "the network has no output head0");
    const ExecutorOptions options = {.inputs = sizes, .outputs = &head, .output_count = 1};
    TRY(executor_new(&x, g, NULL, &options, e));
    *bytes = executor_memory(x).packed;
    executor_free(x);
    return 0;
}

static int step_bytes(const Graph *g, const NetworkSpec *spec, const PlanTraining *training, int batch, int64_t *bytes,
                      Err *e)
{
    const size_t moments = training->optimizer == OPTIMIZER_SGD ? 1 : 2; /* for each gradient */
    const Shape sizes[] = {{batch, spec->height, spec->width, spec->channels}, {batch, spec->height, spec->width, 1}};
    Ref loss;
    Executor *x;
    if (!graph_find(g, "loss", &loss)) return err_set(e, ERR_VALUE, "the network %s has no loss", spec->kind->name);
    const ExecutorOptions options = {
        .inputs = sizes, .outputs = &loss, .output_count = 1, .train = true, .recompute = training->recompute};
    TRY(executor_new(&x, g, NULL, &options, e));
    const MemoryReport m = executor_memory(x);
    executor_free(x);
    size_t validation = 0;
    TRY(validation_bytes(g, sizes, &validation, e));
    *bytes = (int64_t)(memory_of_training(m, moments) + validation);
    return 0;
}

int64_t training_memory(const Plan *plan, const DatasetInfo *dataset, int batch, int height, int width, Err *e)
{
    NetworkSpec spec;
    Graph *g;
    int64_t bytes = 0;
    TRY(model_spec(&spec, plan, dataset, e));
    spec.height = height;
    spec.width = width;
    TRY(network_build(&g, &spec, e));
    const int code = step_bytes(g, &spec, &plan->training, batch, &bytes, e);
    graph_free(g);
    return code ? code : bytes;
}
