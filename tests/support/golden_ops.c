/* Part ops: single operations and blocks, their outputs and all their gradients, each built as a small graph
 * and run by an executor; the loss, the optimiser's step and the bare scan by their own functions. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "network/models/blocks.h"
#include "tests/support/gold.h"
#include "tests/support/golden.h"
#include "tests/support/golden_ops.h"
#include "tests/support/reference_network.h"

/* ---- builders: from inputs to the output; parameters are in the scope "op" ---- */

static int64_t parameter_extent(const DocNode *c, const char *name, int axis)
{
    int64_t shape[8] = {0};
    char record[64];
    snprintf(record, sizeof record, "gpar.%s", name);
    golden_shape(doc_find(doc_find(c, "records"), record), "shape", shape, 8);
    return shape[axis];
}

static Ref scoped(Graph *g, Ref x) { return scope_out(g, x); }

#define IN_SCOPE(expression) (scope_in(g, "op"), scoped(g, (expression)))

static Ref build_ss2d(Graph *g, const Ref *x, const DocNode *c)
{
    (void)c;
    return IN_SCOPE(ss2d(g, x[0], 16));
}
static Ref build_vss_block(Graph *g, const Ref *x, const DocNode *c)
{
    (void)c;
    return IN_SCOPE(vss_block(g, x[0], 16, 0));
}
static Ref build_merging(Graph *g, const Ref *x, const DocNode *c)
{
    (void)c;
    return IN_SCOPE(patch_merging(g, x[0]));
}
static Ref build_expand(Graph *g, const Ref *x, const DocNode *c)
{
    (void)c;
    return IN_SCOPE(patch_expand(g, x[0]));
}
static Ref build_final(Graph *g, const Ref *x, const DocNode *c)
{
    (void)c;
    return IN_SCOPE(final_patch_expand(g, x[0]));
}

/* patch_embed opens a scope of its own, named as in the encoder. */
static Ref build_embed(Graph *g, const Ref *x, const DocNode *c)
{
    return patch_embed(g, x[0], parameter_extent(c, "proj.weight", 0), parameter_extent(c, "proj.weight", 2));
}

static Ref build_basic(Graph *g, const Ref *x, const DocNode *c)
{
    return IN_SCOPE(unetr_basic_block(g, x[0], parameter_extent(c, "layer.conv1.conv.weight", 0)));
}

static Ref build_up(Graph *g, const Ref *x, const DocNode *c)
{
    return IN_SCOPE(unetr_up_block(g, x[0], x[1], parameter_extent(c, "conv_block.conv1.conv.weight", 0)));
}

static Ref build_conv(Graph *g, const Ref *x, const DocNode *c)
{
    const char *op = golden_string(doc_find(c, "meta"), "op");
    int kernel = 1, stride = 1, padding = 0;
    sscanf(op, "Conv2d k%d s%d p%d", &kernel, &stride, &padding);
    const Conv conv = conv_square(kernel, stride, padding, !strstr(op, "no bias"));
    return op_conv2d(g, "op", x[0], parameter_extent(c, "weight", 0), conv);
}

static Ref build_transpose(Graph *g, const Ref *x, const DocNode *c)
{
    const int64_t factor = parameter_extent(c, "weight", 2);
    return op_conv_transpose2d(g, "op", x[0], parameter_extent(c, "weight", 1), conv_square(factor, factor, 0, false));
}

static Ref build_depthwise(Graph *g, const Ref *x, const DocNode *c)
{
    (void)c;
    return IN_SCOPE(op_silu(g, op_depthwise_conv2d(g, "0", x[0])));
}

static Ref build_linear(Graph *g, const Ref *x, const DocNode *c)
{
    const bool bias = !strstr(golden_string(doc_find(c, "meta"), "op"), "no bias");
    return op_linear(g, "op", x[0], parameter_extent(c, "weight", 0), bias);
}

static Ref build_instance_norm(Graph *g, const Ref *x, const DocNode *c)
{
    bool affine = false;
    doc_get_bool(doc_find(doc_find(c, "meta"), "affine"), &affine, NULL);
    return op_instance_norm(g, "op", x[0], affine);
}

static Ref build_layer_norm(Graph *g, const Ref *x, const DocNode *c)
{
    (void)c;
    return op_layer_norm(g, "op", x[0]);
}
static Ref build_leaky(Graph *g, const Ref *x, const DocNode *c)
{
    (void)c;
    return op_leaky_relu(g, x[0], 0.01);
}
static Ref build_gate(Graph *g, const Ref *x, const DocNode *c)
{
    (void)c;
    return op_silu_gate(g, x[0], x[1]);
}

static const struct {
    const char *op; /* start of meta.op */
    Ref (*build)(Graph *g, const Ref *inputs, const DocNode *c);
} builders[] = {
    {"SS2D", build_ss2d},
    {"VSSBlock", build_vss_block},
    {"PatchMerging2D", build_merging},
    {"PatchEmbed2D", build_embed},
    {"PatchExpand", build_expand},
    {"FinalPatchExpand_X4", build_final},
    {"UnetrBasicBlock", build_basic},
    {"UnetrUpBlock", build_up},
    {"Conv2d", build_conv},
    {"ConvTranspose2d", build_transpose},
    {"depthwise", build_depthwise},
    {"Linear", build_linear},
    {"InstanceNorm2d", build_instance_norm},
    {"LayerNorm", build_layer_norm},
    {"LeakyReLU", build_leaky},
    {"y*silu(z)", build_gate},
};

/* ---- layouts: an array of the bundle as an image ---- */

typedef enum Layout { LAYOUT_NCHW, LAYOUT_NHWC } Layout;

/* side is "in" or "out"; blocks with N,H,W,C on both sides have the key "layout". Rows of features are NHWC. */
static Layout layout_of(const DocNode *c, const char *side, int rank)
{
    const DocNode *meta = doc_find(c, "meta");
    const char *said = golden_string(meta, doc_find(meta, "layout") ? "layout" : side);
    return rank < 4 || !strcmp(said, "BHWC") ? LAYOUT_NHWC : LAYOUT_NCHW;
}

static Shape image_shape(const int64_t *s, int rank, Layout layout)
{
    if (rank < 4) return (Shape){1, 1, rank > 1 ? s[0] : 1, s[rank - 1]};
    return layout == LAYOUT_NHWC ? (Shape){s[0], s[1], s[2], s[3]} : (Shape){s[0], s[2], s[3], s[1]};
}

static void put_image(float *to, const Array *from, Shape s, Layout layout)
{
    if (layout == LAYOUT_NHWC) memcpy(to, from->data, array_bytes(from));
    else golden_to_nhwc(to, from->data, s.n, s.c, s.h, s.w);
}

/* The tensor's data or gradient in the bundle's layout, owned by the caller. */
static float *take_image(const Tensor *t, bool grad, Layout layout, Err *e)
{
    float *nchw = reference_nchw(t, grad, e);
    if (!nchw || layout == LAYOUT_NCHW) return nchw;
    const Shape s = t->shape;
    float *nhwc = mem_alloc((size_t)shape_count(s) * sizeof *nhwc, e);
    if (nhwc) golden_to_nhwc(nhwc, nchw, s.n, s.c, s.h, s.w);
    mem_free(nchw);
    return nhwc;
}

/* ---- comparing gradients ---- */

double golden_ops_total_norm(const Gold *gold)
{
    double square = 0;
    for (int i = 0; i < gold->count; i++) {
        const Array *a = &gold->records[i].array;
        if (strncmp(gold->records[i].name, "gin.", 4) && strncmp(gold->records[i].name, "gpar.", 5)) continue;
        for (int64_t k = 0; a->dtype == DTYPE_F32 && k < array_count(a); k++)
            square += (double)((const float *)a->data)[k] * ((const float *)a->data)[k];
    }
    return sqrt(square);
}

void golden_ops_compare_gradient(Golden *g, const char *record, const float *found, const Gold *gold, const DocNode *c,
                                 double floor)
{
    const Array *expected = gold_find(gold, record);
    const DocNode *noise = doc_find(doc_find(c, "records"), record);
    if (!expected) {
        golden_fail(g, "%s: not in the bundle", record);
        return;
    }
    const double total = golden_ops_total_norm(gold);
    double square = 0, largest = 0;
    for (int64_t i = 0; i < array_count(expected); i++) {
        const double value = ((const float *)expected->data)[i], difference = fabs(found[i] - value);
        square += value * value;
        if (!(difference <= largest)) largest = difference;
    }
    if (sqrt(square) <= 1e-6 * total) golden_expect(g, record, largest, 1e-6 * total);
    else
        golden_expect(g, record, golden_relative_l2(found, expected->data, array_count(expected)),
                      fmax(floor, 8 * golden_number(noise, "noise_rel_l2", 0)));
}

/* ---- running a graph of the builders ---- */

static const char *parameter_record(const Param *p, char *record, size_t bytes)
{
    static const char *const scopes[] = {"op.", "patch_embed."};
    const char *name = p->name;
    for (int i = 0; i < 2; i++)
        if (!strncmp(name, scopes[i], strlen(scopes[i]))) name += strlen(scopes[i]);
    snprintf(record, bytes, "par.%s", name);
    return record;
}

static int set_parameters(Parameters *p, const Gold *gold, Err *e)
{
    for (int i = 0; i < graph_param_count(p->graph); i++) {
        const Param *q = &graph_params(p->graph)[i];
        char record[128];
        const Array *a = gold_find(gold, parameter_record(q, record, sizeof record));
        if (!a || array_count(a) != q->count)
            return err_set(e, ERR_FORMAT, "%s is missing or has another size", record);
        memcpy(parameters_of(p, i), a->data, array_bytes(a));
    }
    parameters_changed(p);
    return 0;
}

typedef struct OpRun {
    Graph *graph;
    Parameters *parameters;
    Executor *executor;
    const DocNode *inputs[NODE_INPUTS];
    int input_count, input_rank[NODE_INPUTS], output_count;
} OpRun;

static int define_graph(OpRun *r, const DocNode *c, Ref (*build)(Graph *, const Ref *, const DocNode *), Ref *result,
                        Err *e)
{
    Ref x[NODE_INPUTS];
    r->graph = graph_new(e);
    if (!r->graph) return ERR_NOMEM;
    for (const DocNode *d = doc_find(c, "inputs")->first; d && r->input_count < NODE_INPUTS; d = d->next) {
        int64_t shape[8];
        const int rank = golden_shape(d, NULL, shape, 8), i = r->input_count++;
        r->inputs[i] = d;
        r->input_rank[i] = rank;
        x[i] = graph_input(r->graph, d->key, image_shape(shape, rank, layout_of(c, "in", rank)), DTYPE_F32);
    }
    *result = build(r->graph, x, c);
    return graph_check(r->graph, e);
}

static int prepare_run(OpRun *r, const Gold *gold, const Ref *outputs, Err *e)
{
    const ExecutorOptions o = {
        .outputs = outputs, .output_count = r->output_count, .train = true, .input_gradients = ~0u};
    TRY(parameters_new(&r->parameters, r->graph, e));
    TRY(set_parameters(r->parameters, gold, e));
    return executor_new(&r->executor, r->graph, r->parameters, &o, e);
}

static int feed(const OpRun *r, const Gold *gold, const DocNode *c, Err *e)
{
    for (int i = 0; i < r->input_count; i++) {
        char record[64];
        snprintf(record, sizeof record, "in.%s", r->inputs[i]->key);
        const Array *a = gold_find(gold, record);
        Tensor *t = executor_input(r->executor, i);
        if (!a || !t || array_count(a) != shape_count(t->shape))
            return err_set(e, ERR_FORMAT, "%s is missing or has another size", record);
        put_image(t->data, a, t->shape, layout_of(c, "in", r->input_rank[i]));
    }
    TRY(executor_forward(r->executor, &(Step){0}, e));
    for (int i = 0; i < r->output_count; i++) {
        char record[64];
        snprintf(record, sizeof record, "cot.%d", i);
        const Array *a = gold_find(gold, record);
        Tensor *t = executor_output(r->executor, i);
        if (!a || array_count(a) != shape_count(t->shape))
            return err_set(e, ERR_FORMAT, "%s is missing or has another size", record);
        put_image(t->grad, a, t->shape, layout_of(c, "out", a->rank));
    }
    return 0;
}

static void compare_run(Golden *g, const OpRun *r, const Gold *gold, const DocNode *c, double floor, Err *e)
{
    char record[128];
    for (int i = 0; i < r->output_count; i++) {
        snprintf(record, sizeof record, "out.%d", i);
        const Array *a = gold_find(gold, record);
        float *found = take_image(executor_output(r->executor, i), false, layout_of(c, "out", a ? a->rank : 4), e);
        if (a && found)
            golden_expect_values(g, record, found, a->data, array_count(a), doc_find(doc_find(c, "records"), record));
        else golden_fail(g, "%s: not in the bundle", record);
        mem_free(found);
    }
    if (executor_backward(r->executor, &(Step){0}, e)) return;
    for (int i = 0; i < r->input_count; i++) {
        snprintf(record, sizeof record, "gin.%s", r->inputs[i]->key);
        float *found = take_image(executor_input(r->executor, i), true, layout_of(c, "in", r->input_rank[i]), e);
        if (found) golden_ops_compare_gradient(g, record, found, gold, c, floor);
        mem_free(found);
    }
    const Gradients *gradients = executor_gradients(r->executor);
    for (int i = 0; i < graph_param_count(r->graph); i++) {
        char name[128];
        parameter_record(&graph_params(r->graph)[i], name, sizeof name);
        snprintf(record, sizeof record, "g%.120s", name);
        golden_ops_compare_gradient(g, record, gradients->values + gradients->offset[i], gold, c, floor);
    }
}

static void close_run(OpRun *r)
{
    executor_free(r->executor);
    parameters_free(r->parameters);
    graph_free(r->graph);
}

/* Blocks with leaky ReLUs, where rounding can change the sign of a leaky ReLU's input, and so the slope. */
static bool has_kinks(const DocNode *c) { return !strncmp(golden_string(doc_find(c, "meta"), "op"), "Unetr", 5); }

static void run_builder(Golden *g, const DocNode *c, const Gold *gold,
                        Ref (*build)(Graph *, const Ref *, const DocNode *), Err *e)
{
    OpRun r = {.output_count = 1};
    Ref result;
    if (!define_graph(&r, c, build, &result, e) && !prepare_run(&r, gold, &result, e) && !feed(&r, gold, c, e))
        compare_run(g, &r, gold, c, has_kinks(c) ? 1e-2 : 1e-4, e);
    close_run(&r);
}

/* A narrow network; its parameters are in the bundle with their full names. */
static void run_network(Golden *g, const DocNode *c, const Gold *gold, Err *e)
{
    const DocNode *meta = doc_find(c, "meta");
    const char *name = reference_network_name(golden_string(meta, "op"));
    int64_t shape[4];
    NetworkSpec spec;
    ReferenceNetwork n;
    if (!name || golden_shape(doc_find(c, "inputs"), "x", shape, 4) != 4) {
        err_set(e, ERR_FORMAT, "a network with a name or an input that is not understood");
        return;
    }
    if (reference_network_spec(&spec, name, meta, shape, (int64_t)golden_number(meta, "out_chans", 0), e)) return;
    if (reference_network_build(&n, &spec, shape[0], NULL, e)) return;
    OpRun r = {.graph = n.graph,
               .parameters = n.parameters,
               .input_count = 1,
               .input_rank = {4},
               .inputs = {doc_find(c, "inputs")->first},
               .output_count = n.head_count};
    const Shape sizes[] = {n.input, {n.input.n, n.input.h, n.input.w, 1}};
    const ExecutorOptions o = {
        .inputs = sizes, .outputs = n.heads, .output_count = n.head_count, .train = true, .input_gradients = 1};
    if (!set_parameters(n.parameters, gold, e) && !executor_new(&r.executor, n.graph, n.parameters, &o, e) &&
        !feed(&r, gold, c, e))
        compare_run(g, &r, gold, c, strcmp(name, "swin_umamba_d") ? 1e-2 : 1e-4, e);
    close_run(&r);
}

static void run_op(Golden *g, const DocNode *c, const char *prefix)
{
    (void)prefix;
    Err e = {ERR_NONE, ""};
    Gold gold = {0};
    const char *op = golden_string(doc_find(c, "meta"), "op");
    if (!golden_begin(g, "ops/%s", golden_string(c, "name"))) return;
    char *path = golden_path(g, golden_string(c, "file"), &e);
    bool known = false;
    if (path && !gold_open(&gold, path, &e)) {
        known = golden_ops_special(g, op, c, &gold, &e);
        for (size_t i = 0; !known && i < sizeof builders / sizeof builders[0]; i++) {
            if (strncmp(op, builders[i].op, strlen(builders[i].op))) continue;
            run_builder(g, c, &gold, builders[i].build, &e);
            known = true;
        }
        if (!known && !strncmp(op, "SwinUMamba", 10)) {
            run_network(g, c, &gold, &e);
            known = true;
        }
        if (!known) err_set(&e, ERR_UNSUPPORTED, "no operation is known as '%s'", op);
    }
    if (e.code) golden_fail(g, "%s", e.text);
    gold_close(&gold);
    mem_free(path);
    golden_end(g);
}

void golden_ops(Golden *g) { golden_manifest(g, "manifest_ops.json", "ops", run_op); }
