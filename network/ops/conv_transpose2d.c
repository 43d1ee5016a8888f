/* PyTorch ConvTranspose2d with kernel = stride = f, no padding, no bias:
 * y[n, f·i+u, f·j+v, o] = Σ_c W[c,o,u,v] x[n,i,j,c]. */
#include "network/ops/convolution.h"
#include "network/ops/ops.h"

static int shape(Node *node, Err *e)
{
    const DnnConv *conv = node->attr;
    const Shape s = node->in[0]->shape;
    if (s.c != node->param_info[0]->shape[0])
        return err_set(e, ERR_SHAPE, "%lld channels in: the weight expects %lld", (long long)s.c,
                       (long long)node->param_info[0]->shape[0]);
    node->out[0]->shape = (Shape){s.n, s.h * conv->stride, s.w * conv->stride, node->param_info[0]->shape[1]};
    return 0;
}

static int64_t macs(const Node *node) { return shape_pixels(node->in[0]->shape) * node->param_info[0]->count; }

static const OpClass conv_transpose2d_class = {.name = "conv_transpose2d", .shape = shape, .macs = macs,
                                               .keeps_for_params = 1, .on = {convolution_list}};

Ref op_conv_transpose2d(Graph *g, const char *name, Ref x, int64_t out_channels, int64_t factor)
{
    const DnnConv attr = {.kernel = factor, .stride = factor, .transposed = true};
    const int64_t weight[] = {graph_shape(g, x).c, out_channels, factor, factor};
    scope_in(g, name);
    const int param = graph_param(g, "weight", 4, weight, graph_policy(g).conv_weight, 0);
    return scope_out(g, graph_node(g, &conv_transpose2d_class, "", &attr, sizeof attr, &x, 1, &param, 1));
}
