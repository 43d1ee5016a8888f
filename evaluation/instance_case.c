#include "evaluation/instance_case.h"

#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_io.h"

const double instance_thresholds[INSTANCE_THRESHOLDS] = {0.5, 0.6, 0.7, 0.8, 0.9};
const char *const instance_metric_keys[INSTANCE_METRICS] = {"precision", "recall", "F1", "AP"};

double instance_metric(const InstanceScore *s, int metric)
{
    static double (*const of[INSTANCE_METRICS])(const InstanceScore *) = {instance_precision, instance_recall,
                                                                          instance_f1, instance_ap};
    return of[metric](s);
}

static int copy_map(int32_t *map, const Image *image, const char *path, int64_t voxels, Err *e)
{
    const float *values = image->voxels.data;
    for (int64_t i = 0; i < voxels; i++) {
        if (!(values[i] >= 0 && values[i] <= 16777216 && values[i] == rintf(values[i])))
            return err_set(e, ERR_VALUE,
                           "%s: voxel %lld is %g: expected the number of an instance, "
                           "0 to 2^24",
                           path, (long long)i, values[i]);
        map[i] = (int32_t)values[i];
    }
    return 0;
}

static int say_place(const char *path, const Geometry *found, const Geometry *grid, Err *e)
{
    char there[GRID_PLACE_BYTES], expected[GRID_PLACE_BYTES];
    grid_place_text(found, there);
    grid_place_text(grid, expected);
    return err_set(e, ERR_VALUE, "%s has %s: expected that of the reference, %s", path, there, expected);
}

static int read_map(int32_t *map, int32_t *count, const char *path, const Geometry *grid, Err *e)
{
    Image image;
    GridMatch match;
    TRY(image_read_as(&image, path, IMAGE_LABELS, e));
    const int64_t *shape_zyx = grid->shape_zyx, *s = image.geometry.shape_zyx;
    const int64_t voxels = shape_zyx[0] * shape_zyx[1] * shape_zyx[2];
    int code = image_turn_onto(&image, grid, &match, e);
    if (code) err_context(e, "%s", path);
    else if (image.voxels.shape[0] != 1 || s[0] != shape_zyx[0] || s[1] != shape_zyx[1] || s[2] != shape_zyx[2])
        code = err_set(e, ERR_SHAPE,
                       "%s has %lld channels of %lldx%lldx%lld voxels, expected one of %lldx%lldx%lld as the "
                       "reference has",
                       path, (long long)image.voxels.shape[0], (long long)s[0], (long long)s[1], (long long)s[2],
                       (long long)shape_zyx[0], (long long)shape_zyx[1], (long long)shape_zyx[2]);
    else if ((match == GRID_MOVED || match == GRID_DIFFERENT) && grid_same_spacing(&image.geometry, grid))
        code = say_place(path, &image.geometry, grid, e);
    else code = copy_map(map, &image, path, voxels, e);
    image_free(&image);
    return code ? code : instances_renumber(map, count, voxels, e);
}

int instance_case(InstanceResult *result, const Pair *pair, const Geometry *grid, const Array *reference,
                  const Array *prediction, const InstanceRules *rules, Err *e)
{
    const int64_t *shape = reference->shape, voxels = array_count(reference);
    const bool grow = !rules->components, drop = shape[0] == 1 && !rules->count_border;
    int32_t wanted_count, found_count;
    int32_t *wanted = mem_alloc((size_t)voxels * sizeof *wanted, e);
    int32_t *found = mem_alloc((size_t)voxels * sizeof *found, e);
    int code = ERR_NOMEM;
    if (!wanted || !found) goto done;
    code = pair->instances ? read_map(wanted, &wanted_count, pair->instances, grid, e)
                           : instances_from_labels(wanted, &wanted_count, reference->data, shape, grow, e);
    if (!code) code = instances_from_labels(found, &found_count, prediction->data, shape, grow, e);
    if (!code && drop) code = instances_drop_at_frame(wanted, &wanted_count, shape, INSTANCE_FRAME, e);
    if (!code && drop) code = instances_drop_at_frame(found, &found_count, shape, INSTANCE_FRAME, e);
    if (!code)
        code = instances_match(result->at, instance_thresholds, INSTANCE_THRESHOLDS, wanted, wanted_count, found,
                               found_count, voxels, e);
done:
    mem_free(wanted);
    mem_free(found);
    return code;
}
