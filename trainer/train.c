/* train: trains folds of a preprocessed dataset. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <omp.h>

#include "base/file.h"
#include "base/json_log.h"
#include "base/progress.h"
#include "base/sandbox.h"
#include "base/world.h"
#include "network/device/ranks.h"
#include "network/executor/executor.h"
#include "network/executor/precision.h"
#include "plans/plan_help.h"
#include "plans/plan_keys.h"
#include "plans/splits.h"
#include "trainer/train_options.h"
#include "trainer/training_show.h"
#include "trainer/validation.h"

enum { SHOWN_PATCHES = 48 };

/* Several processes that finish no iteration for so long are ended: NCCL would wait for ever. The environment variable sets
 * other seconds, for slow disks. */
enum { PATIENCE_SECONDS = 10 * 60 };
#define PATIENCE_VARIABLE "SWIN_UMAMBA_PATIENCE"

static const char interrupt_hint[] = "checkpoints are kept: --continue continues from the last one";

/* ---- display of the run ---- */

/* Prints the choice of cases and the warnings about them, line by line. */
static void announce_cases(const FoldCases *cases, bool quiet)
{
    if (!quiet) program_say("%s", cases->told.data);
    program_warn_lines(cases->warnings.data);
}

static const char *ending_of(int count) { return count == 1 ? "" : "s"; }

static void announce(const TrainOptions *o, const Training *t)
{
    const Plan *plan = training_plan(t);
    Text network = {0};
    char shared[32] = "";
    plan_describe_network(&network, plan, NULL);
    if (o->gpus > 1) snprintf(shared, sizeof shared, " on %d GPUs", o->gpus);
    else if (o->process) snprintf(shared, sizeof shared, " in %d processes", o->process->count);
    program_say("%s, %s, patch %dx%d, batch %d%s, %d epoch%s of %d iteration%s, memory of the network %.0f MiB%s",
                network.data ? network.data : plan->network.name, precision_name(training_precision(t)),
                plan->configuration.patch_size[0], plan->configuration.patch_size[1], plan->configuration.batch_size,
                shared, plan->training.epochs, ending_of(plan->training.epochs), plan->training.iterations_per_epoch,
                ending_of(plan->training.iterations_per_epoch), (double)training_memory_bytes(t) / (1 << 20),
                training_epochs_done(t) ? "; continued" : "");
    text_free(&network);
}

static int train(const TrainOptions *o, Training *t, Err *e)
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

static int validate(const TrainOptions *o, const char *precision, Err *e)
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
                                          .interrupted = world_interrupted,
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
    const TrainOptions *o = context;
    if (kind == TRAINING_WARNING) program_warn("%s", text);
    else if (!o->common.quiet) program_say("%s", text);
}

static void end_ranks(const TrainOptions *o, int code, const Err *e)
{
    Ranks *const ranks = o->training.ranks;
    if (code) process_failed(o->process, e); /* the others may fail when this one has left them */
    ranks->free(ranks, code && code != ERR_INTERRUPTED);
}

/* has_cases: that are to be predicted; trained_in: the precision of the training. */
static int run_training(const TrainOptions *o, bool *has_cases, DType *trained_in, Err *e)
{
    Training *t = NULL;
    world_interrupted(); /* from here on signals are handled: the training saves its state */
    int code = training_open(&t, &o->training, e);
    if (!code) {
        code = train(o, t, e);
        *trained_in = training_precision(t);
        *has_cases = training_has_validation(t);
    }
    if (o->process) end_ranks(o, code, e); /* first: after a failure sums may still write to the training's memory */
    training_close(t);
    return code;
}

/* ---- one fold ---- */

static int run(const TrainOptions *o, Err *e)
{
    const char *precision = o->common.precision;
    if (o->show) return training_show_patches(&o->training, SHOWN_PATCHES, o->show, e);
    if (!o->validate_only) {
        bool has_cases = false;
        DType trained_in = DTYPE_F32;
        const int code = run_training(o, &has_cases, &trained_in, e);
        if (code || !has_cases || (o->process && o->process->rank)) return code;
        precision = precision_name(trained_in);
    } else if (o->of_training.length) {
        program_warn("--val-only does not train, so these options have no effect: %s", o->of_training.data);
    }
    return o->skip_validation ? 0 : validate(o, precision, e);
}

static int run_on(TrainOptions *o, const Device *device, Err *e)
{
    if (!device) return e->code;
    o->training.device = device;
    o->training.overrides.precision = o->common.precision;
    return run(o, e);
}

/* ---- several processes ---- */

static int connect(Ranks **ranks, const Device *device, const Process *p, Err *e)
{
    char id[RANKS_ID_BYTES];
    if (device == device_cpu()) return ranks_mpi(ranks, p, e);
    if (!ranks_cuda)
        return err_set(e, ERR_UNSUPPORTED,
                       "%d processes with GPUs: this build has no NCCL (make CUDA=1 uses it where the toolkit has it)",
                       p->count);
    if (p->rank == 0) TRY(ranks_cuda_id(id, e));
    TRY(process_share(p, id, sizeof id, e));
    return ranks_cuda(ranks, device, p->rank, p->count, id, e);
}

/* The run in one of several processes. On GPUs each has the next one. Rank 0 alone tells of the run. */
static int run_rank(void *context, const Process *p, Err *e)
{
    TrainOptions o = *(const TrainOptions *)context;
    const Device *device = device_of_rank(o.common.device, p->rank_here, e);
    if (!device) return e->code;
    o.training.context = &o;
    o.process = p;
    if (p->rank) {
        o.common.quiet = true;
        json_log_close();
        o.training.tell = NULL;
    }
    TRY(connect(&o.training.ranks, device, p, e));
    return run_on(&o, device, e);
}

/* One of the processes that --num-gpus has started: the threads are divided among them. */
static int run_forked(void *context, const Process *p, Err *e)
{
    TrainOptions o = *(const TrainOptions *)context;
    o.training.threads = o.training.threads > p->count ? o.training.threads / p->count : 1;
    omp_set_num_threads(o.training.threads);
    return run_rank(&o, p, e);
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

/* The options of all programs are known when all are parsed. */
static int check_gpus(const TrainOptions *o, const Process *world, Err *e)
{
    if (o->gpus < 2) return 0;
    if (world)
        return err_set(e, ERR_VALUE, "--num-gpus %d: each of the %d processes has one GPU; omit it", o->gpus,
                       world->count);
    if (!strcmp(o->common.device, "cpu"))
        return err_set(e, ERR_VALUE, "--num-gpus %d needs --device cuda; the CPU's cores train one network by -j",
                       o->gpus);
    if (!ranks_cuda && device_cuda)
        return err_set(e, ERR_UNSUPPORTED,
                       "--num-gpus %d: this build has no NCCL (make CUDA=1 uses it where the toolkit has it)", o->gpus);
    return 0;
}

/* With several GPUs, the processes begin before anything of CUDA is used. */
static int run_on_gpus(TrainOptions *o, int rank_here, Err *e)
{
    Patience patience = {.hint = interrupt_hint};
    if (o->gpus < 2 || o->show || o->validate_only || !device_cuda)
        return run_on(o, device_of_rank(o->common.device, rank_here, e), e);
    program_interrupted(); /* from here on signals are handled */
    TRY(read_patience(&patience.seconds, e));
    return processes_run(o->gpus, run_forked, o, &patience, e);
}

/* In a group of processes. The first one has validated the fold: the others stop if it was interrupted then. */
static int run_in_group(TrainOptions *o, const Process *group, Err *e)
{
    const bool trains = !o->show && !o->validate_only;
    int code = 0, first;
    if (trains) code = run_rank(o, group, e);
    else if (!group->rank) code = run_on(o, device_of_rank(o->common.device, group->rank_here, e), e);
    if (code && code != ERR_INTERRUPTED) return code;
    first = code;
    TRY(process_share(group, &first, sizeof first, e));
    return code || !first ? code : err_set(e, ERR_INTERRUPTED, "interrupted");
}

/* ---- folds ---- */

/* The folds of part `first` of `parts`, one after another. */
static int run_folds(TrainOptions *o, const Process *group, int first, int parts, Err *e)
{
    char name[FOLD_NAME_BYTES];
    for (int i = first; i < o->folds.count; i += parts) {
        o->training.fold = o->folds.numbers[i];
        const int code =
            group && group->count > 1 ? run_in_group(o, group, e) : run_on_gpus(o, group ? group->rank_here : 0, e);
        if (code && o->folds.count > 1) err_context(e, "fold %s", fold_name(name, o->training.fold));
        if (code) return code;
    }
    return 0;
}

/* The processes are divided among the folds. If each fold has one process, none waits for another. */
static int run_in_world(TrainOptions *o, const Process *world, Err *e)
{
    const Process *group;
    const int parts = world->count < o->folds.count ? world->count : o->folds.count;
    const int part = (int)((int64_t)world->rank * parts / world->count);
    if (o->show) return world->rank ? 0 : run_folds(o, NULL, 0, o->folds.count, e);
    if (world->count == parts) world_release(world);
    if (parts > 1 && !o->common.quiet)
        program_say("%d folds in %d processes: this is fold %d; of the others RESULTS/fold_N/training_log.txt tells",
                    o->folds.count, world->count, o->folds.numbers[0]);
    TRY(world_group(&group, world, part, e));
    return run_folds(o, group, part, parts, e);
}

static int run_all(TrainOptions *o, const Process *world, Err *e)
{
    TRY(check_gpus(o, world, e));
    return world ? run_in_world(o, world, e) : run_folds(o, NULL, 0, 1, e);
}

static const Program program = {
    .summary = "train one or several folds of a preprocessed dataset",
    .arguments = "PREPROCESSED FOLDS",
    .about =
        "Trains FOLDS of a folder of plan_and_preprocess: one (0 to 4, if it has five; a higher number splits the "
        "cases at random, as in nnU-Net), several (0,1,2 or 0-4), or all: one "
        "network from all cases. At the end of each fold its validation cases are predicted. Writes plans.yaml, dataset.json "
        "and fold_N/ to the folder given by -o. Several folds are trained one after another; under mpirun several processes "
        "share them, or train one fold together (docs/clusters.md).",
    .examples = "preprocessed 0 -o results --minutes 60\tAn hour on this machine, all values chosen for it\n"
                "preprocessed 0 -o results --continue\tGo on after Ctrl-C\n"
                "preprocessed all -o results --pretrained vmamba_tiny.pth\tAll cases, from PyTorch's weights\n"
                "preprocessed 0 -o results --val-only --save-probabilities\tOnly the validation, for ensembles",
    .more =
        "Ctrl-C and SIGTERM save the state of the run; --continue goes on from there, bit for bit. After kill -9 it goes on "
        "from the last checkpoint.",
    .see = "plan_and_preprocess predict evaluate find_best_configuration pretrain",
    .shares = true,
    .options = train_option_list,
    .parse = train_parse_option,
    .habits = train_habits,
    .expand = plan_help};

int main(int argc, char **argv)
{
    TrainOptions o = {.common.takes = OPT_OUTPUT | OPT_THREADS | OPT_QUIET | OPT_SEED | OPT_OVERWRITE | OPT_CONTINUE |
                                      OPT_DEVICE | OPT_PLAN_PRECISION | OPT_JSON_LOG,
                      .common.seed = UINT64_MAX};
    program_begin("train", true);
    program_interrupt_hint(interrupt_hint);
    char engine[EXECUTOR_BUILD_BYTES];
    o.common.engine = executor_build(engine);
    program_parse(&program, &o, &o.common, argc, argv);
    const Process *world;
    Err e = {0};
    int code = world_begin(&world, &o.common, argc, argv, &e);
    o.training.results = o.common.output;
    o.training.mode = o.common.resume ? RUN_CONTINUE : o.common.overwrite ? RUN_OVERWRITE : RUN_NEW;
    o.training.threads = program_threads(&o.common);
    o.training.tell = tell;
    o.training.context = &o;
    o.training.interrupted = world_interrupted;
    o.training.processes_here = world ? world->count_here : 1;
    o.training.overrides.seed = o.common.seed == UINT64_MAX ? -1 : (int64_t)o.common.seed;
    const Sandbox sandbox = {.folders = {o.common.output, o.show}, .locked = o.training.preprocessed};
    if (!code) code = sandbox_enter(&sandbox, &o.common, world, &e);
    if (!code) code = run_all(&o, world, &e);
    text_free(&o.of_training);
    fold_list_free(&o.folds);
    return world_end(world, code, &e, o.common.quiet);
}
