/* OutputFile: labels of one case that go into a file of the user's own choice (part of inference/prediction.c). */
#ifndef INFERENCE_OUTPUT_FILE_H
#define INFERENCE_OUTPUT_FILE_H

#include <stdbool.h>

#include "data/dataset.h"

/* Whether an output is meant as a file: it has an image's ending and is no folder. */
bool output_file_is_meant(const char *output);

/* The ending of an output that looks like a file of a format that cannot be written (".jpg"), and is no folder; or NULL. */
const char *output_file_unknown(const char *output);

/* Whether labels of the case can be written to path, and what is written beside it; makes its folder. Fails: ERR_VALUE
 * where one of them is there and replace is not set, or belongs to an image of the case; ERR_IO; as the next. */
int output_file_expect(const char *path, const Case *c, bool replace, Err *e);

/* Whether the format of path can hold the case. Fails: ERR_SHAPE for a volume in a format of pictures; as image_probe. */
int output_file_expect_format(const char *path, const Case *c, Err *e);

#endif
