/* Orientation codes as grid_axes_code writes them, "RAS" of a volume, "RA" of a 2-D image, "none": what of them reaches
 * the network, and what helps where they differ. */
#ifndef DATA_ORIENTATION_CODE_H
#define DATA_ORIENTATION_CODE_H

#include <stdbool.h>

#include "plans/readers.h"

/* The code after reading: volumes may be turned to RAS, 2-D images never are. Returns code or a constant. */
const char *orientation_as_read(const char *code, ReaderAxes reader);

/* Whether a network cannot tell them apart; of a 2-D image the third axis may be any. */
bool orientation_same(const char *a, const char *b);

/* Of an image that no reader turns, or not this one: that it is so, and what to do; of others NULL. */
const char *orientation_unturned(const char *code, ReaderAxes reader);

#endif
