/* make_phantom: writes a synthetic labelled dataset in nnU-Net's raw format. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/program.h"
#include "base/progress.h"
#include "data/image_io.h"
#include "data/phantom.h"

typedef struct Options {
    CommonOptions common;
    PhantomOptions phantom;
    int cases;
} Options;

enum { KEY_CASES = 0x2000, KEY_SIZE, KEY_CHANNELS, KEY_ENDING };

static bool is_plane_ending(const char *ending) { return !strcasecmp(ending, ".png") || !strcasecmp(ending, ".bmp"); }

static error_t parse(int key, char *text, struct argp_state *state)
{
    Options *o = state->input;
    switch (key) {
    case KEY_CASES: o->cases = (int)option_integer(state, "--cases", text, 1, 100000); return 0;
    case KEY_SIZE: option_size(state, "--size", text, o->phantom.shape_zyx, 3); return 0;
    case KEY_CHANNELS: o->phantom.channels = (int)option_integer(state, "--channels", text, 1, 1000); return 0;
    case KEY_ENDING: {
        char name[64];
        snprintf(name, sizeof name, "x%.40s", text);
        const char *ending = image_ending(name);
        if (!ending || strcmp(ending, text))
            argp_error(state, "--ending %s: expected the ending of an image, as .nii.gz, .mha, .nrrd, .tif or .png",
                       text);
        o->phantom.ending = text;
        return 0;
    }
    case ARGP_KEY_END:
        if (o->phantom.shape_zyx[0] > 1 && o->phantom.ending && is_plane_ending(o->phantom.ending))
            argp_error(state, "--ending %s holds one slice, but a case has %lld: add --size 1x96x96", o->phantom.ending,
                       (long long)o->phantom.shape_zyx[0]);
        return 0;
    case ARGP_KEY_ARG: argp_error(state, "unexpected argument '%s'", text); return EINVAL;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"cases", KEY_CASES, "N", 0, "Number of cases (default: 16)", 0},
    {"size", KEY_SIZE, "ZxYxX", 0, "Voxels of a case (default: 16x96x96)", 0},
    {"channels", KEY_CHANNELS, "N", 0, "Image channels (default: 1)", 0},
    {"ending", KEY_ENDING, "ENDING", 0,
     "Format of the images (default: .nii.gz)\vAlso .mha, .nrrd, .tif …; of one slice also .png, .bmp", 0},
    {0},
};
static const Program program = {
    .summary = "write a made-up dataset with labels",
    .arguments = "",
    .about =
        "Writes a labelled dataset in nnU-Net's raw format: volumes with two organs that no threshold finds, noise and a bias field.",
    .examples = "-o Dataset001_Phantom --cases 20\tTwenty volumes to try the other programs with",
    .notes = "The same seed, size and channels give the same files.",
    .see = "plan_and_preprocess",
    .options = options,
    .parse = parse};

/* phantom_001.nii.gz, phantom_001_0000.nii.gz … */
static bool is_phantom(const char *name)
{
    static const char prefix[] = "phantom_";
    const size_t digits = strncmp(name, prefix, strlen(prefix)) ? 0 : strspn(name + strlen(prefix), "0123456789");
    const char *rest = name + strlen(prefix) + digits;
    return digits >= 3 && (*rest == '.' || *rest == '_') && image_ending(name);
}

/* Removes the cases of an earlier run, which may have had more cases. */
static int remove_cases(const char *output, const char *folder, Err *e)
{
    FileList files = {0};
    char *path = path_format(e, "%s/%s", output, folder);
    bool there;
    int failed = file_is_there(path, &there, e);
    if (there) failed = file_list(&files, path, e);
    for (int i = 0; i < files.count && !failed; i++) {
        if (!is_phantom(files.names[i])) continue;
        char *file = path_format(e, "%s/%s", path, files.names[i]);
        failed = file ? file_remove(file, e) : ERR_NOMEM;
        mem_free(file);
    }
    file_list_free(&files);
    mem_free(path);
    return failed;
}

static int prepare(const Options *o, Err *e)
{
    char *json = path_format(e, "%s/dataset.json", o->common.output);
    bool there;
    int failed = file_is_there(json, &there, e);
    if (there)
        failed = o->common.overwrite
                     ? file_remove(json, e)
                     : err_set(e, ERR_VALUE, "%s exists already: choose another folder, or --overwrite", json);
    mem_free(json);
    if (!failed) failed = remove_cases(o->common.output, "imagesTr", e);
    return failed ? failed : remove_cases(o->common.output, "labelsTr", e);
}

/* All cases, on all threads; the first failure is reported and stops the rest. */
static int write_cases(const Options *o, Progress *progress, Err *e)
{
    int failed = 0;
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < o->cases; i++) {
        Err own_error;
        int stop;
#pragma omp atomic read
        stop = failed;
        if (stop || program_interrupted()) continue;
        const int code = phantom_write_case(o->common.output, &o->phantom, i, &own_error);
        if (!code) progress_step(progress, 1, NULL);
        else progress_fail(progress, NULL);
        if (!code) continue;
#pragma omp critical
        if (!failed) {
            *e = own_error;
#pragma omp atomic write
            failed = code;
        }
    }
    if (!failed && program_interrupted())
        failed = err_set(e, ERR_INTERRUPTED, "interrupted; the dataset is not complete: run the same command again");
    return failed;
}

/* dataset.json is written last: where it exists, the dataset is complete. */
static int fill(const Options *o, Err *e)
{
    Progress progress;
    TRY(prepare(o, e));
    progress_begin(&progress, "phantoms", o->cases, o->common.quiet);
    const int failed = write_cases(o, &progress, e);
    progress_end(&progress);
    return failed ? failed : phantom_write_json(o->common.output, &o->phantom, o->cases, e);
}

static int run(const Options *o, Err *e)
{
    FolderLock lock;
    TRY(file_make_folders(o->common.output, e));
    TRY(folder_lock(&lock, o->common.output, e));
    const int code = fill(o, e);
    folder_unlock(&lock);
    return code;
}

int main(int argc, char **argv)
{
    Options o = {
        .common = {.takes = OPT_OUTPUT | OPT_THREADS | OPT_QUIET | OPT_SEED | OPT_OVERWRITE | OPT_JSON_LOG},
        .phantom = {.shape_zyx = {16, 96, 96}, .channels = 1},
        .cases = 16,
    };
    Err e = {0};
    program_begin("make_phantom", true);
    program_parse(&program, &o, &o.common, argc, argv);
    o.phantom.seed = o.common.seed;
    program_threads(&o.common);
    return program_end(run(&o, &e), &e, o.common.quiet);
}
