/* Orientation codes as grid_axes_code writes them, "RAS" of a volume, "RA" of a 2-D image, "none": the code as the
 * network sees it, and advice where codes differ. */
#ifndef DATA_ORIENTATION_CODE_H
#define DATA_ORIENTATION_CODE_H

#include <stdbool.h>
#include <stddef.h>

#include "plans/readers.h"

/* The code after reading: volumes may be reoriented to RAS, 2-D images never are. Returns code or a constant. */
const char *orientation_as_read(const char *code, ReaderAxes reader);

/* Whether two codes are equal; for a 2-D image the third axis is not compared. */
bool orientation_same(const char *a, const char *b);

/* The codes of volumes among a plan's orientations, in their order: "RAS,LPS"; "" without any. */
void orientation_volume_codes(char *codes, size_t bytes, const char *orientations);

/* Advice for an image that is not reoriented, by any reader or by this one; NULL for other images. */
const char *orientation_unturned(const char *code, ReaderAxes reader);

#endif
