/* The labels of a training patch as ops read them: in[1], (N,H,W,1) of int16 at full resolution. Only for files in network/ops. */
#ifndef NETWORK_OPS_LOSS_LABELS_H
#define NETWORK_OPS_LOSS_LABELS_H

#include <inttypes.h>

#include "network/graph/op.h"
#include "network/ops/ops.h"

/* The label of a pixel (of all images) of a value of shape s, by nearest neighbour; labels: of shape `full`. */
HOST_DEVICE static inline int loss_label(const int16_t *labels, Shape full, Shape s, int64_t pixel)
{
    const int64_t n = pixel / (s.h * s.w), y = pixel / s.w % s.h, x = pixel % s.w;
    return labels[(n * full.h + loss_label_source(y, full.h, s.h)) * full.w + loss_label_source(x, full.w, s.w)];
}

/* Fails with ERR_SHAPE if in[1] are no labels of the images of in[0]. */
static inline int loss_expect_labels(const Node *node, Err *e)
{
    const Shape s = node->in[0]->shape, full = node->in[1]->shape;
    if (full.n == s.n && full.c == 1 && node->in[1]->dtype == DTYPE_I16) return 0;
    return err_set(e, ERR_SHAPE,
                   "labels (%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ") of %s for a value of (%" PRId64 ",%" PRId64
                   ",%" PRId64 ",%" PRId64 "): expected (%" PRId64 ",H,W,1) of int16",
                   full.n, full.h, full.w, full.c, dtype_name(node->in[1]->dtype), s.n, s.h, s.w, s.c, s.n);
}

/* The shape function of a loss: labels as above, a scalar. */
static inline int loss_shape(Node *node, Err *e)
{
    TRY(loss_expect_labels(node, e));
    node->out[0]->shape = (Shape){1, 1, 1, 1};
    node->out[0]->dtype = DTYPE_F32;
    return 0;
}

#endif
