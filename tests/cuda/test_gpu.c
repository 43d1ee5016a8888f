/* The GPU as a Device: memory, copies, the search for values that are not finite, and what is said without a GPU; stochastic
 * depth and the optimizer's rules beside the CPU's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inference/sliding_window.h"
#include "inference/window_sums.h"
#include "network/executor/executor.h"
#include "network/ops/ops.h"
#include "network/optimizer/update.h"
#include "tests/support/emulator.h"
#include "tests/support/op_run.h"

enum { COUNT = 5000 };

static const Device *gpu(void)
{
    Err e = {ERR_NONE, ""};
    const Device *d = device_named("cuda", &e);
    if (!d) fail_msg("%s", e.text);
    return d;
}

static void memory_is_copied_there_and_back(void **state)
{
    (void)state;
    Err e = {ERR_NONE, ""};
    const Device *d = gpu();
    float *host = d->alloc_host(d, COUNT * sizeof *host, &e), *a = d->alloc(d, COUNT * sizeof *a, &e);
    float *b = d->alloc(d, COUNT * sizeof *b, &e);
    assert_true(host && a && b && (uintptr_t)a % d->alignment == 0);
    for (int i = 0; i < COUNT; i++) host[i] = (float)i;
    assert_int_equal(d->copy(d, a, host, COUNT * sizeof *host, COPY_TO_DEVICE, &e), 0);
    assert_int_equal(d->copy(d, b, a, COUNT * sizeof *host, COPY_ON_DEVICE, &e), 0);
    assert_int_equal(d->clear(d, b, 10 * sizeof *b, &e), 0);
    assert_int_equal(d->wait(d, &e), 0);
    memset(host, 0xff, COUNT * sizeof *host);
    assert_int_equal(d->copy(d, host, b, COUNT * sizeof *host, COPY_TO_HOST, &e), 0);
    assert_int_equal(d->wait(d, &e), 0);
    for (int i = 0; i < COUNT; i++) assert_true(host[i] == (i < 10 ? 0 : (float)i));
    d->free_host(d, host);
    d->free(d, a);
    d->free(d, b);
    d->free(d, NULL);
}

/* `rows` rows of 20 values, 25 apart; all are finite but the one at `place`. */
static bool finds(DType dtype, float value, int rows, int place)
{
    Err e = {ERR_NONE, ""};
    const Device *d = gpu();
    float host[COUNT] = {0};
    uint16_t half[COUNT] = {0};
    bool finite = false;
    host[place] = value;
    for (int i = 0; i < COUNT; i++) half[i] = (uint16_t)(((const uint16_t *)host)[2 * i + 1]);
    const void *from = dtype == DTYPE_F32 ? (const void *)host : half;
    void *there = d->alloc(d, sizeof host, &e);
    const DeviceRows r = {there, dtype, rows, 20, 25};
    assert_int_equal(d->copy(d, there, from, COUNT * dtype_size(dtype), COPY_TO_DEVICE, &e), 0);
    assert_int_equal(d->all_finite(d, &r, &finite, &e), 0);
    d->free(d, there);
    return !finite;
}

static void values_that_are_not_finite_are_found(void **state)
{
    (void)state;
    const DType types[] = {DTYPE_F32, DTYPE_BF16};
    for (int i = 0; i < 2; i++) {
        assert_false(finds(types[i], 3e38f, 200, 7));
        assert_true(finds(types[i], INFINITY, 200, 7));
        assert_true(finds(types[i], -INFINITY, 200, 199 * 25 + 19));
        assert_true(finds(types[i], NAN, 1, 0));
        assert_false(finds(types[i], NAN, 200, 20)); /* between the rows */
        assert_false(finds(types[i], NAN, 100, 100 * 25));
    }
}

/* More values than there are threads. */
static void values_that_are_not_finite_are_found_behind_many(void **state)
{
    (void)state;
    enum { MANY = 4096 * 256 + 10 };
    Err e = {ERR_NONE, ""};
    const Device *d = gpu();
    float *there = d->alloc(d, MANY * sizeof *there, &e);
    const DeviceRows r = {there, DTYPE_F32, 1, MANY, MANY};
    for (int place = 0; place < 2; place++) {
        const float value = place ? NAN : 0;
        bool finite = false;
        assert_int_equal(d->clear(d, there, MANY * sizeof *there, &e), 0);
        assert_int_equal(d->copy(d, there + MANY - 1, &value, sizeof value, COPY_TO_DEVICE, &e), 0);
        assert_int_equal(d->all_finite(d, &r, &finite, &e), 0);
        assert_int_equal(finite, !place);
    }
    d->free(d, there);
}

/* ---- stochastic depth: the factors of the CPU ---- */

enum { SAMPLES = 515, PER_SAMPLE = 3 * 8, VALUES = SAMPLES * PER_SAMPLE };

static void run_pass(OpRun *r, OpPass pass)
{
    Err e = {ERR_NONE, ""};
    const Step step = {.seed = 5, .epoch = 2, .iteration = 7};
    if (op_run_pass(r, pass, &step, &e)) fail_msg("%s", e.text);
}

/* The output, and the gradients of both inputs. */
static void add_on(const Device *d, const Node *like, const OpImpl *impl, double found[3][VALUES])
{
    Err e = {ERR_NONE, ""};
    OpRun r;
    double numbers[VALUES];
    assert_int_equal(op_run_new(&r, like, impl,
                                (OpRunOptions){.backward = true, .overwrite = -1, .overwrite_grad = -1, .device = d},
                                &e),
                     0);
    for (int i = 0; i < VALUES; i++) numbers[i] = i % 13 - 6;
    op_run_set(r.in[0].data, &r.in[0], numbers);
    for (int i = 0; i < VALUES; i++) numbers[i] = i % 7 + 1;
    op_run_set(r.in[1].data, &r.in[1], numbers);
    op_run_set(r.out[0].grad, &r.out[0], numbers);
    run_pass(&r, OP_FORWARD);
    op_run_set(r.out[0].grad, &r.out[0], numbers);
    run_pass(&r, OP_BACKWARD);
    op_run_get(r.out[0].data, &r.out[0], found[0]);
    for (int i = 0; i < 2; i++) op_run_get(r.in[i].grad, &r.in[i], found[1 + i]);
    op_run_free(&r);
}

static void stochastic_depth_is_that_of_the_cpu(void **state)
{
    (void)state;
    static double cpu[3][VALUES], cuda[3][VALUES];
    Err e = {ERR_NONE, ""};
    Graph *g = graph_new(&e);
    const Ref a = graph_input(g, "a", (Shape){SAMPLES, 1, 3, 8}, DTYPE_F32);
    const Ref b = graph_input(g, "b", (Shape){SAMPLES, 1, 3, 8}, DTYPE_F32);
    const Ref sum = op_add_drop_path(g, "block", a, b, 0.4);
    Executor *x = NULL;
    const ExecutorOptions o = {.outputs = &sum, .output_count = 1, .train = true, .input_gradients = 3};
    assert_int_equal(executor_new(&x, g, NULL, &o, &e), 0);
    const Node *node = executor_node(x, 0);
    const OpImpl *const *list = node->op->on[DEVICE_CPU];
    while (list[1]) list++; /* the reference */
    add_on(NULL, node, *list, cpu);
    add_on(gpu(), node, node->op->on[DEVICE_CUDA][0], cuda);
    assert_memory_equal(cpu, cuda, sizeof cpu);
    int dropped = 0;
    for (int i = 0; i < SAMPLES; i++) dropped += cuda[2][i * PER_SAMPLE] == 0;
    assert_in_range(dropped, 1, SAMPLES - 1);
    executor_free(x);
    graph_free(g);
}

/* ---- the optimizer's rules: two parameters, of three pieces and of many small ones ---- */

enum { LARGE = 33000, SMALL = 10, ELEMENTS = 36000, PIECES = 3 + (ELEMENTS - LARGE) / SMALL, ARRAYS = 5, STEPS = 3 };

/* Values, two moments, gradients and averages; everything is in one place on the host or on the device. */
typedef struct Trained {
    float arrays[ARRAYS][ELEMENTS];
    double squares[PIECES + 1]; /* the last is NaN */
    int64_t counts[2];
    StepBlock block;
    float loss;
    UpdatePiece pieces[PIECES];
} Trained;

static void start_training(Trained *t)
{
    memset(t, 0, sizeof *t);
    for (int i = 0; i < ELEMENTS; i++) {
        t->arrays[0][i] = (float)(i % 101) / 50 - 1;
        t->arrays[3][i] = (float)(i % 89) / 30 - 1.4f;
    }
    t->squares[PIECES] = NAN;
}

/* Points to `there`, where the values are or will be. clip: the most norm; 0: without clipping, loss and average. */
static Update update_of(Trained *t, Trained *there, double clip)
{
    t->block = (StepBlock){.stopped = t->block.stopped, .counts = there->counts};
    for (int i = 0; i < PIECES; i++) {
        const int first = i < 3 ? i * UPDATE_PIECE : LARGE + (i - 3) * SMALL;
        const int end = i < 2 ? first + UPDATE_PIECE : i < 3 ? LARGE : first + SMALL;
        t->pieces[i] = (UpdatePiece){.param = i >= 3,
                                     .count = end - first,
                                     .values = there->arrays[0] + first,
                                     .moments = {there->arrays[1] + first, there->arrays[2] + first},
                                     .gradients = there->arrays[3] + first,
                                     .average = clip > 0 ? there->arrays[4] + first : NULL};
    }
    return (Update){.learning_rate = 1e-2,
                    .loss = clip > 0 ? &there->loss : NULL,
                    .adamw = {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-6, .weight_decay = 0.05},
                    .sgd = {.momentum = 0.9, .weight_decay = 0.03},
                    .clip_norm = clip,
                    .average_decay = 0.8,
                    .pieces = there->pieces,
                    .squares = there->squares,
                    .piece_count = PIECES,
                    .block = &there->block};
}

static void step_there(Trained *t, UpdateStep step, double clip)
{
    Err e = {ERR_NONE, ""};
    const Device *d = gpu();
    Trained *there = d->alloc(d, sizeof *t, &e);
    assert_non_null(there);
    const Update u = update_of(t, there, clip);
    int failed = d->copy(d, there, t, sizeof *t, COPY_TO_DEVICE, &e);
    d->begin(d, "optimizer");
    if (!failed) failed = step(&u, &e);
    if (!failed) failed = d->end(d, &e);
    if (!failed) failed = d->copy(d, t, there, sizeof *t, COPY_TO_HOST, &e);
    if (!failed) failed = d->wait(d, &e);
    if (failed) fail_msg("%s", e.text);
    d->free(d, there);
}

static void compare_training(const Trained *cpu, const Trained *cuda)
{
    assert_true(fabs(cpu->block.norm - cuda->block.norm) <= 1e-13 * cpu->block.norm);
    assert_true(fabs(cpu->block.clip - cuda->block.clip) <= 1e-13);
    assert_memory_equal(cpu->counts, cuda->counts, sizeof cpu->counts);
    for (int a = 0; a < ARRAYS; a++)
        for (int i = 0; i < ELEMENTS; i++)
            assert_true(fabsf(cpu->arrays[a][i] - cuda->arrays[a][i]) <= 1e-6f * (1 + fabsf(cpu->arrays[a][i])));
}

static void expect_no_step(Trained *t, UpdateStep step)
{
    static Trained before;
    before = *t;
    step_there(t, step, 12);
    assert_memory_equal(before.arrays, t->arrays, sizeof before.arrays);
    assert_memory_equal(before.counts, t->counts, sizeof before.counts);
    assert_true(t->block.stopped);
}

static void rules_are_those_of_the_cpu(void **state)
{
    (void)state;
    static Trained cpu, cuda;
    const UpdateStep rules[][2] = {
        {update_adamw_cpu, update_adamw_cuda}, {update_adam_cpu, update_adam_cuda}, {update_sgd_cpu, update_sgd_cuda}};
    const double clips[STEPS] = {0, 1e6, 12};
    Err e = {ERR_NONE, ""};
    for (int r = 0; r < 3; r++) {
        start_training(&cpu);
        start_training(&cuda);
        for (int s = 0; s < STEPS; s++) {
            const Update u = update_of(&cpu, &cpu, clips[s]);
            assert_int_equal(rules[r][0](&u, &e), 0);
            step_there(&cuda, rules[r][1], clips[s]);
            compare_training(&cpu, &cuda);
        }
        assert_true(cuda.block.clip < 1 && cuda.counts[0] == STEPS);
        cuda.arrays[3][7] = NAN;
        expect_no_step(&cuda, rules[r][1]);
        assert_true(isnan(cuda.block.norm));
        cuda.arrays[3][7] = 0; /* nor a later one */
        expect_no_step(&cuda, rules[r][1]);
        cuda.block.stopped = false;
        cuda.loss = INFINITY;
        expect_no_step(&cuda, rules[r][1]);
    }
}

/* ---- sizes that kernels do not do ---- */

static Ref depthwise_of(Graph *g, int64_t pixels)
{
    return op_depthwise_conv2d(g, "conv", graph_input(g, "x", (Shape){1, 1, pixels, 1}, DTYPE_F32));
}

static Ref causal_of(Graph *g, int64_t pixels)
{
    return op_causal_conv1d(g, "conv", graph_input(g, "x", (Shape){1, 1, pixels, 1}, DTYPE_F32));
}

static Ref instance_norm_of(Graph *g, int64_t pixels)
{
    return op_instance_norm(g, "norm", graph_input(g, "x", (Shape){1, 1, pixels, 1}, DTYPE_F32), false);
}

static Ref layer_norm_of(Graph *g, int64_t channels)
{
    return op_layer_norm(g, "norm", graph_input(g, "x", (Shape){1, 1, 1, channels}, DTYPE_F32));
}

static Ref attention_of(Graph *g, int64_t channels)
{
    const Ref q = graph_input(g, "q", (Shape){1, 1, 1, channels}, DTYPE_F32);
    return op_attention(g, q, graph_input(g, "kv", (Shape){1, 1, 1, 2 * channels}, DTYPE_F32), 1);
}

static Ref windows_of(Graph *g, int64_t window)
{
    const WindowAttention w = {1, window, 0, true};
    const Ref q = graph_input(g, "q", (Shape){1, window, window, 1}, DTYPE_F32);
    return op_window_attention(g, q, graph_input(g, "kv", (Shape){1, window, window, 2}, DTYPE_F32), &w);
}

static Ref counts_of(Graph *g, int64_t classes)
{
    const Ref z = graph_input(g, "z", (Shape){1, 1, 1, classes}, DTYPE_F32);
    return op_class_counts(g, "counts", z, graph_input(g, "labels", (Shape){1, 1, 1, 1}, DTYPE_I16), -1, NULL);
}

static const ScanDirections ONE_WAY = {1, {SCAN_ROW_MAJOR}};

static Ref scan_of(Graph *g, int64_t rank)
{
    return op_selective_scan(g, graph_input(g, "x", (Shape){1, 1, 1, 1}, DTYPE_F32), rank, 1, ONE_WAY);
}

static Ref wide_scan_of(Graph *g, int64_t channels)
{
    return op_selective_scan(g, graph_input(g, "x", (Shape){8, 1, 1, channels}, DTYPE_F32), 1, 1, ONE_WAY);
}

static ErrCode planned(Ref (*build)(Graph *, int64_t), int64_t size)
{
    Err e = {ERR_NONE, ""};
    Graph *g = graph_new(&e);
    const Ref out = build(g, size);
    Executor *x = NULL;
    const ExecutorOptions o = {.outputs = &out, .output_count = 1, .device = gpu()};
    executor_new(&x, g, NULL, &o, &e);
    executor_free(x);
    graph_free(g);
    return e.code;
}

static void sizes_that_a_kernel_does_not_do_are_refused(void **state)
{
    (void)state;
    const struct {
        Ref (*build)(Graph *, int64_t);
        int64_t most;
    } limits[] = {{depthwise_of, 65535 * 256},
                  {causal_of, 65535 * 256},
                  {instance_norm_of, 65535 * 128},
                  {layer_norm_of, 6144},
                  {attention_of, 128},
                  {windows_of, 20},
                  {scan_of, 128},
                  {counts_of, 4096}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        assert_int_equal(planned(limits[i].build, limits[i].most), ERR_NONE);
        assert_int_equal(planned(limits[i].build, limits[i].most + 1), ERR_UNSUPPORTED);
    }
}

/* Of more blocks than it would be cut into. */
static void selective_scan_of_many_channels_is_planned(void **state)
{
    (void)state;
    assert_int_equal(planned(wide_scan_of, 129 * 64), ERR_NONE);
}

static void too_much_memory_is_refused(void **state)
{
    (void)state;
    Err e = {ERR_NONE, ""};
    const Device *d = gpu();
    assert_null(d->alloc(d, (size_t)1 << 50, &e));
    assert_int_equal(e.code, ERR_NOMEM);
    assert_non_null(strstr(e.text, "MB of GPU memory could not be allocated"));
    assert_int_equal(d->wait(d, NULL), 0); /* and that is all */
}

static void refused(const char *gpus, const char *name, const char *words)
{
    Err e = {ERR_NONE, ""};
    setenv("SWIN_UMAMBA_EMULATED_GPUS", gpus, 1);
    assert_null(device_named(name, &e));
    unsetenv("SWIN_UMAMBA_EMULATED_GPUS");
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    if (!strstr(e.text, words)) fail_msg("%s", e.text);
}

static void a_gpu_that_is_not_there_is_named(void **state)
{
    (void)state;
    if (!emu_set_order) skip(); /* a real machine has the GPUs that it has */
    refused("none", "cuda", "device cuda:0: no NVIDIA driver");
    refused("0", "cuda:1", "device cuda:1: this machine has no NVIDIA GPU");
    refused("2", "cuda:2", "device cuda:2: this machine has 2 GPUs, the last is cuda:1");
    refused("1", "cuda:2", "device cuda:2: this machine has only cuda:0");
}

static void nothing_is_left_allocated(void **state)
{
    (void)state;
    if (!emu_live_bytes) skip();
    assert_int_equal(emu_live_bytes(), 0);
}

/* ---- the sliding window ---- */

enum { TILE = 12, CHANNELS = 2, LABELS = 3, BATCH = 3, MOST_ROWS = 40 * 40 * LABELS };
enum { TILE_IMAGES = BATCH * TILE * TILE * CHANNELS, TILE_LOGITS = BATCH * TILE * TILE * LABELS };

/* A network whose logits are functions of the pixel and of its place, on a device or the CPU. */
typedef struct Toy {
    const Device *device;
    float images[TILE_IMAGES], logits[TILE_LOGITS];
    float *there; /* the logits in the device's memory */
} Toy;

static int run_toy(void *context, Err *e)
{
    Toy *t = context;
    for (int i = 0; i < TILE_LOGITS; i++) {
        const float *pixel = t->images + i / LABELS * CHANNELS;
        t->logits[i] = pixel[0] * (float)(i % LABELS + 1) - pixel[1] + (float)(i / LABELS % TILE) * 0.1f;
    }
    return t->device->copy(t->device, t->there, t->logits, sizeof t->logits, COPY_TO_DEVICE, e);
}

typedef struct Rows {
    float values[MOST_ROWS];
    int count, width; /* width: values of a row */
} Rows;

static int take_rows(void *context, const RowBlock *b, Err *e)
{
    Rows *r = context;
    (void)e;
    for (int64_t y = b->y; y < b->y + b->count; y++)
        for (int k = 0; k < r->width && r->count < MOST_ROWS; k++) r->values[r->count++] = row_of(b, y)[k];
    return 0;
}

static Rows predicted(const Device *d, const WindowOptions *o, const int64_t shape[3])
{
    static Toy toy;
    static float image[2 * 40 * 40 * CHANNELS];
    Err e = {ERR_NONE, ""};
    Rows rows = {.width = (int)shape[2] * LABELS};
    toy.device = d;
    toy.there = d->alloc(d, sizeof toy.logits, &e);
    assert_non_null(toy.there);
    for (int i = 0; i < (int)(sizeof image / sizeof *image); i++) image[i] = (float)(i * 7 % 23) * 0.1f - 1;
    const TileNetwork network = {BATCH, CHANNELS, LABELS, toy.images, toy.there, run_toy, &toy, d};
    if (window_predict(o, &network, image, shape, &(RowSink){take_rows, &rows}, &e)) fail_msg("%s", e.text);
    d->free(d, toy.there);
    return rows;
}

static void the_sliding_window_adds_as_the_cpu_does(void **state)
{
    (void)state;
    const int64_t shapes[][3] = {{2, 31, 17}, {1, 12, 40}, {1, 31, 12}};
    for (int i = 0; i < 12; i++) {
        const WindowOptions o = {{TILE, TILE}, 0.5, i % 2, {i / 2 % 2, i / 2 % 2}, i >= 6, 0};
        const int64_t *shape = shapes[i % 3];
        const Rows cpu = predicted(device_cpu(), &o, shape), there = predicted(gpu(), &o, shape);
        assert_int_equal(there.count, cpu.count);
        assert_int_equal(cpu.count, shape[0] * shape[1] * shape[2] * LABELS);
        for (int k = 0; k < cpu.count; k++)
            if (fabsf(there.values[k] - cpu.values[k]) > (o.half ? 4e-3f : 1e-5f))
                fail_msg("run %d, value %d: %g, on the CPU %g", i, k, (double)there.values[k], (double)cpu.values[k]);
    }
}

static void folds_are_averaged_or_kept_as_on_the_cpu(void **state)
{
    (void)state;
    enum { PIXELS = 50, HEADS = 4, FOLDS = 3, EACH = PIXELS * HEADS };
    Err e = {ERR_NONE, ""};
    const Device *devices[] = {device_cpu(), gpu()};
    float logits[FOLDS][EACH], found[2][2][EACH * FOLDS];
    for (int i = 0; i < FOLDS * EACH; i++) logits[i / EACH][i % EACH] = (float)(i * 5 % 17) * 0.3f;
    for (int k = 0; k < 2; k++) {
        const Device *d = devices[k];
        const WindowKernels *kernels = window_kernels(d);
        float *one = d->alloc(d, sizeof logits[0], &e), *sum = d->alloc(d, sizeof logits[0], &e);
        float *all = d->alloc(d, sizeof logits, &e);
        assert_true(one && sum && all);
        for (int fold = 0; fold < FOLDS; fold++) {
            assert_int_equal(d->copy(d, one, logits[fold], sizeof logits[0], COPY_TO_DEVICE, &e), 0);
            d->begin(d, "folds");
            kernels->add_fold(sum, one, EACH, !fold, fold == FOLDS - 1 ? FOLDS : 1);
            kernels->keep_fold(all, one, PIXELS, HEADS, fold, FOLDS);
            assert_int_equal(d->end(d, &e), 0);
        }
        assert_int_equal(d->copy(d, found[k][0], sum, sizeof logits[0], COPY_TO_HOST, &e), 0);
        assert_int_equal(d->copy(d, found[k][1], all, sizeof logits, COPY_TO_HOST, &e), 0);
        assert_int_equal(d->wait(d, &e), 0);
        d->free(d, one);
        d->free(d, sum);
        d->free(d, all);
    }
    for (int i = 0; i < EACH; i++) assert_true(fabsf(found[1][0][i] - found[0][0][i]) < 1e-5f);
    assert_memory_equal(found[1][1], found[0][1], sizeof logits);
}

/* With an argument, only the tests whose names match it (*, ?). */
int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_copied_there_and_back),
        cmocka_unit_test(values_that_are_not_finite_are_found),
        cmocka_unit_test(values_that_are_not_finite_are_found_behind_many),
        cmocka_unit_test(stochastic_depth_is_that_of_the_cpu),
        cmocka_unit_test(rules_are_those_of_the_cpu),
        cmocka_unit_test(sizes_that_a_kernel_does_not_do_are_refused),
        cmocka_unit_test(selective_scan_of_many_channels_is_planned),
        cmocka_unit_test(too_much_memory_is_refused),
        cmocka_unit_test(a_gpu_that_is_not_there_is_named),
        cmocka_unit_test(the_sliding_window_adds_as_the_cpu_does),
        cmocka_unit_test(folds_are_averaged_or_kept_as_on_the_cpu),
        cmocka_unit_test(nothing_is_left_allocated),
    };
    return cmocka_run_group_tests_name("gpu", tests, NULL, NULL);
}
