/* Recognises a file by its first bytes when it is not in the format of its ending. Likely causes are a wrong
 * ending, a pointer file (Git LFS), and a failed download. */
#ifndef DATA_IMAGE_CONTENT_H
#define DATA_IMAGE_CONTENT_H

#include "data/image_format.h"

/* Adds the recognised format to a failure of reading path as `format`. Returns e->code. e may be NULL. */
int image_content_explain(const char *path, const ImageFormat *format, int code, Err *e);

/* The name of the ImageFormat of a file's content. Fails: ERR_UNSUPPORTED, with what it is instead; ERR_IO. */
int image_content_name(const char **name, const char *path, Err *e);

#endif
