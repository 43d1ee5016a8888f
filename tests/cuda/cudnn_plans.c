/* cudnn_plans: asks the real cuDNN, without a GPU, for a plan of every pass of every convolution of all networks, at several
 * sizes and batches, for the GPUs that tests/cuda/devices describes. TAP: a result for each GPU and type. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "network/cuda/cudnn_plan.h"
#include "network/executor/executor.h"
#include "network/models/network.h"
#include "network/ops/convolution.h"

enum { CLASSES = 14, MOST = 4096 };
static const int64_t sides[] = {64, 320, 512}, batches[] = {1, 32}, channels[] = {1, 3};
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The convolutions as they are in forward; each shape once. */
static GpuConvolutionShape shapes[MOST];
static int shape_count_found;

static void fail(const char *what, const Err *e)
{
    printf("Bail out! %s: %s\n", what, e->text);
    exit(1);
}

static void add_shape(const GpuConvolutionShape *s)
{
    for (int i = 0; i < shape_count_found; i++)
        if (!memcmp(&shapes[i], s, sizeof *s)) return;
    if (shape_count_found < MOST) shapes[shape_count_found++] = *s;
}

static void add_node(const Node *node, int64_t batch)
{
    GpuConvolutionShape s;
    if (strcmp(node->op->name, "conv2d") && strcmp(node->op->name, "conv_transpose2d")) return;
    const ConvAttr *attr = node->attr;
    memset(&s, 0, sizeof s); /* with the bytes between its members: it is compared */
    s.x = node->in[0]->shape;
    s.y = node->out[0]->shape;
    if (attr->transposed) {
        s.x = node->out[0]->shape;
        s.y = node->in[0]->shape;
    }
    s.x.n = s.y.n = batch;
    s.kernel[0] = attr->conv.kernel.y;
    s.kernel[1] = attr->conv.kernel.x;
    s.stride[0] = attr->conv.stride.y;
    s.stride[1] = attr->conv.stride.x;
    s.padding[0] = attr->conv.padding.y;
    s.padding[1] = attr->conv.padding.x;
    add_shape(&s);
}

/* Of inference at one size; all heads. */
static void add_network(const char *name, int64_t side, int64_t image_channels)
{
    Err e = {ERR_NONE, ""};
    NetworkSpec spec;
    Graph *graph;
    Executor *x;
    Ref heads[NETWORK_HEADS];
    if (network_defaults(&spec, name, &e)) fail(name, &e);
    if (spec.kind->complete && spec.kind->complete(&spec.config, side, side, &e)) fail(name, &e);
    spec.height = spec.width = side;
    spec.channels = image_channels;
    spec.classes = CLASSES;
    spec.deep_supervision = true;
    if (network_build(&graph, &spec, &e)) fail(name, &e);
    const ExecutorOptions o = {.outputs = heads, .output_count = network_heads(graph, heads)};
    if (executor_new(&x, graph, NULL, &o, &e)) fail(name, &e);
    for (int i = 0; i < executor_node_count(x); i++)
        for (size_t b = 0; b < COUNT(batches); b++) add_node(executor_node(x, i), batches[b]);
    executor_free(x);
    graph_free(graph);
}

/* ---- plans ---- */

/* In which type a pass is computed (convolution.cu). */
static const struct Type {
    const char *name;
    DType dtype;
    bool tf32;
} types[] = {{"float32", DTYPE_F32, false}, {"TF32", DTYPE_F32, true}, {"bfloat16", DTYPE_BF16, false}};

typedef struct Found {
    int plans, refused;
    size_t workspace; /* the most */
} Found;

static void plan(Found *f, GpuConvolutionShape s, cudnnBackendDescriptor_t device)
{
    Err e = {ERR_NONE, ""};
    CudnnPlan p;
    f->plans++;
    if (cudnn_plan_new(&p, &s, device, &e)) {
        if (!f->refused++) printf("# %s, batch %lld\n", e.text, (long long)s.x.n);
    } else if (p.workspace > f->workspace) f->workspace = p.workspace;
    cudnn_plan_free(&p);
}

static void plan_passes(Found *f, GpuConvolutionShape s, cudnnBackendDescriptor_t device)
{
    for (int result = GPU_CONVOLUTION_Y; result <= GPU_CONVOLUTION_W; result++)
        for (int accumulate = 0; accumulate < (result == GPU_CONVOLUTION_W ? 1 : 2); accumulate++) {
            s.result = (GpuConvolutionResult)result;
            s.accumulate = accumulate;
            plan(f, s, device);
        }
}

static cudnnBackendDescriptor_t describe(const char *folder, const char *name)
{
    char path[4096], json[4096];
    Err e = {ERR_NONE, ""};
    cudnnBackendDescriptor_t device;
    snprintf(path, sizeof path, "%s/%s.json", folder, name);
    FILE *f = fopen(path, "r");
    const size_t bytes = f ? fread(json, 1, sizeof json, f) : 0;
    if (f) fclose(f);
    if (!bytes) err_set(&e, ERR_IO, "cannot be read");
    else if (!cudnn_check(cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &device), "a GPU", &e) &&
             !cudnn_check(cudnnBackendSetAttribute(device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                                                   (int64_t)bytes, json),
                          "the description of a GPU", &e))
        cudnn_check(cudnnBackendFinalize(device), "the description of a GPU", &e);
    if (e.code) fail(path, &e);
    return device;
}

int main(int argc, char **argv)
{
    static const char *const devices[] = {"a100", "h100"};
    const char *folder = argc > 1 ? argv[1] : "tests/cuda/devices";
    int results = 0, failures = 0;
    for (const NetworkKind *const *k = network_kinds(); *k; k++)
        for (size_t s = 0; s < COUNT(sides); s++)
            for (size_t c = 0; c < COUNT(channels); c++) add_network((*k)->name, sides[s], channels[c]);
    printf("1..%zu\n# %d convolutions\n", COUNT(devices) * COUNT(types), shape_count_found);
    for (size_t d = 0; d < COUNT(devices); d++) {
        cudnnBackendDescriptor_t device = describe(folder, devices[d]);
        for (size_t t = 0; t < COUNT(types); t++) {
            Found f = {0, 0, 0};
            for (int i = 0; i < shape_count_found; i++) {
                shapes[i].dtype = types[t].dtype;
                shapes[i].tf32 = types[t].tf32;
                plan_passes(&f, shapes[i], device);
            }
            printf("%sok %d - %s, %s: %d of %d have a plan, workspace up to %zu MB\n", f.refused ? "not " : "",
                   ++results, devices[d], types[t].name, f.plans - f.refused, f.plans, f.workspace >> 20);
            failures += f.refused > 0;
        }
        cudnnBackendDestroyDescriptor(device);
    }
    return failures > 0;
}
