/* convert_weights IN OUT: converts weights between PyTorch's files and safetensors; the endings of the names tell
 * which. A results folder of train is written as one of nnU-Net's. */
#include <string.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/program.h"
#include "base/sandbox.h"
#include "base/text.h"
#include "inference/nnunet_export.h"
#include "weights/weights_io.h"

typedef struct Options {
    const char *paths[2];
    int count;
    bool is_folder; /* IN */
    Err fault;      /* that could not be determined: the run ends with it (status 1) */
} Options;

static void expect_weights(struct argp_state *state, const char *path, const char *or_else)
{
    Err e = {0};
    if (weights_check_ending(path, &e)) argp_error(state, "%s%s", e.text, or_else);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    Options *options = state->input;
    const char *const *paths = options->paths;
    switch (key) {
    case ARGP_KEY_ARG:
        if (options->count == 2) argp_error(state, "too many arguments: expected IN and OUT");
        options->paths[options->count++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (options->count != 2) argp_error(state, "expected IN and OUT");
        if (file_is_folder(paths[0], &options->is_folder, &options->fault)) return 0;
        if (options->is_folder) {
            if (!weights_check_ending(paths[1], NULL))
                argp_error(state, "%s is a folder: expected a folder's name for OUT, not %s", paths[0], paths[1]);
            return 0;
        }
        expect_weights(state, paths[0], ", or a results folder, which this is not");
        expect_weights(state, paths[1], "");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static int convert_folder(const Options *options, const CommonOptions *common, Err *e)
{
    Text told = {0};
    const int failed = nnunet_export(options->paths[0], options->paths[1], common->overwrite, &told, e);
    int length;
    for (const char *line = told.data, *next; !failed && !common->quiet && line && *line; line = next) {
        next = text_next_line(line, &length);
        program_say("%.*s", length, line);
    }
    text_free(&told);
    return failed;
}

static int expect_free(const char *out, const CommonOptions *common, Err *e)
{
    bool there;
    TRY(file_is_there(out, &there, e));
    if (!there || common->overwrite) return 0;
    return err_set(e, ERR_VALUE, "%s: exists already; --overwrite replaces it", out);
}

/* Another program may have written the file meanwhile. */
static int write_file(const WeightsFile *w, const char *out, const CommonOptions *common, Err *e)
{
    FolderLock lock;
    TRY(folder_lock_of(&lock, out, e));
    int code = expect_free(out, common, e);
    if (!code) code = weights_write(w, out, e);
    folder_unlock(&lock);
    return code;
}

static int convert_file(const Options *options, const CommonOptions *common, Err *e)
{
    const char *in = options->paths[0], *out = options->paths[1];
    WeightsFile w;
    bool same;
    TRY(file_is_same(in, out, &same, e));
    if (same) /* a checkpoint would lose its optimizer state */
        return err_set(e, ERR_VALUE, "%s and %s are the same file: give OUT another name", in, out);
    TRY(expect_free(out, common, e));
    TRY(weights_read(&w, in, e));
    const int dropped = weights_drop(&w, WEIGHTS_OPTIMIZER);
    size_t bytes = 0;
    for (int i = 0; i < w.count; i++) bytes += array_bytes(&w.tensors[i].array);
    const int failed = write_file(&w, out, common, e);
    if (!failed && !common->quiet) {
        program_say("%s: %d tensors, %.1f MB", out, w.count, (double)bytes / 1e6);
        if (dropped) program_say("not kept: %d tensors of the optimizer's state", dropped);
        for (int i = 0; i < w.note_count; i++) {
            const char *value = w.notes[i].value;
            program_say("note %s: %.60s%s", w.notes[i].key, value, strlen(value) > 60 ? " …" : "");
        }
    }
    weights_close(&w);
    return failed;
}

static int convert(const Options *options, const CommonOptions *common, Err *e)
{
    *e = options->fault;
    if (e->code) return e->code;
    return options->is_folder ? convert_folder(options, common, e) : convert_file(options, common, e);
}

#define SAFELY_READ                                                                                                           \
    "A PyTorch file is read without executing anything in it; of a checkpoint, the network's weights and its notes (numbers " \
    "and texts) are kept, the optimizer's state is not."

static const Program program = {
    .summary = "convert weights from and to PyTorch and nnU-Net",
    .arguments = "IN OUT",
    .about =
        "Converts network weights between PyTorch's files (.pth, .pt) and .safetensors, both ways; or a results folder of train "
        "(network nnunet) into one that nnU-Net predicts with.",
    .examples = "vmamba_tiny.pth vmamba_tiny.safetensors\tA file of PyTorch\n"
                "results nnUNetTrainer__nnUNetPlans__2d\tA results folder for nnU-Net",
    .notes = SAFELY_READ,
    .more = SAFELY_READ
    "\n\nIf IN is a results folder, OUT becomes a folder with plans.json, dataset.json and fold_F/checkpoint_final.pth, as nnU-Net's "
    "trainers write it. Where nnU-Net looks for it by the dataset's number, its name is DATASET/nnUNetTrainer__PLANS__2d below "
    "nnUNet_results, with the plan's dataset_name and plans_name.",
    .see = "train predict",
    .parse = parse};

int main(int argc, char **argv)
{
    Options options = {0};
    CommonOptions common = {.takes = OPT_QUIET | OPT_OVERWRITE | OPT_JSON_LOG};
    Err e = {0};
    program_begin("convert_weights", false);
    program_parse(&program, &options, &common, argc, argv);
    return program_end(convert(&options, &common, &e), &e, common.quiet);
}
