/* Series: a request whose body is DICOM: a zip archive of a series, or an object with all slices (docs/dicom.md). The
 * program convert_dicom makes images of them, and DICOM-SEG of the labels, in processes of its own; all files are in
 * memory. */
#ifndef SERVE_SERIES_H
#define SERVE_SERIES_H

#include "base/text.h"
#include "library/swin_umamba.h"
#include "serve/upload.h"

typedef struct SeriesRequest {
    Upload *upload; /* it learns the names of the files that are made: upload_rename for warnings and the error */
    swin_model *model;
    const swin_listener *listener;
    const char *output; /* path of the file in memory `file`, for DICOM-SEG or, without writes_dicom, for an image */
    int file;
    bool writes_dicom;
    int64_t memory;              /* bytes of address space that convert_dicom may use */
    bool (*stop)(void *context); /* asked several times a second while it runs */
    void *context;
} SeriesRequest;

/* Whether all files of the body are DICOM or zip archives, by their content. */
bool series_is_sent(const Upload *u);

/* Predicts. Returns 0 or a code of the library with `error` filled; warnings of convert_dicom are appended, a line
 * each. */
int series_predict(const SeriesRequest *r, Text *warnings, swin_error *error);

#endif
