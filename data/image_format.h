/* What a file format gives to image_io. Endings are compared without regard to case. */
#ifndef DATA_IMAGE_FORMAT_H
#define DATA_IMAGE_FORMAT_H

#include "data/image_io.h"

typedef struct ImageFormat {
    const char *name;
    const char *const *endings;    /* NULL-terminated; an ending before those that end it too */
    int (*read)(Image *image, const char *path, Err *e);
    int (*probe)(Geometry *g, int64_t *channels, const char *path, Err *e);
    int (*write)(const char *path, const Geometry *g, const Array *voxels, Err *e);
} ImageFormat;

/* All formats: image_format_NAME is defined in data/NAME.c. */
#define IMAGE_FORMATS(FORMAT) \
    FORMAT(nifti)

#define IMAGE_FORMAT_DECLARE(name) extern const ImageFormat image_format_##name;
IMAGE_FORMATS(IMAGE_FORMAT_DECLARE)
#undef IMAGE_FORMAT_DECLARE

#endif
