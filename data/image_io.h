/* Images on disk: one face for every file format.
 *
 * An image is float32 voxels (C,Z,Y,X) and the Geometry that an output of the same shape needs. Axes
 * are read as they are stored (nnU-Net's rule, FACTS section 1); what meets another image is brought onto
 * its grid (data/grid_axes.h). The format is known
 * by the file's ending. A new format is one file and one line in data/image_format.h. */
#ifndef DATA_IMAGE_IO_H
#define DATA_IMAGE_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"
#include "base/error.h"
#include "data/faults.h"
#include "data/grid_axes.h"

/* Owns its voxels: image_free. */
typedef struct Image {
    Array voxels;                       /* float32 (C,Z,Y,X) */
    Geometry geometry;
} Image;

/* The ending by which path is an image we know (".nii.gz", in path's own letters), or NULL. */
const char *image_ending(const char *path);

/* Reads the whole image: rescaled as the file says, rounded once to float32. Several time points, or
 * the components of colours, are channels. Fails, always naming the file: ERR_IO; ERR_FORMAT (cut off,
 * damaged, contradictory); ERR_UNSUPPORTED (unknown ending, complex numbers …); ERR_VALUE (a spacing
 * of 0, a finite value beyond float32); ERR_NOMEM. A size is believed only after the file has been
 * seen to be long enough for it. */
int image_read(Image *image, const char *path, Err *e);

/* Reads `count` files of one case and stacks their channels in this order, on the first file's grid (grid_bring,
 * whose notes are added to `notes` with the file's name). Fails as image_read, and with ERR_SHAPE, ERR_VALUE where
 * shape, spacing or direction differ from the first file's. */
int image_read_channels(Image *image, const char *const *paths, int count, FaultList *notes, Err *e);

/* Turns the image onto the grid of `onto` where only the order and the direction of its axes differ (GRID_TURNED);
 * else it stays as it is. Its geometry then is that of the turned voxels. match may be NULL. Fails: ERR_NOMEM. */
int image_turn_onto(Image *image, const Geometry *onto, GridMatch *match, Err *e);

/* Stacks the channels of images of one shape; the geometry is the first one's. A single part is moved.
 * The parts stay the caller's. Fails: ERR_NOMEM. */
int image_join(Image *image, Image *parts, int count, Err *e);

/* Reads only what precedes the voxels. *channels as image_read would give. */
int image_probe(Geometry *g, int64_t *channels, const char *path, Err *e);

void image_free(Image *image);

/* The label map of an image with one channel: int16 (Z,Y,X). Values within 0.001 of a whole number are
 * rounded to it (a scale in the header makes such). Fails: ERR_SHAPE (several channels); ERR_VALUE with
 * the number of fractional, NaN or out-of-range voxels and the first one's value and place. */
int image_to_labels(Array *labels, const Image *image, Err *e);

/* image_read and image_to_labels; g may be NULL. */
int image_read_labels(Array *labels, Geometry *g, const char *path, Err *e);

/* The same, turned by image_turn_onto. */
int image_read_labels_onto(Array *labels, const char *path, const Geometry *onto, Err *e);

/* Writes voxels (Z,Y,X), shape as in g, atomically, with g's spacing and orientation. uint8 and uint16
 * everywhere (a 2-D format takes Z of 1); NIfTI takes int16 and float32 too, and float32 (C,Z,Y,X) as
 * a fourth axis. Fails: ERR_IO; ERR_UNSUPPORTED (ending, type); ERR_SHAPE; ERR_NOMEM. */
int image_write(const char *path, const Geometry *g, const Array *voxels, Err *e);

#endif
