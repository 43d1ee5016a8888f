/* PyTorch ConvTranspose2d: y[n,k,l,o] = b[o] + the sum of Σ_c W[c,o,u,v] x[n,i,j,c] over all i, j, u, v with
 * k = i·s+u-p and l = j·s+v-p. s and p: stride and padding of each axis. */
#include "network/ops/convolution.h"

static int shape(Node *node, Err *e)
{
    const Conv *c = &((const ConvAttr *)node->attr)->conv;
    const Shape s = node->in[0]->shape;
    TRY(convolution_check(node, e));
    const int64_t h = (s.h - 1) * c->stride.y - 2 * c->padding.y + c->kernel.y;
    const int64_t w = (s.w - 1) * c->stride.x - 2 * c->padding.x + c->kernel.x;
    if (h < 1 || w < 1)
        return err_set(e, ERR_SHAPE, "with a padding of %lldx%lld the output of an image of %lldx%lld is empty",
                       (long long)c->padding.y, (long long)c->padding.x, (long long)s.h, (long long)s.w);
    node->out[0]->shape = (Shape){s.n, h, w, node->param_info[0]->shape[1]};
    return 0;
}

static int64_t macs(const Node *node) { return shape_pixels(node->in[0]->shape) * node->param_info[0]->count; }

OP_LIST_CUDA(convolution);
static const OpClass conv_transpose2d_class = {.name = "conv_transpose2d",
                                               .shape = shape,
                                               .macs = macs,
                                               .product_macs = macs,
                                               .keeps_for_params = 1,
                                               .on = OP_ON(convolution)};

Ref op_conv_transpose2d(Graph *g, const char *name, Ref x, int64_t out_channels, Conv conv)
{
    const ConvAttr attr = {.conv = conv, .transposed = true};
    const InitPolicy policy = graph_policy(g);
    const int64_t weight[] = {graph_shape(g, x).c, out_channels, conv.kernel.y, conv.kernel.x};
    scope_in(g, name);
    int params[2] = {graph_param(g, "weight", 4, weight, policy.conv_weight, 0)};
    if (conv.bias) /* fan_in as in PyTorch: the product of shape[1:], so with the output channels */
        params[1] = graph_param(g, "bias", 1, &out_channels, policy.conv_bias, weight[1] * weight[2] * weight[3]);
    return scope_out(g,
                     graph_node(g, &conv_transpose2d_class, "", &attr, sizeof attr, &x, 1, params, conv.bias ? 2 : 1));
}
