/* serve: a model that stays loaded, behind HTTP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json_log.h"
#include "base/memory.h"
#include "base/program.h"
#include "base/sandbox.h"
#include "network/executor/executor.h"
#include "serve/server.h"

enum { MODELS = 64 };

typedef struct Options {
    CommonOptions common;
    const char *model, *listen;
    swin_options of_model;
    int parallel, waiting;
    int64_t most_body;
} Options;

enum {
    KEY_LISTEN = 0x100,
    KEY_PARALLEL,
    KEY_QUEUE,
    KEY_BODY,
    KEY_MEMORY,
    KEY_CHECKPOINT,
    KEY_TTA,
    KEY_NO_TTA,
    KEY_STEP
};

static const struct argp_option option_list[] = {
    {"model", 'm', "RESULTS", 0, "Results of train, of nnU-Net, or inference.yaml\v with one model", 0},
    {"listen", KEY_LISTEN, "ADDRESS", 0, "HOST:PORT or unix:PATH (default: 127.0.0.1:8080)", 0},
    {"queue", KEY_QUEUE, "N", 0, "Requests that may wait (default: 16)\v. Further ones are answered by 503", 0},
    {"max-body", KEY_BODY, "SIZE", 0, "Largest body of a request (default: 512M)", 0},
    {"parallel", KEY_PARALLEL, "N", 0,
     "Requests predicted at a time (default: 1)\v. Each has a copy of the model, and its part of threads and memory",
     0},
    {"memory", KEY_MEMORY, "SIZE", 0, "Use at most this memory, such as 800M or 4G\v, for all predictions", 0},
    {"folds", 'f', "0,1,2", 0, "Folds to average (default: all numbered ones)\vAs 0-4,7 or all", 0},
    {"checkpoint", KEY_CHECKPOINT, "final|best|latest", 0, "Checkpoint of each fold (default: final)", 0},
    {"tta", KEY_TTA, NULL, 0, "Average over mirrored images (default: the plan's)\v. This is slower", 0},
    {"no-tta", KEY_NO_TTA, NULL, 0, "Do not average over mirrored images", 0},
    {"step", KEY_STEP, "FRACTION", 0, "Step of the window (default: the plan's)\v, as a fraction of the patch size", 0},
    {0},
};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    Options *o = state->input;
    switch (key) {
    case 'm': option_once(state, "-m", text, &o->model); return 0;
    case 'f': option_once(state, "--folds", text, &o->of_model.folds); return 0;
    case KEY_LISTEN: o->listen = text; return 0;
    case KEY_QUEUE: o->waiting = (int)option_integer(state, "--queue", text, 0, 1000); return 0;
    case KEY_BODY: o->most_body = option_bytes(state, "--max-body", text); return 0;
    case KEY_PARALLEL: o->parallel = (int)option_integer(state, "--parallel", text, 1, MODELS); return 0;
    case KEY_MEMORY: o->of_model.memory = option_bytes(state, "--memory", text); return 0;
    case KEY_CHECKPOINT: o->of_model.checkpoint = text; return 0;
    case KEY_TTA: o->of_model.mirroring = 1; return 0;
    case KEY_NO_TTA: o->of_model.mirroring = -1; return 0;
    case KEY_STEP: o->of_model.step = option_number(state, "--step", text, 0.01, 1); return 0;
    case ARGP_KEY_ARG: argp_error(state, "%s: images are sent by HTTP; the model is given by -m", text); return 0;
    case ARGP_KEY_END:
        if (!o->model) argp_error(state, "-m RESULTS is missing");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static void warn(void *context, const char *text)
{
    (void)context;
    program_warn("%s", text);
}

static void note(const char *text) { program_say("%s", text); }

/* The event of --json-log. */
static void log_served(const Served *p)
{
    if (!json_log_is_open()) return;
    Text line = json_log_begin("request");
    json_log_integer(&line, "status", p->status);
    json_log_integer(&line, "bytes", p->bytes);
    json_log_number(&line, "waited", p->waited);
    json_log_number(&line, "seconds", p->took);
    json_log_string(&line, "error", *p->text ? p->text : NULL);
    json_log_end(&line);
}

static void tell_served(const Served *p)
{
    char ended[16] = "cancelled";
    if (p->status) snprintf(ended, sizeof ended, "%u", p->status);
    program_say("predict %s: %.1f MiB, waited %.2f s, took %.2f s%s%s", ended, (double)p->bytes / (1 << 20), p->waited,
                p->took, *p->text ? ": " : "", p->text);
    log_served(p);
}

static int share(int of, int parts) { return of / parts ? of / parts : 1; }

static int open_models(swin_model **models, const Options *o, Err *e)
{
    const swin_listener listener = {.size = sizeof listener, .warning = warn}, silent = {.size = sizeof silent};
    swin_options options = o->of_model;
    options.size = sizeof options;
    options.device = o->common.device;
    options.precision = o->common.precision;
    options.threads = share(program_threads(&o->common), o->parallel);
    options.memory /= o->parallel;
    for (int i = 0; i < o->parallel; i++) {
        swin_error error;
        models[i] = swin_open(o->model, &options, i ? &silent : &listener, &error);
        if (!models[i] || swin_warm(models[i], &error)) return err_set(e, (ErrCode)error.code, "%s", error.text);
    }
    return 0;
}

/* For convert_dicom: what --memory leaves for a request, else several times a body, which is compressed. The program and its
 * libraries need some of it. */
static int64_t series_memory(const Options *o)
{
    const int64_t least = (int64_t)1 << 30, memory = o->of_model.memory / o->parallel;
    const int64_t most = memory ? memory : 8 * o->most_body;
    return most > least ? most : least;
}

static void run_until_signal(Server *server)
{
    const struct timespec moment = {.tv_nsec = 100000000};
    while (!program_interrupted()) {
        server_tend(server);
        nanosleep(&moment, NULL);
    }
}

static int serve(const Options *o, swin_model *const *models, Err *e)
{
    Listening l;
    Server *server;
    const ServerOptions options = {.models = models,
                                   .model_count = o->parallel,
                                   .waiting = o->waiting,
                                   .most_body = o->most_body,
                                   .memory = series_memory(o),
                                   .served = o->common.quiet ? log_served : tell_served,
                                   .log = o->common.quiet ? NULL : note};
    TRY(listen_on(&l, o->listen, e));
    const int code = server_start(&server, &options, &l, e);
    if (code) close(l.fd);
    if (!code) {
        if (!l.is_local)
            program_warn(
                "%s can be reached from other machines, without a password and unencrypted: let a proxy do that",
                l.shown.data ? l.shown.data : o->listen);
        program_say("listening on %s", l.shown.data ? l.shown.data : o->listen);
        run_until_signal(server);
        server_stop(server);
    }
    listen_end(&l);
    return code;
}

static const Program program = {
    .summary = "keep a model loaded and segment images that are sent by HTTP",
    .arguments = "",
    .about =
        "Answers POST /predict with the labels of the image in its body, and GET /health, /model and /metrics. SIGTERM ends it "
        "after the requests that it has.",
    .examples = "-m results\tOn http://127.0.0.1:8080\n"
                "-m results --listen unix:/run/swin.sock\tOnly for this user",
    .notes = "  curl --data-binary @image.nii.gz http://127.0.0.1:8080/predict -o seg.nii.gz\n"
             "  curl --data-binary @series.zip http://127.0.0.1:8080/predict -o seg.dcm",
    .more =
        "  curl --data-binary @image.nii.gz http://127.0.0.1:8080/predict -o seg.nii.gz\n"
        "  curl --data-binary @series.zip http://127.0.0.1:8080/predict -o seg.dcm\n\n"
        "Several channels are the files of a form: curl -F image=@case_0000.nii.gz -F image=@case_0001.nii.gz. The exit status is "
        "0 when a signal ended it and all requests were answered.",
    .see = "predict train",
    .options = option_list,
    .parse = parse_option};

static int enter_sandbox(const Options *o, Err *e)
{
    const Sandbox s = {
        .tool = "convert_dicom", .listens = true, .socket = strncmp(o->listen, "unix:", 5) ? NULL : o->listen + 5};
    return sandbox_enter(&s, &o->common, NULL, e);
}

int main(int argc, char **argv)
{
    Options o = {.common = {.takes = OPT_THREADS | OPT_QUIET | OPT_DEVICE | OPT_PRECISION | OPT_JSON_LOG},
                 .listen = "127.0.0.1:8080",
                 .parallel = 1,
                 .waiting = 16,
                 .most_body = (int64_t)512 << 20};
    swin_model *models[MODELS] = {NULL};
    Err e = {0};
    program_begin("serve", true);
    program_interrupt_hint("requests were not answered");
    program_stops_after("the requests that it has");
    char engine[EXECUTOR_BUILD_BYTES];
    o.common.engine = executor_build(engine);
    program_parse(&program, &o, &o.common, argc, argv);
    int code = enter_sandbox(&o, &e);
    if (!code) code = open_models(models, &o, &e);
    if (!code) code = serve(&o, models, &e);
    for (int i = 0; i < o.parallel; i++) swin_close(models[i]);
    if (!code) program_signal_served();
    return program_end(code, &e, o.common.quiet);
}
