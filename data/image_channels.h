/* The channels of a case: joins its files to as many channels as the dataset has.
 *
 * A file may hold several channels, a picture's colours. Most datasets have no channel for alpha (opacity). If
 * alpha is one channel too many and constant, it is left out, with a warning. If dataset.json names a channel for
 * it, it is kept, as in nnU-Net. */
#ifndef DATA_IMAGE_CHANNELS_H
#define DATA_IMAGE_CHANNELS_H

#include "data/faults.h"
#include "data/image_io.h"

/* The channels of a dataset: `channel_count` and `channel_names` of its DatasetInfo. */
typedef struct ChannelNames {
    int count;
    const char *const *names;
} ChannelNames;

/* Removes constant alpha from the parts if there are more channels than expected, with a warning for each. A number
 * that still differs is an error. Fails: ERR_SHAPE with file, what was found, what was expected and what to do. */
int image_fit_channels(Image *parts, const char *const *paths, int count, const ChannelNames *expected,
                       FaultList *notes, Err *e);

/* The same from headers. They do not tell whether alpha is constant: it is taken to be. *channels: the number after
 * image_fit_channels, or the number of all channels if that fails. */
int image_expect_channels(int64_t *channels, const ImageHeader *headers, const char *const *paths, int count,
                          const ChannelNames *expected, Err *e);

/* Stacks the channels of images of one shape; the geometry is the first one's. A single part is moved. The parts
 * remain owned by the caller. Fails: ERR_NOMEM. */
int image_join(Image *image, Image *parts, int count, Err *e);

/* Reads `count` files of one case and stacks their channels in this order, on the first file's grid (grid_bring,
 * whose notes are added to `notes` with the file's name), fitted to the expected channels (NULL: any number). Fails
 * as image_read and image_fit_channels, and with ERR_SHAPE, ERR_VALUE where shape, spacing or direction differ from
 * the first file's. */
int image_read_channels(Image *image, const char *const *paths, int count, const ChannelNames *expected,
                        FaultList *notes, Err *e);

#endif
