/* inference/fold_networks.h: the networks of several folds share one arena, and give the same bits as each alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/random.h"
#include "inference/fold_networks.h"

enum { FOLDS = 3, BATCH = 2, SIZE = 64, HEADS = 3, PIXELS = BATCH * SIZE * SIZE, VALUES = PIXELS * HEADS };

static void open_models(Model *models)
{
    Err e = {ERR_NONE, ""};
    NetworkSpec spec;
    assert_int_equal(network_defaults(&spec, "swin_umamba_d", &e), 0);
    assert_int_equal(network_configure(&spec, "{width: 0.0625}", &e), 0);
    spec.height = spec.width = SIZE;
    spec.channels = 1;
    spec.classes = HEADS;
    for (int i = 0; i < FOLDS; i++) {
        models[i] = (Model){.kind = spec.kind};
        assert_int_equal(network_build(&models[i].graph, &spec, &e), 0);
        assert_int_equal(parameters_new(&models[i].parameters, models[i].graph, &e), 0);
        parameters_initialize(models[i].parameters, 3 + (uint64_t)i);
    }
}

static void close_models(Model *models)
{
    for (int i = 0; i < FOLDS; i++) model_free(&models[i]);
}

static FoldNetworks networks_of(const Model *models, int count, bool apart)
{
    return (FoldNetworks){
        .models = models, .count = count, .channels = 1, .heads = HEADS, .tile_yx = {SIZE, SIZE}, .apart = apart};
}

/* Runs two batches, and copies the logits of the second. */
static void run(FoldNetworks *f, float *logits, size_t bytes)
{
    Err e = {ERR_NONE, ""};
    if (fold_networks_prepare(f, BATCH, &e)) fail_msg("%s", e.text);
    const TileNetwork n = fold_networks_tiles(f);
    for (uint32_t turn = 0; turn < 2; turn++) {
        Rng r = rng_make(4, 0, turn, 0, RNG_TEST);
        for (int i = 0; i < PIXELS; i++) n.images[i] = (float)rng_normal(&r);
        assert_int_equal(n.run(n.context, &e), 0);
    }
    memcpy(logits, n.logits, bytes);
    fold_networks_release(f);
}

static void folds_in_one_arena_are_as_alone(void **state)
{
    (void)state;
    static float alone[FOLDS][VALUES], mean[VALUES], apart[FOLDS * VALUES];
    Model models[FOLDS];
    open_models(models);
    for (int i = 0; i < FOLDS; i++) {
        FoldNetworks one = networks_of(&models[i], 1, false);
        run(&one, alone[i], sizeof alone[i]);
    }
    FoldNetworks together = networks_of(models, FOLDS, false), beside = networks_of(models, FOLDS, true);
    run(&together, mean, sizeof mean);
    run(&beside, apart, sizeof apart);
    for (int k = 0; k < VALUES; k++) {
        assert_true(mean[k] == (alone[0][k] + alone[1][k] + alone[2][k]) / FOLDS);
        for (int i = 0; i < FOLDS; i++) assert_true(apart[(k / HEADS * FOLDS + i) * HEADS + k % HEADS] == alone[i][k]);
    }
    close_models(models);
}

/* Another fold takes memory for its parameters only, and the report says what is allocated. */
static void a_further_fold_needs_no_arena(void **state)
{
    (void)state;
    Model models[FOLDS];
    FoldBytes bytes[FOLDS + 1];
    open_models(models);
    for (int count = 1; count <= FOLDS; count++) {
        FoldNetworks f = networks_of(models, count, false);
        assert_int_equal(fold_networks_bytes(&f, BATCH, &bytes[count], NULL), 0);
    }
    FoldNetworks f = networks_of(models, FOLDS, false);
    assert_int_equal(fold_networks_prepare(&f, BATCH, NULL), 0);
    const MemoryReport first = executor_memory(f.executors[0]);
    const int64_t weights = (int64_t)(first.packed + first.direct);
    assert_int_equal(bytes[1].host, weights + (int64_t)first.arena);
    assert_int_equal(bytes[FOLDS].host - bytes[FOLDS - 1].host, weights);
    assert_true(first.arena > 0);
    for (int i = 1; i < FOLDS; i++) {
        const MemoryReport m = executor_memory(f.executors[i]);
        assert_int_equal(m.arena, 0);
        assert_int_equal(m.packed + m.direct, weights);
    }
    fold_networks_release(&f);
    close_models(models);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_in_one_arena_are_as_alone),
        cmocka_unit_test(a_further_fold_needs_no_arena),
    };
    return cmocka_run_group_tests_name("fold_networks", tests, NULL, NULL);
}
