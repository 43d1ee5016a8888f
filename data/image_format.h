/* The functions of a file format, for image_io. Endings are compared without regard to case. */
#ifndef DATA_IMAGE_FORMAT_H
#define DATA_IMAGE_FORMAT_H

#include "base/file.h"
#include "data/image_io.h"

typedef struct ImageFormat {
    const char *name;
    const char *const *endings; /* NULL-terminated; a longer ending before its own suffixes */
    bool pictures;              /* colours are channels: one file has the three of an RGB image */
    int (*read)(Image *image, const char *path, ImageUse use, Err *e);
    int (*probe)(ImageHeader *header, const char *path, ImageUse use, Err *e);
    int (*write)(const char *path, const Geometry *g, const Array *voxels, Err *e); /* NULL: it changes the values */
    int (*add_files)(FileList *files, const char *path, Err *e); /* adds the other files of an image; NULL: none */
    /* The file that write makes beside path: *name is owned by the caller, NULL if there is none. NULL: the format
     * has none. */
    int (*name_beside)(char **name, const char *path, Err *e);
} ImageFormat;

/* The format by a path's ending, or NULL. */
const ImageFormat *image_format_of(const char *path);

/* 2-D formats refuse larger pictures, and above IMAGE_LARGE_PIXELS those with more pixels per byte of the file than
 * compression can reach: a damaged file would need gigabytes before it is noticed. */
enum { IMAGE_MAX_PIXELS = 1 << 30, IMAGE_LARGE_PIXELS = 1 << 28, IMAGE_PIXELS_PER_BYTE = 2048 };

/* Checks what the 2-D formats can write: voxels (1,Y,X) of uint8 or uint16. Fails: ERR_SHAPE, ERR_UNSUPPORTED. */
int image_expect_plane(const char *path, const Geometry *g, const Array *voxels, Err *e);

/* Checks what the volume formats can write: uint8, uint16, int16, float32. Fails: ERR_UNSUPPORTED. */
int image_expect_volume(const char *path, const Array *voxels, Err *e);

/* For add_files: adds a file if it exists. Owns path from then on; a path of NULL means lack of memory. Fails:
 * ERR_NOMEM. */
int image_add_file(FileList *files, char *path, Err *e);

/* Fails with ERR_UNSUPPORTED if header, which names another file of its image, is an open file. Such a header comes from a
 * client (serve): the file that it names is not the client's, and must not be looked for. The caller adds the name of the header. */
int image_expect_own_files(const char *header, Err *e);

/* All formats: image_format_NAME is defined in data/NAME.c. */
#define IMAGE_FORMATS(FORMAT) \
    FORMAT(nifti)             \
    FORMAT(metaimage)         \
    FORMAT(nrrd)              \
    FORMAT(png)               \
    FORMAT(tiff)              \
    FORMAT(bmp)               \
    FORMAT(jpeg)

#define IMAGE_FORMAT_DECLARE(name) extern const ImageFormat image_format_##name;
IMAGE_FORMATS(IMAGE_FORMAT_DECLARE)
#undef IMAGE_FORMAT_DECLARE

#endif
