#include "inference/predict_series.h"

#include <stdio.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/output.h"
#include "inference/model_source.h"
#include "inference/output_file.h"

/* ---- messages, with the paths of the series in place of those in memory ---- */

typedef struct Renamed {
    const SeriesImages *images;
    const PredictionOptions *own; /* who is told */
} Renamed;

static void report(void *context, const char *id, const Err *fault)
{
    const Renamed *r = context;
    Err shown = *fault;
    series_images_rename(r->images, shown.text, sizeof shown.text);
    r->own->report(r->own->context, id, &shown);
}

static void tell(void *context, PredictionTell kind, const char *told)
{
    const Renamed *r = context;
    char text[2048];
    snprintf(text, sizeof text, "%s", told);
    if (kind != TELL_TABLE) series_images_rename(r->images, text, sizeof text);
    r->own->tell(r->own->context, kind, kind == TELL_TABLE ? told : text);
}

static void warn_lines(const PredictionOptions *p, const char *lines)
{
    int length;
    char text[sizeof(Err)];
    for (const char *line = lines, *next; line && *line; line = next) {
        next = text_next_line(line, &length);
        snprintf(text, sizeof text, "%.*s", length, line);
        p->tell(p->context, TELL_WARNING, text);
    }
}

/* ---- the prediction ---- */

static int write_dicom(const PredictOptions *o, const Configuration *c, const SeriesImages *s, Err *e)
{
    Text again = {0}; /* the warnings of the first reading */
    char *dataset = path_format(e, "%s/dataset.json", c->models[0].results);
    if (!dataset) return ERR_NOMEM;
    const int code = series_images_write(s, o->common.output, dataset, o->common.overwrite, &again, e);
    mem_free(dataset);
    text_free(&again);
    return code;
}

/* Predicts the images of the series, and writes the labels, which are in memory too if they become DICOM-SEG. */
static int predict_images(const PredictOptions *o, const Configuration *c, const SeriesImages *s, Err *e)
{
    Renamed renamed = {s, &o->prediction};
    PredictionOptions p = o->prediction;
    const bool is_dicom = o->writes_dicom;
    p.inputs = s->inputs;
    p.input_count = s->count;
    if (is_dicom) p.output = s->labels;
    p.into_file = *p.output;
    p.tell = tell;
    p.report = report;
    p.context = &renamed;
    TRY(prediction_run(&p, c, e));
    return is_dicom ? write_dicom(o, c, s, e) : 0;
}

static int open_images(SeriesImages *s, const PredictOptions *o, const SeriesSource *series, const Configuration *c,
                       Err *e)
{
    ModelSource source;
    Text warnings = {0};
    const ConfiguredModel *m = &c->models[0];
    TRY(model_source_open(&source, m->results, m->folds.numbers, m->folds.count, o->prediction.predictor.checkpoint,
                          e));
    const int code = series_images_open(s, series, source.info.channel_count, source.plan.orientations, &warnings, e);
    model_source_free(&source);
    warn_lines(&o->prediction, warnings.data);
    text_free(&warnings);
    return code;
}

static int expect_one_model(const PredictOptions *o, const Configuration *c, Err *e)
{
    if (c->model_count == 1 || !*o->common.output) return 0;
    return err_set(
        e, ERR_UNSUPPORTED,
        "%s has %d models, and of DICOM series one model is predicted: give its results folder, or make images "
        "of the series with convert_dicom, and predict these into a folder",
        c->file, c->model_count);
}

static int expect_free(const PredictOptions *o, Err *e)
{
    TRY(output_expect_free(o->common.output, o->common.overwrite, e));
    return output_file_expect_writable(o->common.output, e);
}

int predict_series_run(const PredictOptions *o, const Configuration *c, Err *e)
{
    SeriesImages s;
    SeriesSource series = o->series;
    series.inputs = o->inputs;
    series.input_count = o->prediction.input_count;
    series.choices = o->choices;
    TRY(expect_one_model(o, c, e));
    if (o->writes_dicom) TRY(expect_free(o, e));
    TRY(open_images(&s, o, &series, c, e));
    const int code = predict_images(o, c, &s, e);
    if (code) series_images_rename(&s, e->text, sizeof e->text);
    series_images_close(&s);
    return code;
}
