/* y = x Wᵀ + b over the channels of every pixel (PyTorch Linear: W (out, in), b (out)).
 *   dx = dy W,  dW = dyᵀ x,  db = Σ dy. */
#include "base/memory.h"
#include "network/onednn.h"
#include "network/op.h"
#include "network/ops/ops.h"
#include "network/ops/plain.h"

typedef struct Linear {
    int64_t out_channels;
    bool bias;
} Linear;

static int shape(Node *node, Err *e)
{
    const Linear *linear = node->attr;
    const Shape s = node->in[0]->shape;
    if (s.c != node->param_info[0]->shape[1])
        return err_set(e, ERR_SHAPE, "%lld channels in: the weight expects %lld", (long long)s.c,
                       (long long)node->param_info[0]->shape[1]);
    node->out[0]->shape = (Shape){s.n, s.h, s.w, linear->out_channels};
    return 0;
}

static int64_t macs(const Node *node) { return shape_count(node->in[0]->shape) * node->out[0]->shape.c; }

static int prepare(Node *node, Err *e)
{
    const Linear *linear = node->attr;
    const Tensor *x = node->in[0], *y = node->out[0];
    Dnn *forward;
    TRY(dnn_linear_forward(&forward, shape_pixels(x->shape), x->shape.c, x->pitch, y->shape.c, y->pitch, linear->bias, e));
    node->state = forward;
    node->scratch_bytes[0] = dnn_scratch_bytes(forward);
    node->packed_bytes = dnn_packed_bytes(forward);
    return 0;
}

static void refresh(Node *node) { dnn_pack(node->state, node->param[0]); }
static void release(Node *node) { dnn_free(node->state); }

static void forward(Node *node, const Step *step)
{
    (void)step;
    dnn_run_forward(node->state, node->in[0]->data, node->param[1], node->out[0]->data, node->scratch);
}

/* Sums the rows of dy; a cache line of columns at a time, in double between short runs. */
static void sum_rows(const float *dy, int64_t rows, int64_t pitch, int64_t columns, float *sums)
{
    enum { BLOCK = 16, RUN = 128 };
#pragma omp parallel for
    for (int64_t first = 0; first < columns; first += BLOCK) {
        const int64_t width = columns - first < BLOCK ? columns - first : BLOCK;
        double total[BLOCK] = {0};
        for (int64_t begin = 0; begin < rows; begin += RUN) {
            float run[BLOCK] = {0};
            for (int64_t r = begin; r < rows && r < begin + RUN; r++)
                for (int64_t c = 0; c < width; c++) run[c] += dy[r * pitch + first + c];
            for (int64_t c = 0; c < width; c++) total[c] += run[c];
        }
        for (int64_t c = 0; c < width; c++) sums[first + c] = (float)total[c];
    }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *x = node->in[0], *y = node->out[0];
    const int64_t rows = shape_pixels(x->shape), in_channels = x->shape.c, out_channels = y->shape.c;
    const float *dy = y->grad;
    if (node->wants_grad[0])
        dnn_gemm(false, false, rows, in_channels, out_channels, dy, y->pitch, node->param[0], in_channels,
                 node->accumulate[0], x->grad, x->pitch);
    if (node->param_grad[0])
        dnn_gemm(true, false, out_channels, in_channels, rows, dy, y->pitch, x->data, x->pitch, false,
                 node->param_grad[0], in_channels);
    if (node->param_count > 1 && node->param_grad[1]) sum_rows(dy, rows, y->pitch, out_channels, node->param_grad[1]);
}

static const OpImpl onednn = {.name = "onednn", .strided_in = 1, .strided_out = 1, .prepare = prepare, .refresh = refresh,
                              .forward = forward, .backward = backward, .release = release};
static const OpImpl *const impls[] = {&onednn, &plain_linear, NULL};
static const OpClass linear_class = {.name = "linear", .shape = shape, .macs = macs, .keeps_for_params = 1, .on = {impls}};

Ref linear(Graph *g, const char *name, Ref x, int64_t out_channels, bool bias)
{
    const Linear attr = {out_channels, bias};
    const InitPolicy policy = graph_policy(g);
    const int64_t in_channels = graph_shape(g, x).c, weight[] = {out_channels, in_channels};
    in(g, name);
    int params[2] = {graph_param(g, "weight", 2, weight, policy.linear_weight, 0)};
    if (bias) params[1] = graph_param(g, "bias", 1, &out_channels, policy.linear_bias, in_channels);
    return out(g, graph_node(g, &linear_class, "", &attr, sizeof attr, &x, 1, params, bias ? 2 : 1));
}
