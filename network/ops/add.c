/* Residual sum with stochastic depth: out = a + s b, where in training a sample's s is 0 with probability
 * `rate`, else 1 / (1 - rate); s = 1 otherwise (Huang et al. 2016; timm's DropPath, per sample).
 *
 * The random number is the first of rng_make(seed ^ hash, epoch, iteration, item, RNG_DROP_PATH), where hash is FNV-1a
 * of the node's full name. So every node and item has its own random stream, and backward draws the same number again.
 * */
#include "network/ops/drop_path.h"
#include "network/ops/fusions.h"
#include "network/ops/kernel.h"
#include "network/ops/ops.h"

/* The part of a tensor that belongs to one sample: each sample has its own scale. */
static Tensor sample_of(const Tensor *t, int64_t sample)
{
    Tensor one = *t;
    const int64_t start = sample * t->shape.h * t->shape.w * t->pitch;
    one.shape.n = 1;
    one.data = (Elem *)t->data + start;
    one.grad = t->grad ? (Elem *)t->grad + start : NULL;
    return one;
}

static void forward_sample(Tensor *a, Tensor *b, Tensor *out, float scale)
{
    const ElementRuns runs = runs_of((Tensor *[]){a, b, out}, 3);
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < runs.count; r++) {
        const Elem *x = (const Elem *)a->data + run_start(&runs, a, r);
        const Elem *y = (const Elem *)b->data + run_start(&runs, b, r);
        Elem *sum = (Elem *)out->data + run_start(&runs, out, r);
        const int64_t n = run_length(&runs, r);
        if (scale == 0) { /* 0 · b would be NaN for NaN or inf in b */
            if (sum != x) memmove(sum, x, (size_t)n * sizeof *sum);
            continue;
        }
        for (int64_t i = 0; i < n; i += SIMD_LANES) {
            const int lanes = lanes_left(n - i);
            v_put(sum + i, v_get(x + i, lanes) + scale * v_get(y + i, lanes), lanes);
        }
    }
}

static void forward(Node *node, const Step *step)
{
    for (int64_t n = 0; n < node->out[0]->shape.n; n++) {
        Tensor a = sample_of(node->in[0], n), b = sample_of(node->in[1], n), out = sample_of(node->out[0], n);
        forward_sample(&a, &b, &out, drop_path_scale(node, step, n));
    }
}

static void give_gradient(Elem *dx, const Elem *g, float scale, bool accumulate, int64_t n)
{
    if (!accumulate && dx == g && scale == 1) return;
    for (int64_t i = 0; i < n; i += SIMD_LANES) {
        const int lanes = lanes_left(n - i);
        const vf d = scale * v_get(g + i, lanes);
        v_put(dx + i, accumulate ? d + v_get(dx + i, lanes) : d, lanes);
    }
}

/* At most one of da and db shares memory with g (may_overwrite_grad): it is written last. */
static void backward_sample(const Node *node, Tensor *a, Tensor *b, Tensor *out, float scale)
{
    const ElementRuns runs = runs_of((Tensor *[]){a, b, out}, 3);
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < runs.count; r++) {
        const Elem *g = (const Elem *)out->grad + run_start(&runs, out, r);
        Elem *da = node->wants_grad[0] ? (Elem *)a->grad + run_start(&runs, a, r) : NULL;
        Elem *db = node->wants_grad[1] ? (Elem *)b->grad + run_start(&runs, b, r) : NULL;
        const int64_t n = run_length(&runs, r);
        if (da && da != g) give_gradient(da, g, 1, node->accumulate[0], n);
        if (db) give_gradient(db, g, scale, node->accumulate[1], n);
    }
}

static void backward(Node *node, const Step *step)
{
    for (int64_t n = 0; n < node->out[0]->shape.n; n++) {
        Tensor a = sample_of(node->in[0], n), b = sample_of(node->in[1], n), out = sample_of(node->out[0], n);
        backward_sample(node, &a, &b, &out, drop_path_scale(node, step, n));
    }
}

OP_IMPL(add) = {SIMD_HEAD, .strided_in = 3, .strided_out = 1, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST(add);

static int shape(Node *node, Err *e)
{
    const double rate = *(const double *)node->attr;
    if (!(rate >= 0 && rate < 1)) return err_set(e, ERR_VALUE, "drop path rate %g: expected 0 <= rate < 1", rate);
    return shape_of_inputs(node, e);
}

const OpClass add_class = {
    .name = "add",
    .shape = shape,
    .may_overwrite = 3,
    .may_overwrite_grad = 3,
    .on = OP_ON(add),
};

Ref op_add_drop_path(Graph *g, const char *name, Ref a, Ref b, double rate)
{
    const Ref inputs[] = {a, b};
    return graph_node(g, &add_class, name, &rate, sizeof rate, inputs, 2, NULL, 0);
}

Ref op_add(Graph *g, Ref a, Ref b) { return op_add_drop_path(g, "add", a, b, 0); }
#endif
