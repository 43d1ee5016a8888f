/* model/model.h: a model whose weights stay in their file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "model/model.h"
#include "network/executor/executor.h"
#include "tests/support/says.h"
#include "weights/safetensors.h"

enum { SIZE = 64, HEADS = 3, LOGITS = SIZE * SIZE * HEADS };

static const DatasetLabel labels[] = {
    {"background", (const int[]){0}, 1, false}, {"a", (const int[]){1}, 1, false}, {"b", (const int[]){2}, 1, false}};
static const DatasetInfo info = {.label_count = HEADS, .labels = labels, .max_value = 2, .ignore_value = -1};

static void narrow_plan(Plan *plan)
{
    NetworkSpec spec;
    plan_defaults(plan);
    assert_int_equal(network_defaults(&spec, plan->network.name, NULL), 0);
    assert_int_equal(network_configure(&spec, "{width: 0.0625}", NULL), 0);
    plan->network.config = spec.config;
    plan->configuration.patch_size[0] = plan->configuration.patch_size[1] = SIZE;
    plan->configuration.channel_count = 1;
}

/* Writes the model's parameters, without the last `missing`. */
static void write_weights(const Model *m, const char *path, int missing)
{
    WeightsFile w = {0};
    Err e = {ERR_NONE, ""};
    for (int i = 0; i < graph_param_count(m->graph) - missing; i++) {
        const Param *p = &graph_params(m->graph)[i];
        const Array values = array_view(DTYPE_F32, p->rank, p->shape, parameters_of(m->parameters, i));
        assert_int_equal(weights_add(&w, p->name, values, &e), 0);
    }
    assert_int_equal(safetensors_write(&w, path, &e), 0);
    weights_close(&w);
}

/* Makes an executor of the head, which reads the parameters. */
static int prepare(Executor **x, const Model *m, Err *e)
{
    const Shape sizes[] = {{1, SIZE, SIZE, 1}, {1, SIZE, SIZE, 1}};
    Ref head;
    assert_true(graph_find(m->graph, "head0", &head));
    const ExecutorOptions o = {.inputs = sizes, .outputs = &head, .output_count = 1};
    return executor_new(x, m->graph, m->parameters, &o, e);
}

static void run(const Model *m, float *logits)
{
    static float image[SIZE * SIZE];
    Executor *x;
    Err e = {ERR_NONE, ""};
    Rng r = rng_make(2, 0, 0, 0, RNG_TEST);
    for (int i = 0; i < SIZE * SIZE; i++) image[i] = (float)rng_normal(&r);
    if (prepare(&x, m, &e)) fail_msg("%s", e.text);
    assert_int_equal(executor_feed(x, 0, image, &e), 0);
    assert_int_equal(executor_forward(x, &(Step){0}, &e), 0);
    assert_int_equal(executor_fetch(x, 0, logits, &e) || executor_wait(x, &e), 0);
    executor_free(x);
}

/* Every executor reads the file that was opened, also after another has taken its name. */
static void the_open_file_stays_the_source(void **state)
{
    (void)state;
    static float wanted[LOGITS], found[LOGITS];
    char folder[] = "/tmp/model-XXXXXX", path[64];
    Plan plan;
    Model trained, opened;
    Err e = {ERR_NONE, ""};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/w.safetensors", folder);
    narrow_plan(&plan);
    assert_int_equal(model_new(&trained, &plan, &info, &e), 0);
    parameters_initialize(trained.parameters, 1);
    run(&trained, wanted);
    write_weights(&trained, path, 0);
    if (model_open(&opened, &plan, &info, path, &e)) fail_msg("%s", e.text);
    run(&opened, found);
    assert_memory_equal(found, wanted, sizeof wanted);
    parameters_initialize(trained.parameters, 2);
    write_weights(&trained, path, 0);
    memset(found, 0, sizeof found);
    run(&opened, found);
    assert_memory_equal(found, wanted, sizeof wanted);
    model_free(&opened);
    model_free(&trained);
    unlink(path);
    rmdir(folder);
}

/* A file that is changed in place is no longer read: its pages may be gone, or hold other weights. */
static void a_file_changed_in_place_is_refused(void **state)
{
    (void)state;
    static float logits[LOGITS];
    char folder[] = "/tmp/model-XXXXXX", path[64];
    Plan plan;
    Model trained, opened;
    Executor *x;
    Err e = {ERR_NONE, ""};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/w.safetensors", folder);
    narrow_plan(&plan);
    assert_int_equal(model_new(&trained, &plan, &info, &e), 0);
    write_weights(&trained, path, 0);
    if (model_open(&opened, &plan, &info, path, &e)) fail_msg("%s", e.text);
    run(&opened, logits);
    assert_int_equal(truncate(path, 4096), 0);
    assert_int_equal(prepare(&x, &opened, &e), ERR_IO);
    assert_says(&e, "w.safetensors: its content was changed");
    model_free(&opened);
    model_free(&trained);
    unlink(path);
    rmdir(folder);
}

static void weights_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    char folder[] = "/tmp/model-XXXXXX", path[64];
    Plan plan;
    Model trained, opened;
    Err e = {ERR_NONE, ""};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/w.safetensors", folder);
    narrow_plan(&plan);
    assert_int_equal(model_open(&opened, &plan, &info, path, &e), ERR_IO);
    assert_null(opened.graph);
    assert_int_equal(model_new(&trained, &plan, &info, &e), 0);
    write_weights(&trained, path, 1);
    assert_int_equal(model_open(&opened, &plan, &info, path, &e), ERR_FORMAT);
    assert_says(&e, "w.safetensors");
    assert_says(&e, "parameters is missing, first ");
    assert_null(opened.graph);
    parameters_of(trained.parameters, 0)[1] = INFINITY;
    write_weights(&trained, path, 0);
    assert_int_equal(model_open(&opened, &plan, &info, path, &e), ERR_VALUE);
    assert_says(&e, "w.safetensors: tensor '");
    assert_says(&e, "': element 1 of ");
    assert_says(&e, " is NaN or infinite");
    assert_null(opened.graph);
    model_free(&trained);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_open_file_stays_the_source),
        cmocka_unit_test(a_file_changed_in_place_is_refused),
        cmocka_unit_test(weights_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
