/* TiffStack: whether the pages of a TIFF file are slices or channels, and their spacing.
 *
 *   one page                    a picture: (C,1,Y,X), C the samples of a pixel; its resolution is not used
 *   several pages               a volume: page i is slice i
 *   ImageJ's or OME's metadata  name channels and slices both, or channels alone: as they say. Frames (time)
 *                               are slices where there are no others. Channels of a label file are slices.
 *   one page, with a side file  a volume of one slice
 *
 * Spacing of a volume: that of the side file CASE.json, {"spacing": [z,y,x]}, beside CASE_0000.tif or CASE.tif
 * (nnU-Net's Tiff3DIO); CASE_0000.json is read too and must agree if both exist; else ImageJ's spacing and
 * resolution, or OME's PhysicalSizeX, Y and Z; else 1. The unit is not converted. Plain values. */
#ifndef DATA_TIFF_STACK_H
#define DATA_TIFF_STACK_H

#include "base/file.h"
#include "base/text.h"
#include "data/image_io.h"
#include "data/tiff_file.h"

typedef struct TiffStack {
    int64_t channels, slices; /* pages = channels * slices; the samples of a pixel not counted */
    bool slices_together;     /* page = channel * slices + slice; else slice * channels + channel */
    bool volume;              /* false: a picture */
    double spacing_zyx[3];
} TiffStack;

/* From the first page's tags, the number of pages and of the samples of a pixel, and the side file. Fails:
 * ERR_FORMAT, ERR_VALUE, ERR_UNSUPPORTED, ERR_IO, ERR_NOMEM. */
int tiff_stack_find(TiffStack *s, const TiffFile *f, int64_t pages, int samples, ImageUse use, Err *e);

/* Adds the side files that exist. Fails: ERR_NOMEM. */
int tiff_stack_add_side(FileList *files, const char *path, Err *e);

/* The ImageDescription of a volume as ImageJ writes it. */
void tiff_stack_describe(Text *description, const TiffStack *s);

/* The name of the side file: CASE.json for CASE.tif; owned by the caller. Fails: ERR_NOMEM. */
int tiff_stack_name_side(char **name, const char *path, Err *e);

/* Writes the side file of a volume at path. Fails: ERR_IO, ERR_NOMEM. */
int tiff_stack_write_side(const char *path, const double spacing_zyx[3], Err *e);

#endif
