/* Any images with instance maps to classes with a boundary, which separates objects that touch.
 *
 *   IN/images/NAME.png and IN/labels/NAME.png: a pixel of a label has the number of its object, 0 is background.
 * Images are copied; all have the same format, which is the dataset's. Maps may have another one. They are also copied,
 * to instancesTr, where evaluate finds them. docs/recipes.md says what the boundary is worth. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "convert/conversion.h"
#include "convert/instance_map.h"
#include "data/image_io.h"

enum { COLOURS = 3 };

static const char EXPECTED[] = "a folder with images and labels, in which an image and its instance map have one name";
static const char *const gray[] = {"gray"}, *const colours[COLOURS] = {"R", "G", "B"};

/* Channels that networks see: an alpha channel is left out by plan_and_preprocess. */
static int64_t colours_of(const ImageHeader *header) { return header->channels - header->alpha; }

/* The dataset is like its first image. */
static int describe(Conversion *c, Err *e)
{
    const char *first = c->items[0].image, *ending = image_ending(first);
    ImageHeader header;
    TRY(image_read_header(&header, first, IMAGE_INTENSITIES, e));
    const int64_t channels = colours_of(&header);
    if (!image_is_written(first))
        return err_set(e, ERR_UNSUPPORTED, "%s: %s cannot hold labels: convert the images, to .png for example", first,
                       ending);
    if (channels != 1 && channels != COLOURS)
        return err_set(e, ERR_SHAPE, "%s: has %lld channels: expected one, or %d colours", first, (long long)channels,
                       COLOURS);
    c->description =
        path_format(e, "Classes of instance maps; " CONVERSION_MARK "instances --boundary-width %d", c->boundary_width);
    c->info = (DatasetInfo){.name = "instances",
                            .description = c->description,
                            .file_ending = ending,
                            .channel_count = (int)channels,
                            .channel_names = channels == 1 ? gray : colours,
                            .label_count = INSTANCE_CLASSES,
                            .labels = instance_classes,
                            .max_value = INSTANCE_CLASSES - 1,
                            .ignore_value = -1};
    return c->description ? 0 : ERR_NOMEM;
}

static int find(Conversion *c, Err *e)
{
    char *images, *maps = NULL;
    TRY(conversion_need_folder(&images, c, "images", EXPECTED, e));
    int code = conversion_need_folder(&maps, c, "labels", EXPECTED, e);
    const ImagePairs pairs = {.images = images, .labels = maps, .label_suffix = "", .part = "Tr"};
    if (!code) code = conversion_add_pairs(c, &pairs, e);
    if (!code && !c->count) code = err_set(e, ERR_VALUE, "%s: there are no images in it", images);
    for (int i = 1; i < c->count && !code; i++)
        if (strcmp(image_ending(c->items[i].image), image_ending(c->items[0].image)))
            fault_add(&c->faults, FAULT_ERROR, "%s: is of another format than %s: convert one of them",
                      c->items[i].image, c->items[0].image);
    mem_free(maps);
    mem_free(images);
    return code ? code : describe(c, e);
}

static int write(const Conversion *c, const ConversionItem *item, Err *e)
{
    ImageHeader header;
    TRY(image_read_header(&header, item->image, IMAGE_INTENSITIES, e));
    if (header.geometry.shape_zyx[0] != 1)
        return err_set(e, ERR_SHAPE, "%s: has %lld slices: expected one, for boundaries are drawn in a plane",
                       item->image, (long long)header.geometry.shape_zyx[0]);
    if (colours_of(&header) != c->info.channel_count)
        return err_set(e, ERR_SHAPE, "%s: has %lld channels, but %s has %d", item->image,
                       (long long)colours_of(&header), c->items[0].image, c->info.channel_count);
    char *suffix = path_format(e, "_0000%s", c->info.file_ending);
    int code = suffix ? conversion_copy_image(c, item, suffix, e) : ERR_NOMEM;
    if (!code) code = instance_map_write(c, item, &header.geometry, c->info.file_ending, e);
    mem_free(suffix);
    return code;
}

const ConversionSource source_instances = {
    .name = "instances",
    .about = "images with instance maps: classes with a boundary",
    .takes = CONVERT_BOUNDARY_WIDTH,
    .find = find,
    .write = write,
};
