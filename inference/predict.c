/* predict: segments images with the networks of a results folder, or of an inference.yaml. */
#include "base/memory.h"
#include "base/sandbox.h"
#include "base/world.h"
#include "inference/model_choice.h"
#include "inference/output_file.h"
#include "inference/predict_options.h"
#include "inference/predict_series.h"
#include "network/executor/executor.h"
#include "network/executor/precision.h"
#include "plans/plan_help.h"

enum { SETTLE_SECONDS = 5 }; /* --help has it, too */

static bool stops(void *context)
{
    (void)context;
    return program_interrupted();
}

static void report(void *context, const char *id, const Err *fault)
{
    (void)context;
    program_error("case %s: %s", id, fault->text);
}

static void tell(void *context, PredictionTell kind, const char *text)
{
    (void)context;
    switch (kind) {
    case TELL_NOTE: program_say("%s", text); return;
    case TELL_WARNING: program_warn("%s", text); return;
    case TELL_TABLE: program_print(text); return;
    }
}

/* Several processes share the cases of a folder; anything else is done by the first one. */
static void set_prediction(PredictOptions *o, const Process *world)
{
    PredictionOptions *p = &o->prediction;
    p->inputs = o->inputs;
    p->output = o->common.output;
    p->overwrite = o->common.overwrite;
    p->quiet = o->common.quiet;
    p->tell = tell;
    p->report = report;
    p->stops = o->watch.folder ? stops : NULL;
    if (!p->into_file && !o->is_series && *p->output) p->world = world;
    if (!o->watch.settle) o->watch.settle = SETTLE_SECONDS;
    if (p->into_file || o->is_series || !*p->output)
        program_interrupt_hint("no labels were written: the same command starts from the beginning");
}

static int run_model(PredictOptions *o, ModelChoice *m, Err *e)
{
    const Configuration *c = &m->configuration;
    if (o->postprocessing) TRY(model_choice_read_postprocessing(m, o->postprocessing, e));
    o->prediction.predictor.checkpoint = m->checkpoint;
    if (o->watch.folder) return watch_run(&o->watch, &o->prediction, c, e);
    return o->is_series ? predict_series_run(o, c, e) : prediction_run(&o->prediction, c, e);
}

static int choose_device(PredictOptions *o, const Process *world, Err *e)
{
    const char *lacks;
    PredictorOptions *p = &o->prediction.predictor;
    p->device = device_of_rank(o->common.device, world ? world->rank_here : 0, e);
    if (!p->device) return e->code;
    p->precision = precision_of(o->common.precision, p->device, &lacks);
    if (lacks) program_warn("%s", lacks);
    return 0;
}

static int run(PredictOptions *o, const Process *world, Err *e)
{
    ModelChoice m;
    set_prediction(o, world);
    if (world && o->watch.folder)
        return err_set(e, ERR_VALUE, "--watch is for one process, and %d were started: start it without mpirun",
                       world->count);
    if (world && world->rank && !o->prediction.world) return 0;
    TRY(choose_device(o, world, e));
    TRY(model_choice_find(&m, o->model, &o->folds, o->prediction.predictor.checkpoint, e));
    if (*m.note && !o->common.quiet) program_say("-m %s", m.note);
    const int code = run_model(o, &m, e);
    model_choice_free(&m);
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
    .options = predict_option_list,
    .parse = predict_parse_option,
    .habits = predict_habits,
    .expand = plan_help,
    .shares = true};

static int enter_sandbox(const PredictOptions *o, const Process *world, Err *e)
{
    const char *output = o->common.output;
    const bool is_file = o->prediction.into_file || o->writes_dicom;
    const Sandbox s = {.folders = {is_file ? NULL : output, o->prediction.overlay},
                       .file = is_file ? output : NULL,
                       .tool = "convert_dicom"};
    return sandbox_enter(&s, &o->common, world, e);
}

static void free_lists(PredictOptions *o)
{
    mem_free(o->inputs);
    mem_free(o->choices);
    fold_list_free(&o->folds);
}

int main(int argc, char **argv)
{
    PredictOptions o = {.common = {.takes = OPT_OUTPUT | OPT_THREADS | OPT_QUIET | OPT_OVERWRITE | OPT_DEVICE |
                                            OPT_PRECISION | OPT_JSON_LOG,
                                   .output = ""}};
    Err e = {0};
    program_begin("predict", true); /* only --watch asks for signals; else they end it at once */
    program_interrupt_hint("finished cases are kept: the same command continues with the others");
    o.inputs = mem_alloc((size_t)argc * sizeof *o.inputs, &e);
    o.choices = mem_alloc((size_t)argc * sizeof *o.choices, &e);
    if (!o.inputs || !o.choices) {
        free_lists(&o);
        return program_end(ERR_NOMEM, &e, false);
    }
    char engine[EXECUTOR_BUILD_BYTES];
    o.common.engine = executor_build(engine);
    program_parse(&program, &o, &o.common, argc, argv);
    const Process *world;
    int code = world_begin(&world, &o.common, argc, argv, &e);
    if (!code && o.fault.code) {
        e = o.fault;
        code = e.code;
    }
    if (!code) code = enter_sandbox(&o, world, &e);
    if (!code) code = run(&o, world, &e);
    if (!code && o.watch.folder) program_signal_served();
    free_lists(&o);
    return world_end(world, code, &e, o.common.quiet);
}
