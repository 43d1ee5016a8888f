/* pretrain: trains the encoder of the Swin-UMamba networks on images without labels, or on classes of images. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/program.h"
#include "base/sandbox.h"
#include "inference/folds.h"
#include "network/executor/executor.h"
#include "network/executor/precision.h"
#include "network/models/vss_encoder.h"
#include "plans/plan.h"
#include "plans/plan_help.h"
#include "plans/splits.h"
#include "pretrain/encoder_file.h"
#include "pretrain/image_folder.h"
#include "trainer/run_folder.h"
#include "trainer/training_options.h"
#include "trainer/training_show.h"
#include "weights/weights_io.h"

typedef struct Options {
    CommonOptions common;
    TrainingOptions training;
    const char *images, *override;
    bool has_classes, has_fold;
    char *work; /* folder of the training: the output without its ending, and _pretraining */
    char *preprocessed;
    Text keys;          /* the plan keys of a pretraining */
    FolderLock running; /* of work, as long as the program runs */
} Options;

enum { KEY_FOLD = 0x100, KEY_OVERRIDE, KEY_CLASSES };

static const struct argp_option option_list[] = {
    {"classes", KEY_CLASSES, NULL, 0,
     "Learn classes: IMAGES has a folder for each\v, or train/CLASS and val/CLASS, as VMamba's authors do", 0},
    {"minutes", KEY_MINUTES, "N", 0, "Train for about this time", 0},
    {"cpu-minutes", KEY_CPU_MINUTES, "N", 0, "Train for about this CPU time\v of all threads together", OPTION_RARE},
    {"epochs", KEY_EPOCHS, "N", 0, "Epochs to train (default: {training.epochs})\vThe default is the plan's value", 0},
    {"iterations-per-epoch", KEY_ITERATIONS, "N", 0,
     "Training batches (default: {training.iterations_per_epoch})\vThe default is the plan's value", 0},
    {"batch-size", KEY_BATCH, "N", 0, "Patches in a batch (default: by a patch's size)", 0},
    {"patch-size", KEY_PATCH, "HxW", 0, "Size of a patch (default: the median image's)\vAt most 224", 0},
    {"learning-rate", KEY_RATE, "RATE", 0, "Learning rate at the start (default: 1e-3)", 0},
    {"fold", KEY_FOLD, "FOLD", 0,
     "Only images of this fold's training cases\v, of a folder of plan_and_preprocess (default: all)", 0},
    {"override", KEY_OVERRIDE, "PLAN.yaml", 0,
     "Plan keys that replace the planned ones\v, such as network: {width: 0.5}", 0},
    {0},
};

static void parse_fold(Options *o, const char *text, struct argp_state *state)
{
    o->has_fold = true;
    o->training.fold =
        strcmp(text, "all") ? (int)option_integer(state, "--fold", text, 0, SPLITS_FOLD_MOST) : SPLITS_FOLD_ALL;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    Options *o = state->input;
    switch (key) {
    case KEY_CLASSES: o->has_classes = true; return 0;
    case KEY_FOLD: parse_fold(o, text, state); return 0;
    case KEY_OVERRIDE: option_once(state, "--override", text, &o->override); return 0;
    case ARGP_KEY_ARG:
        if (o->images) argp_error(state, "only one folder is possible: %s and %s were given", o->images, text);
        o->images = text;
        return 0;
    case ARGP_KEY_END:
        if (!o->images) argp_error(state, "IMAGES, a folder of images or one of plan_and_preprocess, is missing");
        training_check_options(&o->training.overrides, &o->common, state);
        return 0;
    default: return training_parse_option(&o->training.overrides, key, text, state);
    }
}

static const char *network_of(const Options *o) { return o->has_classes ? "vmamba_classifier" : "vmamba_masked"; }

/* ---- the images ---- */

static bool is_preprocessed(const char *folder)
{
    bool there = false;
    char *path = path_format(NULL, "%s/plans.yaml", folder);
    const bool found = path && !file_is_there(path, &there, NULL) && there;
    mem_free(path);
    return found;
}

/* Fails where the training would be refused, so that the images of an earlier run are kept. */
static int find_run(const Options *o, bool *goes_on, Err *e)
{
    RunFolder f;
    const RunWaiting waiting = {.interrupted = o->training.interrupted};
    const int code = run_folder_open(&f, o->work, o->training.fold, o->training.mode, &waiting, e);
    *goes_on = !code && o->common.resume && f.holds_run && is_preprocessed(o->preprocessed);
    run_folder_close(&f);
    return code;
}

static int prepare(const Options *o, const ImageList *list, Err *e)
{
    Progress bar;
    progress_begin(&bar, "pretrain: images", list->count, o->common.quiet);
    const int code = image_folder_prepare(list, network_of(o), o->preprocessed, program_threads(&o->common), &bar, e);
    progress_end(&bar);
    return code;
}

/* From here on no other run makes the images, or trains on them. */
static int lock_work(Options *o, Err *e)
{
    TRY(file_make_folders(o->work, e));
    return folder_lock_watch(&o->running, o->work, e);
}

/* A run that continues has its images already. */
static int read_images(Options *o, Err *e)
{
    ImageList list;
    bool goes_on;
    TRY(image_list_read(&list, o->images, o->has_classes, e));
    int code = lock_work(o, e);
    if (!code) code = find_run(o, &goes_on, e);
    if (!code) code = goes_on ? image_folder_expect(&list, o->images, o->preprocessed, e) : prepare(o, &list, e);
    image_list_free(&list);
    return code;
}

static int use_preprocessed(Options *o, Err *e)
{
    if (o->has_classes)
        return err_set(e, ERR_VALUE, "--classes: %s is a folder of plan_and_preprocess, whose cases have no class",
                       o->images);
    if (!o->has_fold) o->training.fold = SPLITS_FOLD_ALL;
    o->preprocessed = mem_strdup(o->images, e);
    return o->preprocessed ? 0 : ERR_NOMEM;
}

/* Refuses what is no folder of images: images of a raw dataset have labels beside them, which are images, too. */
static int check_images(const Options *o, Err *e)
{
    bool is_dataset;
    char *path = path_format(e, "%s/dataset.json", o->images);
    const int code = path ? file_is_there(path, &is_dataset, e) : ERR_NOMEM;
    mem_free(path);
    if (code) return code;
    if (is_dataset)
        return err_set(e, ERR_VALUE,
                       "%s is a dataset with labels: give %s/imagesTr, or a folder of plan_and_preprocess", o->images,
                       o->images);
    if (o->has_fold)
        return err_set(e, ERR_VALUE, "--fold: %s is a folder of images, which has no folds: omit the option",
                       o->images);
    return 0;
}

/* Sets o->preprocessed: the given folder, or one that is made of its images. */
static int find_images(Options *o, Err *e)
{
    if (is_preprocessed(o->images)) return use_preprocessed(o, e);
    TRY(check_images(o, e));
    o->preprocessed = path_format(e, "%s/images", o->work);
    return o->preprocessed ? read_images(o, e) : ERR_NOMEM;
}

/* ---- the plan's keys ---- */

/* Of the patch that is trained on: the largest square, a multiple of a token, of which 6 fit along it; 32 at most. */
static int mask_size(const Plan *plan, const TrainingOverrides *change)
{
    int least = 192;
    for (int i = 0; i < 2; i++) {
        const int size = change->patch_size[i] ? change->patch_size[i] : plan->configuration.patch_size[i];
        if (size < least) least = size;
    }
    return least / 24 ? least / 24 * 4 : 4;
}

/* The encoder's size is that of the plan's network, if it has such an encoder. */
static void add_encoder(Text *keys, const Plan *plan)
{
    const NetworkKind *kind = plan_network_kind(plan);
    if (!kind->encoder.prefix) return;
    const VssConfig *c = (const void *)&plan->network.config;
    text_add(keys, ", width: ");
    text_add_double(keys, c->width);
    text_add(keys, ", d_state: %d", c->d_state);
    for (int list = 0; list < 2; list++) {
        text_add(keys, list ? ", depths: [" : ", dims: [");
        for (int i = 0; i < VSS_STAGES; i++) text_add(keys, "%s%d", i ? ", " : "", list ? c->depths[i] : c->dims[i]);
        text_add(keys, "]");
    }
}

static int read_plan(const Options *o, Plan *plan, Err *e)
{
    char *path = path_format(e, "%s/plans.yaml", o->preprocessed);
    int code = path ? plan_read(plan, path, NULL, e) : ERR_NOMEM;
    if (!code && plan_check(plan, e)) code = err_context(e, "%s", path);
    mem_free(path);
    return code;
}

/* Refuses another network, and squares that would mask all of a patch. plan: without the keys. */
static int check_override(const Options *o, Plan *plan, Err *e)
{
    NetworkConfig config;
    const TrainingOverrides *change = &o->training.overrides;
    if (!o->override) return 0;
    TRY(plan_override_text(plan, "the program's plan keys", o->keys.data, o->keys.length, e));
    TRY(plan_override(plan, o->override, NULL, e));
    if (strcmp(plan->network.name, network_of(o)))
        return err_set(e, ERR_VALUE, "%s: network.name is %s, but this trains %s: remove the key", o->override,
                       plan->network.name, network_of(o));
    if (o->has_classes) return 0;
    plan_network_config(plan, &config);
    const int size = plan_network_kind(plan)->mask(&config).size;
    for (int i = 0; i < 2; i++) {
        const int patch = change->patch_size[i] ? change->patch_size[i] : plan->configuration.patch_size[i];
        if (2 * size > patch)
            return err_set(e, ERR_VALUE, "%s: network.mask_size is %d: expected at most half of the patch, %d",
                           o->override, size, patch / 2);
    }
    return 0;
}

/* What makes a training of the preprocessed folder a pretraining, besides the network's name. */
static void add_keys(Options *o, const Plan *plan)
{
    enum { VALIDATED = 10 }; /* batches after each epoch, but none where the plan has none */
    add_encoder(&o->keys, plan);
    if (!o->has_classes) text_add(&o->keys, ", mask_size: %d", mask_size(plan, &o->training.overrides));
    text_add(
        &o->keys,
        "}\ntraining: {optimizer: adamw, learning_rate: 0.001, weight_decay: 0.05, schedule: cosine, schedule_step: iteration, "
        "validation_iterations: %d, deep_supervision: auto, pretrained: null, freeze_encoder_epochs: 0",
        plan->training.validation_iterations < VALIDATED ? plan->training.validation_iterations : VALIDATED);
}

/* A run that goes on has a plan: of the keys only the network's name is compared with it. */
static int make_keys(Options *o, Err *e)
{
    Plan plan;
    const bool has_plan = o->common.resume && is_preprocessed(o->work);
    TRY(read_plan(o, &plan, e));
    text_add(&o->keys, "network: {name: %s", network_of(o));
    if (!has_plan) add_keys(o, &plan);
    text_add(&o->keys, "}\n");
    o->training.overrides.keys = o->keys.data;
    TRY(text_check(&o->keys, e));
    return has_plan ? 0 : check_override(o, &plan, e);
}

/* ---- the run ---- */

static void tell(void *context, TrainingTell kind, const char *text)
{
    const Options *o = context;
    if (kind == TRAINING_WARNING) program_warn("%s", text);
    else if (!o->common.quiet) program_say("%s", text);
}

static int train(Options *o, Err *e)
{
    Training *t;
    TRY(training_open(&t, &o->training, e));
    const Plan *plan = training_plan(t);
    if (!o->common.quiet)
        program_say("%s, %s, patch %dx%d, batch %d, %d epochs of %d iterations, memory of the network %.0f MiB",
                    plan->network.name, precision_name(training_precision(t)), plan->configuration.patch_size[0],
                    plan->configuration.patch_size[1], plan->configuration.batch_size, plan->training.epochs,
                    plan->training.iterations_per_epoch, (double)training_memory_bytes(t) / (1 << 20));
    const int code =
        training_show(t, "pretrain: iterations", &(TrainingShow){.results = o->work, .quiet = o->common.quiet}, e);
    training_close(t);
    return code;
}

static int write_encoder(const Options *o, Err *e)
{
    char fold[FOLD_NAME_BYTES];
    char *checkpoint =
        path_format(e, "%s/fold_%s/checkpoint_final.safetensors", o->work, fold_name(fold, o->training.fold));
    const int code = checkpoint ? encoder_write(o->common.output, checkpoint, e) : ERR_NOMEM;
    if (!code && !o->common.quiet)
        program_say("%s: the encoder, for train --pretrained; the training is in %s", o->common.output, o->work);
    mem_free(checkpoint);
    return code;
}

/* "a/encoder.safetensors" → "a/encoder_pretraining" */
static int name_work(Options *o, Err *e)
{
    const char *output = o->common.output, *ending = strrchr(path_base(output), '.');
    TRY(weights_check_ending(output, e));
    o->work = path_format(e, "%.*s_pretraining", (int)(ending - output), output);
    o->training.results = o->work;
    return o->work ? 0 : ERR_NOMEM;
}

/* An encoder that is there is replaced only by --overwrite, or by the run that goes on. */
static int expect_free(const Options *o, Err *e)
{
    bool there, is_folder;
    TRY(file_is_folder(o->common.output, &is_folder, e));
    if (is_folder) return err_set(e, ERR_VALUE, "%s is a folder: give the name of a file with -o", o->common.output);
    TRY(file_is_there(o->common.output, &there, e));
    if (!there || o->common.overwrite || o->common.resume) return 0;
    return err_set(
        e, ERR_VALUE,
        "%s exists already: give --overwrite to replace it, --continue to go on with its training, or another file",
        o->common.output);
}

static int run(Options *o, Err *e)
{
    const Device *device = device_named(o->common.device, e);
    if (!device) return e->code;
    o->training.device = device;
    o->training.overrides.precision = o->common.precision;
    TRY(name_work(o, e));
    TRY(expect_free(o, e));
    TRY(find_images(o, e));
    TRY(make_keys(o, e));
    o->training.preprocessed = o->preprocessed;
    program_interrupted(); /* from here on signals are handled: the training saves its state */
    TRY(train(o, e));
    return write_encoder(o, e);
}

static const Program program = {
    .summary = "train an encoder on images without labels",
    .arguments = "IMAGES",
    .about =
        "Trains the VMamba encoder of the Swin-UMamba networks on IMAGES: a folder of images or volumes without labels, which it "
        "learns to complete where they are masked, or a folder of plan_and_preprocess. Writes the encoder to the file given by -o "
        "(.safetensors, or .pth as VMamba's), for train --pretrained.",
    .examples = "images -o encoder.safetensors --minutes 60\tAn hour on a folder of images\n"
                "preprocessed -o encoder.safetensors --fold 0\tOn the images that fold 0 trains with",
    .see = "train plan_and_preprocess",
    .options = option_list,
    .parse = parse_option,
    .expand = plan_help};

int main(int argc, char **argv)
{
    Options o = {.common.takes = OPT_OUTPUT | OPT_THREADS | OPT_QUIET | OPT_SEED | OPT_OVERWRITE | OPT_CONTINUE |
                                 OPT_DEVICE | OPT_PLAN_PRECISION | OPT_JSON_LOG,
                 .common.seed = UINT64_MAX,
                 .training.fold = 0,
                 .running.fd = -1};
    program_begin("pretrain", true);
    program_interrupt_hint("checkpoints are kept: --continue continues from the last one");
    char engine[EXECUTOR_BUILD_BYTES];
    o.common.engine = executor_build(engine);
    program_parse(&program, &o, &o.common, argc, argv);
    o.training.mode = o.common.resume ? RUN_CONTINUE : o.common.overwrite ? RUN_OVERWRITE : RUN_NEW;
    o.training.threads = program_threads(&o.common);
    o.training.tell = tell;
    o.training.context = &o;
    o.training.interrupted = program_interrupted;
    o.training.overrides.seed = o.common.seed == UINT64_MAX ? -1 : (int64_t)o.common.seed;
    o.training.overrides.file = o.override;
    Err e = {0};
    int code = sandbox_enter(&(Sandbox){.file = o.common.output, .locked = o.images}, &o.common, NULL, &e);
    if (!code) code = run(&o, &e);
    folder_unlock(&o.running);
    text_free(&o.keys);
    mem_free(o.work);
    mem_free(o.preprocessed);
    return program_end(code, &e, o.common.quiet);
}
