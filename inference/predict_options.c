#include "inference/predict_options.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/image_io.h"
#include "inference/output_file.h"

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

const struct argp_option predict_option_list[] = {
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
    {"step", KEY_STEP, "FRACTION", 0,
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
const Habit predict_habits[] = {
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

static void parse_folds(PredictOptions *o, const char *text, struct argp_state *state)
{
    Err e = {0};
    if (fold_list_parse(&o->folds, text, &e)) option_refuse(state, "--folds", &e);
}

static void add_input(PredictOptions *o, const char *path, struct argp_state *state)
{
    if (!*path) argp_error(state, "the path of an image or folder is empty: give -i PATH");
    o->inputs[o->prediction.input_count++] = path;
}

static void set_model(PredictOptions *o, const char *path, struct argp_state *state)
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

/* With nnU-Net's -f 0 1 2 the later numbers are read as images. */
static void check_folds(const PredictOptions *o, struct argp_state *state)
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

/* What the paths are. *series: number of inputs that are DICOM. */
static int look_at_paths(PredictOptions *o, int *series, const char **unknown, Err *e)
{
    const char *output = o->common.output;
    *unknown = NULL;
    *series = 0;
    TRY(output_file_is_meant(output, &o->prediction.into_file, e));
    TRY(output_file_is_dicom(output, &o->writes_dicom, e));
    if (!o->writes_dicom) TRY(output_file_unknown(output, unknown, e));
    for (int i = 0; i < o->prediction.input_count; i++) {
        bool is;
        TRY(series_images_meant(o->inputs[i], &is, e));
        *series += is;
    }
    o->is_series = *series > 0;
    return 0;
}

/* Inputs are all DICOM, or none is. */
static void check_series(const PredictOptions *o, int series, struct argp_state *state)
{
    const int count = o->prediction.input_count;
    if (series && series < count)
        argp_error(state, "DICOM series and other images are given together: predict them one after the other");
    if (!series && (o->series.choice_count || o->series.volume))
        argp_error(state, "--series and --volume choose from DICOM files, and no input is DICOM");
    if (series && *o->common.output && !o->writes_dicom && !o->prediction.into_file)
        argp_error(state, "-o %s: the labels of a DICOM series are one file: give -o seg.dcm or -o seg.nii.gz",
                   o->common.output);
    for (int i = 0; i < count && !series && o->writes_dicom; i++)
        if (access(o->inputs[i], F_OK)) argp_error(state, "-i %s: there is no such file or folder", o->inputs[i]);
    if (!series && o->writes_dicom)
        argp_error(state, "-o %s: DICOM-SEG is written of a DICOM series: give its folder by -i", o->common.output);
}

static void check_output(const PredictOptions *o, const char *unknown, struct argp_state *state)
{
    char known[IMAGE_ENDINGS_BYTES];
    const char *output = o->common.output;
    if (unknown) {
        image_known_endings(known, true);
        argp_error(state, "-o %s: images with the ending %s cannot be written; give a folder, or a file with one of%s",
                   output, unknown, known);
    }
    if (o->prediction.save_probabilities && (o->writes_dicom || o->prediction.into_file))
        argp_error(state, "--save-probabilities with -o %s: give a folder, because probabilities are separate files",
                   output);
}

static void check_watch(const PredictOptions *o, struct argp_state *state)
{
    const char *folder = o->watch.folder;
    if (!*folder) argp_error(state, "--watch '': the path is empty: give a folder");
    if (o->prediction.input_count)
        argp_error(state, "--watch %s takes the place of -i %s: give one of them", folder, o->inputs[0]);
    if (o->prediction.into_file) argp_error(state, "-o %s is one file: with --watch give a folder", o->common.output);
    if (o->common.overwrite)
        argp_error(state, "--watch with --overwrite would predict all images again at each start: give another -o");
    if (o->prediction.explain)
        argp_error(state, "--explain is for images that are there: give them by -i, without --watch");
}

static void check_options(PredictOptions *o, struct argp_state *state)
{
    int series;
    const char *unknown;
    if (look_at_paths(o, &series, &unknown, &o->fault)) return;
    if (o->watch.settle && !o->watch.folder) argp_error(state, "--settle is for --watch FOLDER");
    if (o->watch.folder) check_watch(o, state);
    else if (!o->prediction.input_count) argp_error(state, "-i PATH is missing");
    if (!o->model) argp_error(state, "-m RESULTS is missing");
    if (!o->prediction.explain && !*o->common.output) argp_error(state, "-o PATH is missing");
    if (o->prediction.overlay && !*o->common.output) argp_error(state, "--overlay needs -o PATH, for the labels");
    check_folds(o, state);
    check_series(o, series, state);
    check_output(o, unknown, state);
}

error_t predict_parse_option(int key, char *text, struct argp_state *state)
{
    PredictOptions *o = state->input;
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
    case KEY_VOLUME: o->series.volume = (int)option_integer(state, "--volume", text, 1, SERIES_VOLUMES); return 0;
    case KEY_STEP: o->prediction.predictor.step = option_number(state, "--step", text, 0.01, 1); return 0;
    case KEY_CHECKPOINT: o->prediction.predictor.checkpoint = text; return 0;
    case KEY_CHECKPOINT_FILE: o->prediction.predictor.checkpoint = checkpoint_of_file(text, state); return 0;
    case ARGP_KEY_END: check_options(o, state); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}
