/* out = Σ weight_i · term_i of scalars: the loss with deep supervision from the losses of the heads. */
#include "network/ops/weighted_sum.h"
#include "network/ops/kernel.h"
#include "network/ops/ops.h"

static void forward(Node *node, const Step *step)
{
    (void)step;
    const SumWeights *weights = node->attr;
    double sum = 0;
    for (int i = 0; i < node->input_count; i++) sum += weights->of[i] * (double)*(const float *)node->in[i]->data;
    *(float *)node->out[0]->data = (float)sum;
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const SumWeights *weights = node->attr;
    const double g = (double)*(const float *)node->out[0]->grad;
    for (int i = 0; i < node->input_count; i++) {
        if (!node->wants_grad[i]) continue;
        float *grad = node->in[i]->grad;
        *grad = (float)(weights->of[i] * g) + (node->accumulate[i] ? *grad : 0);
    }
}

static const OpImpl weighted_sum_portable = {.name = "portable", .forward = forward, .backward = backward};
OP_LIST_CUDA(weighted_sum);
static const OpImpl *const weighted_sum_list[] = {&weighted_sum_portable, NULL};

static int shape(Node *node, Err *e)
{
    const int count = ((const SumWeights *)node->attr)->count;
    if (count < 1 || count > NODE_INPUTS)
        return err_set(e, ERR_SHAPE, "%d terms: expected 1 to %d", count, NODE_INPUTS);
    for (int i = 0; i < node->input_count; i++)
        if (shape_count(node->in[i]->shape) != 1)
            return err_set(e, ERR_SHAPE, "term %d is " SHAPE_FORMAT ": expected a scalar", i,
                           SHAPE_ARGS(node->in[i]->shape));
    return shape_of_inputs(node, e);
}

static const OpClass weighted_sum_class = {.name = "weighted_sum", .shape = shape, .on = OP_ON(weighted_sum)};

Ref op_weighted_sum(Graph *g, const char *name, const Ref *terms, const double *weights, int count)
{
    SumWeights w = {.count = count};
    const int given = count < NODE_INPUTS ? count : NODE_INPUTS; /* `shape` fails if there are more */
    for (int i = 0; i < given; i++) w.of[i] = weights[i];
    return graph_node(g, &weighted_sum_class, name, &w, sizeof w, terms, given, NULL, 0);
}
