/* PyTorch Conv2d: y[n,i,j,o] = b[o] + Σ_{u,v,c} W[o,c,u,v] x[n, i·s+u-p, j·s+v-p, c]; x is 0 outside the image.
 * s and p: stride and padding of each axis. */
#include "network/ops/convolution.h"

/* Size of the output along an axis; 0 if the kernel is larger than the padded input. */
static int64_t extent(int64_t in, int64_t kernel, int64_t stride, int64_t padding)
{
    const int64_t last = in + 2 * padding - kernel;
    return last < 0 ? 0 : last / stride + 1;
}

static int shape(Node *node, Err *e)
{
    const Conv *c = &((const ConvAttr *)node->attr)->conv;
    const Shape s = node->in[0]->shape;
    TRY(convolution_check(node, e));
    const int64_t h = extent(s.h, c->kernel.y, c->stride.y, c->padding.y);
    const int64_t w = extent(s.w, c->kernel.x, c->stride.x, c->padding.x);
    if (h < 1 || w < 1)
        return err_set(e, ERR_SHAPE, "an image of %lldx%lld is smaller than the kernel of %lldx%lld", (long long)s.h,
                       (long long)s.w, (long long)c->kernel.y, (long long)c->kernel.x);
    node->out[0]->shape = (Shape){s.n, h, w, node->param_info[0]->shape[0]};
    return 0;
}

static int64_t macs(const Node *node) { return shape_pixels(node->out[0]->shape) * node->param_info[0]->count; }

OP_LIST_CUDA(convolution);
static const OpClass conv2d_class = {.name = "conv2d",
                                     .shape = shape,
                                     .macs = macs,
                                     .product_macs = macs,
                                     .keeps_for_params = 1,
                                     .on = OP_ON(convolution)};

Ref op_conv2d(Graph *g, const char *name, Ref x, int64_t out_channels, Conv conv)
{
    const ConvAttr attr = {.conv = conv, .direct = graph_is_direct(g)};
    const InitPolicy policy = graph_policy(g);
    const int64_t weight[] = {out_channels, graph_shape(g, x).c, conv.kernel.y, conv.kernel.x};
    scope_in(g, name);
    int params[2] = {graph_param(g, "weight", 4, weight, policy.conv_weight, 0)};
    if (conv.bias)
        params[1] = graph_param(g, "bias", 1, &out_channels, policy.conv_bias, weight[1] * weight[2] * weight[3]);
    return scope_out(g, graph_node(g, &conv2d_class, "", &attr, sizeof attr, &x, 1, params, conv.bias ? 2 : 1));
}
