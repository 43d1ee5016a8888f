/* Channels of which a network sees nothing: all voxels are equal, or so close that they are equal after normalisation, which
 * divides by 1e-8 at least, as nnU-Net's does; or they are not normalised, and their squares are beyond float32. Nothing can be
 * learned from them, and labels that are predicted from them mean nothing. */
#ifndef DATA_CHANNEL_VALUES_H
#define DATA_CHANNEL_VALUES_H

#include <stdbool.h>

#include "base/array.h"
#include "base/text.h"

/* Adds what is found for a channel with values from low to high: nothing if a network sees it, or if it has no numbers. */
void channel_values_add(Text *found, float low, float high, bool is_normalised);

/* The same for each channel of an image, float32 (C,Z,Y,X), in one line: "channel 1: all voxels are 7; …". is_normalised:
 * per channel. */
void channels_values_add(Text *found, const Array *voxels, const bool *is_normalised);

#endif
