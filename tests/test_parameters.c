/* network/executor: parameters that are read from a source give the same bits as those in memory, and only their packed
 * copies and those that operations read as they are stay in memory; for small versions of whole networks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "network/executor/executor.h"
#include "network/models/network.h"
#include "network/optimizer/optimizer.h"
#include "tests/support/apart_device.h"

enum { SIZE = 64, BATCH = 2, CHANNELS = 3, CLASSES = 4, SEED = 5 };

typedef struct Net {
    Graph *graph;
    Parameters *parameters, *drawn; /* the same values in memory and from a source */
    int channels;                   /* of the image */
    int broken;                     /* the index of a parameter that the source cannot read; -1: none */
} Net;

static int draw(void *context, int index, float *values, Err *e)
{
    const Net *n = context;
    if (index == n->broken) return err_set(e, ERR_IO, "cannot read");
    parameters_draw(n->graph, index, SEED, values);
    return 0;
}

static void build(Net *n, const char *name, int channels, const char *config)
{
    Err e = {ERR_NONE, ""};
    NetworkSpec spec;
    *n = (Net){.channels = channels, .broken = -1};
    assert_int_equal(network_defaults(&spec, name, &e), 0);
    assert_int_equal(network_configure(&spec, config, &e), 0);
    spec.height = spec.width = SIZE;
    spec.channels = n->channels;
    spec.classes = CLASSES;
    if (network_build(&n->graph, &spec, &e)) fail_msg("%s", e.text);
}

static void open_net(Net *n, const char *name, int channels)
{
    Err e = {ERR_NONE, ""};
    build(n, name, channels, "{width: 0.125}");
    if (parameters_new(&n->parameters, n->graph, &e) ||
        parameters_new_from(&n->drawn, n->graph, (ParameterSource){draw, n}, &e))
        fail_msg("%s", e.text);
    parameters_initialize(n->parameters, SEED);
}

static void close_net(Net *n)
{
    parameters_free(n->parameters);
    parameters_free(n->drawn);
    graph_free(n->graph);
}

/* An executor of head0; parameters NULL: one that only plans. */
static int prepare(Executor **x, const Net *n, Parameters *parameters, ExecutorOptions o, Err *e)
{
    const Shape sizes[] = {{BATCH, SIZE, SIZE, n->channels}, {BATCH, SIZE, SIZE, 1}};
    Ref head;
    assert_true(graph_find(n->graph, "head0", &head));
    o.inputs = sizes;
    o.outputs = &head;
    o.output_count = 1;
    return executor_new(x, n->graph, parameters, &o, e);
}

enum { LOGITS = BATCH * SIZE * SIZE * CLASSES };

/* Runs one image, and then another: logits of the latter. */
static void run(Executor *x, float *logits)
{
    static float image[BATCH * SIZE * SIZE * CHANNELS];
    for (uint32_t turn = 0; turn < 2; turn++) {
        Rng r = rng_make(7, 0, turn, 0, RNG_TEST);
        for (size_t i = 0; i < sizeof image / sizeof *image; i++) image[i] = (float)rng_normal(&r);
        assert_int_equal(executor_feed(x, 0, image, NULL), 0);
        assert_int_equal(executor_forward(x, &(Step){0}, NULL), 0);
        assert_int_equal(executor_fetch(x, 0, logits, NULL) || executor_wait(x, NULL), 0);
    }
}

/* Nodes have a parameter exactly if they do not read a packed copy of it. */
static void assert_only_direct_ones_stay(const Executor *x)
{
    size_t bytes = 0;
    for (int i = 0; i < executor_node_count(x); i++) {
        const Node *node = executor_node(x, i);
        for (int k = 0; k < node->param_count; k++) {
            const bool packed = node->packed_params >> k & 1;
            assert_true(packed == !node->param[k]);
            assert_true(!packed || node->packed_bytes);
            if (!packed) bytes += (size_t)node->param_info[k]->count * sizeof(float);
        }
    }
    const MemoryReport m = executor_memory(x);
    assert_true(m.direct >= bytes);
    assert_true(m.direct < m.parameters / 4);
    assert_true(m.reading < m.parameters / 2);
}

static void compare(const char *name, int channels, const Device *device, DType precision)
{
    static float logits[2][LOGITS];
    Net n;
    Executor *x[2];
    open_net(&n, name, channels);
    Parameters *const parameters[] = {n.parameters, n.drawn};
    for (int i = 0; i < 2; i++) {
        Err e = {ERR_NONE, ""};
        if (prepare(&x[i], &n, parameters[i], (ExecutorOptions){.device = device, .precision = precision}, &e))
            fail_msg("%s", e.text);
        run(x[i], logits[i]);
    }
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    assert_only_direct_ones_stay(x[1]);
    const MemoryReport a = executor_memory(x[0]), b = executor_memory(x[1]);
    assert_memory_equal(&a, &b, sizeof a);
    for (int i = 0; i < 2; i++) executor_free(x[i]);
    close_net(&n);
    assert_int_equal(apart_device_blocks(), 0);
}

/* With one channel a library may read the weights of a convolution as they are. */
static void a_source_gives_the_same_bits(void **state)
{
    (void)state;
    static const char *const names[] = {"swin_umamba", "swin_umamba_d", "swin_umamba_paper"};
    for (int channels = 1; channels <= CHANNELS; channels += CHANNELS - 1)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            compare(names[i], channels, NULL, DTYPE_F32);
            if (executor_supports(DTYPE_BF16, NULL)) compare(names[i], channels, NULL, DTYPE_BF16);
        }
    compare("swin_umamba_d", CHANNELS, apart_device(), DTYPE_F32);
}

static void its_failure_is_that_of_the_executor(void **state)
{
    (void)state;
    Net n;
    Executor *x;
    open_net(&n, "swin_umamba_d", CHANNELS);
    for (int k = 0; k < 2; k++) {
        Err e = {ERR_NONE, ""};
        n.broken = k ? graph_param_count(n.graph) / 2 : 0;
        assert_int_equal(prepare(&x, &n, n.drawn, (ExecutorOptions){.device = NULL}, &e), ERR_IO);
        assert_null(x);
        assert_non_null(strstr(e.text, graph_params(n.graph)[n.broken].name));
    }
    close_net(&n);
}

/* What needs values in memory says so. */
static void values_that_are_not_there_are_not_read(void **state)
{
    (void)state;
    static const AdamW adamw = {0.9, 0.999, 1e-5, 0.05, 1};
    Net n;
    Executor *x;
    Optimizer *optimizer;
    Err e = {ERR_NONE, ""};
    open_net(&n, "swin_umamba_d", CHANNELS);
    assert_null(parameters_of(n.drawn, 0));
    assert_int_equal(prepare(&x, &n, n.drawn, (ExecutorOptions){.train = true}, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "training needs parameters in memory"));
    assert_int_equal(parameters_to_host(n.drawn, &e), ERR_UNSUPPORTED);
    assert_int_equal(parameters_place(n.drawn, device_cpu(), &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "not in memory"));
    if (prepare(&x, &n, n.parameters, (ExecutorOptions){.train = true}, &e)) fail_msg("%s", e.text);
    assert_int_equal(optimizer_new_adamw(&optimizer, n.drawn, &adamw, &e), 0);
    assert_int_equal(optimizer_adopt(optimizer, executor_gradients(x), &e), ERR_UNSUPPORTED);
    optimizer_free(optimizer);
    executor_free(x);
    close_net(&n);
}

/* The figures are those of an executor that runs. */
static void plans_have_no_memory_for_parameters(void **state)
{
    (void)state;
    Net n;
    Executor *planned, *runs;
    open_net(&n, "swin_umamba", CHANNELS);
    assert_int_equal(prepare(&planned, &n, NULL, (ExecutorOptions){.device = NULL}, NULL), 0);
    assert_int_equal(prepare(&runs, &n, n.drawn, (ExecutorOptions){.device = NULL}, NULL), 0);
    for (int i = 0; i < executor_node_count(planned); i++) {
        const Node *node = executor_node(planned, i);
        assert_null(node->packed);
        for (int k = 0; k < node->param_count; k++) assert_null(node->param[k]);
    }
    const MemoryReport a = executor_memory(planned), b = executor_memory(runs);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(a.packed > a.parameters / 2);
    executor_free(planned);
    executor_free(runs);
    close_net(&n);
}

static int fill(void *context, int index, float *values, Err *e)
{
    (void)e;
    const Net *n = context;
    const int64_t count = graph_params(n->graph)[index].count;
    for (int64_t i = 0; i < count; i++) values[i] = 0.01f;
    return 0;
}

/* A network of the official width, whose parameters take more than the rest. */
static void what_is_resident_is_what_was_reported(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* a sanitizer needs memory of its own */
#endif
    enum { SLACK = 24 << 20 }; /* machine code and tables, of which there are many */
    Net n;
    Executor *x;
    Err e = {ERR_NONE, ""};
    build(&n, "swin_umamba", CHANNELS, "{width: 1}");
    assert_int_equal(parameters_new_from(&n.drawn, n.graph, (ParameterSource){fill, &n}, &e), 0);
    const int64_t before = mem_resident();
    if (!before) skip();
    if (prepare(&x, &n, n.drawn, (ExecutorOptions){.device = NULL}, &e)) fail_msg("%s", e.text);
    const int64_t loaded = mem_resident_most();
    static float logits[LOGITS];
    run(x, logits);
    const MemoryReport m = executor_memory(x);
    assert_true(loaded - before < (int64_t)(m.packed + m.direct + m.reading) + SLACK);
    const size_t more = m.arena > m.reading ? m.arena : m.reading;
    assert_true(mem_resident_most() - before < (int64_t)(m.packed + m.direct + more) + SLACK);
    assert_true(m.packed + m.direct < m.parameters * 5 / 4);
    executor_free(x);
    close_net(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_resident_is_what_was_reported), /* first: it measures the process's peak */
        cmocka_unit_test(a_source_gives_the_same_bits),           cmocka_unit_test(its_failure_is_that_of_the_executor),
        cmocka_unit_test(values_that_are_not_there_are_not_read), cmocka_unit_test(plans_have_no_memory_for_parameters),
    };
    return cmocka_run_group_tests_name("parameters", tests, NULL, NULL);
}
