/* Codes: what segments are, in SNOMED CT as DICOM uses it (PS3.16, CID 7150 and the groups of it). */
#ifndef DICOM_CODES_H
#define DICOM_CODES_H

typedef struct SegmentCode {
    const char *value, *meaning; /* value NULL: none */
} SegmentCode;

typedef struct SegmentCodes {
    SegmentCode category, type, side; /* side: left or right */
} SegmentCodes;

/* The codes of a label's name: "liver", "Right kidney", "kidney_left", "tumours". Of an unknown name they say
 * "tissue", and the name itself is in the segment's label. */
SegmentCodes codes_of(const char *name);

#endif
