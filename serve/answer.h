/* Answers of the server: texts, files, errors as JSON. */
#ifndef SERVE_ANSWER_H
#define SERVE_ANSWER_H

#include <microhttpd.h>

#include "base/error.h"
#include "base/text.h"
#include "library/swin_umamba.h"

/* A header besides those that every answer has; name NULL: none. */
typedef struct AnswerHeader {
    const char *name, *value;
} AnswerHeader;

#define ANSWER_NO_MEMORY "not enough memory at the moment"

/* Sends text (its memory is freed). If there was no memory for it the answer is 503, which says so. */
enum MHD_Result answer_text(struct MHD_Connection *c, unsigned status, const char *type, Text *text,
                            AnswerHeader header);

/* {"error": "…"} */
enum MHD_Result answer_error(struct MHD_Connection *c, unsigned status, const char *error, AnswerHeader header);

/* Sends a file and closes it. type and name: of its content; warnings: a line each, become headers. */
enum MHD_Result answer_file(struct MHD_Connection *c, int fd, const char *type, const char *name, const Text *warnings);

/* The HTTP status of an error of the library. */
unsigned answer_status(int code);

/* What GET /model tells, as JSON. */
void answer_model(Text *text, const swin_info *info, int models);

#endif
