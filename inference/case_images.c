#include "inference/case_images.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/channel_values.h"
#include "data/image_channels.h"
#include "data/orientation_code.h"
#include "preprocess/spacing_check.h"

GridAxes case_images_axes(const Plan *plan, const Geometry *g)
{
    return grid_axes_read(g, plan_reader_axes(plan), plan->transpose_forward[0]);
}

/* ---- headers ---- */

static ChannelNames channels_wanted(const Predictor *p)
{
    const DatasetInfo *info = predictor_dataset(p);
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
static int probe_files(ImageHeader *headers, int64_t *channels, const Predictor *p, const Case *c, Err *e)
{
    const ChannelNames wanted = channels_wanted(p);
    for (int i = 0; i < c->image_count; i++) TRY(image_read_header(&headers[i], c->images[i], IMAGE_INTENSITIES, e));
    const int code =
        image_expect_channels(channels, headers, (const char *const *)c->images, c->image_count, &wanted, e);
    if (!code || !*c->id) return code;
    if (c->image_count == 1) return *channels < wanted.count ? explain_name(c, wanted.count, e) : code;
    return *channels == (int64_t)c->image_count * wanted.count ? explain_number(c, e) : code;
}

/* The size of a case, from its headers. */
static int probe_case(CaseSize *size, const Predictor *p, const Case *c, Err *e)
{
    *size = (CaseSize){0};
    int64_t largest_file = 0;
    ImageHeader *headers = mem_zalloc((size_t)c->image_count, sizeof *headers, e);
    const int code = headers ? probe_files(headers, &size->channels, p, c, e) : ERR_NOMEM;
    const Geometry first = code ? (Geometry){0} : headers[0].geometry; /* the others are reoriented to its grid */
    mem_free(headers);
    if (code) return code;
    const GridAxes axes = case_images_axes(predictor_plan(p), &first);
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
    return 0;
}

int case_images_cost(Predictor *p, const Case *c, const Postprocessing *postprocessing, PredictionCost *cost, Err *e)
{
    CaseSize size;
    Text note = {0};
    TRY(probe_case(&size, p, c, e));
    size.finishing_bytes = postprocessing_bytes(postprocessing, size.shape_zyx);
    int code = spacing_check(&note, size.shape_zyx, size.spacing_zyx_mm, predictor_plan(p), e);
    if (code) err_context(e, "%s", c->images[0]);
    text_free(&note);
    return code ? code : predictor_cost(p, &size, cost, e);
}

/* ---- reading ---- */

int case_images_spacing(Text *note, const Plan *plan, const Geometry *g, Err *e)
{
    const GridAxes axes = case_images_axes(plan, g);
    const Geometry read = grid_axes_apply(&axes, g);
    return spacing_check(note, read.shape_zyx, read.spacing_zyx_mm, plan, e);
}

static int warn_of_spacing(FaultList *warnings, const Plan *plan, const Case *c, const Geometry *g, Err *e)
{
    const char *unit;
    Text note = {0};
    if (geometry_unit_mm(g->orientation.units, &unit) != 1)
        fault_add(warnings, FAULT_WARNING, "%s: the header says %s: its spacing is taken as %gx%gx%g mm (x,y,z)",
                  c->images[0], unit, g->spacing_zyx_mm[2], g->spacing_zyx_mm[1], g->spacing_zyx_mm[0]);
    const int code = case_images_spacing(&note, plan, g, e);
    if (!code && note.length) fault_add(warnings, FAULT_WARNING, "%s: %s", c->images[0], note.data);
    text_free(&note);
    return code ? err_context(e, "%s", c->images[0]) : 0;
}

void case_images_values(Text *note, const Plan *plan, const Array *voxels)
{
    const PlanConfiguration *c = &plan->configuration;
    bool is_normalised[PLAN_MAX_CHANNELS] = {false};
    for (int i = 0; i < c->channel_count; i++) is_normalised[i] = c->normalization_schemes[i] != NORMALIZE_NONE;
    if (voxels->shape[0] != c->channel_count) return; /* an error, when the image is preprocessed */
    channels_values_add(note, voxels, is_normalised);
    if (note->length) text_add(note, "; labels that follow from such a channel mean nothing");
}

static int warn_of_values(FaultList *warnings, const Plan *plan, const Case *c, const Array *voxels, Err *e)
{
    Text note = {0};
    case_images_values(&note, plan, voxels);
    const int code = text_check(&note, e);
    if (!code && note.length) fault_add(warnings, FAULT_WARNING, "%s: %s", c->images[0], note.data);
    text_free(&note);
    return code;
}

int case_images_read(Image *image, const Predictor *p, const Case *c, FaultList *warnings, Err *e)
{
    const ChannelNames wanted = channels_wanted(p);
    TRY(image_read_channels(image, (const char *const *)c->images, c->image_count, &wanted, warnings, e));
    int code = warn_of_spacing(warnings, predictor_plan(p), c, &image->geometry, e);
    if (!code) code = warn_of_values(warnings, predictor_plan(p), c, &image->voxels, e);
    if (code) image_free(image);
    return code;
}

/* ---- orientation ---- */

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

void case_images_orientation(Text *note, char code[GRID_CODE_BYTES], const char *name, const Geometry *g,
                             const Plan *plan)
{
    const ReaderAxes reader = plan_reader_axes(plan);
    grid_axes_code(g, code);
    if (!*plan->orientations || !strcmp(plan->orientations, "none")) return;
    if (has_orientation(plan->orientations, code, reader)) return;
    const char *unturned = orientation_unturned(code, reader);
    const bool is_none = !strcmp(code, "none");
    text_add(note, "%s: %s%s, and the training images had %s%s only: the network may confuse left and right; %s", name,
             is_none ? "it has no orientation" : "its orientation is ", is_none ? "" : code, plan->orientations,
             reader == READER_STORED ? "" : " (volumes reoriented to RAS)",
             unturned ? unturned : "reorient the image, or train with \"orientation: canonical\"");
}
