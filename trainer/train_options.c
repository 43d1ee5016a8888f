#include "trainer/train_options.h"

#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "recipe/recipe.h"
#include "trainer/training_options.h"

enum {
    KEY_RECIPE = 0x100,
    KEY_VALIDATION_ITERATIONS,
    KEY_PRETRAINED,
    KEY_OVERRIDE,
    KEY_GPUS,
    KEY_VALIDATE_ONLY,
    KEY_SKIP_VALIDATION,
    KEY_PROBABILITIES,
    KEY_SHOW
};

const struct argp_option train_option_list[] = {
    {"fold", 'f', "FOLDS", OPTION_HIDDEN, NULL, 0}, /* the argument, as nnU-Net's users may give it */
    {"minutes", KEY_MINUTES, "N", 0,
     "Train for about this time\vA few iterations are timed, and the number of epochs follows from them; the recipe time "
     "chooses all other values, too",
     0},
    {"cpu-minutes", KEY_CPU_MINUTES, "N", 0,
     "Train for about this CPU time\v of all threads together: other work on the machine changes the length less than with "
     "--minutes",
     OPTION_RARE},
    {"epochs", KEY_EPOCHS, "N", 0,
     "Epochs to train (default: the plan's)\vThese are {training.epochs} unless the recipe time chose them or you changed them",
     0},
    {"recipe", KEY_RECIPE, "time|paper|nnunet", 0,
     "How to train (default: the plan's)\vtime: chosen for --minutes (docs/recipes.md); paper: as the network's authors do; "
     "nnunet: as nnU-Net does. With --minutes and without pretrained weights the default is time, unless the plan names "
     "another",
     0},
    {"pretrained", KEY_PRETRAINED, "FILE", 0,
     "Initial weights, .pth or .safetensors\v: VMamba's or those of pretrain for the encoder, or those of a whole network",
     0},
    {"batch-size", KEY_BATCH, "N", 0, "Patches in a batch (default: the plan's)", 0},
    {"patch-size", KEY_PATCH, "HxW", 0, "Size of a patch (default: the plan's)", 0},
    {"learning-rate", KEY_RATE, "RATE", 0, "Learning rate at the start (default: the plan's)", 0},
    {"iterations-per-epoch", KEY_ITERATIONS, "N", 0,
     "Training batches (default: plan's, {training.iterations_per_epoch})\vThe plan has another number if you changed it",
     0},
    {"validation-iterations", KEY_VALIDATION_ITERATIONS, "N", 0,
     "Validation batches (default: plan's, {training.validation_iterations})\vThe plan has another number if you changed it",
     0},
    {"override", KEY_OVERRIDE, "PLAN.yaml", 0,
     "Plan keys that replace the planned ones\vA file such as network: {width: 0.5}", 0},
    {"num-gpus", KEY_GPUS, "N", 0,
     "Train on N GPUs (nnU-Net's -num_gpus)\v, from that of --device on, with a process for each. They share each batch",
     OPTION_RARE},
    {"val-only", KEY_VALIDATE_ONLY, NULL, 0, "Only predict validation cases\v of a finished training; do not train", 0},
    {"no-validation", KEY_SKIP_VALIDATION, NULL, 0, "Do not predict the validation cases at the end", 0},
    {"save-probabilities", KEY_PROBABILITIES, NULL, 0,
     "Also write the validation's probabilities\v, which find_best_configuration needs for ensembles", 0},
    {"show-augmentation", KEY_SHOW, "FOLDER", 0,
     "Only write pictures of augmented patches\v with their labels to this folder; do not train", OPTION_RARE},
    {0},
};

/* Of nnUNetv2_train. */
const Habit train_habits[] = {
    ANSWERED("-p", VALUE, "the plan is PREPROCESSED/plans.yaml; --override FILE changes keys of it"),
    ANSWERED("-tr", VALUE,
             "there are no trainers: --recipe nnunet trains as nnU-Net's, --override FILE changes values"),
    SAME("-pretrained_weights", VALUE, "--pretrained"),
    SAME("--npz", FLAG, "--save-probabilities"),
    SAME("--c", FLAG, "--continue"),
    SAME("--val", FLAG, "--val-only"),
    ANSWERED("--val_best", FLAG,
             "the validation takes the final weights; predict --checkpoint best takes the best ones"),
    ANSWERED("--disable_checkpointing", FLAG,
             "checkpoints are always written: give -o a folder that you remove afterwards"),
    ANSWERED("--use_compressed", FLAG, "preprocessed cases are not compressed: leave it out"),
    ANSWERED("-s", VALUE, "the folds are made before: plan_and_preprocess --splits FILE"),
    ANSWERED("--splits", VALUE, "the folds are made before: plan_and_preprocess --splits FILE"),
    {0},
};

/* "0" of "fold_0", "all" of "al"; NULL: none is near. */
static const char *fold_meant(const char *text)
{
    if (*text && !text[strspn(text, "0123456789")]) return text;
    return name_is_near(text, "all") ? "all" : NULL;
}

/* "0", "all" or several, "0,1,2" or "0-4". */
static void parse_folds(TrainOptions *o, const char *text, struct argp_state *state)
{
    static const char prefix[] = "fold_";
    const char *number = text + (strncmp(text, prefix, strlen(prefix)) ? 0 : strlen(prefix));
    Err e = {0};
    if (o->folds.count) argp_error(state, "%s: the fold is given twice", text);
    if (strcmp(text, "all") && (!*text || text[strspn(text, "0123456789,-")]))
        argp_error(
            state,
            "FOLD %s: expected a fold (0, 1 …, or all) or several (0,1,2) after the folder: PREPROCESSED FOLDS%s%s",
            text, fold_meant(number) ? "; did you mean " : "", fold_meant(number) ? fold_meant(number) : "");
    if (fold_list_parse(&o->folds, text, &e)) option_refuse(state, "FOLD", &e);
}

/* nnU-Net's configuration, between dataset and fold: the one that is here is accepted. */
static bool is_configuration(const char *text, struct argp_state *state)
{
    if (!strncmp(text, "3d_", 3))
        argp_error(state, "%s: networks are 2D here, of the configuration 2d; type PREPROCESSED FOLDS", text);
    return !strcmp(text, "2d");
}

/* PREPROCESSED FOLDS; -f may give FOLDS. */
static void take_argument(TrainOptions *o, const char *text, struct argp_state *state)
{
    if (!o->training.preprocessed) o->training.preprocessed = text;
    else if (!o->has_configuration && is_configuration(text, state)) o->has_configuration = true;
    else if (!o->folds.count) parse_folds(o, text, state);
    else argp_error(state, "%s: only PREPROCESSED and FOLDS are expected", text);
}

static void note_of_training(TrainOptions *o, const char *name)
{
    text_add(&o->of_training, "%s--%s", o->of_training.length ? ", " : "", name);
}

static void note_option(TrainOptions *o, int key)
{
    static const int of_training[] = {
        KEY_EPOCHS, KEY_MINUTES, KEY_CPU_MINUTES, KEY_RECIPE,     KEY_ITERATIONS, KEY_VALIDATION_ITERATIONS,
        KEY_BATCH,  KEY_PATCH,   KEY_RATE,        KEY_PRETRAINED, KEY_OVERRIDE,   KEY_GPUS};
    for (size_t i = 0; i < sizeof of_training / sizeof *of_training; i++) {
        const struct argp_option *option = train_option_list;
        if (key != of_training[i]) continue;
        while (option->key != key) option++;
        note_of_training(o, option->name);
    }
}

/* Reports options that contradict each other as wrong usage. */
static void check_options(TrainOptions *o, struct argp_state *state)
{
    training_check_options(&o->training.overrides, &o->common, state);
    if (o->validate_only && o->skip_validation)
        argp_error(state, "give either --val-only or --no-validation, not both");
    if (o->validate_only && o->common.overwrite)
        argp_error(state,
                   "--overwrite has no effect with --val-only: predictions of other weights are always replaced");
    if (o->save_probabilities && o->skip_validation)
        argp_error(state, "--save-probabilities has no effect with --no-validation: the validation writes them");
    if (o->common.seed != UINT64_MAX) note_of_training(o, "seed");
}

error_t train_parse_option(int key, char *text, struct argp_state *state)
{
    TrainOptions *o = state->input;
    TrainingOverrides *change = &o->training.overrides;
    note_option(o, key);
    switch (key) {
    case KEY_RECIPE: change->has_recipe = recipe_named(&change->recipe, text); return 0;
    case KEY_VALIDATION_ITERATIONS:
        change->validation_iterations = (int)option_integer(state, "--validation-iterations", text, 1, 1000000);
        return 0;
    case KEY_PRETRAINED: option_once(state, "--pretrained", text, &change->pretrained); return 0;
    case KEY_GPUS: o->gpus = (int)option_integer(state, "--num-gpus", text, 1, 20); return 0;
    case KEY_OVERRIDE: option_once(state, "--override", text, &change->file); return 0;
    case KEY_VALIDATE_ONLY: o->validate_only = true; return 0;
    case KEY_PROBABILITIES: o->save_probabilities = true; return 0;
    case KEY_SKIP_VALIDATION: o->skip_validation = true; return 0;
    case 'f': parse_folds(o, text, state); return 0;
    case KEY_SHOW: o->show = text; return 0;
    case ARGP_KEY_ARG: take_argument(o, text, state); return 0;
    case ARGP_KEY_END:
        if (!o->training.preprocessed || !o->folds.count) argp_error(state, "PREPROCESSED or FOLDS is missing");
        check_options(o, state);
        return 0;
    default: return training_parse_option(change, key, text, state);
    }
}
