/* predict: segments images with what train left in a results folder, or as inference.yaml says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/program.h"
#include "inference/average.h"
#include "inference/batch.h"
#include "inference/configuration.h"
#include "inference/inputs.h"
#include "inference/predictor.h"
#include "inference/probabilities.h"
#include "network/precision.h"

enum { MAX_INPUTS = 65536 };

typedef struct Options {
    CommonOptions common;
    const char **inputs;      /* input_count paths */
    int input_count;
    const char *model;        /* a results folder, or inference.yaml */
    const char *postprocessing;
    int folds[CONFIGURATION_FOLDS], fold_count;
    PredictorOptions predictor;
    bool save_probabilities, explain;
} Options;

enum {
    KEY_TTA = 0x100, KEY_NO_TTA, KEY_STEP, KEY_CHECKPOINT, KEY_PROBABILITIES, KEY_POSTPROCESSING, KEY_MEMORY,
    KEY_EXPLAIN
};

static const struct argp_option option_list[] = {
    {"input", 'i', "PATH", 0, "Folder of images (CASE_0000.nii.gz …), or an image; may be repeated", 0},
    {"model", 'm', "RESULTS", 0, "Results folder of train, or inference.yaml of find_best_configuration", 0},
    {"folds", 'f', "0,1,2", 0, "Folds to average (default: all that are there)", 0},
    {"checkpoint", KEY_CHECKPOINT, "NAME", 0, "final (default), best or latest", 0},
    {"tta", KEY_TTA, NULL, 0, "Average over mirrored predictions (default: as the plan says)", 0},
    {"no-tta", KEY_NO_TTA, NULL, 0, "Don't", 0},
    {"step", KEY_STEP, "TILES", 0, "Step of the sliding window (default: the plan's, 0.5)", 0},
    {"save-probabilities", KEY_PROBABILITIES, NULL, 0,
     "Write CASE.npy too, float32 (Z,Y,X,classes) in the plan's order of axes, with CASE.yaml and "
     "dataset.json",
     0},
    {"postprocessing", KEY_POSTPROCESSING, "FILE", 0, "Post-process as this inference.yaml says", 0},
    {"memory", KEY_MEMORY, "SIZE", 0, "Take no more memory than this, such as 4G (4 means the same) or 800M", 0},
    {"explain", KEY_EXPLAIN, NULL, 0,
     "First print how much work and memory each case takes at most; without -o nothing else", 0},
    {0},
};

static void parse_folds(Options *o, const char *text, struct argp_state *state)
{
    Err e = {0};
    if (configuration_parse_folds(text, o->folds, &o->fold_count, &e))
        argp_error(state, "--folds %s", e.text);
}

static void add_input(Options *o, const char *path, struct argp_state *state)
{
    if (o->input_count == MAX_INPUTS) argp_error(state, "more than %d inputs", MAX_INPUTS);
    o->inputs[o->input_count++] = path;
}

static void check_options(const Options *o, struct argp_state *state)
{
    if (!o->input_count) argp_error(state, "-i PATH is missing");
    if (!o->model) argp_error(state, "-m RESULTS is missing");
    if (!o->explain && !*o->common.output) argp_error(state, "-o PATH is missing");
    if (o->fold_count && !file_is_folder(o->model)) argp_error(state, "--folds is for a results folder only");
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
    case KEY_PROBABILITIES: o->save_probabilities = true; return 0;
    case KEY_POSTPROCESSING: o->postprocessing = text; return 0;
    case KEY_MEMORY: o->predictor.memory = option_bytes(state, "--memory", text); return 0;
    case KEY_EXPLAIN: o->explain = true; return 0;
    case KEY_STEP: o->predictor.step = option_number(state, "--step", text, 0.01, 1); return 0;
    case KEY_CHECKPOINT:
        if (strcmp(text, "final") && strcmp(text, "best") && strcmp(text, "latest"))
            argp_error(state, "--checkpoint %s: expected final, best or latest", text);
        o->predictor.checkpoint = text;
        return 0;
    case ARGP_KEY_END: check_options(o, state); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- one model ---- */

/* A model on its way through the cases. */
typedef struct Job {
    const Options *o;
    const char *results;       /* folder of the model */
    bool is_member;            /* its probabilities go into a mean, and only that is post-processed */
    const Postprocessing *postprocessing;
    Predictor *predictor;
    CaseList list;
    const char *folder;        /* of the outputs */
    Progress *progress;        /* while a case is under way */
    const char *id;
} Job;

static bool saves_probabilities(const Job *job) { return job->is_member || job->o->save_probabilities; }

static void report(const char *id, const Err *fault) { program_error("case %s: %s", id, fault->text); }

static void show_tiles(void *context, int64_t done, int64_t tiles)
{
    const Job *job = context;
    char note[160];
    snprintf(note, sizeof note, "%s: tile %lld of %lld", job->id, (long long)done, (long long)tiles);
    progress_part(job->progress, (double)done / (double)tiles, note);
}

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

/* What the headers of a case say of its size. */
static int probe_case(CaseSize *size, const Case *c, const Postprocessing *p, Err *e)
{
    *size = (CaseSize){0};
    int64_t largest_file = 0;
    for (int i = 0; i < c->image_count; i++) {
        Geometry g;
        int64_t channels;
        TRY(image_probe(&g, &channels, c->images[i], e));
        const int64_t bytes = file_size(c->images[i]);
        if (bytes > largest_file) largest_file = bytes;
        size->channels += channels;
        memcpy(size->shape_zyx, g.shape_zyx, sizeof size->shape_zyx);
        memcpy(size->spacing_zyx_mm, g.spacing_zyx_mm, sizeof size->spacing_zyx_mm);
    }
    const int64_t samples = size->channels * size->shape_zyx[0] * size->shape_zyx[1] * size->shape_zyx[2];
    const bool several = c->image_count > 1; /* they are put together in a block of its own */
    size->reading_bytes = largest_file + samples * (int64_t)(sizeof(uint16_t) + several * sizeof(float));
    size->finishing_bytes = postprocessing_bytes(p, size->shape_zyx);
    return 0;
}

static int cost_of_case(const Job *job, const Case *c, PredictionCost *cost, Err *e)
{
    CaseSize size;
    TRY(probe_case(&size, c, job->postprocessing, e));
    return predictor_cost(job->predictor, &size, cost, e);
}

static int predict_labels(const Job *job, Image *image, Array *labels, const char *id, Err *e)
{
    const double *spacing_mm = image->geometry.spacing_zyx_mm;
    if (!saves_probabilities(job))
        return predictor_predict(job->predictor, &image->voxels, spacing_mm, labels, NULL, e);
    ProbabilityFile file;
    const ProbabilitySink sink = probability_file_sink(&file, job->folder, id);
    const int code = predictor_predict(job->predictor, &image->voxels, spacing_mm, labels, &sink, e);
    return probability_file_finish(&file, code, e);
}

/* Of a lone file predicted into its own folder. */
static int expect_no_input(const char *path, const Case *c, Err *e)
{
    char *output = path_absolute(path, e), *input = path_absolute(c->images[0], e);
    int code = output && input ? 0 : e->code;
    if (!code && !strcmp(output, input))
        code = err_set(e, ERR_VALUE, "its labels would replace the image %s: name another folder with -o",
                       path);
    mem_free(output);
    mem_free(input);
    return code;
}

static int predict_image(const Job *job, const Case *c, const char *path, Err *e)
{
    Image image;
    Array labels = {0};
    PredictionCost cost;
    TRY(cost_of_case(job, c, &cost, e));
    TRY(image_read_channels(&image, (const char *const *)c->images, c->image_count, e));
    int code = predict_labels(job, &image, &labels, c->id, e);
    if (!code && !job->is_member) code = postprocessing_apply(job->postprocessing, &labels, e);
    if (!code) code = image_write(path, &image.geometry, &labels, e); /* last: where they stand, all does */
    array_free(&labels);
    image_free(&image);
    return code;
}

static const char *case_name(const void *context, int index)
{
    return ((const Job *)context)->list.cases[index].id;
}

static char *label_path(const Job *job, const char *folder, const char *id, Err *e)
{
    return path_format(e, "%s/%s%s", folder, id, predictor_dataset(job->predictor)->file_ending);
}

/* Whether all that is wanted of the case stands there; of a member also where the mean does. */
static int is_finished(const Job *job, const char *id, const char *path, bool *finished, Err *e)
{
    *finished = file_exists(path) && (!saves_probabilities(job) || probabilities_exist(job->folder, id));
    if (!job->is_member || *finished) return 0;
    char *mean = label_path(job, job->o->common.output, id, e);
    *finished = mean && file_exists(mean);
    mem_free(mean);
    return mean ? 0 : ERR_NOMEM;
}

static int predict_case(void *context, int index, Progress *progress, bool *kept, Err *e)
{
    Job *job = context;
    const Case *c = &job->list.cases[index];
    char *path = label_path(job, job->folder, c->id, e);
    if (!path) return ERR_NOMEM;
    job->progress = progress;
    job->id = c->id;
    int code = file_exists(path) ? expect_no_input(path, c, e) : 0;
    if (!code && !job->o->common.overwrite) code = is_finished(job, c->id, path, kept, e);
    if (!code && !*kept) code = predict_image(job, c, path, e);
    mem_free(path);
    return code;
}

/* Returns how many cases cannot be predicted. */
static int explain(const Job *job)
{
    static const double mib = 1 << 20;
    int impossible = 0;
    if (job->is_member) printf("%s\n", job->results);
    printf("%-24s %9s %6s %10s %10s %10s %10s %10s %10s\n", "MiB", "tiles", "batch", "networks", "reading",
           "preprocess", "predicting", "finishing", "peak");
    for (int i = 0; i < job->list.count; i++) {
        const Case *c = &job->list.cases[i];
        PredictionCost cost;
        Err fault = {0};
        if (cost_of_case(job, c, &cost, &fault)) {
            printf("%-24s %s\n", c->id, fault.text);
            impossible++;
            continue;
        }
        printf("%-24s %9lld %6d %10.0f %10.0f %10.0f %10.0f %10.0f %10.0f\n", c->id, (long long)cost.tiles,
               cost.batch, (double)cost.networks / mib, (double)cost.reading / mib,
               (double)cost.preprocessing / mib, (double)cost.predicting / mib, (double)cost.finishing / mib,
               (double)cost.peak / mib);
    }
    fflush(stdout);
    return impossible;
}

static int save_dataset(const Job *job, Err *e)
{
    char *path = path_format(e, "%s/dataset.json", job->folder);
    const int code = path ? dataset_info_write(predictor_dataset(job->predictor), path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

static void say_kept(const Options *o, int kept, int all)
{
    if (kept && !o->common.quiet)
        program_say("%d of %d cases were there already and are kept (--overwrite replaces them)", kept, all);
}

static int run_job(Job *job, Err *e)
{
    const Options *o = job->o;
    const Predictor *p = job->predictor;
    int kept;
    TRY(list_cases(&job->list, o, predictor_dataset(p)->file_ending, e));
    const int impossible = o->explain ? explain(job) : 0;
    if (!*o->common.output)
        return impossible ? err_set(e, ERR_VALUE, "%d of %d cases cannot be predicted (above)", impossible,
                                    job->list.count)
                          : 0;
    TRY(file_make_folders(job->folder, e));
    if (saves_probabilities(job)) TRY(save_dataset(job, e));
    if (!o->common.quiet)
        program_say("%s, %d fold%s, %d case%s", predictor_plan(p)->network.name, predictor_fold_count(p),
                    predictor_fold_count(p) == 1 ? "" : "s", job->list.count,
                    job->list.count == 1 ? "" : "s");
    const Batch batch = {.title = "predict",
                         .count = job->list.count,
                         .quiet = o->common.quiet,
                         .id = case_name,
                         .work = predict_case,
                         .report = report,
                         .context = job};
    const int code = batch_run(&batch, &kept, e);
    say_kept(o, kept, job->list.count);
    return code;
}

static int predict_with(const Options *o, const ConfiguredModel *model, const char *folder, bool is_member,
                        const Postprocessing *postprocessing, Err *e)
{
    Job job = {.o = o,
               .results = model->results,
               .is_member = is_member,
               .postprocessing = postprocessing,
               .folder = folder};
    PredictorOptions options = o->predictor;
    options.folds = model->folds;
    options.fold_count = model->fold_count;
    options.progress = show_tiles;
    options.context = &job;
    TRY(predictor_open(&job.predictor, model->results, &options, e));
    const int code = run_job(&job, e);
    case_list_free(&job.list);
    predictor_close(job.predictor);
    return code;
}

/* ---- several models ---- */

/* Each model in a folder of its own, then their mean. A bad case ends up in no mean; the others go on. */
static int predict_with_all(const Options *o, const Configuration *c, Err *e)
{
    AverageJob average = {.output = o->common.output, .postprocessing = &c->postprocessing, .report = report,
                          .overwrite = o->common.overwrite, .quiet = o->common.quiet};
    char *folders[CONFIGURATION_MODELS] = {NULL};
    int code = 0;
    Err bad_case = {0};
    for (int i = 0; i < c->model_count && !code; i++) {
        folders[i] = path_format(e, "%s/model_%d", o->common.output, i + 1);
        average.folders[average.folder_count++] = folders[i];
        code = folders[i] ? predict_with(o, &c->models[i], folders[i], true, &c->postprocessing, e)
                          : ERR_NOMEM;
        if (code != ERR_VALUE || !file_is_folder(folders[i])) continue;
        bad_case = *e;
        code = 0;
    }
    if (!code && *o->common.output) {
        code = average_run(&average, e);
        if (!code) say_kept(o, average.kept, average.case_count);
    }
    for (int i = 0; i < c->model_count; i++) mem_free(folders[i]);
    if (!code && bad_case.code) *e = bad_case;
    return code ? code : (int)bad_case.code;
}

/* ---- the program ---- */

static int read_configuration(Configuration *c, const Options *o, Err *e)
{
    if (!file_exists(o->model))
        return err_set(e, ERR_VALUE, "%s: does not exist: expected a results folder, or inference.yaml",
                       o->model);
    if (!file_is_folder(o->model)) TRY(configuration_read(c, o->model, e));
    else TRY(configuration_add(c, o->model, o->folds, o->fold_count, e));
    if (!o->postprocessing) return 0;
    Configuration other;
    TRY(configuration_read(&other, o->postprocessing, e));
    const Postprocessing theirs = other.postprocessing;
    other.postprocessing = c->postprocessing; /* exchanged: freed with `other` */
    c->postprocessing = theirs;
    configuration_free(&other);
    return 0;
}

static int run(const Options *o, Err *e)
{
    Configuration c = {0};
    int code = read_configuration(&c, o, e);
    if (!code && c.model_count == 1)
        code = predict_with(o, &c.models[0], o->common.output, false, &c.postprocessing, e);
    else if (!code) code = predict_with_all(o, &c, e);
    configuration_free(&c);
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
               "Several models of an inference.yaml leave their probabilities in OUT/model_1, model_2 …; "
               "their mean "
               "decides.\nExit status: 0 done, 1 some case failed, 2 wrong usage."};
    Options o = {.common = {.takes = OPT_OUTPUT | OPT_THREADS | OPT_QUIET | OPT_OVERWRITE | OPT_DEVICE |
                                     OPT_PRECISION, .output = ""}};
    Err e = {0};
    program_begin("predict", false);
    o.inputs = mem_alloc(MAX_INPUTS * sizeof *o.inputs, &e);
    if (!o.inputs) return program_end(ERR_NOMEM, &e, false);
    program_parse(&argp, &o, &o.common, argc, argv);
    program_threads(&o.common);
    const char *lacks;
    o.predictor.precision = precision_of(o.common.precision, &lacks);
    if (lacks) program_warn("%s", lacks);
    const int code = run(&o, &e);
    mem_free(o.inputs);
    return program_end(code, &e, o.common.quiet);
}
