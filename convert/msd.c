/* A task of the Medical Segmentation Decathlon (Antonelli et al. 2022, http://medicaldecathlon.com) to a dataset of
 * nnU-Net 2, as nnU-Net's convert_MSD_dataset.py does it.
 *
 *   IN/dataset.json, imagesTr/prostate_00.nii.gz, labelsTr/prostate_00.nii.gz, imagesTs/prostate_03.nii.gz
 * An image of several channels is a file of four axes: it is split into a file for each. All other files are copied. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "convert/conversion.h"
#include "convert/task_json.h"
#include "data/image_io.h"

static const char EXPECTED[] = "a task of the Decathlon, with dataset.json, imagesTr and labelsTr";
static const char ENDING[] = ".nii.gz";

/* Whether the images are named CASE_0000, as nnU-Net's are. */
static bool has_channel_numbers(const Conversion *c)
{
    for (int i = 0; i < c->count; i++) {
        const size_t length = strlen(c->items[i].id);
        if (c->items[i].label || length < 6 || strcmp(c->items[i].id + length - 5, "_0000")) return false;
    }
    return c->count > 0;
}

static int add_training(Conversion *c, Err *e)
{
    char *images, *masks = NULL;
    TRY(conversion_need_folder(&images, c, "imagesTr", EXPECTED, e));
    int code = conversion_need_folder(&masks, c, "labelsTr", EXPECTED, e);
    const ImagePairs pairs = {.images = images, .labels = masks, .label_suffix = "", .part = "Tr"};
    if (!code) code = conversion_add_pairs(c, &pairs, e);
    mem_free(masks);
    mem_free(images);
    if (!code && has_channel_numbers(c))
        code = err_set(e, ERR_VALUE,
                       "%s/imagesTr: its names have channel numbers (%s), as nnU-Net 1 has them: use "
                       "convert_dataset nnunet-v1",
                       c->in, path_base(c->items[0].image));
    return code;
}

static int find(Conversion *c, Err *e)
{
    char *images;
    TRY(task_json_read(c, e));
    TRY(add_training(c, e));
    task_json_compare(c);
    TRY(conversion_find_folder(&images, c->in, "imagesTs", e));
    const ImagePairs pairs = {.images = images, .part = "Ts"};
    const int code = images ? conversion_add_pairs(c, &pairs, e) : 0;
    mem_free(images);
    return code;
}

/* ---- one case ---- */

/* The narrowest type that holds all values exactly. */
static DType type_of(const float *values, int64_t count)
{
    bool whole = true;
    float low = 0, high = 0;
    for (int64_t i = 0; i < count; i++) {
        whole = whole && values[i] == rintf(values[i]);
        low = fminf(low, values[i]);
        high = fmaxf(high, values[i]);
    }
    if (whole && low >= INT16_MIN && high <= INT16_MAX) return DTYPE_I16;
    return whole && low >= 0 && high <= UINT16_MAX ? DTYPE_U16 : DTYPE_F32;
}

static int write_channel(const char *to, const Geometry *g, float *values, Err *e)
{
    const int64_t count = g->shape_zyx[0] * g->shape_zyx[1] * g->shape_zyx[2];
    const DType type = type_of(values, count);
    if (type == DTYPE_F32) {
        const Array view = array_view(type, 3, g->shape_zyx, values);
        return image_write(to, g, &view, e);
    }
    Array narrow;
    TRY(array_new(&narrow, type, 3, g->shape_zyx, e));
    for (int64_t i = 0; i < count; i++) {
        if (type == DTYPE_I16) ((int16_t *)narrow.data)[i] = (int16_t)values[i];
        else ((uint16_t *)narrow.data)[i] = (uint16_t)values[i];
    }
    const int code = image_write(to, g, &narrow, e);
    array_free(&narrow);
    return code;
}

static int split(const Conversion *c, const ConversionItem *item, Err *e)
{
    Image image;
    int code = 0;
    TRY(image_read(&image, item->image, e));
    const int64_t voxels = array_count(&image.voxels) / image.voxels.shape[0];
    for (int k = 0; k < c->info.channel_count && !code; k++) {
        char suffix[32];
        snprintf(suffix, sizeof suffix, "_%04d%s", k, ENDING);
        char *to = conversion_target(c, "images", item, suffix, e);
        code = to ? write_channel(to, &image.geometry, (float *)image.voxels.data + k * voxels, e) : e->code;
        mem_free(to);
    }
    image_free(&image);
    return code;
}

static int write_image(const Conversion *c, const ConversionItem *item, Geometry *g, Err *e)
{
    int64_t channels;
    TRY(image_probe(g, &channels, item->image, e));
    if (channels != c->info.channel_count)
        return err_set(e, ERR_SHAPE, "%s: has %lld channels, but dataset.json has %d in modality", item->image,
                       (long long)channels, c->info.channel_count);
    return channels > 1 ? split(c, item, e) : conversion_copy_image(c, item, "_0000.nii.gz", e);
}

static int write_label(const Conversion *c, const ConversionItem *item, const Geometry *image, Err *e)
{
    Geometry g;
    TRY(image_probe_labels(&g, item->label, e));
    if (geometry_expect_grid(&g, image, item->image, e)) return err_context(e, "%s", item->label);
    char *to = conversion_target(c, "labels", item, ENDING, e);
    const int code = to ? file_copy(item->label, to, e) : e->code;
    mem_free(to);
    return code;
}

static int write(const Conversion *c, const ConversionItem *item, Err *e)
{
    Geometry g;
    const char *ending = image_ending(item->image);
    if (strcmp(ending, ENDING) || (item->label && strcmp(image_ending(item->label), ENDING)))
        return err_set(e, ERR_UNSUPPORTED, "%s: expected %s for image and label", item->image, ENDING);
    TRY(write_image(c, item, &g, e));
    return item->label ? write_label(c, item, &g, e) : 0;
}

const ConversionSource source_msd = {
    .name = "msd",
    .about = "a task of the Medical Segmentation Decathlon",
    .find = find,
    .write = write,
};
