/* Phantoms as a raw dataset on disk. */
#include <stdio.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_io.h"
#include "data/phantom.h"
#include "plans/dataset_json.h"

static int write_image(const char *path, const Geometry *g, const Array *voxels, Err *e)
{
    return path ? image_write(path, g, voxels, e) : ERR_NOMEM;
}

static const char *ending_of(const PhantomOptions *options) { return options->ending ? options->ending : ".nii.gz"; }

static int make_folder(const char *folder, const char *name, Err *e)
{
    char *path = path_format(e, "%s/%s", folder, name);
    const int failed = path ? file_make_folders(path, e) : ERR_NOMEM;
    mem_free(path);
    return failed;
}

/* One channel in the format's type: pictures have no negative numbers, as phantoms; BMP has 8 bits. */
static int write_channel(const char *path, const Geometry *g, int16_t *values, Err *e)
{
    const int64_t *shape = g->shape_zyx;
    const bool narrow = path && path_ends_with(path, ".bmp");
    const DType type = path && image_is_picture(path) ? DTYPE_U16 : DTYPE_I16;
    if (!narrow) {
        const Array voxels = array_view(type, 3, shape, values);
        return write_image(path, g, &voxels, e);
    }
    Array bytes;
    TRY(array_new(&bytes, DTYPE_U8, 3, shape, e));
    for (int64_t i = 0; i < array_count(&bytes); i++)
        ((uint8_t *)bytes.data)[i] = (uint8_t)(values[i] < 4 * UINT8_MAX ? values[i] / 4 : UINT8_MAX);
    const int failed = write_image(path, g, &bytes, e);
    array_free(&bytes);
    return failed;
}

int phantom_write_case(const char *folder, const PhantomOptions *options, int index, Err *e)
{
    Phantom p;
    TRY(make_folder(folder, "imagesTr", e));
    TRY(make_folder(folder, "labelsTr", e));
    TRY(phantom_make(&p, options, index, e));
    char *label = path_format(e, "%s/labelsTr/phantom_%03d%s", folder, index + 1, ending_of(options));
    int failed = write_image(label, &p.geometry, &p.labels, e);
    mem_free(label);
    const size_t channel_bytes = array_bytes(&p.voxels) / (size_t)options->channels;
    for (int channel = 0; channel < options->channels && !failed; channel++) {
        char *name = path_format(e, "%s/imagesTr/phantom_%03d_%04d%s", folder, index + 1, channel, ending_of(options));
        failed = write_channel(name, &p.geometry,
                               (int16_t *)p.voxels.data + (size_t)channel * channel_bytes / sizeof(int16_t), e);
        mem_free(name);
    }
    phantom_free(&p);
    return failed;
}

static int write_info(const char *folder, const PhantomOptions *options, const char *const *channel_names, int cases,
                      Err *e)
{
    static const int values[] = {0, 1, 2};
    const DatasetLabel labels[] = {{"background", &values[0], 1, false},
                                   {"bright_organ", &values[1], 1, false},
                                   {"dark_organ", &values[2], 1, false}};
    const DatasetInfo info = {
        .name = "Phantom",
        .description = "made by make_phantom",
        .file_ending = ending_of(options),
        .num_training = cases,
        .channel_count = options->channels,
        .channel_names = channel_names,
        .label_count = 3,
        .labels = labels,
        .max_value = 2,
        .ignore_value = -1,
    };
    char *path = path_format(e, "%s/dataset.json", folder);
    const int failed = path ? dataset_info_write(&info, path, e) : ERR_NOMEM;
    mem_free(path);
    return failed;
}

int phantom_write_json(const char *folder, const PhantomOptions *options, int cases, Err *e)
{
    const size_t channels = (size_t)options->channels;
    char **names = mem_zalloc(channels, sizeof *names, e);
    int failed = names ? 0 : ERR_NOMEM;
    for (size_t i = 0; i < channels && !failed; i++) {
        names[i] = i ? path_format(e, "MRI_%zu", i) : mem_strdup("MRI", e);
        if (!names[i]) failed = ERR_NOMEM;
    }
    if (!failed) failed = write_info(folder, options, (const char *const *)names, cases, e);
    for (size_t i = 0; names && i < channels; i++) mem_free(names[i]);
    mem_free(names);
    return failed;
}
