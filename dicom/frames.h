/* Frames: what the headers of DICOM files tell of their images (part of dicom/series.c).
 *
 * `DicomScan s = {0}`; dicom_read_header for each file; scan_free. Also compiled as C++: header.cc fills it. */
#ifndef DICOM_FRAMES_H
#define DICOM_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#include "base/error.h"

/* By what the volumes of one series may differ, in the order in which they are told apart. */
enum {
    KEY_TEMPORAL, /* position in time, as counted by the scanner */
    KEY_ECHO,
    KEY_B_VALUE,
    KEY_TRIGGER,
    KEY_STACK,
    KEY_ACQUISITION,
    KEY_TYPE, /* ImageType: magnitude, phase … */
    KEY_TIME, /* of the acquisition */
    KEY_COUNT
};
enum { DICOM_UID_BYTES = 65, DICOM_TEXT_BYTES = 65, DICOM_KEY_BYTES = 72 };

/* One image of a file; lengths in mm, directions in DICOM's axes (x to the left, y to the back, z up). */
typedef struct Frame {
    int file;   /* index in DicomScan.files */
    int number; /* within the file, from 0 */
    bool has_place;
    double position[3];                    /* of the first pixel */
    double direction[2][3];                /* along a row, and down a column: unit vectors */
    double spacing_yx[2];                  /* 0: not given */
    double thickness;                      /* of the slice; 0: not given */
    double slope, intercept;               /* to the values, from the stored ones */
    char keys[KEY_COUNT][DICOM_KEY_BYTES]; /* "": not given */
} Frame;

typedef struct DicomFile {
    int source; /* its number in the DicomSources (dicom/sources.h) */
    char series[DICOM_UID_BYTES], study[DICOM_UID_BYTES], reference[DICOM_UID_BYTES]; /* reference: of the place */
    char instance[DICOM_UID_BYTES], kind[DICOM_UID_BYTES];                            /* its UID and its class */
    char modality[DICOM_TEXT_BYTES], description[DICOM_TEXT_BYTES], photometric[DICOM_TEXT_BYTES];
    ErrCode fault_code;      /* 0: its frames can be used */
    char fault[sizeof(Err)]; /* why not; does not name the file */
    int64_t series_number, instance_number, rows, columns;
    double tilt; /* of the gantry, degrees */
    bool is_enhanced;
    int first, count; /* its frames; of a file with a fault they may not be in the scan */
} DicomFile;

typedef struct DicomScan {
    DicomFile *files;
    Frame *frames;
    int file_count, frame_count;
    int other_count; /* DICOM objects without images: reports, segmentations, DICOMDIR … */
    int first_other; /* of them: its number in the DicomSources */
} DicomScan;

typedef enum HeaderKind {
    HEADER_IMAGE, /* added to the scan */
    HEADER_OTHER, /* DICOM, but no image; counted */
    HEADER_NONE   /* not DICOM */
} HeaderKind;

/* Reads the header of a file, whose bytes are given. What is wrong with a file whose series is known is kept as its
 * fault: it concerns only who wants that series. Fails: ERR_FORMAT (empty; cut off or damaged, of an unknown series), ERR_NOMEM;
 * the text does not name the file. */
int dicom_read_header(DicomScan *s, HeaderKind *kind, int source, const void *bytes, size_t count, Err *e);

/* Adds a file with `frames` frames, all 0; used by dicom_read_header. Fails: ERR_NOMEM. */
int scan_add(DicomScan *s, int frames, Err *e);
void scan_free(DicomScan *s);

#ifdef __cplusplus
}
#endif
#endif
