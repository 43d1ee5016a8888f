/* The executors of a Training, and which parameters they train (training_parts.h). */
#include "base/memory.h"
#include "trainer/training_parts.h"

static int new_executor(Executor **x, Training *t, bool train, const bool *trained, Err *e)
{
    const PlanConfiguration *c = &t->plan.configuration;
    const Shape pixels = {t->part.items, c->patch_size[0], c->patch_size[1], 1};
    const Shape inputs[] = {{pixels.n, pixels.h, pixels.w, plan_input_channels(&t->plan)}, pixels};
    Ref outputs[2];
    const bool has_counts = graph_find(t->model.graph, "counts", &outputs[1]);
    if (!graph_find(t->model.graph, "loss", &outputs[0]))
        return err_set(e, ERR_UNSUPPORTED, "the network %s has no output named loss", t->plan.network.name);
    const GradientBuckets buckets = training_buckets(t);
    const ExecutorOptions options = {.inputs = inputs,
                                     .outputs = outputs,
                                     .output_count = train || !has_counts ? 1 : 2,
                                     .train = train,
                                     .recompute = train && t->plan.training.recompute,
                                     .trained = trained,
                                     .precision = t->precision,
                                     .device = t->device,
                                     .reduction = t->options.ranks ? &t->reduction : NULL,
                                     .buckets = train && t->options.ranks ? &buckets : NULL,
                                     .lender = train ? NULL : t->trainer};
    Parameters *parameters = !train && t->average ? t->average : t->model.parameters;
    return executor_new(x, t->model.graph, parameters, &options, e);
}

void training_free_executors(Training *t)
{
    executor_free(t->validator);
    executor_free(t->trainer);
    t->trainer = t->validator = NULL;
}

/* In the first epochs the pretrained parameters of the encoder are not changed (official trainers: 10 epochs). */
static bool is_frozen(const Training *t)
{
    return *t->plan.training.pretrained && t->state.epoch < t->plan.training.freeze_encoder_epochs;
}

/* Training and validation do not run at the same time: both executors share one arena. */
int training_make_executors(Training *t, Err *e)
{
    bool *trained = NULL;
    t->encoder_frozen = is_frozen(t);
    if (t->encoder_frozen) {
        trained = mem_zalloc((size_t)graph_param_count(t->model.graph), sizeof *trained, e);
        if (!trained) return ERR_NOMEM;
        import_mark_unfrozen(t->model.graph, t->model.kind, t->state.pretrained.data, trained);
    }
    training_free_executors(t);
    int code = new_executor(&t->trainer, t, true, trained, e);
    if (!code) code = new_executor(&t->validator, t, false, NULL, e);
    mem_free(trained);
    return code ? code : optimizer_adopt(t->optimizer, executor_gradients(t->trainer), e);
}

int training_begin_epoch(Training *t, Err *e)
{
    return t->encoder_frozen == is_frozen(t) ? 0 : training_make_executors(t, e);
}
