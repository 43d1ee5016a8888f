/* Volume: the values of a series as an image. */
#ifndef DICOM_VOLUME_H
#define DICOM_VOLUME_H

#include "base/array.h"
#include "dicom/series.h"

/* voxels: new, (Z,Y,X) on the grid of the series, the stored values rescaled by each slice's slope and intercept:
 * int16 if all are whole numbers of its range, else float32. Fails: as sources_get and dicom_pixels_frame, with the
 * file's name. */
int volume_read(Array *voxels, const Series *s, const DicomSources *source, Err *e);

#endif
