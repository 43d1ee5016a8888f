/* PyTorch Conv2d: y[n,i,j,o] = b[o] + Σ_{u,v,c} W[o,c,u,v] x[n, i·s+u-p, j·s+v-p, c], zero outside. */
#include "network/ops/convolution.h"
#include "network/ops/ops.h"

static int shape(Node *node, Err *e)
{
    const DnnConv *conv = node->attr;
    const Shape s = node->in[0]->shape;
    const int64_t h = s.h + 2 * conv->padding - conv->kernel, w = s.w + 2 * conv->padding - conv->kernel;
    if (s.c != node->param_info[0]->shape[1])
        return err_set(e, ERR_SHAPE, "%lld channels in: the weight expects %lld", (long long)s.c,
                       (long long)node->param_info[0]->shape[1]);
    if (h < 0 || w < 0)
        return err_set(e, ERR_SHAPE, "an image of %lldx%lld is smaller than the kernel of %lld", (long long)s.h,
                       (long long)s.w, (long long)conv->kernel);
    node->out[0]->shape = (Shape){s.n, h / conv->stride + 1, w / conv->stride + 1, node->param_info[0]->shape[0]};
    return 0;
}

static int64_t macs(const Node *node) { return shape_pixels(node->out[0]->shape) * node->param_info[0]->count; }

static const OpClass conv2d_class = {.name = "conv2d", .shape = shape, .macs = macs, .keeps_for_params = 1,
                                     .on = {convolution_list}};

Ref op_conv2d(Graph *g, const char *name, Ref x, int64_t out_channels, Conv conv)
{
    const DnnConv attr = {.kernel = conv.kernel, .stride = conv.stride, .padding = conv.padding, .bias = conv.bias};
    const InitPolicy policy = graph_policy(g);
    const int64_t weight[] = {out_channels, graph_shape(g, x).c, conv.kernel, conv.kernel};
    scope_in(g, name);
    int params[2] = {graph_param(g, "weight", 4, weight, policy.conv_weight, 0)};
    if (conv.bias)
        params[1] = graph_param(g, "bias", 1, &out_channels, policy.conv_bias, weight[1] * conv.kernel * conv.kernel);
    return scope_out(g, graph_node(g, &conv2d_class, "", &attr, sizeof attr, &x, 1, params, conv.bias ? 2 : 1));
}
