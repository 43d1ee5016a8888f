/* Import: VMamba's weights into encoders by the official rules, complete weights of a network (all or nothing), frozen
 * parameters, and the time for a file of full size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/half.h"
#include "base/memory.h"
#include "model/import.h"
#include "network/models/vss_encoder.h"
#include "tests/support/rule.h"
#include "tests/support/says.h"
#include "weights/weights_io.h"

/* ---- networks and files with the rule's values ---- */

typedef struct Net {
    const NetworkKind *kind;
    Graph *graph;
    Parameters *parameters;
} Net;

static Net open_net(const char *name, double width, int64_t channels, int64_t classes, const char *prefix)
{
    Err e = {0};
    Net n;
    NetworkSpec spec;
    if (network_defaults(&spec, name, &e)) fail_msg("%s", e.text);
    if (spec.kind->encoder.prefix) ((VssConfig *)&spec.config)->width = width;
    n.kind = spec.kind;
    spec.height = spec.width = 32;
    spec.channels = channels;
    spec.classes = classes;
    if (network_build(&n.graph, &spec, &e)) fail_msg("%s", e.text);
    if (parameters_new(&n.parameters, n.graph, &e)) fail_msg("%s", e.text);
    for (int i = 0; i < graph_param_count(n.graph); i++) {
        const Param *p = &graph_params(n.graph)[i];
        rule_param(parameters_of(n.parameters, i), prefix, p->name, p->rank, p->shape);
    }
    return n;
}

static void close_net(Net *n)
{
    parameters_free(n->parameters);
    graph_free(n->graph);
}

static void add_tensor(WeightsFile *w, const char *name, DType dtype, int rank, const int64_t *shape)
{
    Array a;
    Err e = {0};
    if (array_new(&a, dtype, rank, shape, &e) || weights_add(w, name, a, &e)) fail_msg("%s", e.text);
}

/* The rule's values for the parameter's name, as float32. */
static void add_param(WeightsFile *w, const char *name, const Param *p, const char *prefix)
{
    add_tensor(w, name, DTYPE_F32, p->rank, p->shape);
    rule_param(w->tensors[w->count - 1].array.data, prefix, p->name, p->rank, p->shape);
}

/* A VMamba classifier whose blocks are as wide as those of the network. */
static WeightsFile vmamba_like(const Net *n)
{
    WeightsFile w = {0};
    const int embedding = graph_find_param(n->graph, "vssm_encoder.patch_embed.norm.bias");
    const int64_t first = graph_params(n->graph)[embedding].count;
    const int64_t kernel[] = {first, 3, 4, 4}, head[] = {10, 8 * first};
    for (int i = 0; i < graph_param_count(n->graph); i++) {
        const Param *p = &graph_params(n->graph)[i];
        const char *name = p->name + strlen("vssm_encoder.");
        char renamed[160];
        int stage, used = 0;
        if (strncmp(p->name, "vssm_encoder.", 13)) continue;
        snprintf(renamed, sizeof renamed, "%s", name);
        if (sscanf(name, "downsamples.%d.%n", &stage, &used) == 1 && used)
            snprintf(renamed, sizeof renamed, "layers.%d.downsample.%s", stage, name + used);
        if (strcmp(name, "patch_embed.proj.weight")) add_param(&w, renamed, p, "vmamba:");
        else add_tensor(&w, renamed, DTYPE_F32, 4, kernel);
    }
    add_tensor(&w, "norm.weight", DTYPE_F32, 1, &head[1]);
    add_tensor(&w, "head.weight", DTYPE_F32, 2, head);
    return w;
}

/* All of a network's parameters, each under wrapper + name. */
static WeightsFile file_of(const Net *n, const char *wrapper, const char *prefix)
{
    WeightsFile w = {0};
    for (int i = 0; i < graph_param_count(n->graph); i++) {
        char name[160];
        snprintf(name, sizeof name, "%s%s", wrapper, graph_params(n->graph)[i].name);
        add_param(&w, name, &graph_params(n->graph)[i], prefix);
    }
    return w;
}

/* Whether the parameter has the rule's values for that prefix. */
static bool holds(const Net *n, const char *name, const char *prefix)
{
    const int index = graph_find_param(n->graph, name);
    assert_true(index >= 0);
    const Param *p = &graph_params(n->graph)[index];
    const size_t bytes = (size_t)p->count * sizeof(float);
    float *expected = malloc(bytes);
    assert_non_null(expected);
    rule_param(expected, prefix, p->name, p->rank, p->shape);
    const bool same = !memcmp(expected, parameters_of(n->parameters, index), bytes);
    free(expected);
    return same;
}

static bool all_hold(const Net *n, const char *prefix)
{
    for (int i = 0; i < graph_param_count(n->graph); i++)
        if (!holds(n, graph_params(n->graph)[i].name, prefix)) return false;
    return true;
}

static void assert_line(const ImportReport *r, const char *part)
{
    if (!strstr(r->text.data, part)) fail_msg("expected \"%s\" in:\n%s", part, r->text.data);
}

/* ---- VMamba ---- */

static void an_encoder_is_filled_by_the_official_rules(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t channels;
        int taken; /* 208 parameters of the encoder, 4 of them its patch embedding's */
        bool projection, norm_weight, norm_bias;
    } cases[] = {{"swin_umamba", 1, 205, false, false, true},
                 {"swin_umamba", 3, 205, false, false, true},
                 {"swin_umamba_paper", 1, 205, false, false, true},
                 {"swin_umamba_d", 1, 204, false, false, false},
                 {"swin_umamba_d", 3, 208, true, true, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err e = {0};
        ImportReport r;
        Net n = open_net(cases[i].name, 1.0 / 24, cases[i].channels, 3, "own:");
        WeightsFile w = vmamba_like(&n);
        if (import_weights(n.parameters, n.kind, &w, &r, &e)) fail_msg("%s", e.text);
        assert_true(r.encoder_only);
        assert_int_equal(r.taken, cases[i].taken);
        assert_non_null(strstr(r.summary.data, "from a VMamba classifier, encoder 204 of 204; left out: "));
        assert_line(&r, "left out head.weight: it belongs to the classifier\n");
        const bool norm_bias = holds(&n, "vssm_encoder.patch_embed.norm.bias", "vmamba:");
        assert_int_equal(norm_bias, cases[i].norm_bias);
        assert_int_equal(holds(&n, "vssm_encoder.patch_embed.norm.weight", "vmamba:"), cases[i].norm_weight);
        assert_int_equal(!holds(&n, "vssm_encoder.patch_embed.proj.weight", "own:"), cases[i].projection);
        assert_true(holds(&n, "vssm_encoder.downsamples.1.reduction.weight", "vmamba:"));
        assert_true(holds(&n, "vssm_encoder.layers.2.blocks.8.self_attention.A_logs", "vmamba:"));
        const bool is_d = !strcmp(cases[i].name, "swin_umamba_d");
        assert_true(holds(&n, is_d ? "decoder.seg_layers.3.weight" : "stem.0.weight", "own:"));
        assert_line(&r, is_d ? "decoder 104" : "stem 4, vssm_encoder 3, encoder1 3");
        import_report_free(&r);
        weights_close(&w);
        close_net(&n);
    }
}

static void weights_of_something_else_are_refused(void **state)
{
    (void)state;
    Err e = {0};
    ImportReport r;
    WeightsFile w = {0};
    Net n = open_net("swin_umamba_d", 1.0 / 24, 1, 3, "own:");
    const int64_t shape[] = {4};
    assert_int_equal(import_weights(n.parameters, n.kind, &w, &r, &e), ERR_VALUE);
    add_tensor(&w, "optimizer.exp_avg.decoder.seg_layers.3.bias", DTYPE_F32, 1, shape);
    assert_int_equal(import_weights(n.parameters, n.kind, &w, &r, &e), ERR_VALUE);
    assert_says(&e, "no weights in it");
    add_tensor(&w, "conv1.weight", DTYPE_F32, 1, shape);
    assert_int_equal(import_weights(n.parameters, n.kind, &w, &r, &e), ERR_VALUE);
    assert_says(&e, "conv1.weight: the network has no such parameter");
    assert_says(&e, "layers.0.blocks.0.self_attention");
    add_tensor(&w, "decoder.seg_layers.3.bias", DTYPE_F32, 1, shape);
    assert_int_equal(import_weights(n.parameters, n.kind, &w, &r, &e), ERR_VALUE);
    assert_null(r.text.data);
    weights_close(&w);
    close_net(&n);
}

/* The bias of a head has the same shape for all widths: a match of it alone is an error. */
static void weights_of_another_width_are_refused(void **state)
{
    (void)state;
    Net n = open_net("swin_umamba_d", 1.0 / 24, 1, 3, "own:"), wide = open_net("swin_umamba_d", 1.0 / 12, 1, 3, "own:");
    for (int whole = 0; whole < 2; whole++) {
        Err e = {0};
        ImportReport r;
        WeightsFile w = whole ? file_of(&wide, "module.", "trained:") : vmamba_like(&wide);
        assert_int_equal(import_weights(n.parameters, n.kind, &w, &r, &e), ERR_VALUE);
        assert_says(&e, "0 of 204 parameters of the encoder match");
        assert_says(&e, "begins with 8 channels (width 0.08333), that of the plan with 4 (width 0.04167)");
        assert_says(&e, "network: {width: 0.08333333333}");
        assert_null(r.text.data);
        assert_true(all_hold(&n, "own:"));
        weights_close(&w);
    }
    close_net(&wide);
    close_net(&n);
}

/* ---- whole networks ---- */

static void heads_of_other_classes_start_anew(void **state)
{
    (void)state;
    static const char *const wrappers[] = {"", "module.", "_orig_mod.", "module._orig_mod."};
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        Err e = {0};
        ImportReport r;
        Net n = open_net("swin_umamba", 1.0 / 24, 1, 3, "own:");
        Net trained = open_net("swin_umamba", 1.0 / 24, 1, 5, "own:");
        WeightsFile w = file_of(&trained, wrappers[i], "trained:");
        if (import_weights(n.parameters, n.kind, &w, &r, &e)) fail_msg("%s", e.text);
        assert_false(r.encoder_only);
        assert_int_equal(r.taken, graph_param_count(n.graph) - 8);
        assert_int_equal(r.expected_taken, 204);
        assert_non_null(
            strstr(r.summary.data, "a network's weights, encoder 204 of 204; left out: 8 of another shape"));
        assert_line(&r, "left out out_layers.0.conv.conv.weight: it has the shape (5,2,1,1), the network's "
                        "is (3,2,1,1)\n");
        assert_line(&r, "unchanged parameters: out_layers 8\n");
        assert_true(holds(&n, "out_layers.0.conv.conv.weight", "own:"));
        assert_true(holds(&n, "decoder1.layer.conv2.conv.weight", "trained:"));
        assert_true(holds(&n, "vssm_encoder.patch_embed.proj.weight", "trained:"));
        import_report_free(&r);
        weights_close(&w);
        close_net(&trained);
        close_net(&n);
    }
}

/* Of a network without a pretrained encoder all parameters but the heads' are expected. */
static void networks_without_an_encoder_are_checked_as_a_whole(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"nnunet", "decoder.seg_layers."}, {"segresnet", "conv_final.2.conv."}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err e = {0};
        ImportReport r;
        Net n = open_net(cases[i][0], 0, 1, 3, "own:");
        bool trained[512];
        WeightsFile w = file_of(&n, "", "trained:"), heads = {0};
        for (int k = 0; k < graph_param_count(n.graph); k++) {
            const Param *p = &graph_params(n.graph)[k];
            if (!strncmp(p->name, cases[i][1], strlen(cases[i][1]))) add_param(&heads, p->name, p, "trained:");
        }
        const int others = graph_param_count(n.graph) - heads.count;
        char says[96];
        snprintf(says, sizeof says, "0 of %d parameters besides the heads match", others);
        add_tensor(&heads, "another", DTYPE_F32, 1, (const int64_t[]){3});
        assert_int_equal(import_weights(n.parameters, n.kind, &heads, &r, &e), ERR_VALUE);
        assert_says(&e, says);
        assert_true(all_hold(&n, "own:"));

        weights_drop(&w, graph_params(n.graph)[0].name);
        if (import_weights(n.parameters, n.kind, &w, &r, &e)) fail_msg("%s", e.text);
        assert_int_equal(r.expected, others);
        assert_int_equal(r.expected_taken, others - 1);
        assert_null(strstr(r.summary.data, "encoder"));
        import_mark_unfrozen(n.graph, n.kind, r.filled.data, trained);
        for (int k = 0; k < graph_param_count(n.graph); k++) assert_true(trained[k]);
        import_report_free(&r);
        weights_close(&heads);
        weights_close(&w);
        close_net(&n);
    }
}

static void floating_types_are_converted(void **state)
{
    (void)state;
    static const DType types[] = {DTYPE_F64, DTYPE_F16, DTYPE_BF16};
    static const double numbers[] = {1.5, -0.25, 1.0 / 3};
    static const float expected[][3] = {
        {1.5f, -0.25f, 1.0f / 3}, {1.5f, -0.25f, 0.333251953125f}, {1.5f, -0.25f, 0.33203125f}};
    Net n = open_net("swin_umamba_d", 1.0 / 24, 1, 3, "own:");
    const int64_t shape[] = {3};
    for (int t = 0; t < 3; t++) {
        Err e = {0};
        ImportReport r;
        WeightsFile w = file_of(&n, "", "trained:");
        weights_drop(&w, "decoder.seg_layers.3.bias");
        add_tensor(&w, "decoder.seg_layers.3.bias", types[t], 1, shape);
        void *data = w.tensors[w.count - 1].array.data;
        add_tensor(&w, "table", DTYPE_I64, 1, shape);
        for (int k = 0; k < 3; k++) {
            const float single = (float)numbers[k];
            uint32_t bits;
            memcpy(&bits, &single, sizeof bits);
            if (t == 0) ((double *)data)[k] = numbers[k];
            if (t == 1) ((uint16_t *)data)[k] = half_from_double(numbers[k]);
            if (t == 2) ((uint16_t *)data)[k] = (uint16_t)(bits >> 16);
        }
        if (import_weights(n.parameters, n.kind, &w, &r, &e)) fail_msg("%s", e.text);
        const int index = graph_find_param(n.graph, "decoder.seg_layers.3.bias");
        assert_int_equal(r.taken, graph_param_count(n.graph));
        assert_null(r.text.data);
        if (t == 2) assert_true(parameters_of(n.parameters, index)[2] - expected[t][2] <= 0.0020f);
        else assert_memory_equal(parameters_of(n.parameters, index), expected[t], sizeof expected[t]);
        import_report_free(&r);
        weights_close(&w);
    }
    close_net(&n);
}

/* To predict or to continue a training, the file must have all parameters and no others. */
static void a_network_is_filled_whole_or_not_at_all(void **state)
{
    (void)state;
    Err e = {0};
    const int64_t shape[] = {7};
    Net n = open_net("swin_umamba_paper", 1.0 / 24, 1, 3, "own:");
    Net released = open_net("swin_umamba", 1.0 / 24, 1, 3, "own:");
    WeightsFile w = file_of(&n, "module.", "trained:");

    weights_drop(&w, "module.encoder3.layer.conv1");
    assert_int_equal(import_network(n.parameters, &w, &e), ERR_FORMAT);
    assert_says(&e, "parameters is missing, first encoder3.layer.conv1.conv.weight: the file is incomplete");
    add_tensor(&w, "module.encoder3.layer.conv1.conv.weight", DTYPE_F32, 1, shape);
    assert_int_equal(import_network(n.parameters, &w, &e), ERR_FORMAT);
    assert_says(&e, "encoder3.layer.conv1.conv.weight: it has the shape (7), the network's is (8,4,3,3)");
    weights_close(&w);

    w = file_of(&released, "", "trained:");
    assert_int_equal(import_network(n.parameters, &w, &e), ERR_FORMAT);
    assert_says(&e, "decoder6.transp_conv.conv.weight: the network has no such parameter");
    weights_close(&w);

    w = vmamba_like(&n);
    assert_int_equal(import_network(n.parameters, &w, &e), ERR_FORMAT);
    weights_close(&w);

    w = file_of(&n, "", "trained:");
    add_tensor(&w, "module.stem.0.bias", DTYPE_F32, 1, (const int64_t[]){2});
    assert_int_equal(import_network(n.parameters, &w, &e), ERR_FORMAT);
    assert_says(&e, "two tensors match the parameter stem.0.bias");
    assert_true(all_hold(&n, "own:"));
    weights_close(&w);

    w = file_of(&n, "", "trained:");
    add_tensor(&w, "optimizer.step", DTYPE_I64, 1, shape);
    if (import_network(n.parameters, &w, &e)) fail_msg("%s", e.text);
    assert_true(all_hold(&n, "trained:"));
    weights_close(&w);
    close_net(&released);
    close_net(&n);
}

/* ---- freezing ---- */

static void the_encoder_but_its_embedding_is_frozen(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int trained; /* with the two of the head without weight in deep supervision */
    } cases[] = {{"swin_umamba", 51 + 2}, {"swin_umamba_d", 106 + 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Net n = open_net(cases[i].name, 1.0 / 24, 1, 3, "own:");
        bool trained[512];
        int count = 0;
        import_mark_unfrozen(n.graph, n.kind, NULL, trained);
        for (int k = 0; k < graph_param_count(n.graph); k++) count += trained[k];
        assert_int_equal(count, cases[i].trained);
        assert_true(trained[graph_find_param(n.graph, "vssm_encoder.patch_embed.proj.weight")]);
        const int norm = graph_find_param(n.graph, "vssm_encoder.downsamples.0.norm.weight");
        assert_false(trained[norm]);
        char filled[512];
        memset(filled, '1', sizeof filled);
        filled[norm] = '0';
        import_mark_unfrozen(n.graph, n.kind, filled, trained);
        assert_true(trained[norm]);
        close_net(&n);
    }
}

/* ---- a file of full size ---- */

static double cpu_seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

/* Only reads the file's bytes. */
static double read_seconds(const char *path)
{
    Err e = {0};
    char *data;
    size_t bytes;
    const double began = cpu_seconds();
    if (file_get(path, &data, &bytes, &e)) fail_msg("%s", e.text);
    mem_free(data);
    return cpu_seconds() - began;
}

static void a_full_size_file_loads_within_a_second(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip();
#endif
    Err e = {0};
    char path[] = "/tmp/test_import_XXXXXX.pth";
    WeightsFile w = {0};
    Net n = open_net("swin_umamba", 1, 1, 14, "own:");
    const int file = mkstemps(path, 4);
    assert_true(file >= 0);
    close(file);
    for (int i = 0; i < graph_param_count(n.graph); i++) {
        const Param *p = &graph_params(n.graph)[i];
        const Array view = array_view(DTYPE_F32, p->rank, p->shape, parameters_of(n.parameters, i));
        if (weights_add(&w, p->name, view, &e)) fail_msg("%s", e.text);
    }
    int failed = weights_write(&w, path, &e);
    weights_close(&w);
    const double reading = failed ? 0 : read_seconds(path), began = cpu_seconds();
    if (!failed) failed = weights_read(&w, path, &e);
    if (!failed) failed = import_network(n.parameters, &w, &e);
    const double loading = cpu_seconds() - began;
    unlink(path);
    if (failed) fail_msg("%s", e.text);
    print_message("# 240 MB: %.2f s of CPU; reading the bytes alone takes %.2f s\n", loading, reading);
    assert_true(loading - reading < 1);
    assert_true(all_hold(&n, "own:"));
    weights_close(&w);
    close_net(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_encoder_is_filled_by_the_official_rules),
        cmocka_unit_test(weights_of_something_else_are_refused),
        cmocka_unit_test(weights_of_another_width_are_refused),
        cmocka_unit_test(heads_of_other_classes_start_anew),
        cmocka_unit_test(networks_without_an_encoder_are_checked_as_a_whole),
        cmocka_unit_test(floating_types_are_converted),
        cmocka_unit_test(a_network_is_filled_whole_or_not_at_all),
        cmocka_unit_test(the_encoder_but_its_embedding_is_frozen),
        cmocka_unit_test(a_full_size_file_loads_within_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
