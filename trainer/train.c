/* train: trains one fold of a preprocessed dataset. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <omp.h>

#include "base/file.h"
#include "base/json_log.h"
#include "base/nearest.h"
#include "base/processes.h"
#include "base/program.h"
#include "base/progress.h"
#include "base/text.h"
#include "network/device/ranks.h"
#include "network/executor/executor.h"
#include "network/executor/precision.h"
#include "plans/plan_help.h"
#include "plans/plan_keys.h"
#include "plans/splits.h"
#include "recipe/recipe.h"
#include "trainer/training.h"
#include "trainer/training_show.h"
#include "trainer/validation.h"

enum { SHOWN_PATCHES = 48 };

/* Several processes that finish no iteration for so long are ended: NCCL would wait for ever. The environment variable sets
 * other seconds, for slow disks. */
enum { PATIENCE_SECONDS = 10 * 60 };
#define PATIENCE_VARIABLE "SWIN_UMAMBA_PATIENCE"

static const char interrupt_hint[] = "checkpoints are kept: --continue continues from the last one";

typedef struct Options {
    CommonOptions common;
    TrainingOptions training;
    const char *show;       /* --show-augmentation: folder for pictures of patches */
    int gpus;               /* --num-gpus: processes, one for each */
    const Process *process; /* this one of them; NULL: there is one */
    bool validate_only, skip_validation, save_probabilities;
    bool has_fold, has_configuration; /* were given */
    Text of_training;                 /* the given options that only affect training: "--epochs, --seed" */
} Options;

enum {
    KEY_EPOCHS = 0x100,
    KEY_ITERATIONS,
    KEY_MINUTES,
    KEY_CPU_MINUTES,
    KEY_RECIPE,
    KEY_VALIDATION_ITERATIONS,
    KEY_BATCH,
    KEY_PATCH,
    KEY_RATE,
    KEY_PRETRAINED,
    KEY_OVERRIDE,
    KEY_GPUS,
    KEY_VALIDATE_ONLY,
    KEY_SKIP_VALIDATION,
    KEY_PROBABILITIES,
    KEY_SHOW
};

static const struct argp_option option_list[] = {
    {"fold", 'f', "FOLD", OPTION_HIDDEN, NULL, 0}, /* the argument, as nnU-Net's users may give it */
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
static const Habit habits[] = {
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

static void parse_fold(Options *o, const char *text, struct argp_state *state)
{
    static const char prefix[] = "fold_";
    const char *number = text + (strncmp(text, prefix, strlen(prefix)) ? 0 : strlen(prefix));
    if (o->has_fold) argp_error(state, "%s: the fold is given twice", text);
    o->has_fold = true;
    o->training.fold = SPLITS_FOLD_ALL;
    if (!strcmp(text, "all")) return;
    if (!*text || text[strspn(text, "0123456789")])
        argp_error(state, "FOLD %s: expected one fold (0, 1 …, or all) after the folder: PREPROCESSED FOLD%s%s", text,
                   fold_meant(number) ? "; did you mean " : "", fold_meant(number) ? fold_meant(number) : "");
    o->training.fold = (int)option_integer(state, "FOLD", text, 0, SPLITS_FOLD_MOST);
}

/* nnU-Net's configuration, between dataset and fold: the one that is here is accepted. */
static bool is_configuration(const char *text, struct argp_state *state)
{
    if (!strncmp(text, "3d_", 3))
        argp_error(state, "%s: networks are 2D here, of the configuration 2d; type PREPROCESSED FOLD", text);
    return !strcmp(text, "2d");
}

/* PREPROCESSED FOLD; -f may give FOLD. */
static void take_argument(Options *o, const char *text, struct argp_state *state)
{
    if (!o->training.preprocessed) o->training.preprocessed = text;
    else if (!o->has_configuration && is_configuration(text, state)) o->has_configuration = true;
    else if (!o->has_fold) parse_fold(o, text, state);
    else argp_error(state, "%s: only PREPROCESSED and FOLD are expected", text);
}

static void parse_patch(Options *o, const char *text, struct argp_state *state)
{
    int64_t size[2];
    option_size(state, "--patch-size", text, size, 2);
    for (int i = 0; i < 2; i++) o->training.overrides.patch_size[i] = (int)size[i];
}

static void take_minutes(TrainingOverrides *change, bool cpu_minutes, const char *text, struct argp_state *state)
{
    if (change->minutes > 0 && change->cpu_minutes != cpu_minutes)
        argp_error(state, "give either --minutes or --cpu-minutes, not both");
    change->minutes = option_number(state, cpu_minutes ? "--cpu-minutes" : "--minutes", text, 0.01, 1e6);
    change->cpu_minutes = cpu_minutes;
}

static void note_of_training(Options *o, const char *name)
{
    text_add(&o->of_training, "%s--%s", o->of_training.length ? ", " : "", name);
}

static void note_option(Options *o, int key)
{
    static const int of_training[] = {
        KEY_EPOCHS, KEY_MINUTES, KEY_CPU_MINUTES, KEY_RECIPE,     KEY_ITERATIONS, KEY_VALIDATION_ITERATIONS,
        KEY_BATCH,  KEY_PATCH,   KEY_RATE,        KEY_PRETRAINED, KEY_OVERRIDE,   KEY_GPUS};
    for (size_t i = 0; i < sizeof of_training / sizeof *of_training; i++) {
        const struct argp_option *option = option_list;
        if (key != of_training[i]) continue;
        while (option->key != key) option++;
        note_of_training(o, option->name);
    }
}

/* Reports options that contradict each other as wrong usage. */
static void check_options(Options *o, struct argp_state *state)
{
    const TrainingOverrides *change = &o->training.overrides;
    if (change->minutes > 0 && change->epochs)
        argp_error(state, "give either --%s or --epochs, not both", change->cpu_minutes ? "cpu-minutes" : "minutes");
    if (o->common.resume && o->common.overwrite)
        argp_error(
            state,
            "give either --continue or --overwrite, not both: the first keeps an earlier run, the second replaces it");
    if (o->validate_only && o->skip_validation)
        argp_error(state, "give either --val-only or --no-validation, not both");
    if (o->validate_only && o->common.overwrite)
        argp_error(state,
                   "--overwrite has no effect with --val-only: predictions of other weights are always replaced");
    if (o->save_probabilities && o->skip_validation)
        argp_error(state, "--save-probabilities has no effect with --no-validation: the validation writes them");
    if (o->common.seed != UINT64_MAX) note_of_training(o, "seed");
}

/* The options of all programs are known when all are parsed. */
static int check_gpus(const Options *o, Err *e)
{
    if (o->gpus < 2) return 0;
    if (!strcmp(o->common.device, "cpu"))
        return err_set(e, ERR_VALUE, "--num-gpus %d needs --device cuda; the CPU's cores train one network by -j",
                       o->gpus);
    if (!ranks_cuda && device_cuda)
        return err_set(e, ERR_UNSUPPORTED,
                       "--num-gpus %d: this build has no NCCL (make CUDA=1 uses it where the toolkit has it)", o->gpus);
    return 0;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    Options *o = state->input;
    TrainingOverrides *change = &o->training.overrides;
    const int most = 1000000;
    note_option(o, key);
    switch (key) {
    case KEY_EPOCHS: change->epochs = (int)option_integer(state, "--epochs", text, 1, most); return 0;
    case KEY_ITERATIONS:
        change->iterations_per_epoch = (int)option_integer(state, "--iterations-per-epoch", text, 1, most);
        return 0;
    case KEY_MINUTES:
    case KEY_CPU_MINUTES: take_minutes(change, key == KEY_CPU_MINUTES, text, state); return 0;
    case KEY_RECIPE: change->has_recipe = recipe_named(&change->recipe, text); return 0;
    case KEY_VALIDATION_ITERATIONS:
        change->validation_iterations = (int)option_integer(state, "--validation-iterations", text, 1, most);
        return 0;
    case KEY_BATCH: change->batch_size = (int)option_integer(state, "--batch-size", text, 1, 65536); return 0;
    case KEY_PATCH: parse_patch(o, text, state); return 0;
    case KEY_RATE: change->learning_rate = option_number(state, "--learning-rate", text, 1e-12, 100); return 0;
    case KEY_PRETRAINED: option_once(state, "--pretrained", text, &change->pretrained); return 0;
    case KEY_GPUS: o->gpus = (int)option_integer(state, "--num-gpus", text, 1, 20); return 0;
    case KEY_OVERRIDE: option_once(state, "--override", text, &change->file); return 0;
    case KEY_VALIDATE_ONLY: o->validate_only = true; return 0;
    case KEY_PROBABILITIES: o->save_probabilities = true; return 0;
    case KEY_SKIP_VALIDATION: o->skip_validation = true; return 0;
    case 'f': parse_fold(o, text, state); return 0;
    case KEY_SHOW: o->show = text; return 0;
    case ARGP_KEY_ARG: take_argument(o, text, state); return 0;
    case ARGP_KEY_END:
        if (!o->training.preprocessed || !o->has_fold) argp_error(state, "PREPROCESSED or FOLD is missing");
        check_options(o, state);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- display of the run ---- */

/* Prints the choice of cases and the warnings about them, line by line. */
static void announce_cases(const FoldCases *cases, bool quiet)
{
    if (!quiet) program_say("%s", cases->told.data);
    program_warn_lines(cases->warnings.data);
}

static void announce(const Options *o, const Training *t)
{
    const Plan *plan = training_plan(t);
    Text network = {0};
    char gpus[32] = "";
    plan_describe_network(&network, plan, NULL);
    if (o->gpus > 1) snprintf(gpus, sizeof gpus, " on %d GPUs", o->gpus);
    program_say("%s, %s, patch %dx%d, batch %d%s, %d epochs of %d iterations, memory of the network %.0f MiB%s",
                network.data ? network.data : plan->network.name, precision_name(training_precision(t)),
                plan->configuration.patch_size[0], plan->configuration.patch_size[1], plan->configuration.batch_size,
                gpus, plan->training.epochs, plan->training.iterations_per_epoch,
                (double)training_memory_bytes(t) / (1 << 20), training_epochs_done(t) ? "; continued" : "");
    text_free(&network);
}

static int train(const Options *o, Training *t, Err *e)
{
    if (!o->common.quiet) announce(o, t);
    const TrainingShow show = {o->training.results, o->common.quiet, o->process};
    return training_show(t, "train: iterations", &show, e);
}

typedef struct ValidationDisplay {
    Progress bar;
    bool quiet, tells_cases, begun;
    const char *begun_case; /* borrowed */
} ValidationDisplay;

/* name: of the case that begins. */
static void show_case(void *context, int done, int total, const char *name)
{
    ValidationDisplay *d = context;
    if (done == 0) d->bar.total = total;
    else progress_step(&d->bar, 1, d->begun_case);
    progress_part(&d->bar, 0, name);
    d->begun_case = name;
}

static void show_validation_cases(void *context, const FoldCases *cases)
{
    ValidationDisplay *display = context;
    announce_cases(cases, !display->tells_cases);
    progress_begin(&display->bar, "validation: cases", 0, display->quiet);
    display->begun = true;
}

static int validate(const Options *o, const char *precision, Err *e)
{
    ValidationDisplay display = {.quiet = o->common.quiet, .tells_cases = o->validate_only && !o->common.quiet};
    ValidationResult result;
    const ValidationOptions validation = {.preprocessed = o->training.preprocessed,
                                          .results = o->training.results,
                                          .fold = o->training.fold,
                                          .precision = precision,
                                          .device = o->training.device,
                                          .save_probabilities = o->save_probabilities,
                                          .begin = show_validation_cases,
                                          .progress = show_case,
                                          .interrupted = program_interrupted,
                                          .context = &display};
    const int code = validation_run(&validation, &result, e);
    if (display.begun) progress_end(&display.bar);
    if (code == ERR_INTERRUPTED)
        err_set(
            e, code,
            "interrupted while predicting the validation cases; the weights are saved: --val-only predicts the others");
    if (!code && !o->common.quiet) {
        if (result.kept)
            program_say("%d of %d validation cases had been predicted with these weights before: kept", result.kept,
                        result.cases);
        const bool all = o->training.fold == SPLITS_FOLD_ALL;
        const char *cases = all ? "training cases, which fold all predicts" : "validation cases";
        if (isnan(result.mean_dice)) program_say("no label of the %s can be scored: there is no mean Dice", cases);
        else program_say("mean foreground Dice of the %s: %.4f", cases, result.mean_dice);
    }
    if (!code && o->validate_only && o->training.fold == SPLITS_FOLD_ALL) program_warn("%s", VALIDATION_OF_ALL);
    return code;
}

/* Prints a warning or note of a training, which writes it to its log too. */
static void tell(void *context, TrainingTell kind, const char *text)
{
    const Options *o = context;
    if (kind == TRAINING_WARNING) program_warn("%s", text);
    else if (!o->common.quiet) program_say("%s", text);
}

/* has_cases: that are to be predicted; trained_in: the precision of the training. */
static int run_training(const Options *o, bool *has_cases, DType *trained_in, Err *e)
{
    Training *t;
    program_interrupted(); /* from here on signals are handled: the training saves its state */
    TRY(training_open(&t, &o->training, e));
    const int code = train(o, t, e);
    *trained_in = training_precision(t);
    *has_cases = training_has_validation(t);
    training_close(t);
    return code;
}

static void end_ranks(const Options *o, int code, const Err *e)
{
    Ranks *const ranks = o->training.ranks;
    if (code) process_failed(o->process, e); /* the others may fail when this one has left them */
    ranks->free(ranks, code && code != ERR_INTERRUPTED);
}

static int run(const Options *o, Err *e)
{
    const char *precision = o->common.precision;
    if (o->show) return training_show_patches(&o->training, SHOWN_PATCHES, o->show, e);
    if (!o->validate_only) {
        bool has_cases = false;
        DType trained_in = DTYPE_F32;
        const int code = run_training(o, &has_cases, &trained_in, e);
        if (o->process) end_ranks(o, code, e);
        if (code || !has_cases || (o->process && o->process->rank)) return code;
        precision = precision_name(trained_in);
    } else if (o->of_training.length) {
        program_warn("--val-only does not train, so these options have no effect: %s", o->of_training.data);
    }
    return o->skip_validation ? 0 : validate(o, precision, e);
}

static int run_on(Options *o, const Device *device, Err *e)
{
    if (!device) return e->code;
    o->training.device = device;
    o->training.overrides.precision = o->common.precision;
    return run(o, e);
}

/* The run in one of several processes, each with the next GPU. The threads are divided among them, and rank 0 alone tells of
 * the run. */
static int run_rank(void *context, const Process *p, Err *e)
{
    Options o = *(const Options *)context;
    char id[RANKS_ID_BYTES];
    const Device *device = device_of_rank(o.common.device, p->rank, e);
    if (!device) return e->code;
    o.training.context = &o;
    o.training.threads = o.training.threads > p->count ? o.training.threads / p->count : 1;
    omp_set_num_threads(o.training.threads);
    o.process = p;
    if (p->rank) {
        o.common.quiet = true;
        json_log_close();
        o.training.tell = NULL;
    }
    if (p->rank == 0) TRY(ranks_cuda_id(id, e));
    TRY(process_share(p, id, sizeof id, e));
    TRY(ranks_cuda(&o.training.ranks, device, p->rank, p->count, id, e));
    return run_on(&o, device, e);
}

static int read_patience(double *seconds, Err *e)
{
    const char *text = getenv(PATIENCE_VARIABLE);
    char *end;
    *seconds = PATIENCE_SECONDS;
    if (!text) return 0;
    *seconds = strtod(text, &end);
    if (end != text && !*end && *seconds > 0) return 0;
    return err_set(e, ERR_VALUE, PATIENCE_VARIABLE "=%s: expected seconds, above 0", text);
}

/* With several GPUs, the processes begin before anything of CUDA is used. */
static int run_all(Options *o, Err *e)
{
    Patience patience = {.hint = interrupt_hint};
    TRY(check_gpus(o, e));
    if (o->gpus < 2 || o->show || o->validate_only || !device_cuda)
        return run_on(o, device_named(o->common.device, e), e);
    program_interrupted(); /* from here on signals are handled */
    TRY(read_patience(&patience.seconds, e));
    return processes_run(o->gpus, run_rank, o, &patience, e);
}

static const Program program = {
    .summary = "train one fold of a preprocessed dataset",
    .arguments = "PREPROCESSED FOLD",
    .about =
        "Trains fold FOLD (0 to 4 of five folds, or all) of a folder of plan_and_preprocess, and predicts its validation "
        "cases at the end. Writes plans.yaml, dataset.json and fold_FOLD/ to the folder given by -o.",
    .examples = "preprocessed 0 -o results --minutes 60\tAn hour on this machine, all values chosen for it\n"
                "preprocessed 0 -o results --continue\tGo on after Ctrl-C\n"
                "preprocessed all -o results --pretrained vmamba_tiny.pth\tAll cases, from PyTorch's weights\n"
                "preprocessed 0 -o results --val-only --save-probabilities\tOnly the validation, for ensembles",
    .more =
        "Ctrl-C and SIGTERM save the state of the run; --continue goes on from there, bit for bit. After kill -9 it goes on "
        "from the last checkpoint.",
    .see = "plan_and_preprocess predict evaluate find_best_configuration pretrain",
    .options = option_list,
    .parse = parse_option,
    .habits = habits,
    .expand = plan_help};

int main(int argc, char **argv)
{
    Options o = {.common.takes = OPT_OUTPUT | OPT_THREADS | OPT_QUIET | OPT_SEED | OPT_OVERWRITE | OPT_CONTINUE |
                                 OPT_DEVICE | OPT_PLAN_PRECISION | OPT_JSON_LOG,
                 .common.seed = UINT64_MAX};
    program_begin("train", true);
    program_interrupt_hint(interrupt_hint);
    char engine[EXECUTOR_BUILD_BYTES];
    o.common.engine = executor_build(engine);
    program_parse(&program, &o, &o.common, argc, argv);
    o.training.results = o.common.output;
    o.training.mode = o.common.resume ? RUN_CONTINUE : o.common.overwrite ? RUN_OVERWRITE : RUN_NEW;
    o.training.threads = program_threads(&o.common);
    o.training.tell = tell;
    o.training.context = &o;
    o.training.interrupted = program_interrupted;
    o.training.overrides.seed = o.common.seed == UINT64_MAX ? -1 : (int64_t)o.common.seed;
    Err e = {0};
    const int code = run_all(&o, &e);
    text_free(&o.of_training);
    return program_end(code, &e, o.common.quiet);
}
