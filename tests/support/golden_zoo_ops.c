/* Part ops of the zoo family: single blocks with all gradients. A block is recognised by its parameters. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "network/models/blocks.h"
#include "network/models/unet_blocks.h"
#include "tests/support/exists.h"
#include "tests/support/golden_zoo.h"
#include "tests/support/reference_network.h"
#include "tests/support/rule.h"
#include "weights/zip.h"

/* ---- the manifest's entry ---- */

/* The shape of a parameter, [name, [extents]]; its rank, 0 where there is none. */
static int shape_of(const DocNode *c, const char *name, int64_t shape[4])
{
    for (const DocNode *p = doc_find(c, "params")->first; p; p = p->next)
        if (!strcmp(p->first->text, name)) return golden_shape(p->first->next, NULL, shape, 4);
    return 0;
}

static int64_t extent(const DocNode *c, const char *name, int axis)
{
    int64_t shape[4] = {0};
    shape_of(c, name, shape);
    return shape[axis];
}

/* ---- builders: our block for the reference's ---- */

static Ref build_mamba(Graph *g, const Ref *x, const DocNode *c)
{
    (void)c;
    const Ref normal = op_layer_norm(g, "norm", x[0]);
    scope_in(g, "mamba");
    return scope_out(g, mamba(g, normal));
}

static Ref build_basic_block(Graph *g, const Ref *x, const DocNode *c)
{
    int64_t shape[4];
    const int64_t stride = shape_of(c, "block.skip.1.conv.weight", shape) ? 2 : 1;
    const UnetStage s = {.channels = extent(c, "block.conv1.conv.weight", 0),
                         .kernel = {3, 3},
                         .stride = {stride, stride},
                         .bias = true,
                         .affine = true,
                         .slope = 0.01,
                         .count = 1};
    return unet_residual_blocks(g, x[0], &s);
}

static Ref build_monai_block(Graph *g, const Ref *x, const DocNode *c)
{
    return unet_res_block(g, x[0], extent(c, "conv1.conv.weight", 0));
}

/* SegResNet's block is private to its network: the same ops. */
static Ref build_segres_block(Graph *g, const Ref *x, const DocNode *c)
{
    const Conv conv = conv_square(3, 1, 1, false);
    const int64_t channels = extent(c, "norm1.weight", 0);
    Ref path = op_leaky_relu(g, op_group_norm(g, "norm1", x[0], 8), 0);
    path = op_leaky_relu(g, op_group_norm(g, "norm2", op_conv2d(g, "conv1.conv", path, channels, conv), 8), 0);
    return op_add(g, op_conv2d(g, "conv2.conv", path, channels, conv), x[0]);
}

static const char *const monai_layers[2] = {"linear1", "linear2"}, *const nnformer_layers[2] = {"fc1", "fc2"};

static Ref build_vit_block(Graph *g, const Ref *x, const DocNode *c)
{
    scope_in(g, "block");
    return scope_out(g, vit_block(g, x[0], 4, extent(c, "block.mlp.linear1.weight", 0)));
}

/* The side of a window, from the table's (2 w - 1)² rows. */
static int64_t window_of(const DocNode *c, const char *table)
{
    return (llround(sqrt((double)extent(c, table, 0))) + 1) / 2;
}

static Ref build_swin_layer(Graph *g, const Ref *x, const DocNode *c)
{
    static const char table[] = "blocks.0.attn.relative_position_bias_table";
    WindowAttention w = {extent(c, table, 1), window_of(c, table), 0, true};
    scope_in(g, "blocks.0");
    Ref y = scope_out(g, swin_block(g, x[0], w, monai_layers, 0));
    w.shift = w.window / 2;
    scope_in(g, "blocks.1");
    y = scope_out(g, swin_block(g, y, w, monai_layers, 0));
    scope_in(g, "downsample");
    return scope_out(g, patch_merging(g, y));
}

/* A block on a map not larger than the window has no shift; the others' shift is in the entry's name, "…_w5s2". */
static Ref build_nnformer_block(Graph *g, const Ref *x, const DocNode *c)
{
    static const char table[] = "block.attn.relative_position_bias_table";
    const char *said = strstr(golden_string(c, "name"), "_w");
    WindowAttention w = {extent(c, table, 1), window_of(c, table), 0, true};
    long long size, shift;
    if (said && sscanf(said, "_w%llds%lld", &size, &shift) == 2) w.shift = shift;
    scope_in(g, "block");
    return scope_out(g, swin_block(g, x[0], w, nnformer_layers, 0));
}

/* x0 is the skip, x1 what comes from below. */
static Ref build_skip_block(Graph *g, const Ref *x, const DocNode *c)
{
    static const char table[] = "block.attn.relative_position_bias_table";
    const WindowAttention w = {extent(c, table, 1), window_of(c, table), 0, false};
    scope_in(g, "block");
    return scope_out(g, skip_block(g, x[0], x[1], w, nnformer_layers, 0));
}

static Ref build_nnformer_merging(Graph *g, const Ref *x, const DocNode *c)
{
    scope_in(g, "m");
    const Ref y = op_layer_norm(g, "norm", op_gelu(g, x[0]));
    return scope_out(g, op_conv2d(g, "reduction", y, extent(c, "m.reduction.weight", 0), conv_square(3, 2, 1, true)));
}

static const struct {
    const char *param; /* one that only this block has */
    Ref (*build)(Graph *g, const Ref *inputs, const DocNode *c);
} builders[] = {
    {"mamba.A_log", build_mamba},
    {"block.conv2.norm.weight", build_basic_block},
    {"conv3.conv.weight", build_monai_block},
    {"block.attn.out_proj.weight", build_vit_block},
    {"downsample.reduction.weight", build_swin_layer},
    {"block.attn.qkv.bias", build_nnformer_block},
    {"block.attn.kv.weight", build_skip_block},
    {"m.reduction.weight", build_nnformer_merging},
    {"norm1.weight", build_segres_block},
};

/* Our name of a parameter, in the reference's words: a single block has another scope there. */
static const char *reference_name(const char *ours, char *name, size_t bytes)
{
    static const char scope[] = "blocks.0.conv", skip[] = "blocks.0.skip";
    const bool renamed = !strncmp(ours, scope, strlen(scope)) || !strncmp(ours, skip, strlen(skip));
    snprintf(name, bytes, renamed ? "block%s" : "%s", renamed ? ours + strlen("blocks.0") : ours);
    return name;
}

/* ---- the arrays: float32 .npy files in a zip ---- */

typedef struct Bundle {
    Zip zip;
    void *data;
    size_t bytes;
} Bundle;

static int open_bundle(Bundle *b, const Golden *g, const char *name, Err *e)
{
    char *path = path_format(e, "%s/ops/%s.npz", g->folder, name);
    int code = path ? file_map(path, &b->data, &b->bytes, e) : ERR_NOMEM;
    if (!code) code = zip_read(&b->zip, b->data, b->bytes, e);
    mem_free(path);
    return code;
}

static void close_bundle(Bundle *b)
{
    zip_free(&b->zip);
    if (b->data) file_unmap(b->data, b->bytes);
}

/* Copies from column-major to row-major order. */
static void turn(float *to, const float *from, const int64_t *shape, int rank, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t rest = i, at = 0, stride = count;
        for (int axis = rank - 1; axis >= 0; axis--) {
            stride /= shape[axis];
            at += rest % shape[axis] * stride;
            rest /= shape[axis];
        }
        to[i] = from[at];
    }
}

/* An array of `count` floats with the manifest's shape, owned by the caller; NULL if it is not there or has another type
 * or size. ':' in names is written "__". NumPy stores some arrays in column-major order. */
static float *take_array(const Bundle *b, const DocNode *c, const char *name, int64_t count, Err *e)
{
    enum { HEAD = 10 };
    char file[300];
    int64_t shape[4], product = 1;
    const int rank = golden_shape(doc_find(doc_find(c, "arrays"), name), "shape", shape, 4);
    const char *colon = strchr(name, ':');
    snprintf(file, sizeof file, "%.*s%s%s.npy", colon ? (int)(colon - name) : 256, name, colon ? "__" : "",
             colon ? colon + 1 : "");
    for (int i = 0; i < rank; i++) product *= shape[i];
    const ZipEntry *entry = zip_find(&b->zip, file);
    if (!entry || entry->bytes < HEAD || product != count) return NULL;
    const size_t start = HEAD + (unsigned char)entry->data[8] + 256u * (unsigned char)entry->data[9];
    if (entry->bytes != start + (size_t)count * sizeof(float) || !memmem(entry->data, start, "'<f4'", 5)) return NULL;
    float *values = mem_alloc((size_t)count * sizeof *values, e);
    const float *stored = (const float *)(const void *)(entry->data + start);
    if (values && memmem(entry->data, start, "True", 4)) turn(values, stored, shape, rank, count);
    else if (values) memcpy(values, stored, (size_t)count * sizeof *values);
    return values;
}

/* ---- running and comparing ---- */

typedef struct Block {
    Graph *graph;
    Parameters *parameters;
    Executor *executor;
    int input_count;
} Block;

static int define(Block *b, const DocNode *c, Ref (*build)(Graph *, const Ref *, const DocNode *), Ref *result, Err *e)
{
    Ref x[NODE_INPUTS];
    b->graph = graph_new(e);
    if (!b->graph) return ERR_NOMEM;
    for (const DocNode *d = doc_find(c, "inputs")->first; d && b->input_count < NODE_INPUTS; d = d->next) {
        int64_t s[4] = {0};
        golden_shape(d, NULL, s, 4);
        x[b->input_count++] = graph_input(b->graph, "x", (Shape){s[0], s[2], s[3], s[1]}, DTYPE_F32);
    }
    *result = build(b->graph, x, c);
    return graph_check(b->graph, e);
}

static int fill(Block *b, const char *prefix, const Ref *result, Err *e)
{
    char name[256];
    const ExecutorOptions o = {.outputs = result, .output_count = 1, .train = true, .input_gradients = ~0u};
    TRY(parameters_new(&b->parameters, b->graph, e));
    for (int i = 0; i < graph_param_count(b->graph); i++) {
        const Param *p = &graph_params(b->graph)[i];
        rule_param(parameters_of(b->parameters, i), prefix, reference_name(p->name, name, sizeof name), p->rank,
                   p->shape);
    }
    parameters_changed(b->parameters);
    return executor_new(&b->executor, b->graph, b->parameters, &o, e);
}

static int set_image(float *to, Shape s, const char *prefix, const char *name, double scale, Err *e)
{
    float *nchw = mem_alloc((size_t)shape_count(s) * sizeof *nchw, e);
    if (!nchw) return ERR_NOMEM;
    rule_tensor(nchw, prefix, name, shape_count(s), scale);
    golden_to_nhwc(to, nchw, s.n, s.c, s.h, s.w);
    mem_free(nchw);
    return 0;
}

static int run(Block *b, const char *prefix, Err *e)
{
    for (int i = 0; i < b->input_count; i++) {
        char name[16];
        const Tensor *x = executor_input(b->executor, i);
        snprintf(name, sizeof name, "x%d", i);
        TRY(set_image(x->data, x->shape, prefix, name, sqrt(3), e));
    }
    TRY(executor_forward(b->executor, &(Step){0}, e));
    const Tensor *y = executor_output(b->executor, 0);
    TRY(set_image(y->grad, y->shape, prefix, "r", 1, e));
    return executor_backward(b->executor, &(Step){0}, e);
}

static double norm_of(const float *x, int64_t count)
{
    double square = 0;
    for (int64_t i = 0; i < count; i++) square += (double)x[i] * (double)x[i];
    return sqrt(square);
}

static double largest_of(const float *x, const float *from, int64_t count)
{
    double largest = 0;
    for (int64_t i = 0; i < count; i++) {
        const double away = fabs((double)x[i] - (from ? (double)from[i] : 0));
        if (!(away <= largest)) largest = away;
    }
    return largest;
}

static double noise_of(const DocNode *c, const char *name)
{
    return golden_number(doc_find(doc_find(c, "arrays"), name), "noise_rel_to_max", 0);
}

/* The norm of all gradients of the case. */
static double total_norm(const Bundle *bundle, const DocNode *c, Err *e)
{
    double square = 0;
    for (const DocNode *a = doc_find(c, "arrays")->first; a; a = a->next) {
        int64_t shape[4], count = 1;
        const int rank = golden_shape(a, "shape", shape, 4);
        for (int i = 0; i < rank; i++) count *= shape[i];
        float *values = a->key[0] == 'g' ? take_array(bundle, c, a->key, count, e) : NULL;
        if (values) square += norm_of(values, count) * norm_of(values, count);
        mem_free(values);
    }
    return sqrt(square);
}

static void compare_gradient(Golden *g, const DocNode *c, const Bundle *bundle, const char *name, const float *found,
                             int64_t count, double total)
{
    Err e = {ERR_NONE, ""};
    float *expected = take_array(bundle, c, name, count, &e);
    if (!expected) golden_fail(g, "%s: not in the bundle, or of another size", name);
    else if (norm_of(expected, count) < 1e-6 * total)
        golden_expect(g, name, largest_of(found, expected, count), 1e-6 * total);
    else golden_expect(g, name, golden_relative_l2(found, expected, count), fmax(1e-4, 4 * noise_of(c, name)));
    mem_free(expected);
}

static void compare_output(Golden *g, const Block *b, const DocNode *c, const Bundle *bundle, Err *e)
{
    const Tensor *y = executor_output(b->executor, 0);
    const int64_t count = shape_count(y->shape);
    float *out = reference_nchw(y, false, e), *expected = take_array(bundle, c, "out", count, e);
    if (out && expected)
        golden_expect(g, "out", largest_of(out, expected, count),
                      fmax(8 * noise_of(c, "out"), 4e-6) * largest_of(expected, NULL, count));
    else golden_fail(g, "out: not in the bundle, or of another size");
    mem_free(expected);
    mem_free(out);
}

static void compare(Golden *g, const Block *b, const DocNode *c, const Bundle *bundle, Err *e)
{
    const double total = total_norm(bundle, c, e);
    compare_output(g, b, c, bundle, e);
    for (int i = 0; i < b->input_count; i++) {
        char name[16];
        const Tensor *x = executor_input(b->executor, i);
        float *found = reference_nchw(x, true, e);
        snprintf(name, sizeof name, "gx%d", i);
        if (found) compare_gradient(g, c, bundle, name, found, shape_count(x->shape), total);
        mem_free(found);
    }
    const Gradients *gradients = executor_gradients(b->executor);
    for (int i = 0; i < graph_param_count(b->graph); i++) {
        char name[256] = "g:";
        const Param *p = &graph_params(b->graph)[i];
        reference_name(p->name, name + 2, sizeof name - 2);
        compare_gradient(g, c, bundle, name, gradients->values + gradients->offset[i], p->count, total);
    }
    if (graph_param_count(b->graph) != doc_find(c, "params")->count)
        golden_fail(g, "the block has %d parameters, the golden %d", graph_param_count(b->graph),
                    doc_find(c, "params")->count);
}

static void run_block(Golden *g, const DocNode *c, const Bundle *bundle, Err *e)
{
    Block b = {.graph = NULL};
    Ref result;
    int64_t shape[4];
    size_t i = 0;
    const size_t count = sizeof builders / sizeof *builders;
    while (i < count && !shape_of(c, builders[i].param, shape)) i++;
    if (i == count) {
        err_set(e, ERR_UNSUPPORTED, "no block is known by these parameters");
        return;
    }
    const char *prefix = golden_string(c, "prefix");
    if (!define(&b, c, builders[i].build, &result, e) && !fill(&b, prefix, &result, e) && !run(&b, prefix, e))
        compare(g, &b, c, bundle, e);
    executor_free(b.executor);
    parameters_free(b.parameters);
    graph_free(b.graph);
}

static void run_case(Golden *g, const DocNode *c, const char *prefix)
{
    Err e = {ERR_NONE, ""};
    Bundle bundle = {.data = NULL};
    (void)prefix;
    if (!golden_begin(g, "ops/%s", golden_string(c, "name"))) return;
    if (!doc_find(c, "params") || !doc_find(c, "inputs") || !doc_find(c, "arrays"))
        err_set(&e, ERR_FORMAT, "the entry has no params, inputs or arrays");
    if (!e.code && !open_bundle(&bundle, g, golden_string(c, "name"), &e)) run_block(g, c, &bundle, &e);
    if (e.code) golden_fail(g, "%s", e.text);
    close_bundle(&bundle);
    golden_end(g);
}

void golden_zoo_ops(Golden *g) { golden_manifest(g, "ops/manifest.json", "ops", run_case); }
