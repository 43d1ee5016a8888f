#include "dicom/labels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/program.h"
#include "data/grid_axes.h"
#include "data/image_io.h"
#include "dicom/segmentation.h"
#include "pictures/label_colors.h"

enum { LETTERS = 64, LABEL_BYTES = 4 * LETTERS + 1 }; /* of a DICOM long string */

/* The segments, and their labels' texts. */
typedef struct Segments {
    DicomSegment *list;
    char (*labels)[LABEL_BYTES];
    int count;
} Segments;

/* Backslashes separate values, and control characters are not allowed. */
static void copy_text(char to[LABEL_BYTES], const char *from)
{
    int letters = 0, bytes;
    for (; *from && letters < LETTERS; from += bytes, letters++) {
        const unsigned letter = text_code_point(from, &bytes);
        if (letter < ' ' || letter == '\\' || letter == 127) *to++ = '_';
        else
            for (int i = 0; i < bytes; i++) *to++ = from[i];
    }
    *to = '\0';
}

static void free_segments(Segments *s)
{
    mem_free(s->list);
    mem_free(s->labels);
}

static int list_segments(Segments *s, const DatasetInfo *info, Err *e)
{
    const size_t most = (size_t)dataset_last_value(info) + 1;
    *s = (Segments){.list = mem_zalloc(most, sizeof *s->list, e), .labels = mem_zalloc(most, LABEL_BYTES, e)};
    if (!s->list || !s->labels) return ERR_NOMEM;
    for (int value = 1; value < (int)most; value++) {
        const char *name = dataset_value_name(info, value);
        if (value == info->ignore_value || !name) continue;
        const Color color = label_color(value);
        char *label = s->labels[s->count];
        copy_text(label, name);
        s->list[s->count++] = (DicomSegment){value, label, codes_of(name), {color.r, color.g, color.b}};
    }
    return s->count ? 0 : err_set(e, ERR_VALUE, "dataset.json has no label besides the background");
}

static int check_values(const Array *labels, const Segments *s, Err *e)
{
    const int16_t *values = labels->data;
    int last = 0;
    for (int64_t i = 0; i < array_count(labels); i++) {
        const int value = values[i];
        if (!value || value == last) continue;
        int k = 0;
        while (k < s->count && s->list[k].value != value) k++;
        if (k == s->count)
            return err_set(e, ERR_VALUE, "a voxel has the value %d, which dataset.json has no label for", value);
        last = value;
    }
    return 0;
}

/* labels: new, on the grid of the series. */
static int read_labels(Array *labels, const char *path, const Series *s, Err *e)
{
    Geometry g;
    GridAxes axes;
    char own[GRID_PLACE_BYTES], wanted[GRID_PLACE_BYTES], shape[GEOMETRY_TEXT_BYTES], expected[GEOMETRY_TEXT_BYTES];
    TRY(image_read_labels(labels, &g, path, e));
    const GridMatch match = grid_match(&g, &s->geometry, &axes);
    if (match == GRID_SAME || match == GRID_TURNED) return grid_axes_turn(&axes, labels, e);
    geometry_shape_text(&g, shape);
    geometry_shape_text(&s->geometry, expected);
    grid_place_text(&g, own);
    grid_place_text(&s->geometry, wanted);
    return err_set(e, ERR_SHAPE, "%s: %s voxels, %s; but the series has %s voxels, %s: expected labels of this series",
                   path, shape, own, expected, wanted);
}

static int list_slices(SegmentedSlice **slices, const Series *s, const DicomSources *source, Err *e)
{
    for (int i = 0; i < s->count; i++)
        if (!*series_file(s, i)->instance || !*series_file(s, i)->kind)
            return err_set(e, ERR_FORMAT,
                           "%s: it has no SOPInstanceUID or no SOPClassUID, by which the segmentation names it",
                           sources_name(source, series_file(s, i)->source));
    *slices = mem_zalloc((size_t)s->count, sizeof **slices, e);
    for (int i = 0; i < s->count && *slices; i++) {
        const Frame *f = series_frame(s, i);
        const DicomFile *file = series_file(s, i);
        (*slices)[i] = (SegmentedSlice){
            .kind = file->kind, .instance = file->instance, .frame = file->count > 1 ? f->number + 1 : 0};
        memcpy((*slices)[i].position, f->position, sizeof f->position);
    }
    return *slices ? 0 : ERR_NOMEM;
}

static int write_job(const LabelFiles *files, const DatasetInfo *info, const Series *s, const DicomSources *source,
                     SegmentationJob *job, Err *e)
{
    SourceBytes bytes;
    char description[LABEL_BYTES], text[LABEL_BYTES + 16];
    const Frame *f = series_frame(s, 0);
    snprintf(text, sizeof text, "Segmentation%s%s", info->name ? " " : "", info->name ? info->name : "");
    copy_text(description, files->description ? files->description : text);
    job->description = description;
    job->version = PROGRAM_VERSION;
    job->slice_count = s->count;
    job->rows = s->geometry.shape_zyx[1];
    job->columns = s->geometry.shape_zyx[2];
    job->spacing_between = s->geometry.spacing_zyx_mm[0];
    job->thickness = f->thickness > 0 ? f->thickness : job->spacing_between;
    memcpy(job->direction, f->direction, sizeof job->direction);
    memcpy(job->spacing_yx, f->spacing_yx, sizeof job->spacing_yx);
    TRY(sources_get(&bytes, source, series_file(s, 0)->source, e));
    job->source = bytes.data;
    job->source_bytes = bytes.count;
    const int code = segmentation_write(files->output, job, e);
    sources_release(&bytes);
    return code;
}

int labels_write(const LabelFiles *files, const DatasetInfo *info, const Series *s, const DicomSources *source, Err *e)
{
    Array labels = {0};
    Segments segments = {0};
    SegmentedSlice *slices = NULL;
    if (s->geometry.dimensions == 2)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: it has no place in the patient, which a segmentation needs: write an image instead",
                       sources_name(source, series_file(s, 0)->source));
    int code = list_segments(&segments, info, e);
    if (!code) code = read_labels(&labels, files->labels, s, e);
    if (!code && check_values(&labels, &segments, e)) code = err_context(e, "%s", files->labels);
    if (!code) code = list_slices(&slices, s, source, e);
    SegmentationJob job = {
        .labels = labels.data, .segments = segments.list, .segment_count = segments.count, .slices = slices};
    if (!code) code = write_job(files, info, s, source, &job, e);
    mem_free(slices);
    array_free(&labels);
    free_segments(&segments);
    return code;
}
