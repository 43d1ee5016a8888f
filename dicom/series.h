/* Series: the slices of one DICOM series in their order, checked to be the slices of one volume, and the grid that
 * they make.
 *
 * `Series s`; series_open … series_close. Lengths in mm. */
#ifndef DICOM_SERIES_H
#define DICOM_SERIES_H

#include "base/text.h"
#include "data/geometry.h"
#include "dicom/frames.h"
#include "dicom/sources.h"

typedef struct SeriesChoice {
    const char *series; /* SeriesInstanceUID or SeriesNumber; NULL: there must be only one */
    int volume;         /* of those of the series, from 1; 0: there must be only one */
} SeriesChoice;

typedef struct Series {
    DicomScan scan; /* owned, as slices */
    int *slices;    /* indices of scan.frames, along the normal of their plane */
    int count;
    Geometry geometry; /* 2-D: a single image without a place */
    Text warnings;     /* a line each */
} Series;

/* Reads all headers of the source. Fails, naming files: ERR_IO, ERR_FORMAT, ERR_NOMEM; ERR_VALUE where there is no
 * series or several of them, or several volumes, with what they are and what to type; ERR_UNSUPPORTED for images that
 * are no slices of a volume: colours, places that are missing or uneven. */
int series_open(Series *s, const DicomSources *source, const SeriesChoice *choice, Err *e);
void series_close(Series *s);

/* Appends a table of the series in a source: UID, number, modality, images, description; and warnings, a line each. Fails:
 * as the reading of headers. */
int series_table(Text *text, Text *warnings, const DicomSources *source, Err *e);

static inline const Frame *series_frame(const Series *s, int slice) { return &s->scan.frames[s->slices[slice]]; }
static inline const DicomFile *series_file(const Series *s, int slice)
{
    return &s->scan.files[series_frame(s, slice)->file];
}

#endif
