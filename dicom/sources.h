/* DicomSources: the files that may belong to a series: those of folders and of the folders in them, of zip archives,
 * and single files.
 *
 * `DicomSources s`; sources_open … sources_close. One file is in memory at a time: sources_get … sources_release. */
#ifndef DICOM_SOURCES_H
#define DICOM_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { SOURCES_DEEPEST = 8 };

typedef struct DicomSources {
    struct SourceItem *items; /* owned, as the archives */
    struct SourceArchive *archives;
    int count, archive_count;
    int left_out; /* folders that are too deep */
    char *deep;   /* the first of them, for messages; owned; NULL */
} DicomSources;

typedef struct SourceBytes {
    const void *data;
    size_t count;
    void *mapped, *unpacked; /* one of them is owned */
} SourceBytes;

/* Hidden files are left out, and folders more than SOURCES_DEEPEST levels deep, which are counted. An archive is known by its content. s is new. Fails:
 * ERR_IO; ERR_FORMAT, ERR_UNSUPPORTED for a damaged or encrypted archive; ERR_NOMEM. */
int sources_open(DicomSources *s, const char *const *paths, int count, Err *e);
void sources_close(DicomSources *s);

/* The name of a file, for messages: one line, whatever an archive or a folder has; borrowed. */
const char *sources_name(const DicomSources *s, int index);

/* Fails: ERR_IO, ERR_FORMAT (of an archive), ERR_NOMEM; the text names the file. */
int sources_get(SourceBytes *b, const DicomSources *s, int index, Err *e);
void sources_release(SourceBytes *b);

#endif
