/* One case of a PredictionJob: reads its files, predicts, writes its labels. */
#include "base/output.h"
#include "inference/case_images.h"
#include "inference/output_file.h"
#include "inference/prediction_job.h"
#include "inference/probabilities.h"

bool prediction_job_saves_probabilities(const PredictionJob *job)
{
    return job->is_member || job->o->save_probabilities;
}

int prediction_job_cost(const PredictionJob *job, const Case *c, PredictionCost *cost, Err *e)
{
    return case_images_cost(job->predictor, c, job->postprocessing, cost, e);
}

static int predict_labels(const PredictionJob *job, Image *image, Array *labels, const char *id, Err *e)
{
    const double *spacing_mm = image->geometry.spacing_zyx_mm;
    const GridAxes axes = case_images_axes(predictor_plan(job->predictor), &image->geometry);
    if (!prediction_job_saves_probabilities(job))
        return predictor_predict(job->predictor, &image->voxels, spacing_mm, &axes, labels, NULL, e);
    ProbabilityFile file;
    const char *folder = job->is_member ? job->own.path : job->output->path;
    const ProbabilitySink sink = probability_file_sink(&file, folder, id);
    const int code = predictor_predict(job->predictor, &image->voxels, spacing_mm, &axes, labels, &sink, e);
    return probability_file_finish(&file, code, e);
}

/* Prints the warning only for the first case of each orientation. */
void prediction_job_warn_orientation(const PredictionJob *job, const char *code, const char *text)
{
    if (job->noted) {
        prediction_job_note(job, code, text);
        return;
    }
    RecordTexts *told = job->cases->orientations;
    const int before = told->count;
    const bool is_new = prediction_job_record_warning(job, text), others = job->output && job->cases->inputs.count > 1;
    if (record_texts_add(told, code, NULL) || told->count == before || !is_new) return;
    prediction_tell(job->o, TELL_WARNING, "case %s: %s%s", job->id, text,
                    others ? " (for other cases with that orientation the warning is only in predict.yaml)" : "");
}

static void warn_of_orientation(const PredictionJob *job, const Case *c, const Geometry *g)
{
    char code[GRID_CODE_BYTES];
    Text note = {0};
    case_images_orientation(&note, code, c->images[0], g, predictor_plan(job->predictor));
    if (note.length) prediction_job_warn_orientation(job, code, note.data);
    text_free(&note);
}

static int read_case(const PredictionJob *job, const Case *c, Image *image, Err *e)
{
    FaultList warnings = {0};
    const int code = case_images_read(image, job->predictor, c, &warnings, e);
    for (int i = 0; i < warnings.count && !code; i++) prediction_job_warn(job, "%s", warnings.faults[i].text);
    faults_free(&warnings);
    if (!code) warn_of_orientation(job, c, &image->geometry);
    return code;
}

static int write_labels(const PredictionJob *job, const char *path, const Geometry *g, const Array *labels, Err *e)
{
    FolderLock lock = {-1}; /* a folder of outputs is locked by itself */
    if (path == job->file) TRY(output_begin(&lock, path, job->o->overwrite, e));
    const int code = image_write(path, g, labels, e);
    folder_unlock(&lock);
    return code;
}

int prediction_job_predict(const PredictionJob *job, const Case *c, const char *path, Err *e)
{
    Image image;
    Array labels = {0};
    PredictionCost cost;
    TRY(prediction_job_cost(job, c, &cost, e));
    TRY(output_file_expect_format(path, c, e));
    TRY(read_case(job, c, &image, e));
    int code = predict_labels(job, &image, &labels, c->id, e);
    if (code && c->image_count == 1) err_context(e, "%s", c->images[0]);
    if (!code && !job->is_member) code = postprocessing_apply(job->postprocessing, &labels, e);
    if (!code)
        code = write_labels(job, path, &image.geometry, &labels, e); /* last: if the labels exist, so do all files */
    array_free(&labels);
    image_free(&image);
    return code;
}
