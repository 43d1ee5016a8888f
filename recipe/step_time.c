#include "recipe/step_time.h"

#include <math.h>

#include "base/memory.h"
#include "base/progress.h"
#include "model/model.h"
#include "network/executor/executor.h"
#include "recipe/plan_optimizer.h"

/* Steps of about these pixels are measured. Larger ones take as long for each pixel: their tensors do not fit a cache either. */
static const double FEW_PIXELS = 1 << 14, MANY_PIXELS = 1 << 17;
enum { LARGEST_EDGE = 256, RUNS = 3 }; /* of a measured patch; measured runs, of which the shortest counts */
/* Share of a large step that is for its pixels, at least: if other programs slowed the small one, a large batch must not look cheap. */
static const double LEAST_OF_PIXELS = 0.25;
static const double LONG_ENOUGH = 3; /* seconds of measured runs, of which there are fewer on a slow machine */

/* A network that is trained on zeros: its time does not depend on the values. */
typedef struct Rehearsal {
    Plan plan;
    Model model;
    Parameters *average;
    Optimizer *optimizer;
    const Device *device;
    DType precision;
} Rehearsal;

static int step(Executor *x, Optimizer *o, int number, const void *const inputs[2], Err *e)
{
    static const float one = 1;
    const Step position = {.seed = 1, .iteration = (uint32_t)number};
    for (int i = 0; i < 2; i++) TRY(executor_feed(x, i, inputs[i], e));
    TRY(executor_forward(x, &position, e));
    TRY(executor_seed(x, 0, &one, e));
    TRY(executor_backward(x, &position, e));
    TRY(optimizer_step(o, 1e-6, NULL, e));
    return executor_wait(x, e);
}

/* The shortest of some steps, after a first one that is not counted. */
static int time_steps(double *seconds, const Rehearsal *r, Executor *x, Err *e)
{
    int code = optimizer_adopt(r->optimizer, executor_gradients(x), e);
    void *image = mem_zalloc((size_t)shape_count(executor_input_shape(x, 0)), sizeof(float), e),
         *labels = mem_zalloc((size_t)shape_count(executor_input_shape(x, 1)), sizeof(int16_t), e);
    if (!image || !labels) code = ERR_NOMEM;
    double measured = 0;
    *seconds = INFINITY;
    for (int i = 0; i <= RUNS && measured < LONG_ENOUGH && !code; i++) {
        const double began = clock_seconds();
        code = step(x, r->optimizer, i, (const void *const[]){image, labels}, e);
        const double passed = clock_seconds() - began;
        if (!i) continue;
        *seconds = fmin(*seconds, passed);
        measured += passed;
    }
    mem_free(labels);
    mem_free(image);
    return code;
}

static int time_batch(double *seconds, const Rehearsal *r, int batch, Err *e)
{
    const int *patch = r->plan.configuration.patch_size;
    const Shape pixels = {batch, patch[0], patch[1], 1};
    const Shape inputs[] = {{batch, patch[0], patch[1], plan_input_channels(&r->plan)}, pixels};
    Ref loss;
    Executor *x;
    if (!graph_find(r->model.graph, "loss", &loss))
        return err_set(e, ERR_UNSUPPORTED, "the network %s has no output named loss", r->plan.network.name);
    const ExecutorOptions options = {.inputs = inputs,
                                     .outputs = &loss,
                                     .output_count = 1,
                                     .train = true,
                                     .recompute = r->plan.training.recompute,
                                     .precision = r->precision,
                                     .device = r->device};
    TRY(executor_new(&x, r->model.graph, r->model.parameters, &options, e));
    const int code = time_steps(seconds, r, x, e);
    executor_free(x);
    return code;
}

/* A patch of the network's divisor, at most LARGEST_EDGE if the divisor allows it. */
static void limit_patch(Plan *plan)
{
    int *patch = plan->configuration.patch_size, divisor[2];
    plan_patch_divisor(plan, divisor);
    for (int i = 0; i < 2; i++)
        while (patch[i] > LARGEST_EDGE && patch[i] > divisor[i]) patch[i] -= divisor[i];
}

static int open_rehearsal(Rehearsal *r, const DatasetInfo *dataset, Err *e)
{
    const PlanTraining *p = &r->plan.training;
    TRY(model_new(&r->model, &r->plan, dataset, e));
    parameters_initialize(r->model.parameters, 1);
    TRY(plan_optimizer_new(&r->optimizer, r->model.parameters, p, e));
    if (p->weight_averaging <= 0) return 0;
    TRY(parameters_new(&r->average, r->model.graph, e));
    optimizer_average(r->optimizer, r->average, p->weight_averaging);
    return 0;
}

static void close_rehearsal(Rehearsal *r)
{
    optimizer_free(r->optimizer);
    parameters_free(r->average);
    model_free(&r->model);
}

StepTime step_time_between(double short_step, double few_pixels, double long_step, double many_pixels)
{
    const double slope = (long_step - short_step) / (many_pixels - few_pixels);
    const double pixel = fmax(slope, LEAST_OF_PIXELS * long_step / many_pixels);
    return (StepTime){fmax(0, long_step - pixel * many_pixels), pixel};
}

static int measure(StepTime *time, const Rehearsal *r, Err *e)
{
    const int *patch = r->plan.configuration.patch_size;
    const double pixels = (double)patch[0] * patch[1];
    const int few = (int)fmax(1, nearbyint(FEW_PIXELS / pixels)),
              many = (int)fmax(few + 1, nearbyint(MANY_PIXELS / pixels));
    double short_step, long_step;
    TRY(time_batch(&short_step, r, few, e));
    TRY(time_batch(&long_step, r, many, e));
    *time = step_time_between(short_step, few * pixels, long_step, many * pixels);
    return 0;
}

int step_time_measure(StepTime *time, const Plan *plan, const DatasetInfo *dataset, DType precision,
                      const Device *device, Err *e)
{
    Rehearsal r = {.plan = *plan, .device = device, .precision = precision};
    limit_patch(&r.plan);
    int code = open_rehearsal(&r, dataset, e);
    if (!code) code = measure(time, &r, e);
    close_rehearsal(&r);
    return code;
}

double step_time_of(StepTime time, int batch, const int patch_yx[2])
{
    return time.fixed + time.pixel * batch * patch_yx[0] * patch_yx[1];
}
