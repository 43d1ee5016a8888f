/* Upload: the image files of a request, in memory (memfd_create). The body is one file, or a form with a file for each
 * channel (multipart/form-data). */
#ifndef SERVE_UPLOAD_H
#define SERVE_UPLOAD_H

#include <microhttpd.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory_file.h"

enum { UPLOAD_FILES = 64, UPLOAD_NAME_BYTES = 128 };

/* Another file in memory that a request works with, and what people call it. */
typedef struct UploadOther {
    char path[MEMORY_FILE_PATH_BYTES], name[UPLOAD_NAME_BYTES];
} UploadOther;

typedef struct Upload {
    int count, most;
    int fds[UPLOAD_FILES];
    char names[UPLOAD_FILES][UPLOAD_NAME_BYTES];
    char paths[UPLOAD_FILES][MEMORY_FILE_PATH_BYTES]; /* /proc/self/fd/N */
    int64_t file_bytes;                               /* of the last file */
    UploadOther others[UPLOAD_FILES + 2];
    int other_count;
    struct MHD_PostProcessor *form; /* NULL: the body is one file */
    Err e;                          /* the first failure; what follows is dropped */
} Upload;

/* u is new (upload_free), also on failure. The caller bounds the bytes. most: of files, up to UPLOAD_FILES. Fails:
 * ERR_NOMEM; ERR_IO: there is no room for a file in memory now; ERR_VALUE: a form without a boundary. */
int upload_begin(Upload *u, struct MHD_Connection *connection, int most);
void upload_add(Upload *u, const char *data, size_t bytes);

/* Completes it. Fails: with the first failure: ERR_VALUE for a body without a file, or fields that are no
 * files; ERR_FORMAT for a damaged form; ERR_NOMEM, ERR_IO as upload_begin. */
int upload_finish(Upload *u, Err *e);
void upload_free(Upload *u);

/* From now on upload_rename knows another file, too. */
void upload_add_other(Upload *u, const char *path, const char *name);

/* Replaces the paths of the files by the names that the client gave them, and those of the others by theirs. */
void upload_rename(const Upload *u, char *text, size_t bytes);

#endif
