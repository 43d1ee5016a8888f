#include "convert/instance_map.h"

#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "convert/boundary.h"
#include "data/image_io.h"

enum { MOST_INSTANCES = 1 << 24 };

static const int values[INSTANCE_CLASSES] = {0, 1, 2};
const DatasetLabel instance_classes[INSTANCE_CLASSES] = {
    {"background", &values[0], 1, false}, {"interior", &values[1], 1, false}, {"boundary", &values[2], 1, false}};

static int check(const Image *map, const Geometry *image, const ConversionItem *item, Err *e)
{
    const float *ids = map->voxels.data;
    if (map->voxels.shape[0] != 1)
        return err_set(e, ERR_SHAPE, "%s: has several channels: expected an instance map", item->label);
    if (!geometry_same_shape(&map->geometry, image)) {
        char found[GEOMETRY_TEXT_BYTES], expected[GEOMETRY_TEXT_BYTES];
        geometry_shape_text(&map->geometry, found);
        geometry_shape_text(image, expected);
        return err_set(e, ERR_SHAPE, "%s: has %s pixels, but its image %s has %s", item->label, found, item->image,
                       expected);
    }
    for (int64_t i = 0; i < array_count(&map->voxels); i++)
        if (!(ids[i] >= 0 && ids[i] <= MOST_INSTANCES && ids[i] == rintf(ids[i])))
            return err_set(e, ERR_VALUE, "%s: pixel %lld is %g: expected the number of an object, 0 to 2^24",
                           item->label, (long long)i, ids[i]);
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

int instance_map_write(const Conversion *c, const ConversionItem *item, const Geometry *image, const char *ending,
                       Err *e)
{
    Image map;
    TRY(image_read_as(&map, item->label, IMAGE_LABELS, e));
    char *to = conversion_target(c, "labels", item, ending, e);
    char *copy = to ? conversion_target(c, "instances", item, image_ending(item->label), e) : NULL;
    int code = copy ? check(&map, image, item, e) : e->code;
    if (!code) code = write_classes(to, &map, c->boundary_width, e);
    if (!code) code = file_copy(item->label, copy, e);
    mem_free(copy);
    mem_free(to);
    image_free(&map);
    return code;
}
