#include "model/roofline.h"

#include <string.h>

#include "model/describe.h"
#include "network/ops/attention.h"
#include "network/ops/selective_scan.h"

/* NVIDIA's data sheets of A100 80 GB SXM and H100 SXM; Ada GPU architecture, appendix A, for the RTX 4090. Multiprocessors:
 * 108, 132, 128; boost clocks: 1.41, 1.98, 2.52 GHz. */
const GpuPeaks roofline_gpus[ROOFLINE_GPUS] = {
    {"A100 80 GB", 2.039e12, 312e12, 19.5e12, 16 * 108 * 1.41e9},
    {"H100 SXM", 3.35e12, 989.4e12, 66.9e12, 16 * 132 * 1.98e9},
    {"RTX 4090", 1.008e12, 165.2e12, 82.6e12, 16 * 128 * 2.52e9},
};

/* What a pass of a node takes. */
typedef struct Work {
    double bytes, products, arithmetic, exponentials; /* products: multiply-adds */
} Work;

static bool is_op(const Node *node, const char *name) { return !strcmp(node->op->name, name); }

static double bytes_of(const Tensor *t) { return (double)shape_count(t->shape) * (double)dtype_size(t->dtype); }

/* A part that is a slice of the whole is where it is needed already. */
static double moved_parts(Tensor *const *parts, int count)
{
    double bytes = 0;
    for (int k = 0; k < count; k++)
        if (parts[k]->pitch == parts[k]->shape.c) bytes += 2 * bytes_of(parts[k]);
    return bytes;
}

static double view_bytes(const Node *node)
{
    return node->op->view == VIEW_CONCAT ? moved_parts(node->in, node->input_count)
                                         : moved_parts(node->out, node->output_count);
}

static double saved_bytes(const Node *node)
{
    double bytes = 0;
    for (int s = 0; s < NODE_SAVED; s++) bytes += (double)node->saved_bytes[s];
    return bytes;
}

static double forward_bytes(const Node *node)
{
    double bytes = saved_bytes(node) + (double)node_parameters(node) * (double)dtype_size(node->impl->dtype);
    for (int k = 0; k < node->input_count; k++) bytes += bytes_of(node->in[k]);
    for (int k = 0; k < node->output_count; k++) bytes += bytes_of(node->out[k]);
    return bytes;
}

static bool keeps(uint32_t mask, int k) { return mask >> k & 1; }

static double backward_bytes(const Node *node)
{
    const OpClass *op = node->op;
    double bytes = saved_bytes(node);
    for (int k = 0; k < node->input_count; k++) {
        const bool read = keeps(op->keeps_inputs, k) || (node->trains_params && keeps(op->keeps_for_params, k));
        if (read) bytes += bytes_of(node->in[k]);
        if (node->wants_grad[k]) bytes += bytes_of(node->in[k]) * (node->accumulate[k] ? 2 : 1);
    }
    for (int k = 0; k < node->output_count; k++)
        bytes += bytes_of(node->out[k]) * (keeps(op->keeps_outputs, k) ? 2 : 1);
    if (node->wants_grad[0]) bytes += (double)node_parameters(node) * (double)dtype_size(node->impl->dtype);
    if (node->trains_params) bytes += (double)node_parameters(node) * sizeof(float);
    return bytes;
}

static double products_of(const Node *node)
{
    return node->op->product_macs ? (double)node->op->product_macs(node) : 0;
}

static double arithmetic_of(const Node *node)
{
    return node->op->macs ? (double)node->op->macs(node) - products_of(node) : 0;
}

/* The directions read x and write float32 parts, which are read again to be added; backward also reads the gradient. */
static void add_scan(Work *w, const Node *node, bool backward)
{
    const SelectiveScan *scan = node->attr;
    const double values = (double)shape_count(node->in[0]->shape), directions = scan->directions.count;
    w->bytes += (directions - 1) * bytes_of(node->in[0]) + 2 * directions * values * sizeof(float);
    if (backward) w->bytes += (directions - 1) * bytes_of(node->out[0]);
    w->exponentials = values * directions * (double)scan->states * (backward ? 2 : 1);
}

/* The kernels compute in float32, and backward computes the weights of all pairs again, twice: 7 products for 2 of forward. */
static void add_attention(Work *w, const Node *node, bool backward)
{
    const Attention *attention = node->attr;
    const double macs = products_of(node), width = (double)node->in[0]->shape.c / (double)attention->heads;
    w->products = 0;
    w->arithmetic = macs * (backward ? 3.5 : 1);
    w->exponentials = macs / (2 * width) * (backward ? 2 : 1);
}

static Work work_of(const Node *node, bool backward)
{
    const int products = backward ? node->wants_grad[0] + node->trains_params : 1;
    Work w = {.products = products_of(node) * products, .arithmetic = arithmetic_of(node) * (backward ? 2 : 1)};
    w.bytes = node->op->view ? view_bytes(node) : backward ? backward_bytes(node) : forward_bytes(node);
    if (is_op(node, "selective_scan")) add_scan(&w, node, backward);
    if (is_op(node, "attention")) add_attention(&w, node, backward);
    return w;
}

double roofline_bytes(const Node *node, bool backward) { return work_of(node, backward).bytes; }

/* ---- time */

static void add(Roofline *r, const Work *w, const GpuPeaks *gpu, bool tensor_cores)
{
    const double launch = 2e-6;
    const double seconds[ROOFLINE_LIMITS] = {w->bytes / gpu->bandwidth,
                                             2 * w->products / (tensor_cores ? gpu->bf16 : gpu->fp32),
                                             2 * w->arithmetic / gpu->fp32, w->exponentials / gpu->exponentials};
    int longest = 0;
    for (int i = 1; i < ROOFLINE_LIMITS; i++)
        if (seconds[i] > seconds[longest]) longest = i;
    if (seconds[longest] == 0) return; /* nothing to do: a view */
    r->by[longest] += seconds[longest];
    r->seconds += seconds[longest];
    r->with_launches += seconds[longest] > launch ? seconds[longest] : launch;
}

static void add_optimizer(Roofline *r, const Executor *x, const GpuPeaks *gpu)
{
    enum { BYTES = 40 }; /* the norm reads 4; AdamW reads 16 and writes 12; packing reads 4 and writes 4 */
    const Work w = {.bytes = BYTES * (double)executor_gradients(x)->count};
    add(r, &w, gpu, false);
}

Roofline roofline_of(const Executor *x, const GpuPeaks *gpu, bool train)
{
    Roofline r = {0};
    for (int i = 0; i < executor_node_count(x); i++) {
        const Node *node = executor_node(x, i);
        const bool tensor_cores = node->impl->dtype == DTYPE_BF16;
        const Work forward = work_of(node, false), backward = work_of(node, true);
        add(&r, &forward, gpu, tensor_cores);
        if (node->has_backward) add(&r, &backward, gpu, tensor_cores);
    }
    if (train) add_optimizer(&r, x, gpu);
    return r;
}
