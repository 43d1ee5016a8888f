#include "data/image_format.h"

#include "base/memory.h"

int image_expect_plane(const char *path, const Geometry *g, const Array *voxels, Err *e)
{
    if (voxels->dtype != DTYPE_U8 && voxels->dtype != DTYPE_U16)
        return err_set(e, ERR_UNSUPPORTED, "%s: voxels of type %s: expected uint8 or uint16", path,
                       dtype_name(voxels->dtype));
    if (voxels->rank != 3 || g->shape_zyx[0] != 1)
        return err_set(e, ERR_SHAPE, "%s: %lld slices: expected one in a 2-D format", path, (long long)g->shape_zyx[0]);
    return 0;
}

int image_expect_volume(const char *path, const Array *voxels, Err *e)
{
    const DType type = voxels->dtype;
    if (type == DTYPE_U8 || type == DTYPE_U16 || type == DTYPE_I16 || type == DTYPE_F32) return 0;
    return err_set(e, ERR_UNSUPPORTED, "%s: voxels of type %s: expected uint8, uint16, int16 or float32", path,
                   dtype_name(type));
}

int image_add_file(FileList *files, char *path, Err *e)
{
    bool there;
    const int failed = file_is_there(path, &there, e);
    if (!failed && there) return file_list_add(files, path, e);
    mem_free(path);
    return failed;
}

int image_expect_own_files(const char *header, Err *e)
{
    if (!path_is_open_file(header)) return 0;
    return err_set(
        e, ERR_UNSUPPORTED,
        "the voxels are in another file, which cannot be read here: send one file with header and voxels (.mha, .nrrd, .nii or .nii.gz)");
}
