#include "inference/prediction.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/file.h"
#include "base/memory.h"
#include "inference/average.h"
#include "inference/meaning.h"
#include "inference/prediction_job.h"

void prediction_tell(const PredictionOptions *o, PredictionTell kind, const char *format, ...)
{
    char text[2048];
    va_list args;
    if (kind == TELL_NOTE && o->quiet) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    o->tell(kind, text);
}

void prediction_tell_kept(const PredictionOptions *o, int kept, int all)
{
    if (kept)
        prediction_tell(o, TELL_NOTE,
                        "%d of %d cases were there already and are kept (--overwrite replaces them)", kept, all);
}

/* The mean of what the models left in `average->folders`. */
static int run_average(const PredictionOptions *o, AverageJob *average, Err *e)
{
    average->output = o->output;
    average->report = o->report;
    average->overwrite = o->overwrite;
    average->quiet = o->quiet;
    TRY(average_run(average, e));
    prediction_tell_kept(o, average->kept, average->case_count);
    return 0;
}

static int expect_same_labels(const Configuration *c, Err *e)
{
    const char *results[CONFIGURATION_MODELS];
    for (int i = 0; i < c->model_count; i++) results[i] = c->models[i].results;
    return meaning_expect_same_in(results, c->model_count, e);
}

/* Each model in a folder of its own, then their mean. A bad case ends up in no mean; the others go on. */
static int predict_with_all(const PredictionOptions *o, const Configuration *c, Err *e)
{
    AverageJob average = {.postprocessing = &c->postprocessing};
    char *folders[CONFIGURATION_MODELS] = {NULL};
    int code = expect_same_labels(c, e);
    Err bad_case = {0};
    for (int i = 0; i < c->model_count && !code; i++) {
        folders[i] = path_format(e, "%s/model_%d", o->output, i + 1);
        average.folders[average.folder_count++] = folders[i];
        code = folders[i] ? prediction_job_run(o, &c->models[i], folders[i], true, &c->postprocessing, e)
                          : ERR_NOMEM;
        if (code != ERR_VALUE || !file_is_folder(folders[i])) continue;
        bad_case = *e;
        code = 0;
    }
    if (!code && *o->output) code = run_average(o, &average, e);
    for (int i = 0; i < c->model_count; i++) mem_free(folders[i]);
    if (!code && bad_case.code) *e = bad_case;
    return code ? code : (int)bad_case.code;
}

int prediction_run(const PredictionOptions *o, const Configuration *c, Err *e)
{
    if (c->model_count > 1) return predict_with_all(o, c, e);
    return prediction_job_run(o, &c->models[0], o->output, false, &c->postprocessing, e);
}
