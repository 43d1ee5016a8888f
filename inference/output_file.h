/* OutputFile: labels of one case that go into a file of the user's own choice (part of inference/prediction.c). */
#ifndef INFERENCE_OUTPUT_FILE_H
#define INFERENCE_OUTPUT_FILE_H

#include <stdbool.h>

#include "data/dataset.h"

/* Whether an output is meant as a file: it has an image's ending and is no folder. */
bool output_file_is_meant(const char *output);

/* Whether labels of the case can be written to path; makes its folder. model_ending: of the images that the model was
 * trained on; another one is possible where it can hold the image. Fails: ERR_VALUE where path is there and replace is
 * not set, or is one of the images; ERR_IO; ERR_SHAPE for a volume in a format of pictures; as image_probe. */
int output_file_expect(const char *path, const char *model_ending, const Case *c, bool replace, Err *e);

#endif
