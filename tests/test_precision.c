/* bfloat16 against float32: whole networks, both passes, and which values stay float32. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/random.h"
#include "network/executor/executor.h"
#include "network/executor/precision.h"
#include "network/models/network.h"
#include "network/optimizer/optimizer.h"
#include "tests/support/exists.h"
#include "tests/support/gold.h"
#include "tests/support/golden.h"
#include "tests/support/stepped.h"

enum { SIDE = 64, CLASSES = 3 };

typedef struct Net {
    Graph *graph;
    Parameters *parameters;
    Ref loss, head;
} Net;

static void open_net(Net *n, const char *name)
{
    Err e = {0};
    NetworkSpec spec;
    assert_int_equal(network_defaults(&spec, name, &e), 0);
    assert_int_equal(network_configure(&spec, "{width: 0.25, drop_path: 0}", &e), 0);
    spec.height = spec.width = SIDE;
    spec.channels = 2;
    spec.classes = CLASSES;
    spec.deep_supervision = true;
    assert_int_equal(network_build(&n->graph, &spec, &e), 0);
    assert_int_equal(parameters_new(&n->parameters, n->graph, &e), 0);
    parameters_initialize(n->parameters, 4);
    assert_true(graph_find(n->graph, "loss", &n->loss) && graph_find(n->graph, "head0", &n->head));
}

static void close_net(Net *n)
{
    parameters_free(n->parameters);
    graph_free(n->graph);
}

/* A noisy disc, labelled. To be written before each forward, which may overwrite the inputs. */
static void fill_inputs(Executor *x)
{
    Rng rng = rng_make(2, 0, 0, 0, RNG_TEST);
    float *image = executor_input(x, 0)->data;
    int16_t *labels = executor_input(x, 1)->data;
    for (int i = 0; i < SIDE * SIDE; i++) {
        const int y = i / SIDE - SIDE / 2, z = i % SIDE - SIDE / 3;
        labels[i] = (int16_t)((y * y + z * z < 200) + (y > 12));
        image[2 * i] = (float)(labels[i] + 0.3 * rng_normal(&rng));
        image[2 * i + 1] = (float)rng_normal(&rng);
    }
}

/* The loss and head0. */
static Executor *prepare(const Net *n, DType precision, bool train)
{
    Err e = {0};
    Executor *x;
    const Ref outputs[] = {n->loss, n->head};
    const ExecutorOptions o = {
        .outputs = outputs, .output_count = 2, .train = train, .unseeded = 2, .precision = precision};
    if (executor_new(&x, n->graph, n->parameters, &o, &e)) fail_msg("%s", e.text);
    fill_inputs(x);
    return x;
}

/* ‖a - b‖ / ‖b‖. */
static double distance(const float *a, const float *b, int64_t count)
{
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)b[i] * (double)b[i];
    }
    return sqrt(difference / norm);
}

static void compare_network(const char *name)
{
    Net n;
    open_net(&n, name);
    Executor *x[2];
    for (int i = 0; i < 2; i++) {
        x[i] = prepare(&n, i ? DTYPE_BF16 : DTYPE_F32, true);
        assert_int_equal(executor_forward(x[i], &(Step){0}, NULL), 0);
        *(float *)executor_output(x[i], 0)->grad = 1;
        assert_int_equal(executor_backward(x[i], &(Step){0}, NULL), 0);
    }
    const Tensor *logits[] = {executor_output(x[0], 1), executor_output(x[1], 1)};
    const Gradients *gradients[] = {executor_gradients(x[0]), executor_gradients(x[1])};
    assert_int_equal(logits[1]->dtype, DTYPE_F32);
    const double values = distance(logits[1]->data, logits[0]->data, shape_count(logits[0]->shape));
    const double slopes = distance(gradients[1]->values, gradients[0]->values, gradients[0]->count);
    if (!(values > 1e-4 && values < 0.03)) fail_msg("%s: logits differ by %.3g", name, values);
    if (!(slopes > 1e-4 && slopes < 0.1)) fail_msg("%s: gradients differ by %.3g", name, slopes);
    assert_true(executor_memory(x[1]).arena < executor_memory(x[0]).arena);
    executor_free(x[0]);
    executor_free(x[1]);
    close_net(&n);
}

static void networks_agree(void **state)
{
    (void)state;
    if (!executor_supports(DTYPE_BF16, NULL)) skip();
    compare_network("swin_umamba");
    compare_network("swin_umamba_d");
}

static const Node *find_node(const Executor *x, const char *name)
{
    for (int i = 0; i < executor_node_count(x); i++)
        if (!strcmp(executor_node(x, i)->name, name)) return executor_node(x, i);
    fail_msg("no node is called %s", name);
    return NULL;
}

/* The first stages are exact, and sums after them stay float32; products after them are bfloat16. */
static void types_follow_exact_nodes(void **state)
{
    (void)state;
    Net n;
    if (!executor_supports(DTYPE_BF16, NULL)) skip();
    open_net(&n, "swin_umamba_d");
    Executor *x = prepare(&n, DTYPE_BF16, true);
    static const struct {
        const char *node;
        DType in, out, computes;
    } expected[] = {
        {"vssm_encoder.patch_embed.proj", DTYPE_F32, DTYPE_F32, DTYPE_F32},
        {"vssm_encoder.layers.1.blocks.0.self_attention.out_proj", DTYPE_F32, DTYPE_F32, DTYPE_F32},
        {"vssm_encoder.layers.2.blocks.0.self_attention.in_proj", DTYPE_F32, DTYPE_BF16, DTYPE_BF16},
        {"vssm_encoder.layers.2.blocks.0.self_attention.selective_scan", DTYPE_BF16, DTYPE_BF16, DTYPE_BF16},
        {"vssm_encoder.layers.2.blocks.0.self_attention.out_proj", DTYPE_BF16, DTYPE_F32, DTYPE_BF16},
        {"vssm_encoder.layers.2.blocks.0.drop_path", DTYPE_F32, DTYPE_F32, DTYPE_F32},
        {"vssm_encoder.layers.3.blocks.0.drop_path", DTYPE_BF16, DTYPE_BF16, DTYPE_BF16},
        {"decoder.seg_layers.3", DTYPE_BF16, DTYPE_F32, DTYPE_BF16},
        {"loss", DTYPE_F32, DTYPE_F32, DTYPE_F32},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const Node *node = find_node(x, expected[i].node);
        if (node->in[0]->dtype != expected[i].in || node->out[0]->dtype != expected[i].out ||
            node->impl->dtype != expected[i].computes)
            fail_msg("%s: %s to %s, computed in %s", node->name, dtype_name(node->in[0]->dtype),
                     dtype_name(node->out[0]->dtype), dtype_name(node->impl->dtype));
    }
    executor_free(x);
    close_net(&n);
}

/* Every head of the reference networks, full width: float32, and bfloat16 within GOLDEN_BF16_BOUND. */
static void heads_are_the_references(void **state)
{
    (void)state;
    char *const only[] = {"full"};
    Golden g = {.folder = gold_path("swin_umamba"), .only = only, .only_count = 1};
    if (!executor_supports(DTYPE_BF16, NULL) || !exists(g.folder)) skip();
    golden_networks(&g);
    assert_true(g.passed >= 6);
    assert_int_equal(g.failed, 0);
}

static double train(Net *n, DType precision, int steps)
{
    static const AdamW adamw = {0.9, 0.999, 1e-5, 0.05, 12};
    Err e = {0};
    Optimizer *o;
    Executor *x = prepare(n, precision, true);
    assert_int_equal(optimizer_new_adamw(&o, n->parameters, &adamw, &e), 0);
    assert_int_equal(optimizer_adopt(o, executor_gradients(x), &e), 0);
    for (int i = 0; i < steps; i++) {
        fill_inputs(x);
        assert_int_equal(executor_forward(x, &(Step){.iteration = (uint32_t)i}, NULL), 0);
        *(float *)executor_output(x, 0)->grad = 1;
        assert_int_equal(executor_backward(x, &(Step){.iteration = (uint32_t)i}, NULL), 0);
        stepped(o, 1e-3);
    }
    fill_inputs(x);
    assert_int_equal(executor_forward(x, &(Step){0}, NULL), 0);
    const double loss = (double)*(const float *)executor_output(x, 0)->data;
    optimizer_free(o);
    executor_free(x);
    return loss;
}

static void training_learns_as_well(void **state)
{
    (void)state;
    if (!executor_supports(DTYPE_BF16, NULL)) skip();
    double loss[2][2];
    for (int i = 0; i < 2; i++) {
        Net n;
        open_net(&n, "swin_umamba_d");
        loss[i][0] = train(&n, i ? DTYPE_BF16 : DTYPE_F32, 0);
        loss[i][1] = train(&n, i ? DTYPE_BF16 : DTYPE_F32, 12);
        close_net(&n);
    }
    assert_true(fabs(loss[1][0] - loss[0][0]) < 0.02 * fabs(loss[0][0]));
    assert_true(loss[0][0] - loss[0][1] > 1);
    assert_true(fabs(loss[1][1] - loss[0][1]) < 0.01);
}

static void names(void **state)
{
    (void)state;
    const char *lacks;
    assert_int_equal(precision_of("fp32", NULL, &lacks), DTYPE_F32);
    assert_null(lacks);
    if (executor_supports(DTYPE_BF16, NULL)) {
        assert_int_equal(precision_of("bf16", NULL, &lacks), DTYPE_BF16);
        assert_null(lacks);
    } else {
        assert_int_equal(precision_of("bf16", NULL, &lacks), DTYPE_F32);
        assert_non_null(strstr(lacks, "fp32"));
    }
}

static void unknown_precisions_are_refused(void **state)
{
    (void)state;
    Net n;
    Err e = {0};
    Executor *x;
    open_net(&n, "swin_umamba_d");
    const ExecutorOptions o = {.outputs = &n.head, .output_count = 1, .precision = DTYPE_F16};
    assert_int_equal(executor_new(&x, n.graph, n.parameters, &o, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "float16"));
    close_net(&n);
}

int main(void)
{
    omp_set_num_threads(1); /* these networks are small */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_agree),
        cmocka_unit_test(types_follow_exact_nodes),
        cmocka_unit_test(heads_are_the_references),
        cmocka_unit_test(training_learns_as_well),
        cmocka_unit_test(names),
        cmocka_unit_test(unknown_precisions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
