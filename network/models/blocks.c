#include "network/models/blocks.h"

Ref ss2d(Graph *g, Ref x, int64_t states)
{
    const ScanDirections directions = {
        4, {SCAN_ROW_MAJOR, SCAN_COLUMN_MAJOR, SCAN_ROW_MAJOR_REVERSED, SCAN_COLUMN_MAJOR_REVERSED}};
    const int64_t channels = graph_shape(g, x).c, inner = 2 * channels;
    Ref z;
    op_split(g, op_linear(g, "in_proj", x, 2 * inner, false), inner, &x, &z);
    x = op_silu(g, op_depthwise_conv2d(g, "conv2d", x));
    x = op_selective_scan(g, x, (channels + 15) / 16, states, directions);
    x = op_silu_gate(g, op_layer_norm(g, "out_norm", x), z);
    return op_linear(g, "out_proj", x, channels, false);
}

Ref vss_block(Graph *g, Ref x, int64_t states, double drop_path)
{
    Ref path = op_layer_norm(g, "ln_1", x);
    scope_in(g, "self_attention");
    path = scope_out(g, ss2d(g, path, states));
    return op_add_drop_path(g, "drop_path", x, path, drop_path);
}

/* The official counter sees in_proj only: all that follows is one fused function of its own. */
Ref mamba(Graph *g, Ref x)
{
    enum { STATES = 16 };
    const int64_t channels = graph_shape(g, x).c, inner = 2 * channels;
    Ref z;
    op_split(g, op_linear(g, "in_proj", x, 2 * inner, false), inner, &x, &z);
    graph_uncounted(g, true);
    x = op_silu(g, op_causal_conv1d(g, "conv1d", x));
    x = op_mamba_scan(g, x, (channels + 15) / 16, STATES);
    x = op_linear(g, "out_proj", op_silu_gate(g, x, z), channels, false);
    graph_uncounted(g, false);
    return x;
}

Ref patch_embed(Graph *g, Ref x, int64_t channels, int64_t patch)
{
    scope_in(g, "patch_embed");
    x = op_conv2d(g, "proj", x, channels, conv_square(patch, patch, 0, true));
    return scope_out(g, op_layer_norm(g, "norm", x));
}

Ref patch_merging(Graph *g, Ref x)
{
    const int64_t channels = graph_shape(g, x).c;
    x = op_layer_norm(g, "norm", op_space_to_depth(g, x, 2));
    return op_linear(g, "reduction", x, 2 * channels, false);
}

Ref patch_expand(Graph *g, Ref x)
{
    x = op_linear(g, "expand", x, 2 * graph_shape(g, x).c, false);
    return op_layer_norm(g, "norm", op_depth_to_space(g, x, 2));
}

Ref final_patch_expand(Graph *g, Ref x)
{
    x = op_linear(g, "expand", x, 16 * graph_shape(g, x).c, false);
    return op_layer_norm(g, "norm", op_depth_to_space(g, x, 4));
}

static Ref conv_norm(Graph *g, const char *scope, Ref x, int64_t channels, int64_t kernel)
{
    scope_in(g, scope);
    x = op_conv2d(g, "conv", x, channels, conv_square(kernel, 1, kernel / 2, false));
    return scope_out(g, op_instance_norm(g, "norm", x, false));
}

Ref unet_res_block(Graph *g, Ref x, int64_t channels)
{
    const Ref main = op_leaky_relu(g, conv_norm(g, "conv1", x, channels, 3), 0.01);
    const Ref path = conv_norm(g, "conv2", main, channels, 3);
    if (graph_shape(g, x).c != channels) x = conv_norm(g, "conv3", x, channels, 1);
    return op_leaky_relu(g, op_add(g, path, x), 0.01);
}

Ref unetr_basic_block(Graph *g, Ref x, int64_t channels)
{
    scope_in(g, "layer");
    return scope_out(g, unet_res_block(g, x, channels));
}

Ref unetr_up_block(Graph *g, Ref x, Ref skip, int64_t channels)
{
    x = op_conv_transpose2d(g, "transp_conv.conv", x, channels, conv_square(2, 2, 0, false));
    scope_in(g, "conv_block");
    return scope_out(g, unet_res_block(g, op_concat(g, x, skip), channels));
}
