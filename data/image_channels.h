/* The channels of a case: its files put together, as many channels as the dataset has.
 *
 * A file may hold several channels, a picture's colours. Alpha, the channel that says how opaque the
 * colours are, is no part of most datasets: where it makes a channel too many and has one value
 * everywhere, it is left out, with a note. Where dataset.json names a channel for it, it stays
 * (nnU-Net reads it so). */
#ifndef DATA_IMAGE_CHANNELS_H
#define DATA_IMAGE_CHANNELS_H

#include "data/faults.h"
#include "data/image_io.h"

/* The channels of a dataset: `channel_count` and `channel_names` of its DatasetInfo. */
typedef struct ChannelNames {
    int count;
    const char *const *names;
} ChannelNames;

/* Leaves constant alpha out of the parts where there are more channels than expected, with a warning to
 * notes for each; what is still another number is an error. Fails: ERR_SHAPE with file, what was found,
 * what was expected and what to do. */
int image_fit_channels(Image *parts, const char *const *paths, int count, const ChannelNames *expected,
                       FaultList *notes, Err *e);

/* The same from headers, where nothing tells whether alpha is constant: it is taken to be.
 * *channels: as many as image_fit_channels leaves, or as there are where that fails. */
int image_expect_channels(int64_t *channels, const ImageHeader *headers, const char *const *paths, int count,
                          const ChannelNames *expected, Err *e);

/* Stacks the channels of images of one shape; the geometry is the first one's. A single part is moved.
 * The parts stay the caller's. Fails: ERR_NOMEM. */
int image_join(Image *image, Image *parts, int count, Err *e);

/* Reads `count` files of one case and stacks their channels in this order, on the first file's grid
 * (grid_bring, whose notes are added to `notes` with the file's name), fitted to the channels expected
 * (not where that is NULL). Fails as image_read and image_fit_channels, and with ERR_SHAPE, ERR_VALUE
 * where shape, spacing or direction differ from the first file's. */
int image_read_channels(Image *image, const char *const *paths, int count, const ChannelNames *expected,
                        FaultList *notes, Err *e);

#endif
