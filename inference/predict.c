/* predict: segments images with what train left in a results folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/program.h"
#include "base/progress.h"
#include "inference/inputs.h"
#include "inference/predictor.h"
#include "inference/probabilities.h"
#include "plans/splits.h"

enum { MAX_INPUTS = 65536, MAX_FOLDS = 64 };

typedef struct Options {
    CommonOptions common;
    const char **inputs;      /* input_count paths */
    int input_count;
    const char *model;
    int folds[MAX_FOLDS];
    PredictorOptions predictor;
    bool save_probabilities, explain;
} Options;

enum { KEY_TTA = 0x100, KEY_NO_TTA, KEY_STEP, KEY_CHECKPOINT, KEY_PROBABILITIES, KEY_EXPLAIN, KEY_MEMORY };

static const struct argp_option option_list[] = {
    {"input", 'i', "PATH", 0, "Folder of images (CASE_0000.nii.gz …), or an image; may be repeated", 0},
    {"model", 'm', "RESULTS", 0, "Results folder of train", 0},
    {"folds", 'f', "0,1,2", 0, "Folds to average (default: all that are there)", 0},
    {"checkpoint", KEY_CHECKPOINT, "NAME", 0, "final (default), best or latest", 0},
    {"tta", KEY_TTA, NULL, 0, "Average over mirrored predictions (default: as the plan says)", 0},
    {"no-tta", KEY_NO_TTA, NULL, 0, "Don't", 0},
    {"step", KEY_STEP, "TILES", 0, "Step of the sliding window (default: the plan's, 0.5)", 0},
    {"save-probabilities", KEY_PROBABILITIES, NULL, 0,
     "Write CASE.npy too, float32 (Z,Y,X,classes) in the plan's order of axes, and CASE.yaml", 0},
    {"memory", KEY_MEMORY, "MIB", 0, "Memory that the program may take, in MiB (default: what it needs)", 0},
    {"explain", KEY_EXPLAIN, NULL, 0, "Print how much memory each case takes at most, before it begins", 0},
    {0},
};

static void parse_folds(Options *o, const char *text, struct argp_state *state)
{
    o->predictor.folds = o->folds;
    for (const char *at = text;; at++) {
        char *end;
        long fold = SPLITS_FOLD_ALL;
        if (!strncmp(at, "all", 3)) end = (char *)at + 3;
        else fold = strtol(at, &end, 10);
        if (end == at || (*end && *end != ',') || fold < SPLITS_FOLD_ALL || fold > 63 ||
            o->predictor.fold_count == MAX_FOLDS)
            argp_error(state, "--folds %s: expected numbers of folds joined by commas, such as 0,1,2, or all",
                       text);
        o->folds[o->predictor.fold_count++] = (int)fold;
        at = end;
        if (!*at) return;
    }
}

static void add_input(Options *o, const char *path, struct argp_state *state)
{
    if (o->input_count == MAX_INPUTS) argp_error(state, "more than %d inputs", MAX_INPUTS);
    o->inputs[o->input_count++] = path;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    Options *o = state->input;
    switch (key) {
    case 'i':
    case ARGP_KEY_ARG: add_input(o, text, state); return 0;
    case 'm': o->model = text; return 0;
    case 'f': parse_folds(o, text, state); return 0;
    case KEY_TTA: o->predictor.mirroring = SWITCH_ON; return 0;
    case KEY_NO_TTA: o->predictor.mirroring = SWITCH_OFF; return 0;
    case KEY_EXPLAIN: o->explain = true; return 0;
    case KEY_MEMORY:
        o->predictor.memory_limit = (size_t)option_integer(state, "--memory", text, 1, 1 << 30) << 20;
        return 0;
    case KEY_PROBABILITIES: o->save_probabilities = true; return 0;
    case KEY_STEP: o->predictor.step = option_number(state, "--step", text, 0.01, 1); return 0;
    case KEY_CHECKPOINT:
        if (strcmp(text, "final") && strcmp(text, "best") && strcmp(text, "latest"))
            argp_error(state, "--checkpoint %s: expected final, best or latest", text);
        o->predictor.checkpoint = text;
        return 0;
    case ARGP_KEY_END:
        if (!o->input_count) argp_error(state, "-i PATH is missing");
        if (!o->model) argp_error(state, "-m RESULTS is missing");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- cases ---- */

static int list_cases(CaseList *list, const Options *o, const char *ending, Err *e)
{
    FaultList faults = {0};
    int code = 0;
    for (int i = 0; i < o->input_count && !code; i++)
        code = inputs_add(list, o->inputs[i], ending, &faults, e);
    for (int i = 0; i < faults.count; i++) program_warn("%s", faults.faults[i].text);
    faults_free(&faults);
    return code;
}

static int predict_labels(Predictor *p, Image *image, Array *labels, const Case *c, const Options *o, Err *e)
{
    const double *spacing_mm = image->geometry.spacing_zyx_mm;
    if (!o->save_probabilities) return predictor_predict(p, &image->voxels, spacing_mm, labels, NULL, e);
    ProbabilityFile file;
    const ProbabilitySink sink = probability_file_sink(&file, o->common.output, c->id);
    const int code = predictor_predict(p, &image->voxels, spacing_mm, labels, &sink, e);
    return probability_file_finish(&file, code, e);
}

static int predict_image(Predictor *p, const Case *c, const char *path, const Options *o, Err *e)
{
    Image image;
    Array labels = {0};
    TRY(image_read_channels(&image, (const char *const *)c->images, c->image_count, e));
    int code = predict_labels(p, &image, &labels, c, o, e);
    if (!code) code = image_write(path, &image.geometry, &labels, e); /* last: where they stand, all does */
    array_free(&labels);
    image_free(&image);
    return code;
}

static double mebibytes(size_t bytes) { return (double)bytes / (1 << 20); }

/* Whether the case's memory stays within the limit, known from its headers. */
static int check_memory(Predictor *p, const Case *c, const Options *o, Err *e)
{
    Geometry geometry;
    MemoryBound b;
    int64_t channels;
    if (!o->explain && !o->predictor.memory_limit) return 0;
    TRY(image_probe(&geometry, &channels, c->images[0], e));
    MemoryCase size = {.files = c->image_count};
    memcpy(size.shape_zyx, geometry.shape_zyx, sizeof size.shape_zyx);
    memcpy(size.spacing_zyx_mm, geometry.spacing_zyx_mm, sizeof size.spacing_zyx_mm);
    for (int i = 0; i < c->image_count; i++) size.file_bytes += file_size(c->images[i]);
    TRY(predictor_memory(p, &size, &b, e));
    if (o->explain)
        printf("%s: at most %.0f MiB: program %.0f, network %.0f, then reading %.0f, preprocessing %.0f or "
               "predicting %.0f\n",
               c->id, mebibytes(memory_bound_peak(&b)), mebibytes(b.program), mebibytes(b.network),
               mebibytes(b.reading), mebibytes(b.preprocessing), mebibytes(b.predicting));
    return 0;
}

/* *kept: the output stood there already. */
static int predict_case(Predictor *p, const Case *c, const Options *o, bool *kept, Err *e)
{
    char *path = path_format(e, "%s/%s%s", o->common.output, c->id, predictor_dataset(p)->file_ending);
    if (!path) return ERR_NOMEM;
    *kept = !o->common.overwrite && file_exists(path) &&
            (!o->save_probabilities || probabilities_exist(o->common.output, c->id));
    int code = *kept ? 0 : check_memory(p, c, o, e);
    if (!code && !*kept) code = predict_image(p, c, path, o, e);
    mem_free(path);
    return code;
}

static int predict_cases(Predictor *p, const CaseList *list, const Options *o, Err *e)
{
    Progress progress;
    int failed = 0, kept_count = 0;
    progress_begin(&progress, "predict", list->count, o->common.quiet);
    for (int i = 0; i < list->count; i++) {
        Err fault = {0};
        bool kept;
        if (predict_case(p, &list->cases[i], o, &kept, &fault)) {
            program_error("case %s: %s", list->cases[i].id, fault.text);
            failed++;
        } else {
            kept_count += kept;
        }
        progress_step(&progress, 1, list->cases[i].id);
    }
    progress_end(&progress);
    if (kept_count && !o->common.quiet)
        program_say("%d of %d cases were there already and are kept (--overwrite replaces them)", kept_count,
                    list->count);
    return failed ? err_set(e, ERR_VALUE, "%d of %d cases failed (above)", failed, list->count) : 0;
}

static int run(const Options *o, Err *e)
{
    Predictor *p;
    CaseList list = {0};
    TRY(predictor_open(&p, o->model, &o->predictor, e));
    int code = list_cases(&list, o, predictor_dataset(p)->file_ending, e);
    if (!code) code = file_make_folders(o->common.output, e);
    if (!code && !o->common.quiet)
        program_say("%s, %d fold%s, %d case%s", predictor_plan(p)->network.name, predictor_fold_count(p),
                    predictor_fold_count(p) == 1 ? "" : "s", list.count, list.count == 1 ? "" : "s");
    if (!code) code = predict_cases(p, &list, o, e);
    case_list_free(&list);
    predictor_close(p);
    return code;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = option_list,
        .parser = parse_option,
        .args_doc = "[IMAGE…]",
        .doc = "Segments images with the networks in RESULTS: writes one label image per "
               "case, with the image's shape and geometry, to the folder given by -o.\v"
               "Exit status: 0 done, 1 some case failed, 2 wrong usage."};
    Options o = {.common.takes = OPT_OUTPUT | OPT_THREADS | OPT_QUIET | OPT_OVERWRITE | OPT_DEVICE |
                                 OPT_PRECISION};
    Err e = {0};
    program_begin("predict", false);
    o.inputs = mem_alloc(MAX_INPUTS * sizeof *o.inputs, &e);
    if (!o.inputs) return program_end(ERR_NOMEM, &e, false);
    program_parse(&argp, &o, &o.common, argc, argv);
    program_threads(&o.common);
    const int code = run(&o, &e);
    mem_free(o.inputs);
    return program_end(code, &e, o.common.quiet);
}
