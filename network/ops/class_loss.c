/* Cross-entropy of the classes of images with label smoothing ε (Szegedy et al. 2016), p = softmax(z):
 *   loss = mean over the valid images of -Σ_k q_k log p_k,  q_k = (1 - ε) [k = t] + ε / K.
 * Backward: dz_k = (p_k - q_k) / valid images. An image without a class (label 0) is not valid. The mean is over the images of all ranks. */
#include <math.h>

#include "network/ops/class_loss.h"
#include "network/ops/kernel.h"
#include "network/ops/loss_labels.h"

/* The image's class, or -1. */
static int class_of(const Node *node, int64_t image)
{
    const Shape s = node->in[0]->shape;
    const int label = loss_label(node->in[1]->data, node->in[1]->shape, s, image);
    return label > 0 && label <= s.c ? label - 1 : -1;
}

static const float *logits_of(const Node *node, int64_t image)
{
    return (const float *)node->in[0]->data + image * node->in[0]->pitch;
}

/* log Σ exp z */
static double log_sum(const float *z, int64_t classes)
{
    double most = (double)z[0], sum = 0;
    for (int64_t k = 1; k < classes; k++) most = fmax(most, (double)z[k]);
    for (int64_t k = 0; k < classes; k++) sum += exp((double)z[k] - most);
    return most + log(sum);
}

/* -Σ q_k log p_k */
static double entropy_of(const float *z, int64_t classes, int t, double smoothing)
{
    const double all = log_sum(z, classes);
    double mean = 0;
    for (int64_t k = 0; k < classes; k++) mean += (all - (double)z[k]) / (double)classes;
    return (1 - smoothing) * (all - (double)z[t]) + smoothing * mean;
}

static int prepare(Node *node, Err *e)
{
    (void)e;
    node->saved_bytes[0] = sizeof(double);
    return 0;
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Shape s = node->in[0]->shape;
    const ClassLoss *loss = node->attr;
    double sums[2] = {0, 0}; /* of entropies; valid images */
    for (int64_t n = 0; n < s.n; n++) {
        const int t = class_of(node, n);
        if (t < 0) continue;
        sums[0] += entropy_of(logits_of(node, n), s.c, t, loss->smoothing);
        sums[1] += 1;
    }
    if (node->reduction) node->reduction->sum(node->reduction->context, sums, 2, node->failure);
    const double share = sums[1] > 0 ? 1 / sums[1] : 0;
    if (node->has_backward) memcpy(node->saved[0], &share, sizeof share);
    *(float *)node->out[0]->data = (float)(sums[0] * share);
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0];
    const ClassLoss *loss = node->attr;
    const int64_t classes = in->shape.c;
    double share;
    if (!node->wants_grad[0]) return;
    memcpy(&share, node->saved[0], sizeof share);
    share *= (double)*(const float *)node->out[0]->grad;
    for (int64_t n = 0; n < in->shape.n; n++) {
        const float *z = logits_of(node, n);
        float *dz = (float *)in->grad + n * in->pitch;
        const int t = class_of(node, n);
        const double all = log_sum(z, classes);
        for (int64_t k = 0; k < classes; k++) {
            const double q = (1 - loss->smoothing) * (k == t) + loss->smoothing / (double)classes;
            const double d = t < 0 ? 0 : share * (exp((double)z[k] - all) - q);
            dz[k] = (float)d + (node->accumulate[0] ? dz[k] : 0);
        }
    }
}

static const OpImpl class_loss_portable = {
    .name = "portable", .strided_in = 1, .prepare = prepare, .forward = forward, .backward = backward};
OP_LIST_CUDA(class_loss);
static const OpImpl *const class_loss_list[] = {&class_loss_portable, NULL};

static int shape(Node *node, Err *e)
{
    const Shape s = node->in[0]->shape;
    if (s.h != 1 || s.w != 1 || s.c < 2)
        return err_set(e, ERR_SHAPE, "logits " SHAPE_FORMAT ": expected (N,1,1,K) of at least 2 classes",
                       SHAPE_ARGS(s));
    return loss_shape(node, e);
}

static const OpClass class_loss_class = {
    .name = "class_loss",
    .shape = shape,
    .keeps_inputs = 3,
    .on = OP_ON(class_loss),
};

Ref op_class_loss(Graph *g, const char *name, Ref logits, Ref labels, double smoothing)
{
    const ClassLoss loss = {smoothing};
    const Ref inputs[] = {logits, labels};
    return graph_node(g, &class_loss_class, name, &loss, sizeof loss, inputs, 2, NULL, 0);
}
