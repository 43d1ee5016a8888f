/* Training on the GPU (emulated, or a real one) allocates what training_memory says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "model/model.h"
#include "model/training_memory.h"
#include "network/optimizer/optimizer.h"
#include "tests/support/stepped.h"

enum { BATCH = 2, SIDE = 64 };

static Plan plan_of(const char *network, bool recompute)
{
    Err e = {ERR_NONE, ""};
    static const char wide[] = "network: {width: 0.25, depths: [1, 1, 1, 1]}";
    Plan plan;
    plan_defaults(&plan);
    plan_choose_network(&plan, network);
    if (plan_override_text(&plan, "width", wide, strlen(wide), &e)) fail_msg("%s", e.text);
    plan.configuration.channel_count = 1;
    plan.configuration.patch_size[0] = plan.configuration.patch_size[1] = SIDE;
    plan.training.recompute = recompute;
    return plan;
}

static DatasetInfo info_of(void)
{
    static const int none[] = {0}, one[] = {1};
    static const DatasetLabel labels[] = {{"background", none, 1, false}, {"a", one, 1, false}};
    return (DatasetInfo){.channel_count = 1, .max_value = 1, .label_count = 2, .labels = labels, .ignore_value = -1};
}

static size_t available(const Device *d)
{
    Err e = {ERR_NONE, ""};
    DeviceMemory m;
    if (d->memory(d, &m, &e)) fail_msg("%s", e.text);
    return m.available;
}

/* Makes what trainer/training.c makes, runs a step, and returns the bytes that are no longer available. */
static size_t bytes_of_a_step(const Model *m, const Plan *plan, const TrainingSetup *s)
{
    static const AdamW adamw = {0.9, 0.999, 1e-5, 0.05, 12};
    const Shape inputs[] = {{s->batch, SIDE, SIDE, 1}, {s->batch, SIDE, SIDE, 1}};
    const Step step = {.seed = 1};
    static const float image[BATCH * SIDE * SIDE], one = 1;
    static const int16_t labels[BATCH * SIDE * SIDE];
    Ref outputs[2];
    Executor *trainer, *validator;
    Optimizer *optimizer;
    Err e = {ERR_NONE, ""};
    const size_t before = available(s->device);
    assert_true(graph_find(m->graph, "loss", &outputs[0]) && graph_find(m->graph, "counts", &outputs[1]));
    ExecutorOptions o = {.inputs = inputs,
                         .outputs = outputs,
                         .output_count = 1,
                         .train = true,
                         .recompute = plan->training.recompute,
                         .precision = s->precision,
                         .device = s->device};
    if (executor_new(&trainer, m->graph, m->parameters, &o, &e)) fail_msg("%s", e.text);
    o.train = o.recompute = false;
    o.output_count = 2;
    o.lender = trainer;
    if (executor_new(&validator, m->graph, m->parameters, &o, &e)) fail_msg("%s", e.text);
    if (optimizer_new_adamw(&optimizer, m->parameters, &adamw, &e) ||
        optimizer_adopt(optimizer, executor_gradients(trainer), &e) || executor_feed(trainer, 0, image, &e) ||
        executor_feed(trainer, 1, labels, &e) || executor_forward(trainer, &step, &e) ||
        executor_seed(trainer, 0, &one, &e) || executor_backward(trainer, &step, &e))
        fail_msg("%s", e.text);
    stepped(optimizer, 1e-3);
    const size_t bytes = before - available(s->device);
    optimizer_free(optimizer);
    executor_free(validator);
    executor_free(trainer);
    return bytes;
}

static void is_what_is_allocated(const char *network, bool recompute, DType precision)
{
    enum { EXTRAS = 64 << 10 }; /* the optimizer's lists of pieces */
    Err e = {ERR_NONE, ""};
    Model m;
    const Plan plan = plan_of(network, recompute);
    const DatasetInfo info = info_of();
    const TrainingSetup setup = {BATCH, {SIDE, SIDE}, precision, device_named("cuda", &e)};
    if (!setup.device || model_new(&m, &plan, &info, &e)) fail_msg("%s", e.text);
    parameters_initialize(m.parameters, 3);
    const int64_t planned = training_memory(&plan, &info, &setup, &e);
    if (planned < 0) fail_msg("%s", e.text);
    const size_t found = bytes_of_a_step(&m, &plan, &setup);
    if (found < (size_t)planned || found > (size_t)planned + EXTRAS)
        fail_msg("%s: %zu bytes are allocated, %lld were planned", network, found, (long long)planned);
    model_free(&m);
}

static void training_takes_what_was_planned(void **state)
{
    (void)state;
    is_what_is_allocated("swin_umamba_d", false, DTYPE_F32);
    is_what_is_allocated("swin_umamba_d", true, DTYPE_F32);
    is_what_is_allocated("swin_umamba_d", false, DTYPE_BF16);
    is_what_is_allocated("swin_umamba", false, DTYPE_F32);
}

static void work_is_refused_by_the_memory_that_is_free(void **state)
{
    (void)state;
    Err e = {ERR_NONE, ""};
    const Device *d = device_named("cuda", &e);
    assert_non_null(d);
    const size_t most = available(d) - GPU_LIBRARY_BYTES;
    assert_int_equal(device_expect_room(d, most, "a test", "nothing", &e), 0);
    assert_int_equal(device_expect_room(d, most + 1, "a test", "choose less", &e), ERR_NOMEM);
    assert_non_null(strstr(e.text, "a test needs "));
    assert_non_null(strstr(e.text, ": choose less"));
    assert_int_equal(device_expect_room(device_cpu(), SIZE_MAX / 2, "a test", "nothing", &e), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_takes_what_was_planned),
        cmocka_unit_test(work_is_refused_by_the_memory_that_is_free),
    };
    return cmocka_run_group_tests_name("gpu_memory", tests, NULL, NULL);
}
