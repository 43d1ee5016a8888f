/* Segmentation: labels as a DICOM Segmentation object (PS3.3, A.51), of the series that they were predicted from. Also
 * compiled as C++: DCMTK's dcmseg writes it. */
#ifndef DICOM_SEGMENTATION_H
#define DICOM_SEGMENTATION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#include "base/error.h"
#include "dicom/codes.h"

typedef struct DicomSegment {
    int value;         /* of its voxels */
    const char *label; /* at most 64 letters */
    SegmentCodes codes;
    uint8_t rgb[3];
} DicomSegment;

/* A slice of the series: an image, or a frame of one. */
typedef struct SegmentedSlice {
    double position[3];
    const char *kind, *instance; /* class and UID of the object */
    int frame;                   /* from 1; 0: the object has one image */
} SegmentedSlice;

typedef struct SegmentationJob {
    const void *source; /* a file of the series, from which patient and study are copied */
    size_t source_bytes;
    int64_t slice_count, rows, columns;
    const SegmentedSlice *slices;
    double direction[2][3], spacing_yx[2], spacing_between, thickness; /* mm */
    const int16_t *labels;                                             /* (slices, rows, columns) */
    const DicomSegment *segments;
    int segment_count;
    const char *description, *version; /* of the new series; of the program */
} SegmentationJob;

/* Writes the object. A segment has a frame for each slice that it is in, or one empty frame. Fails: ERR_FORMAT for a
 * source without a study, ERR_UNSUPPORTED for more segments, rows or columns than the form has room for, ERR_IO, ERR_NOMEM. */
int segmentation_write(const char *path, const SegmentationJob *job, Err *e);

/* A UID of a random UUID (PS3.5, B.2): 2.25.… */
enum { UID_BYTES = 65 };
int uid_new(char uid[UID_BYTES], Err *e);

#ifdef __cplusplus
}
#endif
#endif
