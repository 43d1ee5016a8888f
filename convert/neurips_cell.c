/* The NeurIPS 2022 cell segmentation challenge (Ma et al. 2024; https://zenodo.org/records/10719375) to
 * Dataset703_NeurIPSCell of U-Mamba.
 *
 *   IN/Training-labeled/images/cell_00001.bmp, Training-labeled/labels/cell_00001_label.tiff, IN/Tuning/… likewise
 * U-Mamba publishes the result, not the conversion. Here it is that of the challenge's baseline, by the same authors:
 * images of three channels of 8 bits (stretch.h), labels of three classes (boundary.h). The tuning set becomes
 * imagesVal and labelsVal. The instance maps are copied to instancesTr and instancesVal, where evaluate finds them. */
#include "base/file.h"
#include "base/memory.h"
#include "convert/conversion.h"
#include "convert/instance_map.h"
#include "convert/stretch.h"
#include "data/image_io.h"
#include "data/picture.h"

enum { COLOURS = 3 };

static const char EXPECTED[] =
    "the folder with Training-labeled and Tuning, unpacked from the challenge's archives, each with images and labels";

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
    bool has_images, has_maps;
    int code = folder_is_there(images, &has_images, e);
    if (!code) code = folder_is_there(maps, &has_maps, e);
    if (!code && !(has_images && has_maps))
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
                            .label_count = INSTANCE_CLASSES,
                            .labels = instance_classes,
                            .max_value = INSTANCE_CLASSES - 1,
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

static int write(const Conversion *c, const ConversionItem *item, Err *e)
{
    Image image;
    TRY(image_read(&image, item->image, e));
    char *to = conversion_target(c, "images", item, "_0000.png", e);
    int code = to ? write_image(to, &image, item->image, e) : e->code;
    if (!code) code = instance_map_write(c, item, &image.geometry, ".png", e);
    mem_free(to);
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
