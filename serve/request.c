#include "serve/request.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/sys.h"
#include "serve/answer.h"
#include "serve/series.h"

/* ---- refusing ---- */

static const char *refusal(const Server *s, unsigned status, char text[128])
{
    if (status == MHD_HTTP_CONTENT_TOO_LARGE)
        snprintf(text, 128, "the body has more than %lld bytes (--max-body)", (long long)s->o.most_body);
    else
        snprintf(text, 128, "%s",
                 line_is_closed(s->line) ? "the server is stopping"
                                         : "as many requests as may wait are here: try again later");
    return text;
}

enum MHD_Result request_refuse(Server *s, struct MHD_Connection *c, unsigned status, const char *error)
{
    char seconds[16], text[128];
    snprintf(seconds, sizeof seconds, "%d", metrics_retry_after(s->metrics, line_length(s->line)));
    const AnswerHeader later = {MHD_HTTP_HEADER_RETRY_AFTER, seconds}, none = {NULL, NULL};
    metrics_answer(s->metrics, status);
    return answer_error(c, status, error ? error : refusal(s, status, text),
                        status == MHD_HTTP_SERVICE_UNAVAILABLE ? later : none);
}

/* ---- the body ---- */

Client *request_client(struct MHD_Connection *c)
{
    return MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static const char *header_of(struct MHD_Connection *c, const char *name)
{
    return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

/* The status of an answer that needs no body; 0: it is wanted, and the request has a place. */
static unsigned decide(Server *s, struct MHD_Connection *c)
{
    const char *length = header_of(c, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (length && strtoull(length, NULL, 10) > (unsigned long long)s->o.most_body) return MHD_HTTP_CONTENT_TOO_LARGE;
    return line_enter(s->line) ? 0 : MHD_HTTP_SERVICE_UNAVAILABLE;
}

Request *request_new(Server *s, struct MHD_Connection *c, enum MHD_Result *result)
{
    const unsigned refused = decide(s, c);
    Request *r = NULL;
    /* A client that asks before it sends the body is told now. Another one would miss the answer while it sends: its body is
     * read and dropped, except a body that is too long. */
    *result = MHD_NO;
    if (refused && (header_of(c, MHD_HTTP_HEADER_EXPECT) || refused == MHD_HTTP_CONTENT_TOO_LARGE)) {
        *result = request_refuse(s, c, refused, NULL);
        return NULL;
    }
    r = mem_zalloc(1, sizeof *r, NULL);
    if (!r) {
        if (!refused) line_leave(s->line);
        *result = request_refuse(s, c, MHD_HTTP_SERVICE_UNAVAILABLE, ANSWER_NO_MEMORY);
        return NULL;
    }
    *r =
        (Request){.server = s, .connection = c, .client = request_client(c), .refused = refused, .is_inside = !refused};
    r->socket = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    if (!refused) {
        client_has_place(r->client);
        upload_begin(&r->upload, c, s->most_files);
    }
    *result = MHD_YES;
    return r;
}

/* A request keeps its place until its answer is sent: so a server that stops waits for that, and the answers in memory are
 * bounded, too. */
void request_free(Request *r)
{
    if (r->is_inside) line_leave(r->server->line);
    upload_free(&r->upload);
    text_free(&r->warnings);
    mem_free(r);
}

enum MHD_Result request_take(Request *r, const char *data, size_t bytes)
{
    /* A body of unknown length may have no end, also one that is dropped. */
    if (bytes > (size_t)(r->server->o.most_body - r->bytes)) return MHD_NO;
    r->bytes += (int64_t)bytes;
    if (!r->refused) upload_add(&r->upload, data, bytes);
    return MHD_YES;
}

/* ---- predicting ---- */

/* Whether the client has closed the connection. */
static bool is_gone(void *context)
{
    char byte;
    const Request *r = context;
    struct pollfd p = {.fd = r->socket, .events = POLLIN | POLLRDHUP};
    if (poll(&p, 1, 0) <= 0) return false;
    if (p.revents & (POLLERR | POLLHUP | POLLNVAL | POLLRDHUP)) return true;
    return (p.revents & POLLIN) && recv(r->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static int stop_if_gone(void *context, int64_t done, int64_t parts)
{
    (void)done, (void)parts;
    return is_gone(context);
}

static void keep_warning(void *context, const char *text)
{
    Request *r = context;
    char line[sizeof(Err)];
    snprintf(line, sizeof line, "%s", text);
    upload_rename(&r->upload, line, sizeof line);
    text_add(&r->warnings, "%s\n", line);
    if (r->server->o.log) r->server->o.log(line);
}

/* What the labels are written as: the kind of the image. */
typedef struct OutputKind {
    const char *first; /* of the image's bytes */
    size_t length;
    const char *name, *type;
} OutputKind;

static OutputKind kind_of(int fd)
{
    static const OutputKind kinds[] = {{"\x89PNG", 4, "labels.png", "image/png"},
                                       {"\xff\xd8\xff", 3, "labels.png", "image/png"},
                                       {"BM", 2, "labels.png", "image/png"},
                                       {"II", 2, "labels.tif", "image/tiff"},
                                       {"MM", 2, "labels.tif", "image/tiff"}};
    char head[4] = {0};
    if (sys_read_at(fd, head, sizeof head, 0) > 0)
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
            if (!memcmp(head, kinds[i].first, kinds[i].length)) return kinds[i];
    return (OutputKind){"", 0, "labels.nii.gz", "application/gzip"};
}

static const OutputKind dicom_kind = {"", 0, "labels.dcm", "application/dicom"};

/* The labels of a DICOM series are DICOM-SEG, unless the client accepts only NIfTI. */
static OutputKind kind_of_request(const Request *r)
{
    const char *accept = header_of(r->connection, MHD_HTTP_HEADER_ACCEPT);
    const bool wants_nifti = accept && (strstr(accept, "gzip") || strstr(accept, "nifti"));
    return series_is_sent(&r->upload) && !wants_nifti ? dicom_kind : kind_of(r->upload.fds[0]);
}

static int predict_series(Request *r, swin_model *model, const OutputKind *kind, int fd, const char *output,
                          const swin_listener *listener, swin_error *error)
{
    int length;
    Text warnings = {0};
    const SeriesRequest series = {.upload = &r->upload,
                                  .model = model,
                                  .listener = listener,
                                  .output = output,
                                  .file = fd,
                                  .writes_dicom = !strcmp(kind->type, dicom_kind.type),
                                  .memory = r->server->o.memory,
                                  .stop = is_gone,
                                  .context = r};
    const int code = series_predict(&series, &warnings, error);
    for (const char *line = warnings.data, *next; line && *line; line = next) {
        char one[sizeof(Err)];
        next = text_next_line(line, &length);
        snprintf(one, sizeof one, "%.*s", length, line);
        keep_warning(r, one);
    }
    text_free(&warnings);
    return code;
}

static int predict(Request *r, swin_model *model, const OutputKind *kind, int fd, const char *output, swin_error *error)
{
    const char *images[UPLOAD_FILES];
    const swin_listener listener = {
        .size = sizeof listener, .context = r, .warning = keep_warning, .progress = stop_if_gone};
    upload_add_other(&r->upload, output, kind->name);
    if (series_is_sent(&r->upload)) return predict_series(r, model, kind, fd, output, &listener, error);
    for (int i = 0; i < r->upload.count; i++) images[i] = r->upload.paths[i];
    return swin_predict_file(model, images, r->upload.count, output, &listener, error);
}

/* Waits and predicts into a file in memory, which *fd is. Returns the status, 0 if the client is gone. */
static unsigned run(Request *r, const OutputKind *kind, int *fd, swin_error *error)
{
    Err e = {0};
    char path[MEMORY_FILE_PATH_BYTES];
    const double began = clock_seconds();
    *fd = memory_file_new(kind->name, path, &e);
    swin_model *model = *fd < 0 ? NULL : line_wait(r->server->line, is_gone, r);
    const double started = clock_seconds();
    const int code = *fd < 0 ? e.code : model ? predict(r, model, kind, *fd, path, error) : SWIN_CANCELLED;
    if (*fd < 0) snprintf(error->text, sizeof error->text, "%s", e.text);
    if (code) upload_rename(&r->upload, error->text, sizeof error->text);
    if (model) line_give_back(r->server->line, model);
    const bool gone = code == SWIN_CANCELLED;
    const unsigned status = gone      ? 0
                            : *fd < 0 ? MHD_HTTP_SERVICE_UNAVAILABLE
                            : code    ? answer_status(code)
                                      : MHD_HTTP_OK;
    const double ended = clock_seconds();
    metrics_prediction(r->server->metrics,
                       gone   ? PREDICTION_GONE
                       : code ? PREDICTION_FAILED
                              : PREDICTION_DONE,
                       started - began, ended - started);
    const Served served = {status, r->bytes, started - began, ended - started,
                           gone   ? "the client is gone"
                           : code ? error->text
                                  : ""};
    r->server->o.served(&served);
    return status;
}

static enum MHD_Result answer_prediction(Request *r)
{
    int fd;
    swin_error error = {0};
    const OutputKind kind = kind_of_request(r);
    const unsigned status = run(r, &kind, &fd, &error);
    client_reads(r->client, fd < 0 ? 0 : lseek(fd, 0, SEEK_END), clock_seconds());
    if (status == MHD_HTTP_OK) {
        const enum MHD_Result sent = answer_file(r->connection, fd, kind.type, kind.name, &r->warnings);
        if (sent == MHD_YES) metrics_answer(r->server->metrics, status);
        return sent;
    }
    if (fd >= 0) close(fd);
    return status ? request_refuse(r->server, r->connection, status, error.text) : MHD_NO;
}

/* Of a body that was not taken. No room for its files is no fault of the body: there may be room later. */
static unsigned upload_status(int code) { return code == ERR_IO ? MHD_HTTP_SERVICE_UNAVAILABLE : answer_status(code); }

enum MHD_Result request_answer(Request *r)
{
    Err e = {0};
    if (r->refused) return request_refuse(r->server, r->connection, r->refused, NULL);
    if (upload_finish(&r->upload, &e)) return request_refuse(r->server, r->connection, upload_status(e.code), e.text);
    client_waits(r->client, clock_seconds());
    return answer_prediction(r);
}
