/* bench: measures the machine's limits, and the speed of ops, networks and the rest of the pipeline. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/program.h"
#include "base/simd_level.h"
#include "bench/measure.h"
#include "plans/plan_help.h"

typedef struct Options {
    CommonOptions common;
    MeasureOptions measure;
    bool ops, networks, table, pipeline; /* parts to measure; none given: all but the table */
    const char *json, *compare;
} Options;

enum {
    KEY_OPS = 0x2000,
    KEY_NETWORKS,
    KEY_TABLE,
    KEY_PIPELINE,
    KEY_SIZE,
    KEY_JSON,
    KEY_COMPARE,
    KEY_QUICK,
    KEY_WHAT,
    KEY_SECONDS,
    KEY_PRECISION,
    KEY_SIMD
};

static const struct argp_option option_table[] = {
    {"ops", KEY_OPS, NULL, 0, "Measure every op\v with its shapes in the networks, during a training step", 0},
    {"networks", KEY_NETWORKS, NULL, 0, "Measure whole networks", 0},
    {"table", KEY_TABLE, NULL, 0,
     "Measure whole networks in short, one row each\v: forward with the first batch size, a training step with the last, "
     "only with the first size",
     0},
    {"pipeline", KEY_PIPELINE, NULL, 0,
     "Measure what is before and after the network\v: preprocessing, augmentation, sliding window, metrics", 0},
    {"network", 'n', "NETWORK", 0, "Only this network; may be repeated (default: all)", 0},
    {"size", KEY_SIZE, "HxW", 0, "Only this image size; may be repeated\v (default: 320x320, 384x640, 512x512)", 0},
    {"batch-size", 'b', "N", 0, "Only this batch size; may be repeated\v (default: 1 and 4; ops use the first)", 0},
    {"precision", KEY_PRECISION, "fp32|bf16", 0, "Only this number format (default: both)", 0},
    {"simd", KEY_SIMD, "LEVEL", 0,
     "The highest level of instructions\v: " SIMD_LEVEL_NAMES ". It limits oneDNN and the machine's peak, too", 0},
    {"what", KEY_WHAT, "forward|train", 0, "Only this pass (default: both)", 0},
    {"seconds", KEY_SECONDS, "S", 0, "Time to measure each value (default: 3)\v in seconds; the best run counts", 0},
    {"quick", KEY_QUICK, NULL, 0, "A quick estimate: 320x320, one run of everything", 0},
    {"json", KEY_JSON, "FILE", 0, "Write the measured values to FILE", 0},
    {"compare", KEY_COMPARE, "OLD.json", 0, "Print the ratios to those of an earlier --json", 0},
    {0},
};

static void add_network(struct argp_state *state, MeasureOptions *m, const char *name)
{
    if (m->network_count == MEASURE_NETWORKS) argp_error(state, "--network: at most %d", MEASURE_NETWORKS);
    m->networks[m->network_count++] = name;
}

static void add_size(struct argp_state *state, MeasureOptions *m, const char *text)
{
    if (m->size_count == MEASURE_SIZES) argp_error(state, "--size: at most %d", MEASURE_SIZES);
    option_size(state, "--size", text, m->sizes[m->size_count++], 2);
}

static void add_batch(struct argp_state *state, MeasureOptions *m, const char *text)
{
    if (m->batch_count == MEASURE_BATCHES) argp_error(state, "--batch-size: at most %d", MEASURE_BATCHES);
    m->batches[m->batch_count++] = (int)option_integer(state, "--batch-size", text, 1, 1024);
}

static void choose_precision(MeasureOptions *m, const char *text)
{
    m->fp32 = !strcmp(text, "fp32");
    m->bf16 = !strcmp(text, "bf16");
}

static void choose_what(MeasureOptions *m, const char *text)
{
    m->forward = !strcmp(text, "forward");
    m->train = !strcmp(text, "train");
}

static void choose_device(struct argp_state *state, Options *o)
{
    Err e = {ERR_NONE, ""};
    o->measure.device = device_named(o->common.device, &e);
    if (!o->measure.device) argp_failure(state, 1, 0, "%s", e.text);
    if (o->measure.device->kind != DEVICE_CPU && o->pipeline) argp_error(state, "--pipeline runs on the CPU only");
}

/* Sets the defaults of options that were not given. */
static void complete(struct argp_state *state, Options *o)
{
    MeasureOptions *m = &o->measure;
    static const int64_t sizes[][2] = {{320, 320}, {384, 640}, {512, 512}};
    choose_device(state, o);
    if (!o->ops && !o->networks && !o->table && !o->pipeline) {
        o->ops = o->networks = true;
        o->pipeline = m->device->kind == DEVICE_CPU;
    }
    const bool all = !m->network_count;
    for (const NetworkKind *const *kind = network_kinds(); all && *kind; kind++) add_network(state, m, (*kind)->name);
    if (!m->size_count) {
        m->size_count = m->quick ? 1 : 3;
        memcpy(m->sizes, sizes, sizeof sizes);
    }
    if (!m->batch_count) {
        add_batch(state, m, "1");
        if (!m->quick) add_batch(state, m, "4");
    }
    const bool can_bf16 = executor_supports(DTYPE_BF16, m->device);
    if (m->bf16 && !can_bf16) argp_error(state, "--precision bf16: no bfloat16 on this CPU, or at this --simd");
    if (!m->fp32 && !m->bf16) {
        m->fp32 = true;
        m->bf16 = can_bf16;
    }
    if (!m->seconds) m->seconds = m->quick ? 0.001 : 3;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    Options *o = state->input;
    switch (key) {
    case KEY_OPS: o->ops = true; return 0;
    case KEY_NETWORKS: o->networks = true; return 0;
    case KEY_TABLE: o->table = true; return 0;
    case KEY_PIPELINE: o->pipeline = true; return 0;
    case KEY_QUICK: o->measure.quick = true; return 0;
    case KEY_JSON: o->json = text; return 0;
    case KEY_COMPARE: o->compare = text; return 0;
    case KEY_SECONDS: o->measure.seconds = option_number(state, "--seconds", text, 0.001, 3600); return 0;
    case KEY_SIMD: setenv(SIMD_LEVEL_VARIABLE, text, 1); return 0;
    case KEY_PRECISION: choose_precision(&o->measure, text); return 0;
    case KEY_WHAT: choose_what(&o->measure, text); return 0;
    case KEY_SIZE: add_size(state, &o->measure, text); return 0;
    case 'n': add_network(state, &o->measure, text); return 0;
    case 'b': add_batch(state, &o->measure, text); return 0;
    case ARGP_KEY_END: complete(state, o); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static int measure(const Options *o, BenchReport *r, Err *e)
{
    Limits limits = {.exps = 0};
    const bool cpu = o->measure.device->kind == DEVICE_CPU;
    TRY((cpu ? measure_limits : measure_device_limits)(&limits, &o->measure, r, e));
    if (o->ops) TRY(measure_ops(&o->measure, r, e));
    if (o->ops && cpu) TRY(measure_scan(&o->measure, r, e));
    if (o->networks) TRY(measure_networks(&limits, &o->measure, r, e));
    if (o->table) TRY(measure_table(&limits, &o->measure, r, e));
    if (o->pipeline) TRY(measure_preparation(&o->measure, r, e));
    if (o->pipeline) TRY(measure_results(&o->measure, r, e));
    if (o->json) TRY(report_write(r, o->json, e));
    return o->compare ? report_compare(r, o->compare, e) : 0;
}

static const Program program = {
    .summary = "measure the speed of this machine and of the networks on it",
    .arguments = "",
    .about = "Measures the machine's limits, then the ops, networks and the pipeline relative to them.",
    .examples = "--quick\tEverything in short\n"
                "--networks --network swin_umamba_d --size 512x512\tOne network",
    .more =
        "All values are the best of several runs. The fraction of the peak is the rate of floating-point operations, relative to that "
        "of the fastest matrix product with the same number of threads. Only convolutions and matrix products are counted: 2 "
        "operations for each multiply-add, and three times as many in a training step.",
    .see = "network_info",
    .options = option_table,
    .parse = parse,
    .expand = plan_help};

int main(int argc, char **argv)
{
    Options o = {.common = {.takes = OPT_THREADS | OPT_QUIET | OPT_DEVICE | OPT_JSON_LOG},
                 .measure = {.forward = true, .train = true}};
    BenchReport report = {0};
    Err e = {ERR_NONE, ""};
    program_begin("bench", false);
    char engine[EXECUTOR_BUILD_BYTES];
    o.common.engine = executor_build(engine);
    program_parse(&program, &o, &o.common, argc, argv);
    o.measure.threads = program_threads(&o.common);
    const int failed = measure(&o, &report, &e);
    report_free(&report);
    return program_end(failed, &e, o.common.quiet);
}
