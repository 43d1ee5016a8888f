/* The NeurIPS 2022 cell segmentation challenge (Ma et al. 2024; https://zenodo.org/records/10719375) to
 * Dataset703_NeurIPSCell of U-Mamba.
 *
 *   IN/Training-labeled/images/cell_00001.bmp, Training-labeled/labels/cell_00001_label.tiff, IN/Tuning/… likewise
 * U-Mamba publishes the result, not the conversion. Here it is that of the challenge's baseline, by the same authors:
 * images of three channels of 8 bits (stretch.h), labels of three classes (boundary.h). The tuning set becomes
 * imagesVal and labelsVal. The instance maps are copied to instancesTr and instancesVal, where evaluate finds them. */
#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "convert/boundary.h"
#include "convert/conversion.h"
#include "convert/stretch.h"
#include "data/image_io.h"
#include "data/picture.h"

enum { COLOURS = 3, MOST_INSTANCES = 1 << 24 };

static const char EXPECTED[] =
    "the folder with Training-labeled and Tuning, unpacked from the challenge's archives, each with images and labels";

static const int values[] = {0, 1, 2};
static const DatasetLabel labels[] = {
    {"background", &values[0], 1, false}, {"interior", &values[1], 1, false}, {"boundary", &values[2], 1, false}};
static const char *const channels[] = {"R", "G", "B"};

/* ---- the cases ---- */

/* The first of the names that is a folder in IN; archives unpack in different ways. */
static int find_set(char **path, const Conversion *c, const char *const *names, Err *e)
{
    *path = NULL;
    for (; *names && !*path; names++) TRY(conversion_find_folder(path, c, *names, e));
    return 0;
}

static int add_set(Conversion *c, const char *folder, const char *part, Err *e)
{
    char *images = path_format(e, "%s/images", folder), *maps = path_format(e, "%s/labels", folder);
    const ImagePairs pairs = {.images = images, .labels = maps, .label_suffix = "_label", .part = part};
    int code = images && maps ? 0 : ERR_NOMEM;
    if (!code && !(file_is_folder(images) && file_is_folder(maps)))
        code = err_set(e, ERR_VALUE, "%s: expected the folders images and labels in it", folder);
    if (!code) code = conversion_add_pairs(c, &pairs, e);
    mem_free(maps);
    mem_free(images);
    return code;
}

/* dataset.json tells how wide the boundary is. */
static int describe(Conversion *c, Err *e)
{
    c->description = path_format(
        e,
        "NeurIPS 2022 cell segmentation challenge (https://zenodo.org/records/10719375) in the form of U-Mamba's "
        "Dataset703_NeurIPSCell; " CONVERSION_MARK "neurips-cell --boundary-width %d",
        c->boundary_width);
    c->info = (DatasetInfo){.name = "Dataset703_NeurIPSCell",
                            .description = c->description,
                            .file_ending = ".png",
                            .channel_count = COLOURS,
                            .channel_names = channels,
                            .label_count = sizeof labels / sizeof labels[0],
                            .labels = labels,
                            .max_value = 2,
                            .ignore_value = -1};
    return c->description ? 0 : ERR_NOMEM;
}

static int find(Conversion *c, Err *e)
{
    static const char *const training[] = {"Training-labeled/Training-labeled", "Training-labeled", "Train_Labeled",
                                           NULL};
    static const char *const tuning[] = {"Tuning/Tuning", "Tuning", NULL};
    char *folder;
    TRY(find_set(&folder, c, training, e));
    if (!folder) return conversion_need_folder(&folder, c, "Training-labeled", EXPECTED, e);
    int code = add_set(c, folder, "Tr", e);
    mem_free(folder);
    if (code) return code;
    if (!c->count) return err_set(e, ERR_VALUE, "%s: there are no images in Training-labeled", c->in);
    TRY(find_set(&folder, c, tuning, e));
    if (folder) code = add_set(c, folder, "Val", e);
    else
        fault_add(&c->faults, FAULT_WARNING, "%s: has no folder Tuning: there will be no imagesVal to test with",
                  c->in);
    mem_free(folder);
    return code ? code : describe(c, e);
}

/* ---- one case ---- */

/* Gray images give three equal channels; an alpha channel, and others after the third, are left out. */
static int write_image(const char *to, const Image *image, const char *from, Err *e)
{
    const int64_t *shape = image->voxels.shape, plane = shape[2] * shape[3];
    const int64_t colours = shape[0] - image->alpha;
    if (shape[1] != 1 || (colours != 1 && colours < COLOURS))
        return err_set(e, ERR_SHAPE, "%s: has %lld pages and %lld channels: expected one page, gray or in colours",
                       from, (long long)shape[1], (long long)shape[0]);
    uint8_t *pixels = mem_alloc(mem_product((size_t)plane, COLOURS), e);
    int code = pixels ? 0 : ERR_NOMEM;
    for (int k = 0; k < COLOURS && !code; k++) {
        const float *channel = (const float *)image->voxels.data + (colours == 1 ? 0 : k) * plane;
        code = stretch_channel(pixels + k, COLOURS, channel, plane, e);
        if (code) err_context(e, "%s", from);
    }
    if (!code) code = picture_write(to, pixels, shape[2], shape[3], COLOURS, e);
    mem_free(pixels);
    return code;
}

static int check_map(const Image *map, const Image *image, const char *path, const char *image_path, Err *e)
{
    const float *ids = map->voxels.data;
    if (map->voxels.shape[0] != 1)
        return err_set(e, ERR_SHAPE, "%s: has several channels: expected an instance map", path);
    if (!geometry_same_shape(&map->geometry, &image->geometry)) {
        char found[GEOMETRY_TEXT_BYTES], expected[GEOMETRY_TEXT_BYTES];
        geometry_shape_text(&map->geometry, found);
        geometry_shape_text(&image->geometry, expected);
        return err_set(e, ERR_SHAPE, "%s: has %s pixels, but its image %s has %s", path, found, image_path, expected);
    }
    for (int64_t i = 0; i < array_count(&map->voxels); i++)
        if (!(ids[i] >= 0 && ids[i] <= MOST_INSTANCES && ids[i] == rintf(ids[i])))
            return err_set(e, ERR_VALUE, "%s: pixel %lld is %g: expected the number of a cell, 0 to 2^24", path,
                           (long long)i, ids[i]);
    return 0;
}

static int write_classes(const char *to, const Image *map, int boundary_width, Err *e)
{
    const Geometry *g = &map->geometry;
    Array classes;
    TRY(array_new(&classes, DTYPE_U8, 3, g->shape_zyx, e));
    int code = boundary_classes(classes.data, map->voxels.data, g->shape_zyx[1], g->shape_zyx[2], boundary_width, e);
    if (!code) code = image_write(to, g, &classes, e);
    array_free(&classes);
    return code;
}

static int write_pair(const Conversion *c, const ConversionItem *item, const Image *image, const Image *map, Err *e)
{
    char *image_to = conversion_target(c, "images", item, "_0000.png", e);
    char *label_to = image_to ? conversion_target(c, "labels", item, ".png", e) : NULL;
    char *map_to = label_to ? conversion_target(c, "instances", item, image_ending(item->label), e) : NULL;
    int code = map_to ? check_map(map, image, item->label, item->image, e) : e->code;
    if (!code) code = write_image(image_to, image, item->image, e);
    if (!code) code = write_classes(label_to, map, c->boundary_width, e);
    if (!code) code = file_copy(item->label, map_to, e);
    mem_free(map_to);
    mem_free(label_to);
    mem_free(image_to);
    return code;
}

static int write(const Conversion *c, const ConversionItem *item, Err *e)
{
    Image image, map;
    TRY(image_read(&image, item->image, e));
    int code = image_read_as(&map, item->label, IMAGE_LABELS, e);
    if (!code) {
        code = write_pair(c, item, &image, &map, e);
        image_free(&map);
    }
    image_free(&image);
    return code;
}

const ConversionSource source_neurips_cell = {
    .name = "neurips-cell",
    .about = "NeurIPS 2022 cell segmentation: Dataset703_NeurIPSCell",
    .takes = CONVERT_BOUNDARY_WIDTH,
    .find = find,
    .write = write,
};
