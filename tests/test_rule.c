/* The weights rule against the worked examples of RULE.md, and the reader of GOLD bundles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "tests/support/gold.h"
#include "tests/support/rule.h"

static void test_hash_and_mix(void **state)
{
    (void)state;
    assert_true(rule_key("", "") == 0xcbf29ce484222325u);
    assert_true(rule_key("", "a") == 0xaf63dc4c8601ec8cu);
    assert_true(rule_splitmix64(0) == 0xe220a8397b1dcdafu);
    assert_true(rule_splitmix64(1) == 0x910a2dec89025cc1u);
    assert_true(rule_key(RULE_SHARED_PREFIX, "stem.0.weight") == 0xc5a863ead7af41f8u);
    assert_true(rule_unit(0xc5a863ead7af41f8u, 0) == 0.09933745861053467);
}

static void test_parameters(void **state)
{
    (void)state;
    /* ulps: exp, log and expm1 may differ by one step between math libraries. */
    static const struct {
        const char *name;
        int rank;
        int64_t shape[4], index;
        uint32_t bits, ulps;
    } cases[] = {
        {"stem.0.weight", 4, {48, 1, 7, 7}, 100, 0xbdb7f382, 0},
        {"vssm_encoder.layers.0.blocks.0.self_attention.A_logs", 2, {768, 16}, 37, 0x3fdd149a, 1},
        {"vssm_encoder.layers.0.blocks.0.self_attention.dt_projs_bias", 2, {4, 192}, 700, 0xc019d900, 1},
        {"vssm_encoder.layers.0.blocks.0.self_attention.dt_projs_weight", 3, {4, 192, 6}, 11, 0x3eae2773, 0},
        {"vssm_encoder.layers.0.blocks.0.self_attention.x_proj_weight", 3, {4, 38, 192}, 29183, 0xbdb4ebc4, 0},
        {"vssm_encoder.layers.0.blocks.0.ln_1.weight", 1, {96}, 5, 0x3f87223f, 0},
        {"vssm_encoder.layers.0.blocks.0.self_attention.Ds", 1, {768}, 767, 0x3f75950b, 0},
        {"vssm_encoder.layers.0.blocks.0.self_attention.conv2d.weight", 4, {192, 1, 3, 3}, 1000, 0x3e0e4a74, 0},
        {"decoder5.transp_conv.conv.weight", 4, {768, 384, 2, 2}, 1179647, 0xbbac6fcb, 0},
        {"out_layers.0.conv.conv.bias", 1, {14}, 13, 0xbdae4cc3, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Array a;
        assert_int_equal(array_new(&a, DTYPE_F32, cases[i].rank, cases[i].shape, NULL), 0);
        rule_param(a.data, RULE_SHARED_PREFIX, cases[i].name, cases[i].rank, cases[i].shape);
        uint32_t bits;
        memcpy(&bits, (float *)a.data + cases[i].index, sizeof bits);
        assert_in_range(bits, cases[i].bits - cases[i].ulps, cases[i].bits + cases[i].ulps);
        array_free(&a);
    }
}

static void test_inputs_labels_samples(void **state)
{
    (void)state;
    float x[3];
    rule_tensor(x, RULE_SHARED_PREFIX, "x:1x1x64x64", 3, sqrt(3.0));
    assert_true(x[0] == -0.9420346021652222f && x[1] == -0.41634073853492737f && x[2] == -1.6678285598754883f);
    static const uint8_t labels[12] = {6, 4, 2, 9, 1, 6, 12, 9, 10, 5, 8, 4};
    uint8_t y[12];
    rule_labels(y, RULE_SHARED_PREFIX, "y:1x1x64x64", 12, 14);
    assert_memory_equal(y, labels, sizeof y);
    static const int64_t samples[6] = {2206, 1804, 1878, 647, 1080, 1892};
    int64_t index[RULE_SAMPLES];
    assert_int_equal(rule_samples(index, RULE_SHARED_PREFIX, "stem.0.weight", 2352, RULE_SAMPLES), RULE_SAMPLES);
    assert_memory_equal(index, samples, sizeof samples);
    assert_int_equal(rule_samples(index, RULE_SHARED_PREFIX, "stem.0.bias", 48, RULE_SAMPLES), 48);
    assert_int_equal(index[47], 47);
}

static void test_gold_bundle(void **state)
{
    (void)state;
    static const char path[] = "build/test_rule.gold";
    static const char good[] = "a f4 2 1 2\n\0\0\x80\x3f\0\0\0\x40"
                               "b u1 0\n\x07";
    Err e = {0};
    Gold g;
    assert_int_equal(file_put(path, good, sizeof good - 1, &e), 0);
    assert_int_equal(gold_open(&g, path, &e), 0);
    assert_int_equal(g.count, 2);
    const Array *a = gold_find(&g, "a");
    assert_non_null(a);
    assert_int_equal(a->rank, 2);
    assert_true(((float *)a->data)[0] == 1.0f && ((float *)a->data)[1] == 2.0f);
    assert_int_equal(*(uint8_t *)gold_find(&g, "b")->data, 7);
    assert_null(gold_find(&g, "c"));
    gold_close(&g);
    for (size_t cut = 1; cut < sizeof good - 1; cut++) {
        if (cut == 19) continue; /* between the two records: a valid bundle of one */
        assert_int_equal(file_put(path, good, cut, &e), 0);
        assert_int_equal(gold_open(&g, path, &e), ERR_FORMAT);
    }
    assert_int_equal(file_remove(path, &e), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_and_mix),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_inputs_labels_samples),
        cmocka_unit_test(test_gold_bundle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
