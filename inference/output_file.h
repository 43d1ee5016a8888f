/* OutputFile: checks of a file given by the user for the labels of one case (part of inference/prediction.c). */
#ifndef INFERENCE_OUTPUT_FILE_H
#define INFERENCE_OUTPUT_FILE_H

#include <stdbool.h>

#include "data/dataset.h"

/* Whether an output is a file: it has an image's ending and is not a folder. These three fail as file_is_folder. */
int output_file_is_meant(const char *output, bool *is, Err *e);

/* Whether an output is a DICOM-SEG file. */
int output_file_is_dicom(const char *output, bool *is, Err *e);

/* The ending of an output that looks like a file in a format that cannot be written (".jpg"), and is not a folder; or
 * NULL. */
int output_file_unknown(const char *output, const char **ending, Err *e);

/* Checks that labels of the case, and a file that belongs to them, can be written to path; makes its folder. Fails:
 * ERR_VALUE if one of the files exists and replace is not set, or belongs to an image of the case; ERR_IO; as
 * output_file_expect_format. */
int output_file_expect(const char *path, const Case *c, bool replace, Err *e);

/* Checks that the format of path can store the case. Fails: ERR_SHAPE for a volume in a picture format; as image_probe. */
int output_file_expect_format(const char *path, const Case *c, Err *e);

/* Makes the folder of path and checks that files can be written there, by a temporary file. Fails: ERR_IO. */
int output_file_expect_writable(const char *path, Err *e);

#endif
