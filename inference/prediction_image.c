/* One case of a PredictionJob: reads its files, predicts, writes its labels. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_channels.h"
#include "data/orientation_code.h"
#include "inference/output_file.h"
#include "inference/prediction_job.h"
#include "inference/probabilities.h"
#include "preprocess/spacing_check.h"

bool prediction_job_saves_probabilities(const PredictionJob *job)
{
    return job->is_member || job->o->save_probabilities;
}

static GridAxes reading_axes(const PredictionJob *job, const Geometry *g)
{
    const Plan *plan = predictor_plan(job->predictor);
    return grid_axes_read(g, plan_reader_axes(plan), plan->transpose_forward[0]);
}

static ChannelNames channels_wanted(const PredictionJob *job)
{
    const DatasetInfo *info = predictor_dataset(job->predictor);
    return (ChannelNames){info->channel_count, info->channel_names};
}

/* The number in NAME_0001, if it is a channel other than the first; else 0. */
static int later_channel(const char *name, const char *ending, int channels)
{
    int number = 0;
    if (ending - name < 6 || ending[-5] != '_') return 0;
    for (const char *at = ending - 4; at < ending; at++) {
        if (*at < '0' || *at > '9') return 0;
        number = 10 * number + *at - '0';
    }
    return number < channels ? number : 0;
}

/* Explains the error of a file that was read as a whole case: the first channel is missing, or the name has no channel
 * number. */
static int explain_name(const Case *c, int channels, Err *e)
{
    const char *name = path_base(c->images[0]), *ending = image_ending(name);
    if (!ending || strlen(c->id) != (size_t)(ending - name)) return e->code;
    const Err inner = *e;
    const int number = later_channel(name, ending, channels), stem = (int)(ending - name) - 5;
    if (number)
        return err_set(e, inner.code,
                       "%s: one of %d channels; if it is channel %d of the case %.*s, %.*s_0000%s is missing; "
                       "else rename it to %s_0000%s and add the others",
                       c->images[0], channels, number, stem, name, stem, name, ending, c->id, ending);
    return err_set(e, inner.code,
                   "%s; the whole name is used as the case's: files of its channels would be %s_0000%s, %s_0001%s …",
                   inner.text, c->id, ending, c->id, ending);
}

/* Explains the error of files with all channels each: pictures or frames whose number was read as a channel number. */
static int explain_number(const Case *c, Err *e)
{
    const char *name = path_base(c->images[0]), *ending = image_ending(name);
    const Err inner = *e;
    return err_set(e, inner.code,
                   "%s; each of these files has all channels: if each is a case of its own, give it a name "
                   "with a channel number behind its own number, such as %.*s_0000%s",
                   inner.text, (int)(ending - name), name, ending);
}

/* Reads the headers of all files of a case. */
static int probe_files(ImageHeader *headers, int64_t *channels, const PredictionJob *job, const Case *c, Err *e)
{
    const ChannelNames wanted = channels_wanted(job);
    for (int i = 0; i < c->image_count; i++) TRY(image_read_header(&headers[i], c->images[i], IMAGE_INTENSITIES, e));
    const int code =
        image_expect_channels(channels, headers, (const char *const *)c->images, c->image_count, &wanted, e);
    if (!code || c->image_count == 1) return code && *channels < wanted.count ? explain_name(c, wanted.count, e) : code;
    return *channels == (int64_t)c->image_count * wanted.count ? explain_number(c, e) : code;
}

/* The size of a case, from its headers. */
static int probe_case(CaseSize *size, const PredictionJob *job, const Case *c, Err *e)
{
    *size = (CaseSize){0};
    int64_t largest_file = 0;
    ImageHeader *headers = mem_zalloc((size_t)c->image_count, sizeof *headers, e);
    const int code = headers ? probe_files(headers, &size->channels, job, c, e) : ERR_NOMEM;
    const Geometry first = code ? (Geometry){0} : headers[0].geometry; /* the others are reoriented to its grid */
    mem_free(headers);
    if (code) return code;
    const GridAxes axes = reading_axes(job, &first);
    const Geometry g = grid_axes_apply(&axes, &first);
    for (int i = 0; i < c->image_count; i++) {
        const int64_t bytes = file_size(c->images[i]);
        if (bytes > largest_file) largest_file = bytes;
    }
    memcpy(size->shape_zyx, g.shape_zyx, sizeof size->shape_zyx);
    memcpy(size->spacing_zyx_mm, g.spacing_zyx_mm, sizeof size->spacing_zyx_mm);
    const int64_t samples = size->channels * size->shape_zyx[0] * size->shape_zyx[1] * size->shape_zyx[2];
    const bool several = c->image_count > 1; /* they are copied into one array */
    size->reading_bytes = largest_file + samples * (int64_t)(sizeof(uint16_t) + several * sizeof(float));
    size->finishing_bytes = postprocessing_bytes(job->postprocessing, size->shape_zyx);
    return 0;
}

int prediction_job_cost(const PredictionJob *job, const Case *c, PredictionCost *cost, Err *e)
{
    CaseSize size;
    Text note = {0};
    TRY(probe_case(&size, job, c, e));
    int code = spacing_check(&note, size.shape_zyx, size.spacing_zyx_mm, predictor_plan(job->predictor), e);
    if (code) err_context(e, "%s", c->images[0]);
    text_free(&note);
    return code ? code : predictor_cost(job->predictor, &size, cost, e);
}

static int predict_labels(const PredictionJob *job, Image *image, Array *labels, const char *id, Err *e)
{
    const double *spacing_mm = image->geometry.spacing_zyx_mm;
    const GridAxes axes = reading_axes(job, &image->geometry);
    if (!prediction_job_saves_probabilities(job))
        return predictor_predict(job->predictor, &image->voxels, spacing_mm, &axes, labels, NULL, e);
    ProbabilityFile file;
    const char *folder = job->is_member ? job->own.path : job->output->path;
    const ProbabilitySink sink = probability_file_sink(&file, folder, id);
    const int code = predictor_predict(job->predictor, &image->voxels, spacing_mm, &axes, labels, &sink, e);
    return probability_file_finish(&file, code, e);
}

/* Reads all channels, on the grid of the first. */
static int read_case(const PredictionJob *job, const Case *c, Image *image, Err *e)
{
    FaultList notes = {0};
    const ChannelNames wanted = channels_wanted(job);
    const int code = image_read_channels(image, (const char *const *)c->images, c->image_count, &wanted, &notes, e);
    for (int i = 0; i < notes.count && !code; i++) prediction_job_warn(job, "%s", notes.faults[i].text);
    faults_free(&notes);
    return code;
}

/* Whether an orientation of the plan's list, "RAS, LPS", is the same as this one for the network. */
static bool has_orientation(const char *list, const char *code, ReaderAxes reader)
{
    for (size_t length; *list; list += length + strspn(list + length, ", ")) {
        char known[GRID_CODE_BYTES];
        length = strcspn(list, ", ");
        snprintf(known, sizeof known, "%.*s", (int)length, list);
        if (orientation_same(orientation_as_read(known, reader), orientation_as_read(code, reader))) return true;
    }
    return false;
}

/* Warns about an implausible voxel size, and about units other than mm. */
static int warn_of_spacing(const PredictionJob *job, const Case *c, const Geometry *g, Err *e)
{
    const Plan *plan = predictor_plan(job->predictor);
    const GridAxes axes = reading_axes(job, g);
    const Geometry read = grid_axes_apply(&axes, g);
    const char *unit;
    Text note = {0};
    if (geometry_unit_mm(g->orientation.units, &unit) != 1)
        prediction_job_warn(job, "%s: the header says %s: its spacing is taken as %gx%gx%g mm (x,y,z)", c->images[0],
                            unit, g->spacing_zyx_mm[2], g->spacing_zyx_mm[1], g->spacing_zyx_mm[0]);
    const int code = spacing_check(&note, read.shape_zyx, read.spacing_zyx_mm, plan, e);
    if (!code && note.length) prediction_job_warn(job, "%s: %s", c->images[0], note.data);
    text_free(&note);
    return code ? err_context(e, "%s", c->images[0]) : 0;
}

/* Prints the warning only for the first case of each orientation. */
static void tell_of_orientation(const PredictionJob *job, const char *code, const char *text)
{
    RecordTexts *told = &job->cases->orientations;
    const int before = told->count;
    const bool is_new = prediction_job_record_warning(job, text), others = job->output && job->cases->inputs.count > 1;
    if (record_texts_add(told, code, NULL) || told->count == before || !is_new) return;
    prediction_tell(job->o, TELL_WARNING, "case %s: %s%s", job->id, text,
                    others ? " (for other cases with that orientation the warning is only in predict.yaml)" : "");
}

/* Warns about an orientation that did not occur in training: the network may confuse left and right. Nothing is compared
 * if the training images had no orientation, or if all are reoriented to one. */
static void warn_of_orientation(const PredictionJob *job, const Case *c, const Geometry *g)
{
    const Plan *plan = predictor_plan(job->predictor);
    const ReaderAxes reader = plan_reader_axes(plan);
    char code[GRID_CODE_BYTES], text[sizeof(Err)];
    grid_axes_code(g, code);
    if (!*plan->orientations || !strcmp(plan->orientations, "none")) return;
    if (has_orientation(plan->orientations, code, reader)) return;
    const char *unturned = orientation_unturned(code, reader);
    const bool is_none = !strcmp(code, "none");
    snprintf(text, sizeof text,
             "%s: %s%s, and the training images had %s%s only: the network may confuse left and right; %s",
             c->images[0], is_none ? "it has no orientation" : "its orientation is ", is_none ? "" : code,
             plan->orientations, reader == READER_STORED ? "" : " (volumes reoriented to RAS)",
             unturned ? unturned : "reorient the image, or train with \"orientation: canonical\"");
    tell_of_orientation(job, code, text);
}

int prediction_job_predict(const PredictionJob *job, const Case *c, const char *path, Err *e)
{
    Image image;
    Array labels = {0};
    PredictionCost cost;
    TRY(prediction_job_cost(job, c, &cost, e));
    TRY(output_file_expect_format(path, c, e));
    TRY(read_case(job, c, &image, e));
    warn_of_orientation(job, c, &image.geometry);
    int code = warn_of_spacing(job, c, &image.geometry, e);
    if (!code && (code = predict_labels(job, &image, &labels, c->id, e)) && c->image_count == 1)
        err_context(e, "%s", c->images[0]);
    if (!code && !job->is_member) code = postprocessing_apply(job->postprocessing, &labels, e);
    if (!code) code = image_write(path, &image.geometry, &labels, e); /* last: if the labels exist, so do all files */
    array_free(&labels);
    image_free(&image);
    return code;
}
