/* Weighted sum of scalars on a GPU (weighted_sum.c), by one thread. */
#include "network/cuda/gpu.h"

extern "C" {
#include "network/ops/weighted_sum.h"
}

namespace
{
struct Terms {
    float *of[NODE_INPUTS]; /* NULL: not wanted */
    bool add[NODE_INPUTS];
    SumWeights weights;
};

__global__ void sum_terms(float *sum, Terms t)
{
    double total = 0;
    for (int i = 0; i < t.weights.count; i++) total += t.weights.of[i] * (double)*t.of[i];
    *sum = (float)total;
}

__global__ void give_terms(const float *g, Terms t)
{
    for (int i = 0; i < t.weights.count; i++)
        if (t.of[i]) *t.of[i] = (float)(t.weights.of[i] * (double)*g) + (t.add[i] ? *t.of[i] : 0);
}

Terms terms_of(const Node *node)
{
    Terms t = {};
    t.weights = *(const SumWeights *)node->attr;
    return t;
}

void forward(Node *node, const Step *)
{
    Terms t = terms_of(node);
    for (int i = 0; i < node->input_count; i++) t.of[i] = (float *)node->in[i]->data;
    LAUNCH(sum_terms, 1, 1, 0, (float *)node->out[0]->data, t);
}

void backward(Node *node, const Step *)
{
    Terms t = terms_of(node);
    for (int i = 0; i < node->input_count; i++) {
        t.of[i] = node->wants_grad[i] ? (float *)node->in[i]->grad : NULL;
        t.add[i] = node->accumulate[i];
    }
    LAUNCH(give_terms, 1, 1, 0, (const float *)node->out[0]->grad, t);
}
} // namespace

GPU_IMPL_F32(weighted_sum, .forward = forward, .backward = backward)
