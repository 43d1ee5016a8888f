/* The counts behind the Dice of predicted classes (or regions): true positives, false positives and false negatives of
 * each image. They are whole numbers in float32, exact up to 2^24 pixels an image. */
#include <inttypes.h>
#include <string.h>

#include "network/ops/class_counts.h"
#include "network/ops/kernel.h"

enum { PIXELS_LEAST = 1024, PIECES_MOST = 64 };

static Pieces pieces_of_image(const Node *node)
{
    const Shape s = node->in[0]->shape;
    return pieces_of(s.h * s.w, PIXELS_LEAST, PIECES_MOST);
}

static void count_class(int32_t *tp, int32_t *fp, int32_t *fn, const float *logits, int64_t classes, int label)
{
    int64_t predicted = 0;
    if (label >= classes) return;
    for (int64_t k = 1; k < classes; k++)
        if (logits[k] > logits[predicted]) predicted = k;
    tp[label] += predicted == label;
    fn[label] += predicted != label;
    fp[predicted] += predicted != label;
}

static void count_regions(int32_t *tp, int32_t *fp, int32_t *fn, const float *logits, int64_t regions, uint64_t truth)
{
    for (int64_t k = 0; k < regions; k++) {
        const bool predicted = logits[k] > 0, there = truth >> k & 1;
        tp[k] += predicted && there;
        fp[k] += predicted && !there;
        fn[k] += !predicted && there;
    }
}

/* counts: true positives of all classes, false positives, false negatives. */
static void count_pixels(int32_t *counts, const Node *node, int64_t first, int64_t end)
{
    const CountsRule *rule = node->attr;
    const Tensor *z = node->in[0];
    const int64_t classes = z->shape.c;
    const int16_t *labels = node->in[1]->data;
    int32_t *tp = counts, *fp = tp + classes, *fn = fp + classes;
    for (int64_t i = first; i < end; i++) {
        const float *logits = (const float *)z->data + i * z->pitch;
        const int label = counted_label(rule, labels, node->in[1]->shape, z->shape, i);
        if (label < 0 || label == rule->ignore_label) continue;
        if (rule->has_regions)
            count_regions(tp, fp, fn, logits, classes, label < LOSS_LABELS ? rule->regions[label] : 0);
        else count_class(tp, fp, fn, logits, classes, label);
    }
}

static int prepare(Node *node, Err *e)
{
    (void)e;
    const Shape s = node->in[0]->shape;
    node->scratch_bytes[0] = (size_t)(s.n * pieces_of_image(node).count * 3 * s.c) * sizeof(int32_t);
    return 0;
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Shape s = node->in[0]->shape;
    const Pieces pieces = pieces_of_image(node);
    const int64_t length = 3 * s.c;
    int32_t *partial = node->scratch;
    float *counts = node->out[0]->data;
    memset(partial, 0, node->scratch_bytes[0]);
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < s.n * pieces.count; k++) {
        const int64_t start = k / pieces.count * s.h * s.w, piece = k % pieces.count;
        count_pixels(partial + k * length, node, start + piece * pieces.size, start + piece_end(&pieces, piece));
    }
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t i = 0; i < length; i++) {
            int32_t sum = 0;
            for (int64_t k = 0; k < pieces.count; k++) sum += partial[(n * pieces.count + k) * length + i];
            counts[n * length + i] = (float)sum;
        }
}

/* Counts are constant but for steps: their gradient is 0. */
static void backward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *z = node->in[0];
    if (!node->wants_grad[0] || node->accumulate[0]) return;
    for (int64_t p = 0; p < shape_pixels(z->shape); p++)
        memset((float *)z->grad + p * z->pitch, 0, (size_t)z->shape.c * sizeof(float));
}

static int shape(Node *node, Err *e)
{
    const Shape z = node->in[0]->shape, labels = node->in[1]->shape;
    const CountsRule *rule = node->attr;
    TRY(loss_expect_labels(node, e));
    if (!rule->of_images && (labels.h != z.h || labels.w != z.w))
        return err_set(e, ERR_SHAPE,
                       "logits " SHAPE_FORMAT ", labels " SHAPE_FORMAT ": expected labels of the same pixels",
                       SHAPE_ARGS(z), SHAPE_ARGS(labels));
    if (z.h * z.w > CLASS_COUNTS_PIXELS)
        return err_set(e, ERR_SHAPE, "%" PRId64 "x%" PRId64 " pixels: at most %d can be counted", z.h, z.w,
                       CLASS_COUNTS_PIXELS);
    node->out[0]->shape = (Shape){z.n, 1, 1, 3 * z.c};
    node->out[0]->dtype = DTYPE_F32;
    return 0;
}

static const OpImpl class_counts_portable = {
    .name = "portable", .strided_in = 1, .prepare = prepare, .forward = forward, .backward = backward};
OP_LIST_CUDA(class_counts);
static const OpImpl *const class_counts_list[] = {&class_counts_portable, NULL};

static const OpClass class_counts_class = {.name = "class_counts", .shape = shape, .on = OP_ON(class_counts)};

Ref op_image_class_counts(Graph *g, const char *name, Ref logits, Ref labels)
{
    const CountsRule rule = {.ignore_label = -1, .of_images = true};
    const Ref inputs[] = {logits, labels};
    return graph_node(g, &class_counts_class, name, &rule, sizeof rule, inputs, 2, NULL, 0);
}

Ref op_class_counts(Graph *g, const char *name, Ref logits, Ref labels, int ignore_label, const uint64_t *regions)
{
    CountsRule rule = {.ignore_label = ignore_label, .has_regions = regions != NULL};
    if (regions) memcpy(rule.regions, regions, sizeof rule.regions);
    const Ref inputs[] = {logits, labels};
    return graph_node(g, &class_counts_class, name, &rule, sizeof rule, inputs, 2, NULL, 0);
}
