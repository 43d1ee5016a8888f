/* What a file that is no image by its ending's rule is by its content: the likeliest mistakes are a wrong ending, a
 * pointer instead of the file, and a download that went wrong. */
#ifndef DATA_IMAGE_CONTENT_H
#define DATA_IMAGE_CONTENT_H

#include "data/image_format.h"

/* Adds it to a failure of reading path as that format, where it is known by its first bytes. Returns e->code. e may be
 * NULL. */
int image_content_explain(const char *path, const ImageFormat *format, int code, Err *e);

#endif
