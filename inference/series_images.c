#include "inference/series_images.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/tool.h"
#include "data/image_io.h"
#include "data/orientation_code.h"

/* ---- what is DICOM ---- */

enum { PREAMBLE = 128, ENTRIES = 16, DEEPEST = 4 };

static int is_dicom_file(const char *path, bool *is, Err *e)
{
    void *data;
    size_t bytes;
    TRY(file_is_there(path, is, e));
    if (!*is) return 0;
    TRY(file_map(path, &data, &bytes, e));
    const bool is_zip = path_ends_with(path, ".zip") && bytes > 4 && !memcmp(data, "PK\3\4", 4);
    *is = is_zip || (bytes > PREAMBLE + 4 && !memcmp((const char *)data + PREAMBLE, "DICM", 4));
    file_unmap(data, bytes);
    return 0;
}

static int is_dicom_folder(const char *path, int depth, bool *is, Err *e);

/* depth: of the folder that has it. */
static int is_dicom_entry(const char *path, int depth, bool *is, Err *e)
{
    bool is_folder;
    TRY(file_is_folder(path, &is_folder, e));
    if (is_folder && depth < DEEPEST) return is_dicom_folder(path, depth + 1, is, e);
    *is = false;
    return is_folder ? 0 : is_dicom_file(path, is, e);
}

static int is_dicom_folder(const char *path, int depth, bool *is, Err *e)
{
    FileList names;
    bool has_images = false;
    int code = 0;
    *is = false;
    TRY(file_list(&names, path, e));
    for (int i = 0; i < names.count && !has_images; i++) has_images = image_ending(names.names[i]);
    for (int i = 0; i < names.count && i < ENTRIES && !*is && !has_images && !code; i++) {
        char *entry = path_format(e, "%s/%s", path, names.names[i]);
        code = entry ? is_dicom_entry(entry, depth, is, e) : ERR_NOMEM;
        mem_free(entry);
    }
    file_list_free(&names);
    return code;
}

int series_images_meant(const char *path, bool *is, Err *e)
{
    bool is_folder;
    TRY(file_is_folder(path, &is_folder, e));
    if (is_folder) return is_dicom_folder(path, 1, is, e);
    *is = false;
    return image_ending(path) || path_is_open_file(path) ? 0 : is_dicom_file(path, is, e);
}

/* ---- images ---- */

static const char *input_of(const SeriesImages *s, int channel)
{
    return s->source->inputs[s->source->input_count > 1 ? channel : 0];
}

static const char *choice_of(const SeriesImages *s, int channel)
{
    const int count = s->source->choice_count;
    return count ? s->source->choices[count > 1 ? channel : 0] : NULL;
}

static int expect_channels(const SeriesSource *source, int channels, Err *e)
{
    const int inputs = source->input_count, choices = source->choice_count;
    const int given = inputs > choices ? inputs : choices ? choices : 1;
    if (channels > SERIES_CHANNELS)
        return err_set(e, ERR_UNSUPPORTED, "the model has %d channels: DICOM series of at most %d are read", channels,
                       SERIES_CHANNELS);
    if (given != channels || (inputs > 1 && choices > 1 && inputs != choices))
        return err_set(
            e, ERR_VALUE,
            "%d DICOM series, but the model has %d channel%s: give a series for each, in their order, by -i FOLDER or --series "
            "UID",
            given, channels, channels == 1 ? "" : "s");
    return 0;
}

/* The case has the name of the first series' folder or file; of several channels each has its number. */
static void name_of(char name[PATH_NAMED_BYTES], const SeriesImages *s, int channel, int channels)
{
    char number[16] = "";
    if (channels > 1) snprintf(number, sizeof number, "_%04d", channel);
    const char *input = input_of(s, 0), *base = input;
    int length = (int)strlen(input);
    while (length > 1 && input[length - 1] == '/') length--;
    for (int i = 0; i < length; i++)
        if (input[i] == '/') base = input + i + 1;
    length -= (int)(base - input);
    if (length > 4 && (path_ends_with(input, ".dcm") || path_ends_with(input, ".zip"))) length -= 4;
    if (length < 1 || *base == '.') base = "series", length = 6;
    snprintf(name, PATH_NAMED_BYTES, "%.*s%s.nii", length > 128 ? 128 : length, base, number);
}

static int new_file(SeriesImages *s, int index, const char *name, char path[MEMORY_FILE_PATH_BYTES], Err *e)
{
    s->files[index] = memory_file_new(name, path, e);
    return s->files[index] < 0 ? e->code : 0;
}

/* The choice of the series, and the NULL at the end. */
static void add_choice(const char **arguments, int count, const SeriesImages *s, int channel)
{
    const char *choice = choice_of(s, channel);
    if (choice) {
        arguments[count++] = "--series";
        arguments[count++] = choice;
    }
    if (s->source->volume) {
        arguments[count++] = "--volume";
        arguments[count++] = s->volume;
    }
    arguments[count] = NULL;
}

static int read_channel(SeriesImages *s, int channel, int channels, const char *orientations, Text *warnings, Err *e)
{
    char name[PATH_NAMED_BYTES];
    const char *arguments[16] = {input_of(s, channel), "-o", s->paths[channel]};
    int count = 3;
    name_of(name, s, channel, channels);
    TRY(new_file(s, channel, name, s->paths[channel], e));
    s->inputs[channel] = s->paths[channel];
    s->count = channel + 1;
    if (*orientations) {
        arguments[count++] = "--orientation";
        arguments[count++] = orientations;
    }
    add_choice(arguments, count, s, channel);
    const Tool tool = {.name = "convert_dicom", .arguments = arguments, .files = &s->files[channel], .file_count = 1};
    const int code = tool_run(&tool, warnings, e);
    return code ? err_context(e, "%s", input_of(s, channel)) : 0;
}

int series_images_open(SeriesImages *s, const SeriesSource *source, int channels, const char *orientations,
                       Text *warnings, Err *e)
{
    char codes[64];
    int code;
    *s = (SeriesImages){.source = source};
    snprintf(s->volume, sizeof s->volume, "%d", source->volume);
    for (int i = 0; i <= SERIES_CHANNELS; i++) s->files[i] = -1;
    orientation_volume_codes(codes, sizeof codes, orientations);
    code = expect_channels(source, channels, e);
    for (int i = 0; i < channels && !code; i++) code = read_channel(s, i, channels, codes, warnings, e);
    if (!code) code = new_file(s, SERIES_CHANNELS, "labels.nii", s->labels, e);
    if (code) series_images_close(s);
    return code;
}

void series_images_close(SeriesImages *s)
{
    for (int i = 0; i <= SERIES_CHANNELS; i++)
        if (s->files[i] >= 0) close(s->files[i]);
    for (int i = 0; i <= SERIES_CHANNELS; i++) s->files[i] = -1;
}

void series_images_rename(const SeriesImages *s, char *text, size_t bytes)
{
    for (int i = 0; i < s->count; i++) memory_file_rename(text, bytes, s->paths[i], input_of(s, i));
    memory_file_rename(text, bytes, s->labels, "the labels");
}

/* ---- labels ---- */

int series_images_write(const SeriesImages *s, const char *output, const char *dataset_json, bool overwrite,
                        Text *warnings, Err *e)
{
    const char *arguments[16] = {input_of(s, 0), "--labels", s->labels, "-d", dataset_json, "-o", output};
    int count = 7;
    if (overwrite) arguments[count++] = "--overwrite";
    add_choice(arguments, count, s, 0);
    const Tool tool = {
        .name = "convert_dicom", .arguments = arguments, .files = &s->files[SERIES_CHANNELS], .file_count = 1};
    return tool_run(&tool, warnings, e);
}
