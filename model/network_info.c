/* network_info NETWORK -p HxW -c CHANNELS -n CLASSES: a network's layers, counts and memory. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/program.h"
#include "model/describe.h"
#include "model/planning_device.h"
#include "model/roofline.h"
#include "network/executor/executor.h"
#include "network/executor/precision.h"
#include "network/models/network.h"
#include "plans/plan_help.h"

typedef struct Options {
    const char *network, *svg;
    int64_t size[2];
    int channels, classes, batch;
    double width;
    ScanRule scan_rule;
    bool yaml, roofline;
    CommonOptions common;
    const Device *device; /* whose memory is told */
    PlanningDevice gpu;   /* device NULL: it is the CPU's */
    DType precision;
    Text *text; /* what is printed at the end */
} Options;

enum { KEY_WIDTH = 0x2000, KEY_SCAN_RULE, KEY_SVG, KEY_YAML, KEY_ROOFLINE };

static const struct argp_option argp_options[] = {
    {"patch-size", 'p', "HxW", 0, "Image size in pixels (default: 512x512)", 0},
    {"channels", 'c', "N", 0, "Channels of the image (default: 1)", 0},
    {"classes", 'n', "N", 0, "Classes, background included (default: 2)", 0},
    {"batch-size", 'b', "N", 0, "Batch of which memory is told (default: 1)", 0},
    {"width", KEY_WIDTH, "FACTOR", 0, "network.width of the Swin-UMambas\v: factor on the official numbers of channels",
     0},
    {"scan-rule", KEY_SCAN_RULE, "paper|later", 0,
     "How a scan's operations count (default: paper)\vpaper: 57 for each element; later: 145", 0},
    {"svg", KEY_SVG, "FILE", 0, "Draw the network into FILE", 0},
    {"roofline", KEY_ROOFLINE, NULL, 0,
     "Also print the least time on three GPUs\v, of a forward pass and of a training step: an estimate by their published peaks",
     0},
    {"yaml", KEY_YAML, NULL, 0, "Print YAML instead of a table", 0},
    {0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    Options *o = state->input;
    switch (key) {
    case 'p': option_size(state, "--patch-size", text, o->size, 2); return 0;
    case 'c': o->channels = (int)option_integer(state, "--channels", text, 1, 4096); return 0;
    case 'n': o->classes = (int)option_integer(state, "--classes", text, 2, 65535); return 0;
    case 'b': o->batch = (int)option_integer(state, "--batch-size", text, 1, 65536); return 0;
    case KEY_WIDTH: o->width = option_number(state, "--width", text, 0.01, 64); return 0;
    case KEY_SVG: o->svg = text; return 0;
    case KEY_YAML: o->yaml = true; return 0;
    case KEY_ROOFLINE: o->roofline = true; return 0;
    case KEY_SCAN_RULE: o->scan_rule = strcmp(text, "later") ? SCAN_RULE_PAPER : SCAN_RULE_LATER; return 0;
    case ARGP_KEY_ARG:
        if (o->network) argp_error(state, "one network at a time: %s or %s", o->network, text);
        o->network = text;
        return 0;
    case ARGP_KEY_END:
        if (!o->network) argp_error(state, "which NETWORK?");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static void add_layers(const Executor *x, const Options *o)
{
    if (o->yaml) text_add(o->text, "layers:\n");
    else
        text_add(o->text, "%-58s %-18s %18s %12s %16s\n", "layer", "operation", "output (HxWxC)", "parameters",
                 "multiply-adds");
    for (int i = 0; i < executor_node_count(x); i++) {
        const Node *node = executor_node(x, i);
        const Shape s = node->out[0]->shape;
        const long long parameters = node_parameters(node), macs = node_multiply_adds(node, o->scan_rule);
        char size[48];
        if (!parameters && !macs) continue;
        snprintf(size, sizeof size, "%lldx%lldx%lld", (long long)s.h, (long long)s.w, (long long)s.c);
        if (o->yaml)
            text_add(o->text, "  - {name: %s, operation: %s, output: %s, parameters: %lld, multiply_adds: %lld}\n",
                     node->name, node->op->name, size, parameters, macs);
        else text_add(o->text, "%-58s %-18s %18s %12lld %16lld\n", node->name, node->op->name, size, parameters, macs);
    }
}

static int plan(Executor **x, const Graph *g, const Options *o, int batch, ExecutorOptions how, Err *e)
{
    const Shape sizes[] = {{batch, o->size[0], o->size[1], o->channels}, {batch, o->size[0], o->size[1], 1}};
    how.inputs = sizes;
    how.device = o->device;
    how.precision = o->precision;
    return executor_new(x, g, NULL, &how, e);
}

/* The parts of the memory of one use (inference or training) in bytes. Parameters include their packed copies; in
 * inference these replace what nothing else reads. AdamW stores two values for each parameter. */
typedef struct UseMemory {
    size_t total, arena, without_reuse, scratch, parameters, gradients, moments;
} UseMemory;

static size_t largest_scratch(const Executor *x)
{
    size_t most = 0;
    for (int i = 0; i < executor_node_count(x); i++)
        for (int pass = 0; pass < 2; pass++)
            if (executor_node(x, i)->scratch_bytes[pass] > most) most = executor_node(x, i)->scratch_bytes[pass];
    return most;
}

static UseMemory memory_of_use(const Executor *x, bool train)
{
    enum { MOMENTS = 2 };
    const MemoryReport m = executor_memory(x);
    UseMemory u = {.arena = m.arena, .without_reuse = m.without_reuse, .scratch = largest_scratch(x)};
    u.total = train ? memory_of_training(m, MOMENTS) : memory_of_inference(m);
    u.parameters = m.packed + (train ? m.parameters : m.direct);
    u.gradients = m.parameter_gradients;
    u.moments = MOMENTS * m.parameter_gradients;
    return u;
}

static void add_use_yaml(Text *t, const UseMemory *u, const char *key, bool train)
{
    text_add(t, "%s_bytes: %zu\n%s_arena_bytes: %zu\n%s_arena_bytes_without_reuse: %zu\n%s_scratch_bytes: %zu\n", key,
             u->total, key, u->arena, key, u->without_reuse, key, u->scratch);
    text_add(t, "%s_parameter_bytes: %zu\n", key, u->parameters);
    if (train) text_add(t, "%s_gradient_bytes: %zu\n%s_moment_bytes: %zu\n", key, u->gradients, key, u->moments);
}

static void add_use_text(Text *t, const UseMemory *u, const char *name, bool train)
{
    const double mib = 1 << 20;
    text_add(t,
             "%s memory: %.1f MiB, of it activations %.1f MiB (%.1f MiB without reuse; scratch of an operation up to "
             "%.1f MiB), parameters %.1f MiB",
             name, (double)u->total / mib, (double)u->arena / mib, (double)u->without_reuse / mib,
             (double)u->scratch / mib, (double)u->parameters / mib);
    if (train)
        text_add(t, ", their gradients %.1f MiB, AdamW's moments %.1f MiB", (double)u->gradients / mib,
                 (double)u->moments / mib);
    text_add(t, "\n");
}

/* Adds the memory of one use at the chosen batch size. */
static int add_use(const Graph *g, const Options *o, const char *name, const char *key, ExecutorOptions how, Err *e)
{
    Executor *x;
    TRY(plan(&x, g, o, o->batch, how, e));
    const UseMemory u = memory_of_use(x, how.train);
    executor_free(x);
    (o->yaml ? add_use_yaml(o->text, &u, key, how.train) : add_use_text(o->text, &u, name, how.train));
    return 0;
}

/* On a GPU: what the figures below are based on, and what comes to them. */
static void add_gpu(const Options *o)
{
    const size_t share = planning_device_bytes(&o->gpu, 0);
    if (o->yaml)
        text_add(o->text, "memory_basis: %s\nmemory_factor: %g\ngpu_libraries_bytes: %zu\n", o->gpu.basis,
                 o->gpu.factor, share);
    else
        text_add(o->text, "memory on %s, %s; %.0f MiB, assumed for driver and libraries, are to be added%s\n",
                 o->common.device, o->gpu.basis, (double)share / (1 << 20),
                 o->gpu.factor > 1 ? ", and a quarter of each sum, as the planner does" : "");
    if (o->gpu.memory && !o->yaml)
        text_add(o->text, "%s has %.1f GiB of memory\n", o->common.device, (double)o->gpu.memory / (1 << 30));
}

static int add_memory(const Graph *g, const Options *o, Err *e)
{
    Ref head, loss;
    if (o->gpu.device) add_gpu(o);
    graph_find(g, "head0", &head);
    graph_find(g, "loss", &loss);
    ExecutorOptions how = {.outputs = &head, .output_count = 1};
    TRY(add_use(g, o, "inference", "inference", how, e));
    how.outputs = &loss;
    how.train = true;
    TRY(add_use(g, o, "training", "training", how, e));
    how.recompute = true;
    return add_use(g, o, "training with recomputation", "training_recompute", how, e);
}

/* ---- the estimate of times ---- */

static void add_roofline(const Executor *x, const Options *o, bool train)
{
    const char *what = train ? "training step" : "forward", *key = train ? "training" : "forward";
    for (int i = 0; i < ROOFLINE_GPUS; i++) {
        const Roofline r = roofline_of(x, &roofline_gpus[i], train);
        const double images = o->batch / r.seconds, ms = 1e3 * r.seconds, percent = 100 / r.seconds;
        if (o->yaml)
            text_add(o->text,
                     "  - {gpu: %s, what: %s, batch: %d, milliseconds: %.4g, images_a_second: %.4g, "
                     "milliseconds_with_launches: %.4g}\n",
                     roofline_gpus[i].name, key, o->batch, ms, images, 1e3 * r.with_launches);
        else
            text_add(o->text, "%-11s %-14s %6d %10.2f %10.0f %14.2f %8.0f %9.0f %11.0f %13.0f\n", roofline_gpus[i].name,
                     what, o->batch, ms, images, 1e3 * r.with_launches, percent * r.by[LIMIT_MEMORY],
                     percent * r.by[LIMIT_PRODUCTS], percent * r.by[LIMIT_ARITHMETIC],
                     percent * r.by[LIMIT_EXPONENTIALS]);
    }
}

static int add_estimates(const Graph *g, const Options *o, Err *e)
{
    Ref head, loss;
    Executor *x;
    graph_find(g, "head0", &head);
    graph_find(g, "loss", &loss);
    if (o->yaml) text_add(o->text, "roofline: # an estimate from published peaks, not measured\n");
    else
        text_add(
            o->text,
            "least times by the roofline, in %s: an estimate from published peaks, not measured; %% of the time that is "
            "bound by\n%-11s %-14s %6s %10s %10s %14s %8s %9s %11s %13s\n",
            precision_name(o->precision), "GPU", "", "batch", "ms", "images/s", "2 us a launch", "memory", "products",
            "arithmetic", "exponentials");
    TRY(plan(&x, g, o, o->batch, (ExecutorOptions){.outputs = &head, .output_count = 1}, e));
    add_roofline(x, o, false);
    executor_free(x);
    TRY(plan(&x, g, o, o->batch, (ExecutorOptions){.outputs = &loss, .output_count = 1, .train = true}, e));
    add_roofline(x, o, true);
    executor_free(x);
    return 0;
}

static int write_svg(const Executor *x, const Options *o, Err *e)
{
    Text svg = {0};
    char title[128];
    snprintf(title, sizeof title, "%s, %lldx%lldx%d, %d classes", o->network, (long long)o->size[0],
             (long long)o->size[1], o->channels, o->classes);
    int failed = describe_svg(x, title, &svg, e);
    if (!failed) failed = file_put(o->svg, svg.data, svg.length, e);
    text_free(&svg);
    return failed;
}

static int describe(const Graph *g, const Options *o, Err *e)
{
    Executor *x;
    TRY(describe_plan(&x, g, (Shape){1, o->size[0], o->size[1], o->channels}, e));
    add_layers(x, o);
    const int64_t macs = executor_multiply_adds(x, o->scan_rule);
    int failed = o->svg ? write_svg(x, o, e) : 0;
    executor_free(x);
    if (!failed) failed = add_memory(g, o, e);
    if (!failed && o->roofline) failed = add_estimates(g, o, e);
    if (failed) return failed;
    text_add(o->text, "parameters: %lld\n", (long long)graph_parameter_elements(g));
    text_add(o->text, "multiply_adds: %.2f G\n", (double)macs * 1e-9);
    return 0;
}

static int set_width(NetworkSpec *spec, const Options *o, Err *e)
{
    char keys[64];
    if (!o->width) return 0;
    snprintf(keys, sizeof keys, "{width: %.17g}", o->width);
    return network_configure(spec, keys, e) ? err_context(e, "--width") : 0;
}

/* Sets the device and the precision whose memory is told. */
static int choose_device(Options *o, Err *e)
{
    const char *lacks;
    o->device = device_cpu();
    if (strcmp(o->common.device, "cpu")) {
        planning_device_any(&o->gpu, o->common.device);
        o->device = o->gpu.device;
        if (o->gpu.factor == 1) TRY(planning_device_open(&o->gpu, o->common.device, 0, e));
    }
    o->precision = precision_of(o->common.precision, o->device, &lacks);
    return lacks ? err_set(e, ERR_UNSUPPORTED, "%s", lacks) : 0;
}

static int run(Options *o, Err *e)
{
    NetworkSpec spec;
    TRY(choose_device(o, e));
    Graph *g;
    if (!network_of_segmentation(o->network)) return network_unknown(o->network, e);
    TRY(network_defaults(&spec, o->network, e));
    TRY(set_width(&spec, o, e));
    spec.height = o->size[0];
    spec.width = o->size[1];
    spec.channels = o->channels;
    spec.classes = o->classes;
    spec.deep_supervision = true;
    TRY(network_build(&g, &spec, e));
    const int failed = describe(g, o, e);
    graph_free(g);
    return failed;
}

static const Program program = {
    .summary = "describe a network: layers, parameters, operations, memory",
    .arguments = "NETWORK",
    .about =
        "Describes a network: layers, parameters, multiply-adds (as the paper counts them: all heads, batch 1), memory.",
    .examples = "swin_umamba_d -p 320x320 -c 1 -n 14\tFor images of one channel and 13 organs",
    .notes = "Networks:\n{networks}",
    .see = "plan_and_preprocess",
    .options = argp_options,
    .parse = parse,
    .expand = plan_help};

int main(int argc, char **argv)
{
    Options o = {.size = {512, 512},
                 .channels = 1,
                 .classes = 2,
                 .batch = 1,
                 .common.takes = OPT_QUIET | OPT_DEVICE | OPT_PRECISION | OPT_JSON_LOG};
    Text text = {0};
    Err e = {ERR_NONE, ""};
    program_begin("network_info", false);
    char engine[EXECUTOR_BUILD_BYTES];
    o.common.engine = executor_build(engine);
    program_parse(&program, &o, &o.common, argc, argv);
    o.text = &text;
    int failed = run(&o, &e);
    if (text.length) program_print(text.data);
    if (!failed) failed = text_check(&text, &e);
    text_free(&text);
    return program_end(failed, &e, o.common.quiet);
}
