#include "trainer/training_options.h"

enum { OPTION_MOST = 1000000 };

static void take_minutes(TrainingOverrides *change, bool cpu_minutes, const char *text, struct argp_state *state)
{
    if (change->minutes > 0 && change->cpu_minutes != cpu_minutes)
        argp_error(state, "give either --minutes or --cpu-minutes, not both");
    change->minutes = option_number(state, cpu_minutes ? "--cpu-minutes" : "--minutes", text, 0.01, 1e6);
    change->cpu_minutes = cpu_minutes;
}

static void take_patch(TrainingOverrides *change, const char *text, struct argp_state *state)
{
    int64_t size[2];
    option_size(state, "--patch-size", text, size, 2);
    for (int i = 0; i < 2; i++) change->patch_size[i] = (int)size[i];
}

error_t training_parse_option(TrainingOverrides *change, int key, const char *text, struct argp_state *state)
{
    switch (key) {
    case KEY_EPOCHS: change->epochs = (int)option_integer(state, "--epochs", text, 1, OPTION_MOST); return 0;
    case KEY_ITERATIONS:
        change->iterations_per_epoch = (int)option_integer(state, "--iterations-per-epoch", text, 1, OPTION_MOST);
        return 0;
    case KEY_MINUTES:
    case KEY_CPU_MINUTES: take_minutes(change, key == KEY_CPU_MINUTES, text, state); return 0;
    case KEY_BATCH: change->batch_size = (int)option_integer(state, "--batch-size", text, 1, 65536); return 0;
    case KEY_PATCH: take_patch(change, text, state); return 0;
    case KEY_RATE: change->learning_rate = option_number(state, "--learning-rate", text, 1e-12, 100); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

void training_check_options(const TrainingOverrides *change, const CommonOptions *common, struct argp_state *state)
{
    if (change->minutes > 0 && change->epochs)
        argp_error(state, "give either --%s or --epochs, not both", change->cpu_minutes ? "cpu-minutes" : "minutes");
    if (common->resume && common->overwrite)
        argp_error(
            state,
            "give either --continue or --overwrite, not both: the first keeps an earlier run, the second replaces it");
}
