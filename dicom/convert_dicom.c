/* convert_dicom: a DICOM series as an image, and labels of it as a DICOM Segmentation. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/program.h"
#include "base/sandbox.h"
#include "base/tool.h"
#include "data/grid_axes.h"
#include "data/image_io.h"
#include "dicom/labels.h"
#include "dicom/pixels.h"
#include "dicom/series.h"
#include "dicom/volume.h"

typedef struct Options {
    CommonOptions common;
    const char **inputs; /* room for as many as there are arguments */
    int input_count;
    bool list;
    SeriesChoice choice;
    const char *orientation, *dataset;
    LabelFiles labels;
    int64_t memory;
    long seconds; /* of a processor; 0: any */
    long parent;  /* the process that runs this one (base/tool.h); 0: none */
} Options;

enum {
    KEY_LIST = 0x100,
    KEY_SERIES,
    KEY_VOLUME,
    KEY_ORIENTATION,
    KEY_LABELS,
    KEY_DESCRIPTION,
    KEY_MEMORY,
    KEY_CPU_TIME,
    KEY_PARENT
};

static const int64_t LEAST_MEMORY = (int64_t)256 << 20;

static const struct argp_option option_list[] = {
    {"list", KEY_LIST, NULL, 0, "Only list the series: UID, number, kind, images", 0},
    {"series", KEY_SERIES, "UID", 0, "UID or number of the series, where there are several", 0},
    {"volume", KEY_VOLUME, "N", 0, "The volume, where the series has several\v, of points in time, echoes or b-values",
     0},
    {"orientation", KEY_ORIENTATION, "CODE", 0,
     "Directions of x, y and z, as RAS (default: as stored)\v. The axes are turned to the nearest directions; nothing is "
     "interpolated. Of several, RAS,LPS, the image keeps its own if it is among them, and gets the first one else",
     0},
    {"labels", KEY_LABELS, "FILE", 0, "Labels of the series: write them as DICOM-SEG", 0},
    {"dataset", 'd', "FILE", 0, "dataset.json: the names of the labels", 0},
    {"description", KEY_DESCRIPTION, "TEXT", 0, "SeriesDescription of the DICOM-SEG", 0},
    {"memory", KEY_MEMORY, "SIZE", 0, "Use at most this address space, such as 4G", 0},
    {"cpu-time", KEY_CPU_TIME, "SECONDS", 0, "Use at most this time of a processor", 0},
    {"parent", KEY_PARENT, "PID", OPTION_HIDDEN, NULL, 0}, /* of predict and serve */
    {0},
};

static void check_options(const Options *o, struct argp_state *state)
{
    const char *output = o->common.output;
    char known[IMAGE_ENDINGS_BYTES];
    if (!o->input_count) argp_error(state, "SERIES is missing: a folder, a zip archive, or DICOM files");
    if (o->memory && o->memory < LEAST_MEMORY) argp_error(state, "--memory: the program and its libraries need 256M");
    if (o->list) {
        if (*output || o->common.overwrite || o->labels.labels || o->labels.description || o->dataset ||
            o->orientation || o->choice.series || o->choice.volume)
            argp_error(state,
                       "--list only lists the series of SERIES: omit the options that choose, read or write one");
        return;
    }
    if (!*output) argp_error(state, "-o FILE is missing");
    if (o->labels.labels) {
        if (o->orientation) argp_error(state, "--orientation turns an image: with --labels nothing is turned, omit it");
        if (!o->dataset) argp_error(state, "--labels needs -d dataset.json, for the names of the labels");
        if (!path_ends_with(output, ".dcm") && !path_is_open_file(output))
            argp_error(state, "-o %s: a segmentation is a file with the ending .dcm", output);
        return;
    }
    if (o->dataset || o->labels.description) argp_error(state, "-d and --description are for --labels FILE");
    image_known_endings(known, true);
    if (!image_is_written(output)) argp_error(state, "-o %s: expected an image, with one of%s", output, known);
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    Options *o = state->input;
    switch (key) {
    case KEY_LIST: o->list = true; return 0;
    case KEY_SERIES: option_once(state, "--series", text, &o->choice.series); return 0;
    case KEY_VOLUME: o->choice.volume = (int)option_integer(state, "--volume", text, 1, 1000000); return 0;
    case KEY_ORIENTATION: option_once(state, "--orientation", text, &o->orientation); return 0;
    case KEY_LABELS: option_once(state, "--labels", text, &o->labels.labels); return 0;
    case KEY_DESCRIPTION: option_once(state, "--description", text, &o->labels.description); return 0;
    case KEY_MEMORY: o->memory = option_bytes(state, "--memory", text); return 0;
    case KEY_CPU_TIME: o->seconds = option_integer(state, "--cpu-time", text, 1, 1000000); return 0;
    case KEY_PARENT: o->parent = option_integer(state, "--parent", text, 1, INT_MAX); return 0;
    case 'd': option_once(state, "-d", text, &o->dataset); return 0;
    case ARGP_KEY_ARG: o->inputs[o->input_count++] = text; return 0;
    case ARGP_KEY_END: check_options(o, state); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static int list(const DicomSources *source, Err *e)
{
    Text text = {0}, warnings = {0};
    const int code = series_table(&text, &warnings, source, e);
    program_warn_lines(warnings.data);
    if (!code && text.data) program_print(text.data);
    text_free(&text);
    text_free(&warnings);
    return code;
}

/* The code that the image is to have: of the list, its own or the first one; "": it stays as it is. */
static int choose_code(char code[GRID_CODE_BYTES], const char *list, const Geometry *g, Err *e)
{
    char own[GRID_CODE_BYTES];
    grid_axes_code(g, own);
    code[0] = '\0';
    for (const char *at = list; *at; at += strspn(at, ", ")) {
        const size_t length = strcspn(at, ", ");
        if (length != 3) return err_set(e, ERR_VALUE, "--orientation %s: expected codes such as RAS, or RAS,LPS", list);
        if (!*code || !strncmp(at, own, length)) snprintf(code, GRID_CODE_BYTES, "%.3s", at);
        at += length;
    }
    return 0;
}

static int turn(Array *voxels, Geometry *g, const char *list, Err *e)
{
    GridAxes axes;
    char code[GRID_CODE_BYTES];
    if (!list || g->dimensions == 2) return 0;
    TRY(choose_code(code, list, g, e));
    if (!*code) return 0;
    TRY(grid_axes_to_code(&axes, g, code, e));
    TRY(grid_axes_turn(&axes, voxels, e));
    *g = grid_axes_apply(&axes, g);
    return 0;
}

static int write_image(const Options *o, const Series *s, const DicomSources *source, Err *e)
{
    Array voxels;
    Geometry g = s->geometry;
    TRY(volume_read(&voxels, s, source, e));
    int code = turn(&voxels, &g, o->orientation, e);
    FolderLock lock = {-1};
    if (!code) code = output_begin(&lock, o->common.output, o->common.overwrite, e);
    if (!code) code = image_write(o->common.output, &g, &voxels, e);
    folder_unlock(&lock);
    array_free(&voxels);
    return code;
}

static int write_labels(const Options *o, const Series *s, const DicomSources *source, Err *e)
{
    DatasetInfo info;
    LabelFiles files = o->labels;
    files.output = o->common.output;
    FolderLock lock = {-1};
    TRY(dataset_info_read(&info, o->dataset, e));
    int code = output_begin(&lock, files.output, o->common.overwrite, e);
    if (!code) code = labels_write(&files, &info, s, source, e);
    folder_unlock(&lock);
    dataset_info_free(&info);
    return code;
}

static int convert(const Options *o, const DicomSources *source, Err *e)
{
    Series s;
    if (o->list) return list(source, e);
    TRY(series_open(&s, source, &o->choice, e));
    program_warn_lines(s.warnings.data);
    const int code = o->labels.labels ? write_labels(o, &s, source, e) : write_image(o, &s, source, e);
    series_close(&s);
    return code;
}

/* A sanitizer reserves terabytes of addresses: under it nothing is limited. */
static int limit_memory(int64_t bytes, Err *e)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    const struct rlimit most = {(rlim_t)bytes, (rlim_t)bytes};
    if (bytes && setrlimit(RLIMIT_AS, &most)) return err_set(e, ERR_VALUE, "--memory: more than this process may use");
#endif
    (void)bytes, (void)e;
    return 0;
}

/* At the soft limit comes SIGXCPU, which ends the program. */
static int limit_time(long seconds, Err *e)
{
    const struct rlimit most = {(rlim_t)seconds, (rlim_t)seconds + 1};
    if (seconds && setrlimit(RLIMIT_CPU, &most))
        return err_set(e, ERR_VALUE, "--cpu-time: more than this process may use");
    return 0;
}

static int run(const Options *o, Err *e)
{
    DicomSources source;
    if (o->parent) TRY(tool_follow(o->parent, e));
    TRY(limit_time(o->seconds, e));
    TRY(limit_memory(o->memory, e));
    if (!o->list) TRY(output_expect_free(o->common.output, o->common.overwrite, e));
    TRY(dicom_begin(e));
    TRY(sources_open(&source, o->inputs, o->input_count, e));
    const int code = convert(o, &source, e);
    sources_close(&source);
    return code;
}

static const Program program = {
    .summary = "convert DICOM series to images, labels to DICOM-SEG",
    .arguments = "SERIES... -o IMAGE\nSERIES... --labels FILE -d JSON -o SEG.dcm\nSERIES... --list",
    .about =
        "SERIES is a folder, a zip archive or DICOM files, of one series. Its slices are sorted by their place and written as one "
        "image; or labels of that image as a DICOM Segmentation object of the series. predict does both.",
    .examples = "series -o image.nii.gz\tA series as NIfTI\n"
                "study --list\tThe series of a folder\n"
                "study --series 4 -o image.nii.gz\tThe one with the number 4\n"
                "series --labels seg.nii.gz -d results/dataset.json -o seg.dcm\tLabels as DICOM-SEG",
    .see = "predict serve",
    .options = option_list,
    .parse = parse_option};

int main(int argc, char **argv)
{
    Options o = {
        .common = {.takes = OPT_OUTPUT | OPT_THREADS | OPT_QUIET | OPT_OVERWRITE | OPT_JSON_LOG, .output = ""}};
    Err e = {0};
    program_begin("convert_dicom", false);
    program_interrupt_hint("nothing was written: the same command starts from the beginning");
    o.inputs = mem_alloc((size_t)argc * sizeof *o.inputs, &e);
    if (!o.inputs) return program_end(ERR_NOMEM, &e, false);
    program_parse(&program, &o, &o.common, argc, argv);
    program_threads(&o.common);
    int code = sandbox_enter(&(Sandbox){.file = o.common.output}, &o.common, NULL, &e);
    if (!code) code = run(&o, &e);
    mem_free(o.inputs);
    const int status = program_end(code, &e, o.common.quiet);
    return code && o.parent ? tool_status(code) : status;
}
