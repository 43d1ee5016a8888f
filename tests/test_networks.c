/* The networks of other authors: topologies from plans, names and shapes of parameters, initialisation, import of PyTorch's
 * state dicts. Their values are compared with the references by `make golden`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "model/import.h"
#include "network/executor/executor.h"
#include "network/models/network.h"
#include "plans/plan.h"
#include "tests/support/says.h"
#include "weights/weights_io.h"

#define PLANS "tests/golden/plans/"
#define CLASS "dynamic_network_architectures.architectures.unet."

/* ---- networks ---- */

static Graph *build(const char *name, const Plan *plan, int64_t height, int64_t width)
{
    Err e = {0};
    NetworkSpec spec;
    Graph *g;
    if (network_defaults(&spec, name, &e)) fail_msg("%s", e.text);
    if (plan) plan_network_config(plan, &spec.config);
    spec.height = height;
    spec.width = width;
    spec.channels = 2;
    spec.classes = 3;
    spec.deep_supervision = true;
    if (network_build(&g, &spec, &e)) fail_msg("%s: %s", name, e.text);
    return g;
}

static void read_plan(Plan *plan, const char *file, const char *override)
{
    Err e = {0};
    if (plan_read(plan, file, NULL, &e)) fail_msg("%s", e.text);
    if (override && plan_override_text(plan, "override", override, strlen(override), &e)) fail_msg("%s", e.text);
    plan_choose_network(plan, "nnunet");
    if (plan_check(plan, &e)) fail_msg("%s", e.text);
}

/* shape: "64x32x3x3" */
static void expect_param(const Graph *g, const char *name, const char *shape)
{
    char found[96] = "";
    const int index = graph_find_param(g, name);
    if (index < 0) fail_msg("no parameter %s", name);
    const Param *p = &graph_params(g)[index];
    for (int i = 0; i < p->rank; i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), i ? "x%lld" : "%lld", (long long)p->shape[i]);
    if (strcmp(found, shape)) fail_msg("%s: found %s, expected %s", name, found, shape);
}

static void expect_head(const Graph *g, int index, int64_t height, int64_t width)
{
    Ref heads[NETWORK_HEADS];
    assert_true(index < network_heads(g, heads));
    const Shape s = graph_shape(g, heads[index]);
    if (s.h != height || s.w != width) fail_msg("head%d: %lldx%lld", index, (long long)s.h, (long long)s.w);
}

/* ---- topologies ---- */

static void both_forms_of_a_plan_build_the_same_unet(void **state)
{
    (void)state;
    Plan now, old;
    read_plan(&now, PLANS "nnUNetPlans_2_8.json", NULL);
    read_plan(&old, PLANS "nnUNetPlans_2_1.json", NULL);
    const int *patch = now.configuration.patch_size;
    Graph *a = build("nnunet", &now, patch[0], patch[1]), *b = build("nnunet", &old, patch[0], patch[1]);
    assert_int_equal(graph_param_count(a), graph_param_count(b));
    for (int i = 0; i < graph_param_count(a); i++) {
        assert_string_equal(graph_params(a)[i].name, graph_params(b)[i].name);
        assert_int_equal(graph_params(a)[i].count, graph_params(b)[i].count);
    }
    graph_free(a);
    graph_free(b);
}

#define TOPOLOGY                                                                                         \
    "n_stages: 4, features_per_stage: [8, 16, 24, 24], kernel_sizes: [[1, 3], [3, 3], [3, 5], [3, 3]], " \
    "strides: [[1, 1], [1, 2], [2, 2], [2, 1]], "

static void kernels_and_strides_are_those_of_each_axis(void **state)
{
    (void)state;
    Plan plan;
    read_plan(&plan, PLANS "nnUNetPlans_2_8.json",
              "configurations: {2d: {patch_size: [16, 24], architecture: {arch_kwargs: {" TOPOLOGY
              "n_conv_per_stage: [1, 2, 3, 2], n_conv_per_stage_decoder: [2, 1, 2]}}}}");
    int divisor[2];
    plan_patch_divisor(&plan, divisor);
    assert_true(divisor[0] == 4 && divisor[1] == 4);
    Graph *g = build("nnunet", &plan, 16, 24);
    expect_param(g, "encoder.stages.0.0.convs.0.conv.weight", "8x2x1x3");
    expect_param(g, "encoder.stages.2.0.convs.2.conv.weight", "24x24x3x5");
    expect_param(g, "decoder.transpconvs.0.weight", "24x24x2x1");
    expect_param(g, "decoder.transpconvs.2.weight", "16x8x1x2");
    expect_param(g, "decoder.stages.0.convs.1.conv.weight", "24x24x3x5");
    expect_param(g, "decoder.stages.1.convs.0.conv.weight", "16x32x3x3");
    expect_param(g, "decoder.seg_layers.0.weight", "3x24x1x1");
    assert_true(graph_find_param(g, "encoder.stages.0.0.convs.1.conv.weight") < 0);
    assert_true(graph_find_param(g, "decoder.stages.1.convs.1.conv.weight") < 0);
    expect_head(g, 0, 16, 24);
    expect_head(g, 1, 16, 12);
    expect_head(g, 2, 8, 6);
    graph_free(g);
}

#define RESIDUAL                                                                      \
    "configurations: {2d: {patch_size: [16, 24], architecture: {network_class_name: " \
    "" CLASS "ResidualEncoderUNet, arch_kwargs: {" TOPOLOGY                           \
    "n_blocks_per_stage: [1, 3, 4, 6], n_conv_per_stage_decoder: [1, 1, 1]}}}}"

static void residual_encoders_are_built(void **state)
{
    (void)state;
    Plan plan;
    read_plan(&plan, PLANS "nnUNetPlans_2_8.json", RESIDUAL);
    Graph *g = build("nnunet", &plan, 16, 24);
    expect_param(g, "encoder.stem.convs.0.conv.weight", "8x2x1x3");
    expect_param(g, "encoder.stages.0.blocks.0.conv1.conv.weight", "8x8x1x3");
    expect_param(g, "encoder.stages.1.blocks.0.skip.1.conv.weight", "16x8x1x1");
    expect_param(g, "encoder.stages.2.blocks.0.conv1.conv.weight", "24x16x3x5");
    expect_param(g, "encoder.stages.3.blocks.5.conv2.norm.bias", "24");
    expect_param(g, "decoder.stages.2.convs.0.conv.weight", "8x16x1x3");
    /* the same channels with a stride: the shortcut only pools; other blocks of a stage: no shortcut of its own */
    assert_true(graph_find_param(g, "encoder.stages.3.blocks.0.skip.1.conv.weight") < 0);
    assert_true(graph_find_param(g, "encoder.stages.1.blocks.1.skip.0.conv.weight") < 0);
    assert_true(graph_find_param(g, "encoder.stages.1.blocks.0.skip.1.conv.bias") < 0);
    expect_head(g, 1, 16, 12);
    graph_free(g);
}

static void a_residual_plan_is_written_with_its_own_keys(void **state)
{
    (void)state;
    Plan plan, again;
    Err e = {0};
    char path[] = "/tmp/test_networks.XXXXXX", *text;
    size_t bytes;
    read_plan(&plan, PLANS "nnUNetPlans_2_8.json", RESIDUAL);
    plan.configuration.architecture.convs_count = 0;
    close(mkstemp(path));
    assert_int_equal(plan_write(&plan, path, &e), 0);
    assert_int_equal(file_get(path, &text, &bytes, &e), 0);
    assert_non_null(strstr(text, "n_blocks_per_stage: [1, 3, 4, 6]"));
    assert_null(strstr(text, "n_conv_per_stage:"));
    if (plan_read(&again, path, NULL, &e)) fail_msg("%s", e.text);
    assert_memory_equal(again.configuration.architecture.n_blocks_per_stage,
                        plan.configuration.architecture.n_blocks_per_stage,
                        sizeof plan.configuration.architecture.n_blocks_per_stage);
    mem_free(text);
    assert_int_equal(file_remove(path, NULL), 0);
}

static void umamba_refuses_a_residual_plan(void **state)
{
    (void)state;
    Plan plan;
    Err e = {0};
    read_plan(&plan, PLANS "nnUNetPlans_2_8.json", RESIDUAL);
    plan_set_network(&plan, "umamba_bot");
    assert_int_equal(plan_check(&plan, &e), ERR_UNSUPPORTED);
    assert_says(&e, "this network is built from a PlainConvUNet");
}

static void without_a_plan_the_topology_is_the_planner_s(void **state)
{
    (void)state;
    static const struct {
        int height, width, heads;
    } cases[] = {{320, 320, 6}, {384, 640, 6}, {512, 512, 7}, {64, 96, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Ref heads[NETWORK_HEADS];
        Graph *g = build("nnunet", NULL, cases[i].height, cases[i].width);
        assert_int_equal(network_heads(g, heads), cases[i].heads);
        graph_free(g);
    }
}

static void windows_are_made_for_the_map(void **state)
{
    (void)state;
    Graph *g = build("nnformer", NULL, 96, 160);
    expect_param(g, "model_down.layers.0.blocks.0.attn.relative_position_bias_table", "81x6");
    expect_param(g, "model_down.layers.2.blocks.1.attn.relative_position_bias_table", "121x24"); /* map 6x10 */
    expect_param(g, "model_down.layers.3.blocks.0.attn.relative_position_bias_table", "25x48");  /* map 3x5 */
    graph_free(g);
    g = build("unetr", NULL, 96, 160);
    expect_param(g, "vit.patch_embedding.position_embeddings", "1x60x768");
    graph_free(g);
}

/* ---- initialisation ---- */

/* Mean and standard deviation of a parameter. */
static void expect_values(const Parameters *p, const char *name, double mean, double deviation)
{
    const int index = graph_find_param(p->graph, name);
    if (index < 0) fail_msg("no parameter %s", name);
    const int64_t count = graph_params(p->graph)[index].count;
    const float *x = p->values + graph_params(p->graph)[index].offset;
    double sum = 0, square = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)x[i] / (double)count;
    for (int64_t i = 0; i < count; i++) square += pow((double)x[i] - sum, 2) / (double)count;
    if (fabs(sum - mean) > 6 * deviation / sqrt((double)count) || fabs(sqrt(square) - deviation) > 0.1 * deviation)
        fail_msg("%s: mean %g, deviation %g; expected %g, %g", name, sum, sqrt(square), mean, deviation);
}

static void values_start_as_in_the_official_codes(void **state)
{
    (void)state;
    static const struct {
        const char *network, *name;
        double mean, deviation;
    } cases[] = {
        {"nnunet", "encoder.stages.1.0.convs.1.conv.weight", 0, 0.0589}, /* kaiming_normal_, fan 576 */
        {"nnunet", "decoder.transpconvs.3.weight", 0, 0.125},            /* fan 128: that of the output */
        {"nnunet", "encoder.stages.1.0.convs.1.conv.bias", 0, 0},
        {"umamba_enc", "encoder.stages.2.blocks.1.conv2.norm.weight", 0, 0}, /* starts as its shortcut */
        {"umamba_enc", "decoder.stages.0.blocks.0.conv2.norm.weight", 0, 0},
        {"umamba_enc", "encoder.stages.2.blocks.1.conv1.norm.weight", 1, 0},
        {"umamba_enc", "encoder.stages.2.blocks.0.skip.1.norm.weight", 1, 0},
        {"umamba_enc", "encoder.mamba_layers.2.mamba.D", 1, 0},
        {"umamba_enc", "encoder.mamba_layers.2.mamba.conv1d.weight", 0, 0.2887}, /* U(±1/2) */
        {"umamba_bot", "encoder.stages.2.blocks.1.conv2.norm.weight", 1, 0},
        {"segresnet", "down_layers.1.1.conv1.conv.weight", 0, 0.02406}, /* U(±1/24) */
        {"unetr", "vit.patch_embedding.position_embeddings", 0, 0.02},
        {"unetr", "vit.blocks.0.mlp.linear1.weight", 0, 0.02083}, /* U(±768^-0.5) */
        {"swinunetr", "swinViT.layers4.0.blocks.0.attn.relative_position_bias_table", 0, 0.02},
        {"swinunetr", "swinViT.layers4.0.blocks.0.attn.qkv.bias", 0, 0.02946}, /* U(±384^-0.5) */
        {"nnformer", "decoder.layers.1.blocks.0.attn.kv.bias", 0, 0.02946},
    };
    const char *opened = "";
    Graph *g = NULL;
    Parameters *p = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(opened, cases[i].network)) {
            parameters_free(p);
            graph_free(g);
            g = build(opened = cases[i].network, NULL, 64, 64);
            assert_int_equal(parameters_new(&p, g, NULL), 0);
            parameters_initialize(p, 3);
        }
        expect_values(p, cases[i].name, cases[i].mean, cases[i].deviation);
    }
    parameters_free(p);
    graph_free(g);
}

/* ---- values ---- */

#define UNETS "tests/golden/unets/"

/* Parameters of w's tensors, in a network of the plan that has w's architecture. */
static Graph *open_reference(Parameters **p, const WeightsFile *w, const Plan *base)
{
    Err e = {0};
    Plan plan = *base;
    Text text = {0};
    WeightsFile trained = {0};
    text_add(&text, "configurations: {2d: {architecture: %s}}", weights_note_text(w, "architecture"));
    plan.configuration.architecture.convs_count = 0;
    if (plan_override_text(&plan, "architecture", text.data, text.length, &e)) fail_msg("%s", e.text);
    text_free(&text);
    Graph *g = build("nnunet", &plan, 16, 12);
    for (int i = 0; i < w->count; i++) {
        const Array *a = &w->tensors[i].array;
        if (!strncmp(w->tensors[i].name, "reference.", 10)) continue;
        assert_int_equal(
            weights_add(&trained, w->tensors[i].name, array_view(a->dtype, a->rank, a->shape, a->data), &e), 0);
    }
    assert_int_equal(parameters_new(p, g, &e), 0);
    if (import_network(*p, &trained, &e)) fail_msg("%s", e.text);
    weights_close(&trained);
    return g;
}

static void expect_reference(const Graph *g, Parameters *p, const WeightsFile *w, const char *file)
{
    Err e = {0};
    Executor *x;
    Ref heads[NETWORK_HEADS];
    const Array *image = weights_find(w, "reference.image");
    const Shape inputs[] = {{2, 16, 12, 2}, {2, 16, 12, 1}};
    const int count = network_heads(g, heads);
    const ExecutorOptions o = {.inputs = inputs, .outputs = heads, .output_count = count};
    if (executor_new(&x, g, p, &o, &e)) fail_msg("%s", e.text);
    assert_int_equal(executor_feed(x, 0, image->data, &e), 0);
    assert_int_equal(executor_forward(x, &(Step){0}, &e), 0);
    assert_int_equal(count, 2);
    for (int h = 0; h < count; h++) {
        char name[32];
        double error = 0, size = 0;
        snprintf(name, sizeof name, "reference.head%d", h);
        const Array *expected = weights_find(w, name);
        const float *found = executor_output_memory(x, h, &e), *wanted = expected->data;
        assert_int_equal(array_count(expected), shape_count(executor_output_shape(x, h)));
        assert_int_equal(executor_fetch(x, h, executor_output_memory(x, h, &e), &e), 0);
        assert_int_equal(executor_wait(x, &e), 0);
        for (int64_t i = 0; i < array_count(expected); i++) {
            error += pow((double)found[i] - (double)wanted[i], 2);
            size += pow((double)wanted[i], 2);
        }
        print_message("# %s, %s: relative error %.1e\n", file, name, sqrt(error / size));
        assert_true(sqrt(error / size) < 1e-5);
    }
    executor_free(x);
}

static void unets_equal_the_reference(void **state)
{
    (void)state;
    static const char *const files[] = {"nonlin_first", "slope", "stem_channels", "bottleneck", "residual_decoder"};
    Plan plan;
    read_plan(&plan, PLANS "nnUNetPlans_2_8.json", NULL);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[64];
        Err e = {0};
        WeightsFile w;
        Parameters *p;
        snprintf(path, sizeof path, UNETS "%s.safetensors", files[i]);
        if (weights_read(&w, path, &e)) fail_msg("%s", e.text);
        Graph *g = open_reference(&p, &w, &plan);
        expect_reference(g, p, &w, files[i]);
        parameters_free(p);
        graph_free(g);
        weights_close(&w);
    }
}

/* ---- import ---- */

/* A tensor with the parameter's own values. */
static void add_tensor(WeightsFile *w, const char *name, const Parameters *p, int index)
{
    Array a;
    Err e = {0};
    const Param *q = &graph_params(p->graph)[index];
    assert_int_equal(array_new(&a, DTYPE_F32, q->rank, q->shape, &e), 0);
    memcpy(a.data, p->values + q->offset, array_bytes(&a));
    assert_int_equal(weights_add(w, name, a, &e), 0);
}

/* nnU-Net's state dict: every layer twice, and the encoder again in the decoder. */
static void repeated_tensors_are_ignored(void **state)
{
    (void)state;
    Err e = {0};
    WeightsFile w = {0};
    Parameters *from, *to;
    Graph *g = build("nnunet", NULL, 32, 32);
    assert_int_equal(parameters_new(&from, g, NULL), 0);
    assert_int_equal(parameters_new(&to, g, NULL), 0);
    parameters_initialize(from, 1);
    for (int i = 0; i < graph_param_count(g); i++) {
        const char *name = graph_params(g)[i].name, *conv = strstr(name, ".conv.");
        char other[200];
        add_tensor(&w, name, from, i);
        if (!strncmp(name, "encoder.", 8)) {
            snprintf(other, sizeof other, "decoder.%s", name);
            add_tensor(&w, other, from, i);
        }
        if (!conv) continue;
        snprintf(other, sizeof other, "%.*s.all_modules.0.%s", (int)(conv - name), name, conv + strlen(".conv."));
        add_tensor(&w, other, from, i);
    }
    if (import_network(to, &w, &e)) fail_msg("%s", e.text);
    assert_memory_equal(from->values, to->values, (size_t)graph_parameter_span(g) * sizeof(float));
    weights_close(&w);
    parameters_free(from);
    parameters_free(to);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_of_a_plan_build_the_same_unet),
        cmocka_unit_test(kernels_and_strides_are_those_of_each_axis),
        cmocka_unit_test(residual_encoders_are_built),
        cmocka_unit_test(a_residual_plan_is_written_with_its_own_keys),
        cmocka_unit_test(umamba_refuses_a_residual_plan),
        cmocka_unit_test(without_a_plan_the_topology_is_the_planner_s),
        cmocka_unit_test(windows_are_made_for_the_map),
        cmocka_unit_test(values_start_as_in_the_official_codes),
        cmocka_unit_test(unets_equal_the_reference),
        cmocka_unit_test(repeated_tensors_are_ignored),
    };
    return cmocka_run_group_tests_name("networks", tests, NULL, NULL);
}
