#include "network/models/blocks.h"

#include <stdio.h>

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

Ref perceptron(Graph *g, Ref x, int64_t hidden, const char *const layers[2])
{
    const int64_t channels = graph_shape(g, x).c;
    scope_in(g, "mlp");
    x = op_gelu(g, op_linear(g, layers[0], x, hidden, true));
    return scope_out(g, op_linear(g, layers[1], x, channels, true));
}

Ref vit_block(Graph *g, Ref x, int64_t heads, int64_t hidden)
{
    static const char *const layers[2] = {"linear1", "linear2"};
    const int64_t channels = graph_shape(g, x).c;
    Ref q, kv, path = op_layer_norm(g, "norm1", x);
    scope_in(g, "attn");
    op_split(g, op_linear(g, "qkv", path, 3 * channels, false), channels, &q, &kv);
    path = scope_out(g, op_linear(g, "out_proj", op_attention(g, q, kv, heads), channels, true));
    x = op_add(g, x, path);
    return op_add(g, x, perceptron(g, op_layer_norm(g, "norm2", x), hidden, layers));
}

Ref swin_block(Graph *g, Ref x, WindowAttention attention, const char *const layers[2], double drop_path)
{
    const int64_t channels = graph_shape(g, x).c;
    Ref q, kv, path = op_layer_norm(g, "norm1", x);
    attention.projects_q = true;
    scope_in(g, "attn");
    op_split(g, op_linear(g, "qkv", path, 3 * channels, false), channels, &q, &kv);
    path = scope_out(g, op_linear(g, "proj", op_window_attention(g, q, kv, &attention), channels, true));
    x = op_add_drop_path(g, "drop_path1", x, path, drop_path);
    path = perceptron(g, op_layer_norm(g, "norm2", x), 4 * channels, layers);
    return op_add_drop_path(g, "drop_path2", x, path, drop_path);
}

Ref skip_block(Graph *g, Ref skip, Ref up, WindowAttention attention, const char *const layers[2], double drop_path)
{
    const int64_t channels = graph_shape(g, skip).c;
    Ref x = op_add(g, skip, up), q, path;
    attention.projects_q = false;
    op_layer_norm_pair(g, "norm1", skip, up, &path, &q);
    scope_in(g, "attn");
    path = op_window_attention(g, q, op_linear(g, "kv", path, 2 * channels, false), &attention);
    path = scope_out(g, op_linear(g, "proj", path, channels, true));
    x = op_add_drop_path(g, "drop_path1", x, path, drop_path);
    path = perceptron(g, op_layer_norm(g, "norm2", x), 4 * channels, layers);
    return op_add_drop_path(g, "drop_path2", x, path, drop_path);
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

Ref unetr_pr_up_block(Graph *g, Ref x, int64_t channels, int more)
{
    const Conv twice = conv_square(2, 2, 0, false);
    x = op_conv_transpose2d(g, "transp_conv_init.conv", x, channels, twice);
    for (int i = 0; i < more; i++) {
        char name[32];
        snprintf(name, sizeof name, "blocks.%d.0.conv", i);
        x = op_conv_transpose2d(g, name, x, channels, twice);
        snprintf(name, sizeof name, "blocks.%d.1", i);
        scope_in(g, name);
        x = scope_out(g, unet_res_block(g, x, channels));
    }
    return x;
}
