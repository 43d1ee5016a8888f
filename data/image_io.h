/* Images on disk: one interface for all file formats.
 *
 * An image is float32 voxels (C,Z,Y,X) and the Geometry that an output of the same shape needs. Axes are read as
 * they are stored (nnU-Net's rule; docs/reference.md, Reading); data/grid_axes.h brings images onto one grid. The
 * format follows from the file's ending (path_named), of a file in memory without one from its content. A new format is one file and one line in data/image_format.h.
 * docs/images.md describes each format. */
#ifndef DATA_IMAGE_IO_H
#define DATA_IMAGE_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"
#include "base/error.h"
#include "data/faults.h"
#include "data/grid_axes.h"

/* The purpose of reading an image. A picture with a palette is read as its colours (RGB) for intensities, and as
 * its indices for labels (as VOC and labelme store labels). All other images are read the same way. */
typedef enum ImageUse { IMAGE_INTENSITIES, IMAGE_LABELS } ImageUse;

/* Owns its voxels: image_free. */
typedef struct Image {
    Array voxels; /* float32 (C,Z,Y,X) */
    Geometry geometry;
    bool alpha; /* the last channel is the alpha of colours: how opaque they are */
} Image;

typedef struct ImageHeader {
    Geometry geometry;
    int64_t channels;
    bool alpha;
} ImageHeader;

/* The ending of path if it is that of a known format (".nii.gz", in the letters of path), or NULL. */
const char *image_ending(const char *path);

/* All endings that are known, or only those that are written: " .nii.gz .nii …", for messages. */
enum { IMAGE_ENDINGS_BYTES = 256 };
void image_known_endings(char text[IMAGE_ENDINGS_BYTES], bool written);

/* Whether images are also written in path's format; false if it is not known. */
bool image_is_written(const char *path);

/* Whether path's format can hold colours: PNG, BMP, TIFF. */
bool image_is_picture(const char *path);

/* Reads the whole image, with the file's rescaling, rounded once to float32. Channels are the components of a voxel
 * (colours, vectors) and a fourth axis of NIfTI, MetaImage and NRRD (time). Z is the third axis; in TIFF the pages,
 * unless ImageJ's or OME's metadata call them channels (data/tiff_stack.h). Fails, always naming the file: ERR_IO;
 * ERR_FORMAT (cut off, damaged, contradictory); ERR_UNSUPPORTED (unknown ending, complex numbers …); ERR_VALUE (a
 * spacing of 0, a finite value beyond float32); ERR_NOMEM. Memory is allocated only after the file was found long
 * enough for its sizes. */
int image_read(Image *image, const char *path, Err *e); /* as IMAGE_INTENSITIES */
int image_read_as(Image *image, const char *path, ImageUse use, Err *e);

/* Reorients the image to the grid of `onto` if only the order and direction of its axes differ (GRID_TURNED); else
 * it stays unchanged. Its geometry is updated too. match may be NULL. Fails: ERR_NOMEM. */
int image_turn_onto(Image *image, const Geometry *onto, GridMatch *match, Err *e);

/* Reads only the header; the channels are those that image_read would give. */
int image_probe(Geometry *g, int64_t *channels, const char *path, Err *e);
int image_read_header(ImageHeader *header, const char *path, ImageUse use, Err *e);
int image_probe_labels(Geometry *g, const char *path, Err *e); /* of a label file */

void image_free(Image *image);

/* Fails: ERR_SHAPE for a label image with several channels; the message says what to do. */
int image_expect_one_label(const ImageHeader *header, Err *e);

/* The label map of an image with one channel: int16 (Z,Y,X). Values within 0.001 of a whole number are rounded to
 * it (rescaling by the header makes such values). Fails: ERR_SHAPE (several channels); ERR_VALUE with the number of
 * fractional, NaN or out-of-range voxels and the first one's value and place. */
int image_to_labels(Array *labels, const Image *image, Err *e);

/* image_read_as labels, and image_to_labels; g may be NULL. */
int image_read_labels(Array *labels, Geometry *g, const char *path, Err *e);

/* The same, reoriented by image_turn_onto. */
int image_read_labels_onto(Array *labels, const char *path, const Geometry *onto, Err *e);

/* Writes voxels (Z,Y,X), shape as in g, atomically, with g's spacing and orientation. All formats write uint8 and
 * uint16 (BMP: uint8; PNG and BMP: one slice). NIfTI, MetaImage, NRRD and TIFF also write int16, float32 and arrays
 * (C,Z,Y,X), with channels as image_read gives them. Fails: ERR_IO; ERR_UNSUPPORTED (ending, type); ERR_SHAPE;
 * ERR_NOMEM. */
int image_write(const char *path, const Geometry *g, const Array *voxels, Err *e);

#endif
