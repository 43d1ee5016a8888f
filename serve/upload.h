/* Upload: the image files of a request, in memory (memfd_create). The body is one file, or a form with a file for each
 * channel (multipart/form-data). */
#ifndef SERVE_UPLOAD_H
#define SERVE_UPLOAD_H

#include <microhttpd.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory_file.h"

enum { UPLOAD_FILES = 64, UPLOAD_NAME_BYTES = 128 };

typedef struct Upload {
    int count;
    int fds[UPLOAD_FILES];
    char names[UPLOAD_FILES][UPLOAD_NAME_BYTES];
    char paths[UPLOAD_FILES][MEMORY_FILE_PATH_BYTES]; /* /proc/self/fd/N */
    int64_t bytes, most;
    struct MHD_PostProcessor *form; /* NULL: the body is one file */
    Err e;                          /* the first failure; what follows is dropped */
} Upload;

/* u is new (upload_free), also on failure. most: bytes that all files may have. Fails: ERR_NOMEM. */
int upload_begin(Upload *u, struct MHD_Connection *connection, int64_t most);
void upload_add(Upload *u, const char *data, size_t bytes);

/* Completes it. Fails: with the first failure: ERR_VALUE for a body without a file, one of more than `most` bytes, or
 * fields that are no files; ERR_NOMEM. */
int upload_finish(Upload *u, Err *e);
void upload_free(Upload *u);

/* Replaces the paths of the files by the names that the client gave them. */
void upload_rename(const Upload *u, char *text, size_t bytes);

#endif
