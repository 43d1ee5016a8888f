/* plans/: documents, plans, their checks, and broken or hostile files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "formats/schema.h"
#include "network/models/vss_encoder.h"
#include "plans/plan.h"
#include "plans/plan_schema.h"
#include "tests/support/exists.h"
#include "tests/support/folder.h"
#include "tests/support/gold.h"
#include "tests/support/says.h"

#define GOLDEN "tests/golden/plans/"

/* The path of a file in the test's folder with this text. */
static const char *file_with(const char *name, const char *text)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_put(path, text, strlen(text), NULL), 0);
    return path;
}

/* ---- documents */

static void documents_keep_places_and_kinds(void **state)
{
    (void)state;
    static const char text[] = "a: 1\nlist:\n  - x\n  - [2.5, null]\n\"q\": \"1\"\n";
    Doc doc;
    Err e = {0};
    assert_int_equal(doc_parse(&doc, "f.yaml", text, strlen(text), &e), 0);
    const DocNode *list = doc_find(doc.root, "list"), *quoted = doc_find(doc.root, "q");
    assert_int_equal(doc.root->count, 3);
    assert_int_equal(list->kind, DOC_SEQUENCE);
    assert_int_equal(list->key_line, 2);
    const DocNode *inner = list->first->next;
    assert_int_equal(inner->line, 4);
    assert_int_equal(inner->column, 5);
    assert_true(doc_is_null(inner->first->next));
    int64_t number;
    assert_int_equal(doc_get_int(quoted, 0, 9, &number, &e), ERR_FORMAT);
    assert_string_equal(e.text, "f.yaml:5:6: q: found \"1\", expected a whole number from 0 to 9");
    assert_null(doc_find(list, "a"));
    doc_free(&doc);
}

static void documents_refuse_what_is_not_data(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {{"", "f:1:1: the file is empty"},
                 {"a: &x [1]\n", "f:1:4: anchors"},
                 {"a: *x\n", "f:1:4: aliases"},
                 {"a: !!int 1\n", "tags"},
                 {"a: 1\n---\nb: 2\n", "f:2:1: a second document"},
                 {"a: 1\nb: 2\na: 3\n", "f:3:1: the key \"a\" is already in line 1"},
                 {"? [a]\n: 1\n", "a key must be plain text"},
                 {"a: \"x\\0y\"\n", "NUL"},
                 {"{\"a\":\n[1, 2", "f:3:1: did not find expected ',' or ']' while parsing a flow "
                                    "sequence that begins in line 2"},
                 {"a: 1\n b: 2\n", "f:2:"},
                 {"a: \xff\n", "f:1:4:"},
                 {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1", "nested too deeply"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Doc doc;
        Err e = {0};
        assert_int_equal(doc_parse(&doc, "f", cases[i].text, strlen(cases[i].text), &e), ERR_FORMAT);
        assert_says(&e, cases[i].says);
        assert_null(doc.blocks);
    }
}

static void documents_read_json_as_python_writes_it(void **state)
{
    (void)state;
    const char *path = file_with("python.json", "{\n\t\"a\": NaN, \"b\": -Infinity, \"c\": \"inf\",\n"
                                                "\t\"d\": 146.0, \"e\": \"\\ud83d\\ude00 \\\\ud83d\\/\"}\n");
    Doc doc;
    Err e = {0};
    assert_int_equal(doc_read(&doc, path, &e), 0);
    double value;
    int64_t number;
    assert_int_equal(doc_get_double(doc_find(doc.root, "a"), &value, &e), 0);
    assert_true(isnan(value));
    assert_int_equal(doc_get_double(doc_find(doc.root, "b"), &value, &e), 0);
    assert_true(value == -INFINITY);
    assert_int_equal(doc_get_double(doc_find(doc.root, "c"), &value, &e), 0);
    assert_true(value == INFINITY);
    assert_int_equal(doc_get_int(doc_find(doc.root, "d"), 0, 1000, &number, &e), 0);
    assert_int_equal(number, 146);
    assert_string_equal(doc_find(doc.root, "e")->text, "\xf0\x9f\x98\x80 \\ud83d/");
    doc_free(&doc);
}

static void write_samples(const char *path, const double *values, int n, const char *const *texts, int m)
{
    DocWriter w = {.json = doc_is_json_path(path)};
    doc_open(&w, NULL, DOC_MAPPING, false);
    doc_open(&w, "numbers", DOC_SEQUENCE, true);
    for (int i = 0; i < n; i++) doc_put_double(&w, NULL, values[i]);
    doc_close(&w);
    doc_open(&w, "texts", DOC_SEQUENCE, false);
    for (int i = 0; i < m; i++) doc_put_string(&w, NULL, texts[i]);
    doc_close(&w);
    doc_comment(&w, "a comment");
    doc_open(&w, "nothing", DOC_MAPPING, false);
    doc_close(&w);
    doc_close(&w);
    assert_int_equal(doc_finish(&w, path, NULL), 0);
}

static void documents_round_trip(void **state)
{
    (void)state;
    static const double special[] = {0.1, 1.0 / 3, 1e-5, 3e22, -0.0, 30, 5e-324, 1.7976931348623157e308, INFINITY};
    static const char *const texts[] = {"plain", "null", "1_000",    "2024-01-01", "0x1F",     "1e5",         "yes",
                                        "",      " a",   "a: b",     "# no",       "quote\"s", "line\nbreak", "ü",
                                        "2d",    "-",    "case_001", "001",        ".5"};
    enum { SPECIAL = sizeof special / sizeof *special, NUMBERS = 500, TEXTS = sizeof texts / sizeof *texts };
    double values[NUMBERS];
    Rng random = rng_make(1, 0, 0, 0, RNG_TEST);
    for (int i = 0; i < NUMBERS; i++)
        values[i] = i < SPECIAL ? special[i] : rng_normal(&random) * pow(10, rng_range(&random, -300, 300));
    for (int json = 0; json < 2; json++) {
        char path[512];
        snprintf(path, sizeof path, "%s/samples.%s", folder, json ? "json" : "yaml");
        write_samples(path, values, NUMBERS, texts, TEXTS);
        Doc doc;
        Err e = {0};
        assert_int_equal(doc_read(&doc, path, &e), 0);
        int i = 0;
        for (const DocNode *node = doc_find(doc.root, "numbers")->first; node; node = node->next, i++) {
            double value;
            assert_int_equal(doc_get_double(node, &value, &e), 0);
            assert_memory_equal(&value, &values[i], sizeof value);
        }
        assert_int_equal(i, NUMBERS);
        i = 0;
        for (const DocNode *node = doc_find(doc.root, "texts")->first; node; node = node->next, i++) {
            assert_string_equal(node->text, texts[i]);
            if (i == 1) assert_false(doc_is_null(node));
        }
        assert_int_equal(doc_find(doc.root, "nothing")->kind, DOC_MAPPING);
        doc_free(&doc);
    }
}

/* ---- plans */

static void defaults_are_the_paper_s(void **state)
{
    (void)state;
    Plan plan;
    plan_defaults(&plan);
    static const int dims[] = {96, 192, 384, 768}, depths[] = {2, 2, 9, 2}, decoder[] = {2, 2, 2};
    assert_string_equal(plan.network.name, "swin_umamba_d");
    const VssConfig *network = (const VssConfig *)&plan.network.config;
    assert_memory_equal(network->dims, dims, sizeof dims);
    assert_memory_equal(network->depths, depths, sizeof depths);
    assert_int_equal(network->decoder_depths_count, 3);
    assert_memory_equal(network->decoder_depths, decoder, sizeof decoder);
    assert_true(network->width == 1 && network->drop_path == 0.2 && network->d_state == 16);
    assert_true(plan.training.learning_rate == 1e-4 && plan.training.weight_decay == 0.05);
    assert_true(plan.training.epsilon == 1e-5 && plan.training.gradient_clip == 12);
    assert_int_equal(plan.training.optimizer, OPTIMIZER_ADAMW);
    assert_true(plan.inference.step == 0.5 && plan.inference.gaussian && !plan.inference.mirroring);
    assert_int_equal(plan.inference.mirror_axes_count, 2);
    assert_int_equal(plan.configuration.resampling_data.order, 3);
    assert_true(plan.configuration.resampling_seg.is_seg && plan.configuration.resampling_seg.order == 1);
    assert_false(plan_deep_supervision(&plan));
    strcpy(plan.training.pretrained, "vmamba.pth");
    assert_true(plan_deep_supervision(&plan));
}

static void assert_round_trip(const Plan *plan)
{
    static const char *const names[] = {"plan.yaml", "plan.json"};
    for (int i = 0; i < 2; i++) {
        char path[512];
        Plan again;
        Err e = {0};
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(plan_write(plan, path, &e), 0);
        if (plan_read(&again, path, NULL, &e)) fail_msg("%s", e.text);
        assert_memory_equal(plan, &again, sizeof again);
    }
}

static void nnunet_plans_of_both_forms_agree(void **state)
{
    (void)state;
    Plan now, old;
    Err e = {0};
    Text notes = {0};
    if (plan_read(&now, GOLDEN "nnUNetPlans_2_8.json", &notes, &e)) fail_msg("%s", e.text);
    assert_non_null(strstr(notes.data, ".json:173:9: configurations.3d_fullres: not used here\n"));
    assert_non_null(strstr(notes.data, "architecture._kw_requires_import"));
    text_free(&notes);
    if (plan_read(&old, GOLDEN "nnUNetPlans_2_1.json", NULL, &e)) fail_msg("%s", e.text);
    assert_memory_equal(&now, &old, sizeof now);
    assert_string_equal(now.configuration.architecture.network_class_name,
                        "dynamic_network_architectures.architectures.unet.PlainConvUNet");
    assert_int_equal(now.configuration.architecture.features_per_stage[5], 512);
    assert_int_equal(now.configuration.normalization_schemes[0], NORMALIZE_CT);
    assert_true(now.intensities[1].std == 209.26075744628906);
    assert_true(now.original_median_spacing_mm[0] == 4.920000076293945);
    assert_int_equal(now.transpose_forward[0], 2);
    assert_int_equal(plan_check(&now, &e), 0);
    if (architecture_check(&now.configuration.architecture, &e)) fail_msg("%s", e.text);
    assert_round_trip(&now);
    plan_set_network(&now, "nnunet");
    assert_round_trip(&now);
}

static void every_golden_plan_is_read_and_written_back(void **state)
{
    (void)state;
    const char *golden = gold_path("nnunet/plans");
    if (!exists(golden)) skip();
    FileList list = {0};
    assert_int_equal(file_list(&list, golden, NULL), 0);
    int count = 0;
    for (int i = 0; i < list.count; i++) {
        if (!strstr(list.names[i], "Plans.json")) continue;
        char path[512];
        Plan plan;
        Err e = {0};
        snprintf(path, sizeof path, "%s/%s", golden, list.names[i]);
        if (plan_read(&plan, path, NULL, &e)) fail_msg("%s", e.text);
        if (architecture_check(&plan.configuration.architecture, &e)) fail_msg("%s: %s", path, e.text);
        assert_round_trip(&plan);
        count++;
    }
    file_list_free(&list);
    assert_true(count >= 4);
}

static void overrides_change_only_what_they_name(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        int patch[2], batch, epochs;
    } papers[] = {{"plans/abdomen_mri.yaml", {320, 320}, 30, 100},
                  {"plans/endoscopy.yaml", {384, 640}, 13, 250},
                  {"plans/microscopy.yaml", {512, 512}, 12, 350}};
    for (int i = 0; i < 3; i++) {
        Plan before, after;
        Err e = {0};
        assert_int_equal(plan_read(&before, GOLDEN "nnUNetPlans_2_8.json", NULL, &e), 0);
        after = before;
        if (plan_override(&after, papers[i].file, NULL, &e)) fail_msg("%s", e.text);
        assert_int_equal(plan_check(&after, &e), 0);
        assert_int_equal(after.training.schedule_epochs, 1000);
        before.training.schedule_epochs = 1000;
        before.training.epochs = papers[i].epochs;
        before.configuration.batch_size = papers[i].batch;
        memcpy(before.configuration.patch_size, papers[i].patch, sizeof papers[i].patch);
        assert_memory_equal(&before, &after, sizeof after);
    }
}

static void empty_groups_change_nothing(void **state)
{
    (void)state;
    Plan before, after;
    Err e = {0};
    plan_defaults(&before);
    after = before;
    if (plan_override(&after, file_with("o.yaml", "training:\n  # epochs: 3\nnetwork:\n"), NULL, &e))
        fail_msg("%s", e.text);
    assert_memory_equal(&before, &after, sizeof after);
}

static void faults_in_plans_are_named_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"training:\n  epoch: 3", "o.yaml:2:3: unknown key training.epoch; the nearest known key is epochs"},
        {"Training: {}\n", "o.yaml:1:1: unknown key Training; the nearest known key is training"},
        {"training:\n  epochs: many", "o.yaml:2:11: epochs: found \"many\", expected a whole number from 1"},
        {"training: {epochs: 0}\n", "expected a whole number from 1"},
        {"training: {epochs: 2.5}\n", "epochs: found \"2.5\""},
        {"training: {learning_rate: nan}\n", "learning_rate: found nan, expected a number from 0 to 100"},
        {"training: {recompute: 3}\n", "recompute: found \"3\", expected true or false"},
        {"training: {optimizer: adagrad}\n", "optimizer: found \"adagrad\", expected one of adamw, sgd, adam"},
        {"training: [1]\n", "training: found a list, expected a mapping"},
        {"", "o.yaml:1:1: the file is empty"},
        {"~", "found nothing, expected a mapping"},
        {"network: {depths: 2}\n", "depths: found \"2\", expected a list"},
        {"network: {depths: [1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8]}", "a list of 17, expected at most 16"},
        {"configurations: {2d: {patch_size: [1, 2, 3]}}\n", "patch_size: a list of 3, expected exactly 2"},
        {"configurations: {2d: {architecture: {arch_kwargs: {strides: [[2]]}}}}", "a list of 1, expected 2"},
        {"configurations: {2d: {normalization_schemes: [ZScore]}}\n", "expected one of ZScoreNormalization"},
        {"foreground_intensity_properties_per_channel: {\"all\": {}}", "found the key \"all\", expected"},
        {"foreground_intensity_properties_per_channel: {\"64000\": {}}", "found the key \"64000\", expected"},
        {"configurations: {2d: {architecture: {n_stages: 4}}}",
         "unknown key configurations.2d.architecture.n_stages; it belongs under arch_kwargs"},
        {"epochs: 3\n", "o.yaml:1:1: unknown key epochs; it belongs under training"},
        {"configurations: {2d: {architecture: {arch_kwargs: {n_conv_per_stage: [2, 257]}}}}", "from 1 to 256"},
        {"configurations: {2d: {architecture: {arch_kwargs: {n_blocks_per_stage: [257]}}}}", "from 1 to 256"},
        {"configurations: {2d: {architecture: {arch_kwargs: {n_conv_per_stage_decoder: 257}}}}", "from 1 to 256"},
        {"network: {name: nnformer, windows: [5, 5, 65, 5]}", "from 1 to 64"},
        {"format: 2\nnew_key: 1\n", "format 2 is of a later version"},
        {"[1]\n", "found a list, expected a mapping"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Plan before, plan;
        Err e = {0};
        plan_defaults(&before);
        plan = before;
        assert_true(plan_override(&plan, file_with("o.yaml", cases[i].text), NULL, &e) < 0);
        assert_says(&e, cases[i].says);
        assert_memory_equal(&before, &plan, sizeof plan);
    }
    Plan plan;
    Err e = {0};
    assert_int_equal(plan_read(&plan, file_with("o.yaml", "format: 1\n"), NULL, &e), ERR_FORMAT);
    assert_says(&e, "o.yaml:1:1: the key transpose_forward is missing");
    assert_int_equal(plan_read(&plan, "/nonexistent/plans.yaml", NULL, &e), ERR_IO);
}

static void checks_find_what_does_not_fit(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"network: {name: swin_umamba_e}",
         "network.name: unknown network swin_umamba_e; the networks are swin_umamba_d, "},
        {"configurations: {2d: {patch_size: [320, 300]}}",
         "found 320x300; swin_umamba_d needs multiples of 32x32, such as 320x320"},
        {"configurations: {2d: {use_mask_for_norm: [true]}}", "use_mask_for_norm has 1 entries"},
        {"configurations: {2d: {normalization_schemes: [NoNormalization, NoNormalization, CTNormalization], "
         "use_mask_for_norm: [false, false, false]}}",
         "CTNormalization of channel 2 needs"},
        {"foreground_intensity_properties_per_channel: {\"2\": {mean: 3}}", "has 3 entries, normalization_schemes 2"},
        {"transpose_backward: [0, 1, 2]", "transpose_backward is not the inverse"},
        {"network: {dims: [96, 192, 384, 700]}", "network.dims: 700 after 384"},
        {"network: {depths: [2, 2]}", "network: dims and depths have 4 and 2 entries"},
        {"network: {decoder_depths: [2, 1, 2]}", "network.decoder_depths: found 2 and 1"},
        {"network: {name: nnunet}\nconfigurations: {2d: {architecture: {arch_kwargs: {n_stages: 7}}}}",
         "features_per_stage: found 6 entries, expected 7"},
        {"configurations: {2d: {resampling_fn_seg: resample_torch}}", "function \"resample_torch\""},
        {"configurations: {2d: {resampling_fn_data_kwargs: {order: 2}}}", "supported are 0, 1 and 3"},
        {"configurations: {2d: {preprocessor_name: Mine}}", "preprocessor_name Mine"},
        {"training: {schedule_epochs: 10}", "schedule_epochs: 10, expected 0 or at least epochs, 1000"},
        {"training: {final_learning_rate: 1}", "final_learning_rate: 1 is above learning_rate"},
        {"inference: {mirror_axes: [1, 1]}", "mirror_axes: axis 1 twice"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Plan plan;
        Err e = {0};
        assert_int_equal(plan_read(&plan, GOLDEN "nnUNetPlans_2_8.json", NULL, &e), 0);
        if (plan_override(&plan, file_with("o.yaml", cases[i].text), NULL, &e)) fail_msg("%s", e.text);
        assert_true(plan_check(&plan, &e) < 0);
        assert_says(&e, cases[i].says);
    }
}

static void architectures_that_cannot_be_built_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *kwargs, *says;
    } cases[] = {{"n_stages: 7", "features_per_stage: found 6 entries, expected 7"},
                 {"norm_op: Norm", "norm_op: found \"Norm\", only InstanceNorm2d is supported"},
                 {"nonlin: torch.nn.PReLU", "nonlin: found \"torch.nn.PReLU\", only LeakyReLU or ReLU is supported"},
                 {"dropout_op: torch.nn.Dropout2d", "dropout_op: found \"torch.nn.Dropout2d\", only null is supported"},
                 {"norm_op_kwargs: {eps: 1}", "norm_op_kwargs.eps: found 1, only 1e-05 is supported"},
                 {"kernel_sizes: 4", "kernel_sizes: found 4x4, only odd sizes are supported"},
                 {"strides: 2", "configurations.2d.architecture.arch_kwargs.strides: the first is 2x2, expected 1x1"},
                 {"stem_channels: 8", "stem_channels: PlainConvUNet has no such argument: remove it"},
                 {"bottleneck_channels: 8", "bottleneck_channels: PlainConvUNet has no such argument"},
                 {"block: a.BasicBlockD", "block: PlainConvUNet has no such argument"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        Plan plan;
        Err e = {0};
        snprintf(text, sizeof text, "configurations: {2d: {architecture: {arch_kwargs: {%s}}}}", cases[i].kwargs);
        assert_int_equal(plan_read(&plan, GOLDEN "nnUNetPlans_2_8.json", NULL, &e), 0);
        if (plan_override(&plan, file_with("o.yaml", text), NULL, &e)) fail_msg("%s", e.text);
        assert_int_equal(plan_check(&plan, &e), 0);
        assert_true(architecture_check(&plan.configuration.architecture, &e) < 0);
        assert_says(&e, cases[i].says);
    }
}

#define RESIDUAL "network_class_name: a.ResidualEncoderUNet, arch_kwargs: "

static void residual_architectures_have_their_own_arguments(void **state)
{
    (void)state;
    static const struct {
        const char *kwargs, *says;
    } cases[] = {
        {"{n_blocks_per_stage: 2}", NULL},
        {"{n_blocks_per_stage: 2, stem_channels: null, block: null, bottleneck_channels: null}", NULL},
        {"{n_blocks_per_stage: 2, block: a.BottleneckD, bottleneck_channels: 8, stem_channels: 4}", NULL},
        {"{n_blocks_per_stage: [2, 2]}", "n_blocks_per_stage: found 2 entries, expected 6"},
        {"{n_blocks_per_stage: 2, block: a.BottleneckD}", "bottleneck_channels: found 0 entries, expected 6"},
        {"{n_blocks_per_stage: 2, block: MyBlock}", "block: found \"MyBlock\", only BasicBlockD and BottleneckD"},
        {"{n_blocks_per_stage: 2, nonlin_first: true}",
         "nonlin_first: ResidualEncoderUNet has no such argument: remove it"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        Plan plan;
        Err e = {0};
        snprintf(text, sizeof text, "configurations: {2d: {architecture: {" RESIDUAL "%s}}}", cases[i].kwargs);
        assert_int_equal(plan_read(&plan, GOLDEN "nnUNetPlans_2_8.json", NULL, &e), 0);
        if (plan_override(&plan, file_with("o.yaml", text), NULL, &e)) fail_msg("%s", e.text);
        const int code = architecture_check(&plan.configuration.architecture, &e);
        if (!cases[i].says) assert_int_equal(code, 0);
        else assert_says(&e, cases[i].says);
        if (!cases[i].says) assert_round_trip(&plan);
    }
    Plan plan;
    Err e = {0};
    assert_int_equal(plan_read(&plan, GOLDEN "nnUNetPlans_2_8.json", NULL, &e), 0);
    const char *file =
        file_with("o.yaml", "configurations: {2d: {architecture: {arch_kwargs: {squeeze_excitation: true}}}}");
    assert_int_equal(plan_override(&plan, file, NULL, &e), ERR_FORMAT);
    assert_says(&e, "unknown key configurations.2d.architecture.arch_kwargs.squeeze_excitation");
}

/* ---- arbitrary files: no crash, no leak; errors have a reason */

static void a_network_comes_with_its_training(void **state)
{
    (void)state;
    Plan plan, defaults;
    plan_defaults(&plan);
    plan_defaults(&defaults);
    plan.training.optimizer = OPTIMIZER_SGD;
    plan.training.schedule = SCHEDULE_POLY;
    plan.training.learning_rate = 1e-2;
    plan.training.freeze_encoder_epochs = 3;
    plan_override_text(&plan, "o", "network: {width: 0.5}", 21, NULL);
    plan_choose_network(&plan, "swin_umamba");
    assert_string_equal(plan.network.name, "swin_umamba");
    assert_true(((const VssConfig *)&plan.network.config)->width == 0.5); /* these networks have the same keys */
    assert_memory_equal(&plan.training, &defaults.training, sizeof plan.training);
    plan_set_network(&plan, "another");
    plan_choose_network(&plan, defaults.network.name);
    assert_memory_equal(&plan, &defaults, sizeof plan);
}

/* Properties of each row of the table of networks. */
static void networks_are_whole(void **state)
{
    (void)state;
    for (const NetworkKind *const *k = network_kinds(); *k; k++) {
        Plan plan;
        Err e = {0};
        NetworkConfig config;
        int yx[2];
        plan_defaults(&plan);
        plan_choose_network(&plan, (*k)->name);
        plan_network_config(&plan, &config);
        assert_ptr_equal(network_kind((*k)->name), *k);
        assert_true((*k)->config_bytes <= sizeof config.bytes && (*k)->about && (*k)->build);
        if (!(*k)->uses_architecture && (*k)->check(&config, &e)) fail_msg("%s: %s", (*k)->name, e.text);
        (*k)->divisor(&config, yx);
        assert_true(yx[0] > 0 && yx[1] > 0);
        for (int i = 0; i < (*k)->schema->count; i++) {
            const Field *f = &(*k)->schema->fields[i];
            assert_true(f->offset < (*k)->config_bytes);
            assert_string_not_equal(f->key, "name");
        }
        for (const char *const *t = (*k)->trainers; t && *t; t++) {
            char name[96];
            snprintf(name, sizeof name, "%.*s", (int)strcspn(*t, "$"), *t);
            assert_ptr_equal(network_of_trainer(name), *k);
            strcat(name, "Other");
            if (strchr(*t, '$')) assert_null(network_of_trainer(name));
        }
    }
}

static void keys_of_other_networks_are_named_with_the_network_s_own(void **state)
{
    (void)state;
    Plan plan;
    Err e = {0};
    Text notes = {0};
    plan_defaults(&plan);
    assert_true(
        plan_override(&plan, file_with("o.yaml", "network:\n  name: swin_umamba\n  feature_size: 48\n"), NULL, &e) < 0);
    assert_says(&e, "o.yaml:3:3: unknown key network.feature_size; the nearest known key is ");
    assert_says(&e, "the network swin_umamba has name, width, dims, depths, decoder_depths, d_state, drop_path");
    assert_true(plan_override(&plan, file_with("o.yaml", "network: {name: nnunet, width: 0.5}"), NULL, &e) < 0);
    assert_says(&e, "unknown key network.width; the network nnunet has name only, and follows "
                    "configurations.2d.architecture.arch_kwargs (its channels are features_per_stage)");
    /* For an unknown network, the only message is that it is unknown. */
    if (plan_override(&plan, file_with("o.yaml", "network: {feature_size: 48, name: mednext}"), &notes, &e))
        fail_msg("%s", e.text);
    assert_string_equal(plan.network.name, "mednext");
    assert_non_null(strstr(notes.data, "o.yaml:1:11: network.feature_size: not used here"));
    text_free(&notes);
}

/* A network that does not follow `architecture` says so, once for an override; a whole plan always has the section. */
static void an_architecture_without_effect_is_noted(void **state)
{
    static const char text[] = "configurations: {2d: {architecture: {arch_kwargs: {conv_bias: true}}}}";
    (void)state;
    Plan plan;
    Err e = {0};
    Text notes = {0};
    plan_defaults(&plan);
    plan_set_network(&plan, "nnunet");
    if (plan_override(&plan, file_with("o.yaml", text), &notes, &e)) fail_msg("%s", e.text);
    assert_int_equal(notes.length, 0);
    plan_set_network(&plan, "unetr");
    if (plan_override(&plan, file_with("o.yaml", text), &notes, &e)) fail_msg("%s", e.text);
    assert_non_null(strstr(notes.data, "o.yaml:1:23: configurations.2d.architecture: not used by the network unetr\n"));
    text_free(&notes);
}

static void try_bytes(const char *bytes, size_t length)
{
    Doc doc;
    Err e = {0};
    if (doc_parse(&doc, "fuzz", bytes, length, &e)) {
        assert_says(&e, "fuzz:");
        assert_null(doc.blocks);
        return;
    }
    Plan plan;
    Text notes = {0};
    plan_defaults(&plan);
    if (schema_read(&plan_schema, &plan, doc.root, SCHEMA_PART, &notes, &e)) assert_says(&e, "fuzz:");
    else plan_check(&plan, &e);
    text_free(&notes);
    doc_free(&doc);
}

static void hostile_files_are_survived(void **state)
{
    (void)state;
    static const char corpus[] = "tests/golden/fuzz_yaml";
    FileList list = {0};
    assert_int_equal(file_list(&list, corpus, NULL), 0);
    assert_true(list.count >= 20);
    for (int i = 0; i < list.count; i++) {
        char path[512], *bytes = NULL;
        size_t length = 0;
        Plan plan;
        Err e = {0};
        snprintf(path, sizeof path, "%s/%s", corpus, list.names[i]);
        assert_int_equal(file_get(path, &bytes, &length, NULL), 0);
        try_bytes(bytes, length);
        mem_free(bytes);
        assert_true(plan_read(&plan, path, NULL, &e) < 0);
        assert_says(&e, list.names[i]);
    }
    file_list_free(&list);
}

static void damaged_plans_are_survived(void **state)
{
    (void)state;
    static const char *const seeds[] = {GOLDEN "nnUNetPlans_2_1.json", "plans/endoscopy.yaml"};
    static const char marks[] = "{}[]:,\"'\n\t -#&*!|>%@`?0x\\\xff";
    for (int s = 0; s < 2; s++) {
        char *bytes = NULL, *damaged;
        size_t length = 0;
        assert_int_equal(file_get(seeds[s], &bytes, &length, NULL), 0);
        damaged = mem_alloc(length, NULL);
        for (size_t cut = 0; cut < length; cut += 1 + length / 150) try_bytes(bytes, cut);
        Rng random = rng_make(7, 0, 0, (uint32_t)s, RNG_TEST);
        for (int round = 0; round < 400; round++) {
            memcpy(damaged, bytes, length);
            for (uint32_t n = 1 + rng_below(&random, 4); n > 0; n--)
                damaged[rng_below(&random, (uint32_t)length)] = marks[rng_below(&random, sizeof marks)];
            try_bytes(damaged, length);
        }
        mem_free(damaged);
        mem_free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_keep_places_and_kinds),
        cmocka_unit_test(documents_refuse_what_is_not_data),
        cmocka_unit_test(documents_read_json_as_python_writes_it),
        cmocka_unit_test(documents_round_trip),
        cmocka_unit_test(defaults_are_the_paper_s),
        cmocka_unit_test(nnunet_plans_of_both_forms_agree),
        cmocka_unit_test(every_golden_plan_is_read_and_written_back),
        cmocka_unit_test(overrides_change_only_what_they_name),
        cmocka_unit_test(empty_groups_change_nothing),
        cmocka_unit_test(faults_in_plans_are_named_with_their_place),
        cmocka_unit_test(checks_find_what_does_not_fit),
        cmocka_unit_test(a_network_comes_with_its_training),
        cmocka_unit_test(architectures_that_cannot_be_built_are_named),
        cmocka_unit_test(residual_architectures_have_their_own_arguments),
        cmocka_unit_test(networks_are_whole),
        cmocka_unit_test(keys_of_other_networks_are_named_with_the_network_s_own),
        cmocka_unit_test(an_architecture_without_effect_is_noted),
        cmocka_unit_test(hostile_files_are_survived),
        cmocka_unit_test(damaged_plans_are_survived),
    };
    return cmocka_run_group_tests_name("plans", tests, test_folder_make, test_folder_remove);
}
