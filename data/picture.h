/* Pictures to look at (curves, contact sheets): 8-bit PNG files. Images of a dataset go through image_io.h. */
#ifndef DATA_PICTURE_H
#define DATA_PICTURE_H

#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

/* Writes pixels (height, width, components), atomically; components: 1 gray, 3 RGB. Fails: ERR_IO,
 * ERR_NOMEM; ERR_SHAPE where height or width is not 1 to 2^31-1. */
int picture_write(const char *path, const uint8_t *pixels, int64_t height, int64_t width, int components, Err *e);

/* The same file's bytes, appended to out. Fails: ERR_NOMEM, ERR_SHAPE. */
int picture_encode(Text *out, const uint8_t *pixels, int64_t height, int64_t width, int components, Err *e);

#endif
