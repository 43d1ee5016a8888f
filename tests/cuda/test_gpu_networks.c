/* All networks on the GPU (emulated, or a real one): narrow ones, forward and backward, beside the CPU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "network/executor/executor.h"
#include "network/models/architecture.h"
#include "network/models/network.h"
#include "tests/support/emulator.h"

enum { CLASSES = 3, CHANNELS = 2, ITEMS = 2 };

typedef struct Narrow {
    const char *name, *config; /* network: of a plan */
    int side;
    double head, gradient; /* bounds of relative L2 errors in float32 */
} Narrow;

/* U-Mamba_Enc: rounding errors grow from stage to stage (umamba_enc.c). */
static Narrow networks[] = {
    {"swin_umamba", "{width: 0.125, depths: [1, 1, 1, 1], drop_path: 0}", 64, 1e-5, 1e-4},
    {"swin_umamba_d", "{width: 0.125, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1], drop_path: 0}", 32, 1e-5, 1e-4},
    {"swin_umamba_paper", "{width: 0.125, depths: [1, 1, 1, 1], drop_path: 0}", 64, 1e-5, 1e-4},
    {"nnunet", NULL, 32, 1e-5, 1e-4},
    {"segresnet", "{init_filters: 8}", 32, 1e-5, 1e-4},
    {"unetr", "{feature_size: 4, hidden: 48, mlp: 96, heads: 3, layers: 10}", 32, 1e-5, 1e-4},
    {"swinunetr", "{feature_size: 12, depths: [2, 1, 1, 1]}", 64, 1e-5, 1e-4},
    {"nnformer", "{embed: 24, depths: [2, 1, 1, 1], heads: [1, 2, 4, 8], drop_path: 0}", 64, 1e-5, 1e-4},
    {"umamba_bot", NULL, 32, 1e-5, 1e-4},
    {"umamba_enc", NULL, 32, 1e-4, 1e-3},
};

enum { NETWORKS = sizeof networks / sizeof *networks };

typedef struct Net {
    int side;
    Graph *graph;
    Parameters *parameters;
    Ref outputs[2]; /* loss, head0 */
} Net;

static void narrow_stages(Architecture *a)
{
    for (int i = 0; i < a->n_stages; i++) a->features_per_stage[i] = 4 << (i < 2 ? i : 2);
}

static void open_net(Net *n, const Narrow *narrow)
{
    Err e = {ERR_NONE, ""};
    NetworkSpec spec;
    n->side = narrow->side;
    if (network_defaults(&spec, narrow->name, &e)) fail_msg("%s", e.text);
    if (narrow->config && network_configure(&spec, narrow->config, &e)) fail_msg("%s", e.text);
    if (spec.kind->complete && spec.kind->complete(&spec.config, n->side, n->side, &e)) fail_msg("%s", e.text);
    if (!narrow->config) narrow_stages((Architecture *)(void *)&spec.config);
    spec.height = spec.width = n->side;
    spec.channels = CHANNELS;
    spec.classes = CLASSES;
    spec.deep_supervision = true;
    if (network_build(&n->graph, &spec, &e) || parameters_new(&n->parameters, n->graph, &e)) fail_msg("%s", e.text);
    parameters_initialize(n->parameters, 4);
    assert_true(graph_find(n->graph, "loss", &n->outputs[0]) && graph_find(n->graph, "head0", &n->outputs[1]));
}

static void close_net(Net *n)
{
    parameters_free(n->parameters);
    graph_free(n->graph);
}

/* Noisy discs, labelled. */
static void feed(Executor *x, int side)
{
    Err e = {ERR_NONE, ""};
    Rng rng = rng_make(2, 0, 0, 0, RNG_TEST);
    const int pixels = ITEMS * side * side;
    float *image = malloc(sizeof *image * (size_t)(pixels * CHANNELS));
    int16_t *labels = malloc(sizeof *labels * (size_t)pixels);
    assert_true(image && labels);
    for (int i = 0; i < pixels; i++) {
        const int y = i % (side * side) / side - side / 2, z = i % side - side / 3;
        labels[i] = (int16_t)((y * y + z * z < side * side / 20) + (y > side / 5));
        image[2 * i] = (float)(labels[i] + 0.3 * rng_normal(&rng));
        image[2 * i + 1] = (float)rng_normal(&rng);
    }
    if (executor_feed(x, 0, image, &e) || executor_feed(x, 1, labels, &e) || executor_wait(x, &e))
        fail_msg("%s", e.text);
    free(image);
    free(labels);
}

/* What a run gives: owned, dense. */
typedef struct Result {
    float loss, *head, *gradients;
    int64_t head_count, gradient_count;
} Result;

static void free_result(Result *r)
{
    free(r->head);
    free(r->gradients);
}

static void run_passes(Executor *x, Result *r)
{
    static const float one = 1;
    const Step step = {.seed = 2};
    Err e = {ERR_NONE, ""};
    const Gradients *g = executor_gradients(x);
    r->head_count = shape_count(executor_output_shape(x, 1));
    r->gradient_count = g->count;
    r->head = malloc(sizeof(float) * (size_t)r->head_count);
    r->gradients = malloc(sizeof(float) * (size_t)g->count);
    assert_true(r->head && r->gradients);
    if (executor_forward(x, &step, &e) || executor_fetch(x, 0, &r->loss, &e) || executor_fetch(x, 1, r->head, &e) ||
        executor_seed(x, 0, &one, &e) || executor_backward(x, &step, &e) ||
        g->device->copy(g->device, r->gradients, g->values, sizeof(float) * (size_t)g->count, COPY_TO_HOST, &e) ||
        executor_wait(x, &e))
        fail_msg("%s", e.text);
}

/* device NULL: the CPU. */
static Result run(const Narrow *narrow, const char *device, DType precision)
{
    Err e = {ERR_NONE, ""};
    Net n;
    Executor *x;
    Result r = {0};
    open_net(&n, narrow);
    const Shape inputs[] = {{ITEMS, n.side, n.side, CHANNELS}, {ITEMS, n.side, n.side, 1}};
    const ExecutorOptions o = {.inputs = inputs,
                               .outputs = n.outputs,
                               .output_count = 2,
                               .train = true,
                               .unseeded = 2,
                               .precision = precision,
                               .device = device ? device_named(device, &e) : NULL};
    if ((device && !o.device) || executor_new(&x, n.graph, n.parameters, &o, &e)) fail_msg("%s", e.text);
    feed(x, n.side);
    run_passes(x, &r);
    executor_free(x);
    close_net(&n);
    return r;
}

static double relative_l2(const float *a, const float *b, int64_t count)
{
    double error = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        const double d = (double)a[i] - (double)b[i];
        error += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return sqrt(error / norm);
}

static void expect(const Narrow *n, const char *what, double error, double least, double most)
{
    if (!(error >= least && error <= most))
        fail_msg("%s: %s: error %.3g, expected %.3g to %.3g", n->name, what, error, least, most);
}

static void compare(const Narrow *n, const Result *gpu, const Result *cpu, DType precision)
{
    const bool exact = precision == DTYPE_F32; /* bfloat16 is rounded, so never equal */
    expect(n, "loss", fabs((double)(gpu->loss / cpu->loss) - 1), 0, exact ? n->head : 5e-3);
    expect(n, "head0", relative_l2(gpu->head, cpu->head, cpu->head_count), exact ? 0 : 5e-4, exact ? n->head : 3e-2);
    expect(n, "gradients", relative_l2(gpu->gradients, cpu->gradients, cpu->gradient_count), exact ? 0 : 5e-4,
           exact ? n->gradient : 0.15);
}

static void a_network_has_the_cpus_values(void **state)
{
    const Narrow *n = *state;
    Result cpu = run(n, NULL, DTYPE_F32), gpu = run(n, "cuda", DTYPE_F32), half = run(n, "cuda", DTYPE_BF16);
    compare(n, &gpu, &cpu, DTYPE_F32);
    compare(n, &half, &cpu, DTYPE_BF16);
    free_result(&cpu);
    free_result(&gpu);
    free_result(&half);
    if (emu_errors) assert_int_equal(emu_errors(), 0);
}

int main(void)
{
    struct CMUnitTest tests[NETWORKS];
    for (int i = 0; i < NETWORKS; i++)
        tests[i] = (struct CMUnitTest){networks[i].name, a_network_has_the_cpus_values, NULL, NULL, &networks[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
