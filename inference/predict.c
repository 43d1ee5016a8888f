/* predict: segments images with the networks of a results folder, or of an inference.yaml. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/program.h"
#include "data/image_io.h"
#include "inference/configuration.h"
#include "inference/model_folder.h"
#include "inference/model_source.h"
#include "inference/output_file.h"
#include "inference/prediction.h"
#include "inference/series_images.h"
#include "inference/watch.h"
#include "network/executor/executor.h"
#include "network/executor/precision.h"
#include "plans/plan_help.h"

typedef struct Options {
    CommonOptions common;
    const char **inputs; /* prediction.input_count paths; room for as many as there are arguments */
    const char *model;   /* a results folder, or inference.yaml */
    const char *postprocessing;
    WatchOptions watch; /* folder NULL: the inputs are predicted once */
    FoldList folds;
    PredictionOptions prediction;
    const char **choices; /* of --series; room as inputs */
    SeriesSource series;
    bool is_series; /* the inputs are DICOM */
} Options;

enum { SETTLE_SECONDS = 5 }; /* --help has it, too */

enum {
    KEY_TTA = 0x100,
    KEY_NO_TTA,
    KEY_STEP,
    KEY_CHECKPOINT,
    KEY_CHECKPOINT_FILE,
    KEY_PROBABILITIES,
    KEY_POSTPROCESSING,
    KEY_MEMORY,
    KEY_OVERLAY,
    KEY_EXPLAIN,
    KEY_WATCH,
    KEY_SETTLE,
    KEY_SERIES,
    KEY_VOLUME
};

static const struct argp_option option_list[] = {
    {"input", 'i', "PATH", 0,
     "Folder of images, or an image; may be repeated\v. In a folder: CASE_0000.nii.gz …, or the files of a DICOM series, of which "
     "several are the channels",
     0},
    {"watch", KEY_WATCH, "FOLDER", 0,
     "In place of -i: predict what comes into FOLDER\v, each image once, until SIGTERM or Ctrl-C; also after a crash. It may be "
     "a network share. A case that fails has its message in OUT/CASE.error.txt",
     0},
    {"settle", KEY_SETTLE, "SECONDS", 0,
     "--watch: finished if unchanged so long (default: 5)\v. A file that cannot be read by then is waited for ten times as long",
     0},
    {"model", 'm', "RESULTS", 0,
     "Results of train or nnU-Net, or inference.yaml\v, which find_best_configuration writes", 0},
    {"folds", 'f', "0,1,2", 0, "Folds to average (default: all numbered ones)\vAlso 0-4,7 or all", 0},
    {"checkpoint", KEY_CHECKPOINT, "final|best|latest", 0, "Checkpoint of each fold (default: final)", 0},
    {"chk", KEY_CHECKPOINT_FILE, "FILE", OPTION_HIDDEN, NULL, 0}, /* nnU-Net's option */
    {"tta", KEY_TTA, NULL, 0,
     "Average over mirrored images (default: the plan's)\vThis is slower. The plan's is inference.mirroring: {inference.mirroring} unless "
     "it was changed, true in nnU-Net's results",
     0},
    {"no-tta", KEY_NO_TTA, NULL, 0, "Do not average over mirrored images", 0},
    {"step", KEY_STEP, "TILES", 0,
     "Step of the window (default: the plan's, {inference.step})\vIt is a fraction of the patch's size", 0},
    {"postprocessing", KEY_POSTPROCESSING, "FILE", 0, "Apply the post-processing of this inference.yaml", 0},
    {"save-probabilities", KEY_PROBABILITIES, NULL, 0,
     "Write the probabilities, too\v: CASE.npy, float32 (Z,Y,X,classes) in the plan's order of axes, with CASE.yaml and "
     "dataset.json",
     0},
    {"overlay", KEY_OVERLAY, "FOLDER", 0, "Draw FOLDER/CASE.png: slices with their labels\v, and the names of these",
     0},
    {"memory", KEY_MEMORY, "SIZE", 0, "Use at most this memory, such as 800M or 4G", 0},
    {"series", KEY_SERIES, "UID", 0,
     "UID or number of a DICOM series, if there are several\v; repeated for the channels", OPTION_RARE},
    {"volume", KEY_VOLUME, "N", 0, "Volume of a DICOM series that has several", OPTION_RARE},
    {"explain", KEY_EXPLAIN, NULL, 0, "First print tiles and memory of each case\v. Without -o do nothing else", 0},
    {0},
};

/* Of nnUNetv2_predict and nnUNetv2_predict_from_modelfolder. */
static const char model_is_folder[] = "the model is named by its folder, the -o of train: -m RESULTS";
static const char threads_of_all[] = "-j N sets the threads of all steps; --memory SIZE bounds the memory";
static const char parts[] = "give each call its own images: -i IMAGE -i IMAGE … with the same -o";
static const Habit habits[] = {
    SAME("-f", FOLDS, "-f"),
    ANSWERED("-d", VALUE, model_is_folder),
    ANSWERED("-p", VALUE, model_is_folder),
    ANSWERED("-tr", VALUE, model_is_folder),
    ONLY("-c", VALUE, "2d", "networks are 2D here: the configuration is 2d"),
    SAME("-step_size", VALUE, "--step"),
    SAME("--disable_tta", FLAG, "--no-tta"),
    SAME("--verbose", FLAG, "--explain"),
    HOLDS("--continue_prediction", FLAG, "predictions that are up to date are always kept"),
    HOLDS("--c", FLAG, "predictions that are up to date are always kept"),
    ANSWERED("-npp", VALUE, threads_of_all),
    ANSWERED("-nps", VALUE, threads_of_all),
    ANSWERED("-prev_stage_predictions", VALUE, "there are no cascades: networks are 2D here"),
    ANSWERED("-num_parts", VALUE, parts),
    ANSWERED("-part_id", VALUE, parts),
    ANSWERED("--disable_progress_bar", FLAG, "a bar is drawn only on a terminal; --quiet leaves it out there, too"),
    ANSWERED("--not_on_device", FLAG,
             "only finished rows are kept, and not on the device: leave it out; --memory SIZE bounds the memory"),
    {0},
};

static void parse_folds(Options *o, const char *text, struct argp_state *state)
{
    Err e = {0};
    if (fold_list_parse(&o->folds, text, &e)) argp_error(state, "--folds %s", e.text);
}

static void add_input(Options *o, const char *path, struct argp_state *state)
{
    if (!*path) argp_error(state, "the path of an image or folder is empty: give -i PATH");
    o->inputs[o->prediction.input_count++] = path;
}

static void set_model(Options *o, const char *path, struct argp_state *state)
{
    if (!*path) argp_error(state, "-m '': the path is empty: give a results folder, or inference.yaml");
    if (o->model)
        argp_error(state,
                   "-m is given twice: %s and %s; to average models list them in one inference.yaml "
                   "(find_best_configuration writes it)",
                   o->model, path);
    o->model = path;
}

/* nnU-Net's -chk checkpoint_best.pth. */
static const char *checkpoint_of_file(const char *text, struct argp_state *state)
{
    static const char *const names[] = {"final", "best", "latest"};
    static const char prefix[] = "checkpoint_";
    const char *name = text + (strncmp(text, prefix, strlen(prefix)) ? 0 : strlen(prefix));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const size_t length = strlen(names[i]);
        if (!strncmp(name, names[i], length) && (!name[length] || name[length] == '.')) return names[i];
    }
    argp_error(state, "-chk %s: type --checkpoint final, best or latest", text);
    return NULL;
}

static bool writes_dicom(const Options *o)
{
    return path_ends_with(o->common.output, ".dcm") && !file_is_folder(o->common.output);
}

/* With nnU-Net's -f 0 1 2 the later numbers are read as images. */
static void check_folds(const Options *o, struct argp_state *state)
{
    bool there;
    FoldList fold = {0};
    for (int i = 0; i < o->prediction.input_count && o->folds.count; i++) {
        const char *input = o->inputs[i];
        const bool is_fold = !fold_list_parse(&fold, input, NULL);
        fold_list_free(&fold);
        if (is_fold && !file_is_there(input, &there, NULL) && !there)
            argp_error(state,
                       "there is no image or folder %s; if it is a fold: separate folds by commas, as in -f 0,%s",
                       input, strcmp(input, "0") ? input : "1");
    }
}

/* Inputs are all DICOM, or none is. */
static void check_series(Options *o, struct argp_state *state)
{
    const int count = o->prediction.input_count;
    int series = 0;
    for (int i = 0; i < count; i++) series += series_images_meant(o->inputs[i]);
    o->is_series = series > 0;
    if (series && series < count)
        argp_error(state, "DICOM series and other images are given together: predict them one after the other");
    if (!series && (o->series.choice_count || o->series.volume))
        argp_error(state, "--series and --volume choose from DICOM files, and no input is DICOM");
    if (series && *o->common.output && !writes_dicom(o) && !output_file_is_meant(o->common.output))
        argp_error(state, "-o %s: the labels of a DICOM series are one file: give -o seg.dcm or -o seg.nii.gz",
                   o->common.output);
    for (int i = 0; i < count && !series && writes_dicom(o); i++)
        if (access(o->inputs[i], F_OK)) argp_error(state, "-i %s: there is no such file or folder", o->inputs[i]);
    if (!series && writes_dicom(o))
        argp_error(state, "-o %s: DICOM-SEG is written of a DICOM series: give its folder by -i", o->common.output);
}

static void check_output(const Options *o, struct argp_state *state)
{
    char known[IMAGE_ENDINGS_BYTES];
    const char *output = o->common.output, *unknown = writes_dicom(o) ? NULL : output_file_unknown(output);
    if (unknown) {
        image_known_endings(known, true);
        argp_error(state, "-o %s: images with the ending %s cannot be written; give a folder, or a file with one of%s",
                   output, unknown, known);
    }
    if (o->prediction.save_probabilities && (writes_dicom(o) || output_file_is_meant(output)))
        argp_error(state, "--save-probabilities with -o %s: give a folder, because probabilities are separate files",
                   output);
}

static void check_watch(const Options *o, struct argp_state *state)
{
    const char *folder = o->watch.folder;
    if (!*folder) argp_error(state, "--watch '': the path is empty: give a folder");
    if (o->prediction.input_count)
        argp_error(state, "--watch %s takes the place of -i %s: give one of them", folder, o->inputs[0]);
    if (output_file_is_meant(o->common.output))
        argp_error(state, "-o %s is one file: with --watch give a folder", o->common.output);
    if (o->common.overwrite)
        argp_error(state, "--watch with --overwrite would predict all images again at each start: give another -o");
    if (o->prediction.explain)
        argp_error(state, "--explain is for images that are there: give them by -i, without --watch");
}

static void check_options(Options *o, struct argp_state *state)
{
    if (o->watch.settle && !o->watch.folder) argp_error(state, "--settle is for --watch FOLDER");
    if (o->watch.folder) check_watch(o, state);
    else if (!o->prediction.input_count) argp_error(state, "-i PATH is missing");
    if (!o->model) argp_error(state, "-m RESULTS is missing");
    if (!o->prediction.explain && !*o->common.output) argp_error(state, "-o PATH is missing");
    if (o->prediction.overlay && !*o->common.output) argp_error(state, "--overlay needs -o PATH, for the labels");
    check_folds(o, state);
    check_series(o, state);
    check_output(o, state);
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    Options *o = state->input;
    switch (key) {
    case 'i':
    case ARGP_KEY_ARG: add_input(o, text, state); return 0;
    case 'm': set_model(o, text, state); return 0;
    case 'f': parse_folds(o, text, state); return 0;
    case KEY_TTA: o->prediction.predictor.mirroring = SWITCH_ON; return 0;
    case KEY_NO_TTA: o->prediction.predictor.mirroring = SWITCH_OFF; return 0;
    case KEY_PROBABILITIES: o->prediction.save_probabilities = true; return 0;
    case KEY_POSTPROCESSING: option_once(state, "--postprocessing", text, &o->postprocessing); return 0;
    case KEY_OVERLAY:
        if (!*text) argp_error(state, "--overlay '': the path is empty: give a folder");
        option_once(state, "--overlay", text, &o->prediction.overlay);
        return 0;
    case KEY_MEMORY: o->prediction.predictor.memory = option_bytes(state, "--memory", text); return 0;
    case KEY_EXPLAIN: o->prediction.explain = true; return 0;
    case KEY_WATCH: option_once(state, "--watch", text, &o->watch.folder); return 0;
    case KEY_SETTLE: o->watch.settle = option_number(state, "--settle", text, 0.1, 3600); return 0;
    case KEY_SERIES: o->choices[o->series.choice_count++] = text; return 0;
    case KEY_VOLUME: option_once(state, "--volume", text, &o->series.volume); return 0;
    case KEY_STEP: o->prediction.predictor.step = option_number(state, "--step", text, 0.01, 1); return 0;
    case KEY_CHECKPOINT: o->prediction.predictor.checkpoint = text; return 0;
    case KEY_CHECKPOINT_FILE: o->prediction.predictor.checkpoint = checkpoint_of_file(text, state); return 0;
    case ARGP_KEY_END: check_options(o, state); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static bool stops(void) { return program_interrupted(); }

static void tell_as(PredictionTell kind, const char *text)
{
    switch (kind) {
    case TELL_NOTE: program_say("%s", text); return;
    case TELL_WARNING: program_warn("%s", text); return;
    case TELL_TABLE: program_print(text); return;
    }
}

static const SeriesImages *series_shown; /* whose paths in memory messages must not have; of this program only */

static void report(const char *id, const Err *fault)
{
    Err shown = *fault;
    if (series_shown) series_images_rename(series_shown, shown.text, sizeof shown.text);
    program_error("case %s: %s", id, shown.text);
}

static void tell(PredictionTell kind, const char *told)
{
    char text[2048];
    if (series_shown && kind != TELL_TABLE) {
        snprintf(text, sizeof text, "%s", told);
        series_images_rename(series_shown, text, sizeof text);
        told = text;
    }
    tell_as(kind, told);
}

/* A fold or checkpoint in the path of -m is used as if it had been given by -f or --checkpoint. */
static int take_from_path(Options *o, const ModelFolder *f, Err *e)
{
    const char *asked = o->prediction.predictor.checkpoint;
    char name[FOLD_NAME_BYTES];
    if (f->fold != MODEL_ANY_FOLD) {
        if (o->folds.count && !(o->folds.count == 1 && o->folds.numbers[0] == f->fold))
            return err_set(e, ERR_VALUE, "-m %s names fold %s, and -f other folds: give the results folder %s",
                           o->model, fold_name(name, f->fold), f->results);
        if (!o->folds.count) TRY(fold_list_add(&o->folds, f->fold, e));
    }
    if (!f->checkpoint) return 0;
    if (asked && strcmp(asked, f->checkpoint))
        return err_set(e, ERR_VALUE, "-m %s and --checkpoint %s contradict each other: omit one", o->model, asked);
    o->prediction.predictor.checkpoint = f->checkpoint;
    return 0;
}

static void tell_folder(const Options *o, const ModelFolder *f)
{
    char name[FOLD_NAME_BYTES];
    if (!f->is_other || o->common.quiet) return;
    if (f->fold == MODEL_ANY_FOLD) program_say("-m %s: using the only results folder in it, %s", o->model, f->results);
    else
        program_say("-m %s: using fold %s of the results folder %s%s%s", o->model, fold_name(name, f->fold), f->results,
                    f->checkpoint ? ", checkpoint " : "", f->checkpoint ? f->checkpoint : "");
}

static int read_models(Configuration *c, Options *o, ModelFolder *f, Err *e)
{
    TRY(model_folder_find(f, o->model, e));
    if (f->results) {
        TRY(take_from_path(o, f, e));
        tell_folder(o, f);
        return configuration_add(c, f->results, &o->folds, NULL, e);
    }
    if (o->folds.count)
        return err_set(e, ERR_VALUE, "-f is for a results folder: %s names the folds of its models itself", o->model);
    TRY(configuration_read(c, o->model, e));
    return configuration_expect_results(c, e);
}

static int read_postprocessing(Configuration *c, const Options *o, Err *e)
{
    if (!o->postprocessing) return 0;
    Configuration other;
    TRY(configuration_read(&other, o->postprocessing, e));
    const Postprocessing theirs = other.postprocessing;
    other.postprocessing = c->postprocessing; /* exchanged: freed with `other` */
    c->postprocessing = theirs;
    configuration_free(&other);
    return 0;
}

static int expect_free(const Options *o, Err *e)
{
    bool there;
    const char *output = o->common.output;
    TRY(file_is_there(output, &there, e));
    if (there && !o->common.overwrite)
        return err_set(e, ERR_VALUE, "%s exists already: give another name with -o, or --overwrite", output);
    return output_file_expect_writable(output, e);
}

/* Predicts the images of the series, in memory, and writes the labels, which are in memory too if they become DICOM-SEG. */
static int predict_series(Options *o, const Configuration *c, const SeriesImages *s, Text *warnings, Err *e)
{
    PredictionOptions *p = &o->prediction;
    const bool is_dicom = writes_dicom(o);
    p->inputs = s->inputs;
    p->input_count = s->count;
    if (is_dicom) p->output = s->labels;
    p->into_file = *p->output;
    TRY(prediction_run(p, c, e));
    if (!is_dicom) return 0;
    char *dataset = path_format(e, "%s/dataset.json", c->models[0].results);
    if (!dataset) return ERR_NOMEM;
    const int code = series_images_write(s, o->common.output, dataset, o->common.overwrite, warnings, e);
    mem_free(dataset);
    return code;
}

static int run_series(Options *o, const Configuration *c, Err *e)
{
    ModelSource source;
    SeriesImages s;
    Text warnings = {0}, more = {0};
    const ConfiguredModel *m = &c->models[0];
    o->series.inputs = o->inputs;
    o->series.input_count = o->prediction.input_count;
    o->series.choices = o->choices;
    if (writes_dicom(o)) TRY(expect_free(o, e));
    TRY(model_source_open(&source, m->results, m->folds.numbers, m->folds.count, o->prediction.predictor.checkpoint,
                          e));
    int code = series_images_open(&s, &o->series, source.info.channel_count, source.plan.orientations, &warnings, e);
    model_source_free(&source);
    program_warn_lines(warnings.data);
    if (!code) {
        series_shown = &s;
        code = predict_series(o, c, &s, &more, e);
        if (code) series_images_rename(&s, e->text, sizeof e->text);
        series_shown = NULL;
        series_images_close(&s);
    }
    text_free(&more); /* those of the first reading again */
    text_free(&warnings);
    return code;
}

static int run(Options *o, Err *e)
{
    Configuration c = {0};
    ModelFolder folder = {0};
    PredictionOptions *p = &o->prediction;
    p->inputs = o->inputs;
    p->output = o->common.output;
    p->into_file = output_file_is_meant(p->output);
    if (p->into_file || o->is_series || !*p->output)
        program_interrupt_hint("no labels were written: the same command starts from the beginning");
    p->overwrite = o->common.overwrite;
    p->quiet = o->common.quiet;
    p->stops = o->watch.folder ? stops : NULL;
    if (!o->watch.settle) o->watch.settle = SETTLE_SECONDS;
    p->tell = tell;
    p->report = report;
    int code = read_models(&c, o, &folder, e);
    if (!code) code = read_postprocessing(&c, o, e);
    if (!code && o->watch.folder) code = watch_run(&o->watch, p, &c, e);
    else if (!code) code = o->is_series ? run_series(o, &c, e) : prediction_run(p, &c, e);
    configuration_free(&c);
    model_folder_free(&folder);
    return code;
}

static const Program program = {
    .summary = "segment images with trained networks",
    .arguments = "[IMAGE]...",
    .about =
        "Segments images with the networks in RESULTS: writes one label image per case, with the image's shape and geometry, to "
        "the folder given by -o, or of one case to the image file given by -o.",
    .examples = "-i Dataset042_Liver/imagesTs -o predictions -m results\tAll images of a folder\n"
                "-i image.nii.gz -o labels.nii.gz -m results\tOne image into one file\n"
                "-i series -o seg.dcm -m results\tA DICOM series to DICOM-SEG\n"
                "-i images -o predictions -m inference.yaml\tWhat find_best_configuration has chosen\n"
                "--watch /share/in -o /share/out -m results\tEach image that comes into a folder\n"
                "-i images -m results --explain --memory 4G\tOnly tell tiles and memory",
    .more =
        "OUT/predict.yaml records what each prediction was made from: predictions of the same images by the same model and options "
        "are kept. Several models of an inference.yaml write their probabilities to OUT/model_1, OUT/model_2 …; the labels follow "
        "from the mean. The exit status is 1 if some case failed.",
    .see = "train ensemble find_best_configuration evaluate",
    .options = option_list,
    .parse = parse_option,
    .habits = habits,
    .expand = plan_help};

int main(int argc, char **argv)
{
    Options o = {.common = {.takes = OPT_OUTPUT | OPT_THREADS | OPT_QUIET | OPT_OVERWRITE | OPT_DEVICE | OPT_PRECISION |
                                     OPT_JSON_LOG,
                            .output = ""}};
    Err e = {0};
    program_begin("predict", true); /* only --watch asks for signals; else they end it at once */
    program_interrupt_hint("finished cases are kept: the same command continues with the others");
    o.inputs = mem_alloc((size_t)argc * sizeof *o.inputs, &e);
    o.choices = mem_alloc((size_t)argc * sizeof *o.choices, &e);
    if (!o.inputs || !o.choices) return program_end(ERR_NOMEM, &e, false);
    char engine[EXECUTOR_BUILD_BYTES];
    o.common.engine = executor_build(engine);
    program_parse(&program, &o, &o.common, argc, argv);
    program_threads(&o.common);
    const char *lacks;
    o.prediction.predictor.device = device_named(o.common.device, &e);
    int code = e.code;
    if (!code) {
        o.prediction.predictor.precision = precision_of(o.common.precision, o.prediction.predictor.device, &lacks);
        if (lacks) program_warn("%s", lacks);
        code = run(&o, &e);
    }
    if (!code && o.watch.folder) program_signal_served();
    mem_free(o.inputs);
    mem_free(o.choices);
    fold_list_free(&o.folds);
    return program_end(code, &e, o.common.quiet);
}
