/* Recorded work on the GPU (emulated, or a real one): a device repeats it, and inference that is repeated has the bits of a
 * first run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "network/executor/executor.h"
#include "network/models/architecture.h"
#include "network/models/network.h"
#include "tests/support/emulator.h"

static const Device *gpu(void)
{
    Err e = {ERR_NONE, ""};
    const Device *d = device_named("cuda", &e);
    if (!d) fail_msg("%s", e.text);
    return d;
}

static void expect_nothing_left(void)
{
    if (emu_errors) assert_int_equal(emu_errors(), 0);
    if (emu_live_handles) assert_int_equal(emu_live_handles(), 0);
}

/* Of the emulator; 0 without. */
static uint64_t issued(void) { return emu_counts ? emu_counts().issued : 0; }

/* ---- the device ---- */

enum { COUNT = 1000, RUNS = 5 };

typedef enum Fault { FINE, WAITS, FAILS } Fault;

/* Copies a to b, and clears the first value. */
typedef struct Copying {
    const Device *device;
    float *a, *b;
    Fault fault;
    int issued;
} Copying;

static int copy_and_clear(void *context, Err *e)
{
    Copying *c = context;
    const Device *d = c->device;
    c->issued++;
    d->begin(d, "test");
    TRY(d->copy(d, c->b, c->a, COUNT * sizeof *c->a, COPY_ON_DEVICE, e));
    TRY(d->clear(d, c->b, sizeof *c->b, e));
    if (c->fault == FAILS && c->issued > 1) return err_set(e, ERR_VALUE, "it fails");
    if (c->fault == WAITS && d->wait(d, e)) {
        if (emu_errors) emu_errors(); /* it cannot be recorded, as is expected */
        return ERR_UNSUPPORTED;
    }
    return d->end(d, e);
}

static void open_copying(Copying *c, Fault fault)
{
    const Device *d = gpu();
    const size_t bytes = COUNT * sizeof(float);
    *c = (Copying){d, d->alloc(d, bytes, NULL), d->alloc(d, bytes, NULL), fault, 0};
    assert_true(c->a && c->b);
}

static void close_copying(Copying *c, Recording *recording)
{
    c->device->forget(c->device, recording);
    c->device->free(c->device, c->a);
    c->device->free(c->device, c->b);
    expect_nothing_left();
}

/* One run, with a value that no other has. */
static void run_copying(Copying *c, Recording **recording, float value, uint64_t *calls)
{
    const Device *d = c->device;
    const DeviceWork work = {copy_and_clear, c};
    Err e = {ERR_NONE, ""};
    float host[COUNT];
    for (int i = 0; i < COUNT; i++) host[i] = value;
    assert_int_equal(d->copy(d, c->a, host, sizeof host, COPY_TO_DEVICE, &e), 0);
    const uint64_t before = issued();
    if (d->repeat(d, &work, recording, &e)) fail_msg("%s", e.text);
    *calls = issued() - before;
    assert_int_equal(d->copy(d, host, c->b, sizeof host, COPY_TO_HOST, &e), 0);
    assert_int_equal(d->wait(d, &e), 0);
    for (int i = 0; i < COUNT; i++) assert_true(host[i] == (i ? value : 0));
}

static void work_is_recorded_in_the_second_run(void **state)
{
    (void)state;
    Copying c;
    Recording *recording = NULL;
    uint64_t calls;
    open_copying(&c, FINE);
    for (int i = 0; i < RUNS; i++) {
        run_copying(&c, &recording, (float)(i + 1), &calls);
        assert_int_equal(c.issued, i ? 2 : 1);
        if (i > 1 && emu_counts) assert_int_equal(calls, 1);
    }
    close_copying(&c, recording);
}

static void work_that_cannot_be_recorded_is_issued_each_time(void **state)
{
    (void)state;
    Copying c;
    Recording *recording = NULL;
    uint64_t calls;
    open_copying(&c, WAITS);
    for (int i = 0; i < RUNS; i++) {
        run_copying(&c, &recording, (float)(i + 1), &calls);
        assert_int_equal(c.issued, i ? i + 2 : 1); /* one attempt to record it */
    }
    close_copying(&c, recording);
}

static void a_failure_of_the_work_is_returned(void **state)
{
    (void)state;
    Copying c;
    Recording *recording = NULL;
    uint64_t calls;
    const DeviceWork work = {copy_and_clear, &c};
    open_copying(&c, FAILS);
    run_copying(&c, &recording, 1, &calls);
    for (int i = 0; i < 2; i++) {
        Err e = {ERR_NONE, ""};
        assert_int_equal(c.device->repeat(c.device, &work, &recording, &e), ERR_VALUE);
        assert_string_equal(e.text, "it fails");
    }
    close_copying(&c, recording);
}

/* ---- inference ---- */

enum { CHANNELS = 2, CLASSES = 3, BATCHES = 2, SIDE = 32 };

typedef struct Narrow {
    const char *name, *config; /* network: of a plan */
    DType precision;
} Narrow;

/* Among them they have all of: products, convolutions, transposed ones, the scan in pieces, norms, attention. */
static Narrow networks[] = {
    {"swin_umamba_d", "{width: 0.125, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}", DTYPE_F32},
    {"nnunet", NULL, DTYPE_BF16},
    {"unetr", "{feature_size: 4, hidden: 48, mlp: 96, heads: 3, layers: 10}", DTYPE_F32},
};

typedef struct Net {
    Graph *graph;
    Parameters *parameters;
    Ref head;
} Net;

static void open_net(Net *n, const Narrow *narrow)
{
    Err e = {ERR_NONE, ""};
    NetworkSpec spec;
    if (network_defaults(&spec, narrow->name, &e)) fail_msg("%s", e.text);
    if (narrow->config && network_configure(&spec, narrow->config, &e)) fail_msg("%s", e.text);
    if (spec.kind->complete && spec.kind->complete(&spec.config, SIDE, SIDE, &e)) fail_msg("%s", e.text);
    Architecture *a = (Architecture *)(void *)&spec.config;
    for (int i = 0; !narrow->config && i < a->n_stages; i++) a->features_per_stage[i] = 8;
    spec.height = spec.width = SIDE;
    spec.channels = CHANNELS;
    spec.classes = CLASSES;
    if (network_build(&n->graph, &spec, &e) || parameters_new(&n->parameters, n->graph, &e)) fail_msg("%s", e.text);
    parameters_initialize(n->parameters, 4);
    assert_true(graph_find(n->graph, "head0", &n->head));
}

static void close_net(Net *n)
{
    parameters_free(n->parameters);
    graph_free(n->graph);
}

static Executor *open_executor(const Net *n, const Narrow *narrow, int items, const Executor *lender)
{
    Executor *x;
    Err e = {ERR_NONE, ""};
    const Shape inputs[] = {{items, SIDE, SIDE, CHANNELS}, {items, SIDE, SIDE, 1}};
    const ExecutorOptions o = {.inputs = inputs,
                               .outputs = &n->head,
                               .output_count = 1,
                               .precision = narrow->precision,
                               .lender = lender,
                               .device = gpu()};
    if (executor_new(&x, n->graph, n->parameters, &o, &e)) fail_msg("%s", e.text);
    return x;
}

/* The calls of the first node's forward, which are 2 if the executor is recorded. */
static OpImpl counting;
static void (*counted)(Node *, const Step *);
static int forwards;

static void count_forward(Node *node, const Step *step)
{
    forwards++;
    counted(node, step);
}

static void count_first_node(const Executor *x)
{
    Node *first = (Node *)executor_node(x, 0);
    counting = *first->impl;
    counted = counting.forward;
    counting.forward = count_forward;
    first->impl = &counting;
    forwards = 0;
}

/* Feeds images that no other `seed` has. */
static void feed(Executor *x, uint64_t seed)
{
    Rng rng = rng_make(seed, 0, 0, 0, RNG_TEST);
    const int64_t count = shape_count(executor_input_shape(x, 0));
    float *image = malloc(sizeof *image * (size_t)count);
    assert_non_null(image);
    for (int64_t i = 0; i < count; i++) image[i] = (float)rng_normal(&rng);
    assert_int_equal(executor_feed(x, 0, image, NULL), 0);
    assert_int_equal(executor_wait(x, NULL), 0);
    free(image);
}

/* The head: owned by the caller. *calls: what the host issued. */
static float *infer(Executor *x, uint64_t seed, uint64_t *calls)
{
    Err e = {ERR_NONE, ""};
    float *head = malloc(sizeof *head * (size_t)shape_count(executor_output_shape(x, 0)));
    assert_non_null(head);
    feed(x, seed);
    const uint64_t before = issued();
    if (executor_forward(x, &(Step){0}, &e)) fail_msg("%s", e.text);
    *calls = issued() - before;
    if (executor_fetch(x, 0, head, &e) || executor_wait(x, &e)) fail_msg("%s", e.text);
    return head;
}

/* Compares it with the first run of another executor; returns what the host issued. */
static uint64_t compare(Executor *x, const Net *n, const Narrow *narrow, int items, uint64_t seed)
{
    uint64_t calls, first;
    Executor *other = open_executor(n, narrow, items, NULL);
    float *a = infer(x, seed, &calls), *b = infer(other, seed, &first);
    assert_memory_equal(a, b, sizeof *a * (size_t)shape_count(executor_output_shape(x, 0)));
    executor_free(other);
    free(a);
    free(b);
    return calls;
}

/* Two executors with one arena, as of several folds; other weights after three runs. */
static void repeated_inference_has_the_bits_of_a_first_run(void **state)
{
    const Narrow *narrow = *state;
    Net n;
    open_net(&n, narrow);
    Executor *large = open_executor(&n, narrow, BATCHES, NULL), *one = open_executor(&n, narrow, 1, large);
    count_first_node(one);
    for (int run = 0; run < RUNS; run++) {
        if (run == 3) parameters_initialize(n.parameters, 5);
        for (int items = 1; items <= BATCHES; items++) {
            const uint64_t calls = compare(items == 1 ? one : large, &n, narrow, items, (uint64_t)(10 * run + items));
            if (emu_counts && run != 3) assert_int_equal(calls == 1, run > 1); /* in run 3 weights are packed */
        }
    }
    assert_int_equal(forwards, 2);
    executor_free(one);
    executor_free(large);
    close_net(&n);
    expect_nothing_left();
}

int main(void)
{
    const struct CMUnitTest of_the_device[] = {
        cmocka_unit_test(work_is_recorded_in_the_second_run),
        cmocka_unit_test(work_that_cannot_be_recorded_is_issued_each_time),
        cmocka_unit_test(a_failure_of_the_work_is_returned),
    };
    enum { NETWORKS = sizeof networks / sizeof *networks };
    struct CMUnitTest of_networks[NETWORKS];
    for (int i = 0; i < NETWORKS; i++)
        of_networks[i] = (struct CMUnitTest){networks[i].name, repeated_inference_has_the_bits_of_a_first_run, NULL,
                                             NULL, &networks[i]};
    const int failed = cmocka_run_group_tests_name("device", of_the_device, NULL, NULL);
    return failed + cmocka_run_group_tests_name("inference", of_networks, NULL, NULL);
}
