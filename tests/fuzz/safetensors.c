/* safetensors, and the state of a training in its notes. */
#include "weights/safetensors.h"

#include "plans/plan.h"
#include "tests/fuzz/packing.h"
#include "tests/fuzz/weights.h"
#include "tests/support/small_net.h"
#include "trainer/checkpoint.h"

/* A small network in training, made once. */
typedef struct Training {
    SmallNet net;
    Optimizer *optimizer;
} Training;

static const Training *training(void)
{
    static Training t;
    Err e = {0};
    if (t.optimizer) return &t;
    small_net_open(&t.net, (DiceCE){.batch_dice = true, .smooth = 1e-5, .ignore_label = -1});
    FUZZ_EXPECT(!optimizer_new_adamw(&t.optimizer, t.net.parameters, &(AdamW){0.9, 0.999, 1e-5, 0.05, 12}, &e));
    return &t;
}

static void forget(RunState *state)
{
    history_free(&state->history);
    text_free(&state->plan);
    text_free(&state->pretrained);
}

static void continue_training(const char *path)
{
    const Training *t = training();
    RunState state = {0};
    Err e = {0};
    const CheckpointWeights weights = {t->net.parameters, NULL};
    if (fuzz_done(checkpoint_read(path, &weights, t->optimizer, &state, &e), &e)) {
        Plan plan;
        if (state.plan.length) fuzz_done(plan_parse(&plan, "plan", state.plan.data, state.plan.length, &e), &e);
        FUZZ_EXPECT(state.epoch >= 0 && state.iteration >= 0);
    }
    forget(&state);
}

static bool run(const uint8_t *data, size_t bytes)
{
    WeightsFile w;
    Err e = {0};
    const char *path = fuzz_file("weights.safetensors", data, bytes);
    if (!fuzz_done(safetensors_open(&w, path, &e), &e)) return false;
    size_t all = 0;
    for (int i = 0; i < w.count; i++) all += array_bytes(&w.tensors[i].array);
    FUZZ_EXPECT(all <= bytes);
    if (fuzz_done(weights_refuse_nonfinite(&w, &e), &e)) fuzz_weights(&w);
    weights_close(&w);
    continue_training(path);
    return true;
}

static int seed_kinds(const char *folder, Err *e)
{
    static const double numbers[8] = {1};
    WeightsFile w = {0};
    int code = weights_note(&w, e, "key", "a \"value\" of \xc3\xa4");
    for (int dtype = 0; dtype < DTYPE_COUNT && !code; dtype++)
        code = weights_add(&w, dtype_name((DType)dtype),
                           array_view((DType)dtype, dtype % 4, (const int64_t[]){2, 1, 3}, (void *)numbers), e);
    if (!code) code = safetensors_write(&w, fuzz_seed_path(folder, "kinds.safetensors"), e);
    weights_close(&w);
    return code;
}

static int seed_checkpoint(const char *folder, Err *e)
{
    static const bool marked[64] = {true, true};
    const Training *t = training();
    const CheckpointWeights weights = {t->net.parameters, NULL};
    RunState state = {.epoch = 1, .iteration = 2, .best_ema = 0.5};
    Plan plan;
    plan_defaults(&plan);
    int code = graph_param_count(t->net.graph) <= 64 ? optimizer_reserve(t->optimizer, marked, e) : ERR_SHAPE;
    if (!code) optimizer_steps(t->optimizer)[0] = 3;
    if (!code) code = history_add(&state.history, (EpochRecord){.train_loss = 1, .pseudo_dice = 0.5}, e);
    if (!code) code = plan_text(&plan, &state.plan, e);
    if (!code)
        code = checkpoint_write(fuzz_seed_path(folder, "checkpoint.safetensors"), &weights, t->optimizer, &state, e);
    forget(&state);
    return code;
}

static int seed(const char *folder, Err *e)
{
    WeightsFile w;
    TRY(seed_kinds(folder, e));
    TRY(seed_checkpoint(folder, e));
    int code = fuzz_weights_of_network(&w, e);
    if (!code) code = safetensors_write(&w, fuzz_seed_path(folder, "network.safetensors"), e);
    weights_close(&w);
    return code;
}

static size_t mutate(uint8_t *data, size_t size, size_t most, unsigned choice, FuzzBytes *change)
{
    return choice % 4 ? fuzz_mutate_header(data, size, most, 0, 8, change) : 0;
}

const FuzzTarget fuzz_target_safetensors = {"safetensors", run, seed, mutate};
