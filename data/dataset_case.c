/* Faults within a case: dataset_check_headers, dataset_load_case. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "data/channel_values.h"
#include "data/dataset.h"
#include "data/image_channels.h"

/* State while the files of a case are checked one after the other; the first image's grid is the reference. */
typedef struct CaseFiles {
    const DatasetInfo *info;
    const Case *c;
    FaultList *faults;
    bool have_first;
    Geometry first;
} CaseFiles;

static ChannelNames channels_wanted(const CaseFiles *check)
{
    return (ChannelNames){check->info->channel_count, check->info->channel_names};
}

static void add_error(CaseFiles *check, const Err *e) { fault_add_failure(check->faults, check->c->id, e); }

/* axes: how to reorient the file to the first image's grid. */
static void check_place(CaseFiles *check, const Geometry *g, const char *path, GridAxes *axes)
{
    Err e;
    Text note = {0};
    *axes = grid_axes_stored();
    if (!check->have_first) {
        check->have_first = true;
        check->first = *g;
    } else if (grid_bring(axes, &note, g, &check->first, check->c->images[0], &e)) {
        err_context(&e, "%s", path);
        add_error(check, &e);
    } else if (note.length) {
        fault_add(check->faults, FAULT_WARNING, "case %s: %s: %s", check->c->id, path, note.data);
    }
    text_free(&note);
}

/* Reads a header; false if it cannot be read. */
static bool probe(CaseFiles *check, ImageHeader *header, const char *path, ImageUse use)
{
    Err e;
    GridAxes axes;
    if (image_read_header(header, path, use, &e)) {
        add_error(check, &e);
        return false;
    }
    check_place(check, &header->geometry, path, &axes);
    return true;
}

static void probe_images(CaseFiles *check)
{
    const Case *c = check->c;
    const int before = check->faults->errors;
    Err e;
    ImageHeader *headers = mem_zalloc((size_t)c->image_count, sizeof *headers, &e);
    for (int i = 0; headers && i < c->image_count; i++) probe(check, &headers[i], c->images[i], IMAGE_INTENSITIES);
    const ChannelNames wanted = channels_wanted(check);
    int failed = headers ? 0 : ERR_NOMEM;
    if (check->faults->errors == before && !failed)
        failed =
            image_expect_channels(&(int64_t){0}, headers, (const char *const *)c->images, c->image_count, &wanted, &e);
    if (failed) add_error(check, &e);
    mem_free(headers);
}

void dataset_check_headers(const DatasetInfo *info, const Case *c, FaultList *faults)
{
    CaseFiles check = {.info = info, .c = c, .faults = faults};
    ImageHeader header;
    probe_images(&check);
    if (!c->label || !probe(&check, &header, c->label, IMAGE_LABELS)) return;
    Err e;
    if (!image_expect_one_label(&header, &e)) return;
    err_context(&e, "%s", c->label);
    add_error(&check, &e);
}

/* " (channel 3, alpha)" where the file holds several channels; named as in dataset.json if the file has as many
 * channels. */
static const char *channel_name(char *text, size_t bytes, const CaseFiles *check, const Image *image, int64_t channel)
{
    const int64_t channels = image->voxels.shape[0];
    text[0] = '\0';
    if (image->alpha && channel == channels - 1) snprintf(text, bytes, ": channel %lld, alpha", (long long)channel);
    else if (channels > 1 && check->c->image_count == 1 && channel < check->info->channel_count)
        snprintf(text, bytes, ": channel %lld, %s", (long long)channel, check->info->channel_names[channel]);
    else if (channels > 1) snprintf(text, bytes, ": channel %lld", (long long)channel);
    return text;
}

/* Warns of a channel of which a network sees nothing. */
static void tell_values(CaseFiles *check, const char *path, const char *named, float low, float high)
{
    Text found = {0};
    channel_values_add(&found, low, high, true); /* whether it is normalised, the plan tells later */
    if (found.length)
        fault_add(check->faults, FAULT_WARNING, "case %s: %s%s: %s: nothing to learn from", check->c->id, path, named,
                  found.data);
    text_free(&found);
}

/* Adds the faults of an image file's voxels. */
static void check_voxels(CaseFiles *check, const Image *image, const char *path)
{
    const int64_t channels = image->voxels.shape[0], count = array_count(&image->voxels) / channels;
    for (int64_t channel = 0; channel < channels; channel++) {
        const float *values = (const float *)image->voxels.data + channel * count;
        char named[128];
        int64_t strange = 0, first = 0;
        channel_name(named, sizeof named, check, image, channel);
        float low = INFINITY, high = -INFINITY;
        for (int64_t i = 0; i < count; i++) {
            if (!isfinite(values[i]) && !strange++) first = i;
            low = values[i] < low ? values[i] : low;
            high = values[i] > high ? values[i] : high;
        }
        if (strange)
            fault_add(check->faults, FAULT_ERROR,
                      "case %s: %s%s: %lld voxel(s) that are not finite, the first %g at voxel "
                      "%lld in storage order: expected numbers; replace them",
                      check->c->id, path, named, (long long)strange, (double)values[first],
                      (long long)(channel * count + first));
        else tell_values(check, path, named, low, high);
    }
}

/* Reads all image files and adds the faults of each. */
static void read_parts(CaseFiles *check, Image *parts)
{
    Err e;
    GridAxes axes;
    for (int i = 0; i < check->c->image_count; i++) {
        if (image_read(&parts[i], check->c->images[i], &e)) {
            add_error(check, &e);
            continue;
        }
        check_place(check, &parts[i].geometry, check->c->images[i], &axes);
        if (grid_axes_turn(&axes, &parts[i].voxels, &e)) add_error(check, &e);
    }
}

/* Reads all image files of the case. Without errors, the channels are fitted to the dataset's and joined. */
static int load_images(CaseFiles *check, Image *image)
{
    const Case *c = check->c;
    const int before = check->faults->errors;
    const ChannelNames wanted = channels_wanted(check);
    Err e;
    Image *parts = mem_zalloc((size_t)c->image_count, sizeof *parts, &e);
    if (!parts) {
        add_error(check, &e);
        return ERR_NOMEM;
    }
    read_parts(check, parts);
    if (check->faults->errors == before &&
        image_fit_channels(parts, (const char *const *)c->images, c->image_count, &wanted, check->faults, &e))
        add_error(check, &e);
    for (int i = 0; i < c->image_count; i++)
        if (parts[i].voxels.data) check_voxels(check, &parts[i], c->images[i]);
    if (check->faults->errors == before && image_join(image, parts, c->image_count, &e)) add_error(check, &e);
    for (int i = 0; i < c->image_count; i++) image_free(&parts[i]);
    mem_free(parts);
    return check->faults->errors == before ? 0 : ERR_VALUE;
}

/* Reports label values that dataset.json does not have: the first ones, with their numbers of voxels. */
static void check_values(CaseFiles *check, const Array *labels)
{
    enum { VALUES = 1 << 16, SHOWN = 10 };
    Err e;
    Text text = {0};
    int64_t *voxels = mem_zalloc(VALUES, sizeof *voxels, &e);
    if (!voxels) {
        add_error(check, &e);
        return;
    }
    const int16_t *values = labels->data;
    for (int64_t i = 0, count = array_count(labels); i < count; i++) voxels[(uint16_t)values[i]]++;
    int unknown = 0;
    for (int value = INT16_MIN; value <= INT16_MAX; value++) {
        const int64_t count = voxels[(uint16_t)value];
        if (!count || dataset_knows_value(check->info, value) || unknown++ >= SHOWN) continue;
        text_add(&text, "%s%d (%lld voxels)", unknown > 1 ? ", " : "", value, (long long)count);
    }
    if (unknown)
        fault_add(check->faults, FAULT_ERROR,
                  "case %s: %s: label value(s) %s%s: expected those of dataset.json, 0 to %d%s", check->c->id,
                  check->c->label, text.data ? text.data : "", unknown > SHOWN ? " …" : "", check->info->max_value,
                  check->info->ignore_value >= 0 ? " and the ignore label" : "");
    text_free(&text);
    mem_free(voxels);
}

static int load_labels(CaseFiles *check, Array *labels)
{
    const int before = check->faults->errors;
    GridAxes axes;
    Image image;
    Err e;
    int failed = image_read_as(&image, check->c->label, IMAGE_LABELS, &e);
    if (failed) {
        add_error(check, &e);
        return failed;
    }
    check_place(check, &image.geometry, check->c->label, &axes);
    failed = grid_axes_turn(&axes, &image.voxels, &e);
    if (!failed) failed = image_to_labels(labels, &image, &e);
    image_free(&image);
    if (failed) {
        err_context(&e, "%s", check->c->label);
        add_error(check, &e);
        return failed;
    }
    check_values(check, labels);
    return check->faults->errors == before ? 0 : ERR_VALUE;
}

int dataset_load_case(CaseData *data, const DatasetInfo *info, const Case *c, FaultList *faults)
{
    CaseFiles check = {.info = info, .c = c, .faults = faults};
    *data = (CaseData){0};
    const int bad_image = load_images(&check, &data->image);
    const int bad_labels = c->label ? load_labels(&check, &data->labels) : 0;
    if (bad_image || bad_labels) case_data_free(data);
    return bad_image ? bad_image : bad_labels;
}

void case_data_free(CaseData *data)
{
    image_free(&data->image);
    array_free(&data->labels);
}
