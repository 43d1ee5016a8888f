/* The loss of masked image modelling (Xie et al. 2022, SimMIM): with m = 1 at the masked pixels, else 0,
 *   loss = Σ m |x' - x| / ((Σ m + 1e-5) channels)
 * between the prediction x' and the image x. Backward: dx' = m sign(x' - x) / ((Σ m + 1e-5) channels) = -dx. Sums are over the images of
 * all ranks, in double, of pieces in a fixed order. */
#include <math.h>

#include "network/ops/kernel.h"
#include "network/ops/loss_labels.h"

enum { PIECE = 1024, MOST_PIECES = 256 };

/* Σ m |x' - x| and Σ m. */
typedef struct MaskedSums {
    double error, pixels;
} MaskedSums;

static Pieces pieces_of_pixels(const Node *node)
{
    return pieces_of(shape_pixels(node->in[0]->shape), PIECE, MOST_PIECES);
}

static bool is_masked(const Node *node, int64_t pixel) { return ((const int16_t *)node->in[1]->data)[pixel] > 0; }

static const float *pixel_of(const Tensor *t, int64_t pixel) { return (const float *)t->data + pixel * t->pitch; }

static MaskedSums sums_of(const Node *node, int64_t first, int64_t end)
{
    const int64_t channels = node->in[0]->shape.c;
    MaskedSums sums = {0, 0};
    for (int64_t p = first; p < end; p++) {
        const float *found = pixel_of(node->in[0], p), *image = pixel_of(node->in[2], p);
        float error = 0;
        if (!is_masked(node, p)) continue;
        for (int64_t c = 0; c < channels; c++) error += fabsf(found[c] - image[c]);
        sums.error += (double)error;
        sums.pixels += 1;
    }
    return sums;
}

static int prepare(Node *node, Err *e)
{
    (void)e;
    node->saved_bytes[0] = sizeof(double);
    node->scratch_bytes[0] = (size_t)pieces_of_pixels(node).count * sizeof(MaskedSums);
    return 0;
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Pieces pieces = pieces_of_pixels(node);
    MaskedSums *parts = node->scratch;
    double sums[2] = {0, 0};
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < pieces.count; k++) parts[k] = sums_of(node, k * pieces.size, piece_end(&pieces, k));
    for (int64_t k = 0; k < pieces.count; k++) sums[0] += parts[k].error, sums[1] += parts[k].pixels;
    if (node->reduction) node->reduction->sum(node->reduction->context, sums, 2, node->failure);
    const double share = 1 / ((sums[1] + 1e-5) * (double)node->in[0]->shape.c);
    if (node->has_backward) memcpy(node->saved[0], &share, sizeof share);
    *(float *)node->out[0]->data = (float)(sums[0] * share);
}

/* sign: 1 for the prediction, -1 for the image. */
static void give(const Node *node, int input, float sign)
{
    const Tensor *to = node->in[input];
    double share;
    if (!node->wants_grad[input]) return;
    memcpy(&share, node->saved[0], sizeof share);
    const float most = sign * (float)share * *(const float *)node->out[0]->grad;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < shape_pixels(to->shape); p++) {
        const float *found = pixel_of(node->in[0], p), *image = pixel_of(node->in[2], p);
        const float each = is_masked(node, p) ? most : 0;
        float *grad = (float *)to->grad + p * to->pitch;
        for (int64_t c = 0; c < to->shape.c; c++) {
            const float g = found[c] > image[c] ? each : found[c] < image[c] ? -each : 0;
            grad[c] = g + (node->accumulate[input] ? grad[c] : 0);
        }
    }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    give(node, 0, 1);
    give(node, 2, -1);
}

static const OpImpl masked_l1_loss_portable = {
    .name = "portable", .strided_in = 5, .prepare = prepare, .forward = forward, .backward = backward};
OP_LIST_CUDA(masked_l1_loss);
static const OpImpl *const masked_l1_loss_list[] = {&masked_l1_loss_portable, NULL};

static int shape(Node *node, Err *e)
{
    const Shape found = node->in[0]->shape, labels = node->in[1]->shape, image = node->in[2]->shape;
    TRY(loss_shape(node, e));
    if (!shape_equal(found, image) || labels.h != image.h || labels.w != image.w)
        return err_set(e, ERR_SHAPE,
                       "prediction " SHAPE_FORMAT ", image " SHAPE_FORMAT ", mask " SHAPE_FORMAT
                       ": expected the same pixels",
                       SHAPE_ARGS(found), SHAPE_ARGS(image), SHAPE_ARGS(labels));
    return 0;
}

static const OpClass masked_l1_loss_class = {
    .name = "masked_l1_loss",
    .shape = shape,
    .keeps_inputs = 7,
    .on = OP_ON(masked_l1_loss),
};

Ref op_masked_l1_loss(Graph *g, const char *name, Ref prediction, Ref mask, Ref image)
{
    const Ref inputs[] = {prediction, mask, image};
    return graph_node(g, &masked_l1_loss_class, name, NULL, 0, inputs, 3, NULL, 0);
}
