/* The header of a NIfTI-1 or NIfTI-2 file, checked, and back.
 *
 * Struct layouts, byte swapping and data types are niftilib's. The checks are made here, since niftilib makes none.
 * No files are read here; messages do not name one. Sources: nifti1.h, nifti2.h of niftilib,
 * https://nifti.nimh.nih.gov/nifti-1/documentation. */
#ifndef DATA_NII_HEADER_H
#define DATA_NII_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "base/error.h"
#include "data/geometry.h"

enum { NII1_BYTES = 348, NII2_BYTES = 540, NII_MAX_HEADER_BYTES = 544 };

typedef struct NiiHeader {
    Geometry geometry;
    int64_t volumes;         /* product of the extents of the axes after the third */
    int components;          /* values per voxel: 1; RGB 3, RGBA 4 */
    DType dtype;             /* of one value */
    bool swapped;            /* header and data have the other byte order */
    bool pair;               /* the data are in another file (.img) */
    uint64_t data_at;        /* offset of the data in their file */
    double slope, intercept; /* value = stored * slope + intercept; 1 and 0 without scaling */
} NiiHeader;

/* The whole header's length from its first four bytes: NII1_BYTES or NII2_BYTES; 0 if it is neither. */
size_t nii_header_bytes(const void *first_four);

/* Reads `bytes` (of nii_header_bytes, changed in place). Fails: ERR_FORMAT, ERR_VALUE, ERR_UNSUPPORTED. */
int nii_header_parse(NiiHeader *h, void *bytes, Err *e);

/* Bytes of the data, or UINT64_MAX where that overflows. */
uint64_t nii_data_bytes(const NiiHeader *h);

/* Writes the header and four zeros ("no extension") into `bytes` of NII_MAX_HEADER_BYTES. Returns their number,
 * which is the data's offset in a single file. NIfTI-1, or NIfTI-2 if an axis is longer than 32767. Used from h:
 * geometry, volumes, dtype, pair. */
size_t nii_header_format(void *bytes, const NiiHeader *h);

#endif
