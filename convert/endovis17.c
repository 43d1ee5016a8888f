/* The robotic instrument segmentation challenge of MICCAI 2017 (Allan et al. 2019,
 * https://endovissub2017-roboticinstrumentsegmentation.grand-challenge.org) to Dataset704_Endovis17 of U-Mamba.
 *
 *   instrument_dataset_1 … _8    left_frames/frame000.png, ground_truth/Maryland_Bipolar_Forceps_labels/frame000.png …
 *   instrument_dataset_1 … _10   left_frames/frame225.png …, of the test
 *   instrument_dataset_1 … _10   TypeSegmentation/frame225.png …, the labels of the test
 * are looked for in all of IN: the five archives unpack into folders of their own. Masks give the value of the
 * instrument in the folder's name where they are not 0; where masks overlap, the last folder by name wins.
 *
 * U-Mamba publishes the result, not the conversion. Its plan (384x640, batch 13) is the one for frames of 640x360,
 * a third of the challenge's: so frames are reduced by the mean of 3x3 pixels, labels to the middle one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "convert/conversion.h"
#include "convert/endovis17_folders.h"
#include "data/image_io.h"
#include "data/picture.h"

enum { COLOURS = 3 };

static const int values[] = {0, 1, 2, 3, 4, 5, 6, 7};
static const DatasetLabel labels[] = {{"background", &values[0], 1, false},
                                      {"Bipolar Forceps", &values[1], 1, false},
                                      {"Prograsp Forceps", &values[2], 1, false},
                                      {"Large Needle Driver", &values[3], 1, false},
                                      {"Vessel Sealer", &values[4], 1, false},
                                      {"Grasping Retractor", &values[5], 1, false},
                                      {"Monopolar Curved Scissors", &values[6], 1, false},
                                      {"Ultrasound Probe", &values[7], 1, false}};
static const char *const channels[] = {"R", "G", "B"};

/* The four folds of Shvets et al. 2018 (prepare_train_val.py): whole videos, since frames of one are alike. */
static const int folds[][2] = {{1, 3}, {2, 5}, {4, 8}, {6, 7}};

static int find(Conversion *c, Err *e)
{
    TRY(endovis17_find(c, e));
    if (endovis17_is_complete(c))
        for (int i = 0; i < 4; i++) TRY(conversion_add_fold(c, folds[i], 2, e));
    c->description = path_format(
        e,
        "MICCAI 2017 robotic instrument segmentation challenge (https://endovissub2017-roboticinstrumentsegmentation."
        "grand-challenge.org) in the form of U-Mamba's Dataset704_Endovis17; " CONVERSION_MARK "endovis17 "
        "--shrink %d",
        c->shrink);
    c->info = (DatasetInfo){.name = "Dataset704_Endovis17",
                            .description = c->description,
                            .file_ending = ".png",
                            .channel_count = COLOURS,
                            .channel_names = channels,
                            .label_count = sizeof labels / sizeof labels[0],
                            .labels = labels,
                            .max_value = 7,
                            .ignore_value = -1};
    return c->description ? 0 : ERR_NOMEM;
}

/* ---- a frame ---- */

/* The mean of `shrink` x `shrink` pixels, rounded. */
static uint8_t mean_of(const float *channel, int64_t width, int64_t y, int64_t x, int shrink)
{
    double sum = 0;
    for (int i = 0; i < shrink; i++)
        for (int k = 0; k < shrink; k++) sum += channel[(y * shrink + i) * width + x * shrink + k];
    return (uint8_t)(sum / (shrink * shrink) + 0.5);
}

static int expect_colours(const Image *image, const char *path, int shrink, Err *e)
{
    const int64_t *shape = image->voxels.shape;
    const float *pixels = image->voxels.data;
    if (shape[0] - image->alpha != COLOURS || shape[1] != 1)
        return err_set(e, ERR_SHAPE, "%s: has %lld channels: expected colours (RGB)", path, (long long)shape[0]);
    if (shape[2] % shrink || shape[3] % shrink)
        return err_set(e, ERR_SHAPE, "%s: %lldx%lld pixels are no multiple of %d: --shrink 1 keeps the size", path,
                       (long long)shape[3], (long long)shape[2], shrink);
    for (int64_t i = 0; i < array_count(&image->voxels); i++)
        if (!(pixels[i] >= 0 && pixels[i] <= UINT8_MAX))
            return err_set(e, ERR_VALUE, "%s: has values beyond 255: expected 8 bits for each colour", path);
    return 0;
}

static int write_frame(const Conversion *c, const ConversionItem *item, const Image *image, Err *e)
{
    const int64_t *shape = image->voxels.shape, height = shape[2] / c->shrink, width = shape[3] / c->shrink;
    char *to = conversion_target(c, "images", item, "_0000.png", e);
    uint8_t *pixels = to ? mem_alloc(mem_product((size_t)(height * width), COLOURS), e) : NULL;
    for (int64_t i = 0; pixels && i < height * width * COLOURS; i++) {
        const float *channel = (const float *)image->voxels.data + i % COLOURS * shape[2] * shape[3];
        pixels[i] = mean_of(channel, shape[3], i / COLOURS / width, i / COLOURS % width, c->shrink);
    }
    const int code = pixels ? picture_write(to, pixels, height, width, COLOURS, e) : e->code;
    mem_free(pixels);
    mem_free(to);
    return code;
}

/* ---- its label ---- */

static int expect_size(const Image *mask, const Geometry *frame, const char *path, Err *e)
{
    char found[GEOMETRY_TEXT_BYTES], expected[GEOMETRY_TEXT_BYTES];
    if (geometry_same_shape(&mask->geometry, frame)) return 0;
    geometry_shape_text(&mask->geometry, found);
    geometry_shape_text(frame, expected);
    return err_set(e, ERR_SHAPE, "%s: has %s pixels, but its frame has %s", path, found, expected);
}

/* Where the mask is not 0 in some channel, the label is `value`. */
static int add_mask(uint8_t *label, const char *path, uint8_t value, const Geometry *frame, Err *e)
{
    Image mask;
    TRY(image_read_as(&mask, path, IMAGE_LABELS, e));
    const int code = expect_size(&mask, frame, path, e);
    const int64_t plane = frame->shape_zyx[1] * frame->shape_zyx[2];
    const float *pixels = mask.voxels.data;
    for (int64_t i = 0; !code && i < plane * (mask.voxels.shape[0] - mask.alpha); i++)
        if (pixels[i] != 0) label[i % plane] = value;
    image_free(&mask);
    return code;
}

/* The label of a training frame: a mask for each instrument, in a folder of its own. */
static int read_masks(uint8_t *label, const ConversionItem *item, const Geometry *frame, Err *e)
{
    FileList instruments;
    int code = 0;
    TRY(file_list(&instruments, item->label, e));
    for (int i = 0; i < instruments.count && !code; i++) {
        const int value = endovis17_value(instruments.names[i]);
        if (!value) continue; /* told by endovis17_find */
        char *path = path_format(e, "%s/%s/%s", item->label, instruments.names[i], path_base(item->image));
        code = path ? add_mask(label, path, (uint8_t)value, frame, e) : ERR_NOMEM;
        mem_free(path);
    }
    file_list_free(&instruments);
    return code;
}

/* The label of a test frame. There other instruments are 8 (seen by public scripts that read them), in training 7. */
static int read_types(uint8_t *label, const char *path, const Geometry *frame, Err *e)
{
    Image types;
    TRY(image_read_as(&types, path, IMAGE_LABELS, e));
    int code = expect_size(&types, frame, path, e);
    const float *pixels = types.voxels.data;
    if (!code && types.voxels.shape[0] != 1)
        code = err_set(e, ERR_SHAPE, "%s: has several channels: expected values of instruments, not colours", path);
    for (int64_t i = 0; i < frame->shape_zyx[1] * frame->shape_zyx[2] && !code; i++) {
        if (!(pixels[i] >= 0 && pixels[i] <= 8 && pixels[i] == rintf(pixels[i])))
            code = err_set(e, ERR_VALUE, "%s: pixel %lld is %g: expected an instrument, 0 to 8", path, (long long)i,
                           pixels[i]);
        else label[i] = pixels[i] == 8 ? 7 : (uint8_t)pixels[i];
    }
    image_free(&types);
    return code;
}

/* The middle one of `shrink` x `shrink` pixels. */
static int write_middle(const char *to, const Array *label, int shrink, Err *e)
{
    const int64_t height = label->shape[1] / shrink, width = label->shape[2] / shrink;
    const Geometry g = geometry_plane(height, width);
    Array small;
    TRY(array_new(&small, DTYPE_U8, 3, g.shape_zyx, e));
    for (int64_t i = 0; i < height * width; i++) {
        const int64_t y = i / width * shrink + shrink / 2, x = i % width * shrink + shrink / 2;
        ((uint8_t *)small.data)[i] = ((const uint8_t *)label->data)[y * label->shape[2] + x];
    }
    const int code = image_write(to, &g, &small, e);
    array_free(&small);
    return code;
}

static int write_label(const Conversion *c, const ConversionItem *item, const Geometry *frame, Err *e)
{
    Array label = {0};
    char *to = conversion_target(c, "labels", item, ".png", e);
    bool is_folder;
    int code = to ? folder_is_there(item->label, &is_folder, e) : e->code;
    if (!code) code = array_new(&label, DTYPE_U8, 3, frame->shape_zyx, e);
    if (!code)
        code = is_folder ? read_masks(label.data, item, frame, e) : read_types(label.data, item->label, frame, e);
    if (!code) code = write_middle(to, &label, c->shrink, e);
    array_free(&label);
    mem_free(to);
    return code;
}

static int write(const Conversion *c, const ConversionItem *item, Err *e)
{
    Image image;
    TRY(image_read(&image, item->image, e));
    int code = expect_colours(&image, item->image, c->shrink, e);
    if (!code) code = write_frame(c, item, &image, e);
    if (!code && item->label) code = write_label(c, item, &image.geometry, e);
    image_free(&image);
    return code;
}

const ConversionSource source_endovis17 = {
    .name = "endovis17",
    .about = "MICCAI 2017 robotic instruments: Dataset704_Endovis17",
    .takes = CONVERT_SHRINK,
    .find = find,
    .write = write,
};
