/* Server: answers HTTP requests with the predictions of a model (docs/serve.md).
 *
 * Each connection has a thread, which uploads, waits in the line, predicts and answers. */
#ifndef SERVE_SERVER_H
#define SERVE_SERVER_H

#include <stdint.h>

#include "library/swin_umamba.h"
#include "serve/line.h"
#include "serve/listen.h"

/* A prediction that is over. */
typedef struct Served {
    unsigned status;     /* of HTTP; 0: cancelled, since the client was gone */
    int64_t bytes;       /* of the body */
    double waited, took; /* seconds in the line, and with the model */
    const char *text;    /* the error, or ""; borrowed */
} Served;

typedef struct ServerOptions {
    swin_model *const *models; /* model_count of one kind, borrowed until server_stop */
    int model_count;
    int waiting;       /* requests that may wait besides those that are predicted */
    int64_t most_body; /* bytes */
    int64_t memory;    /* bytes of address space for the reading of a DICOM series */
    /* Called from several threads. */
    void (*served)(const Served *prediction);
    void (*log)(const char *text); /* warnings; may be NULL */
} ServerOptions;

typedef struct Server Server;

/* Starts to answer; the daemon takes over listening->fd, all else is borrowed until server_stop. Raises the process's
 * limit of open files to what all requests together need. Fails: ERR_NOMEM, ERR_IO; ERR_VALUE: that limit cannot be
 * raised. */
int server_start(Server **s, const ServerOptions *o, const Listening *listening, Err *e);

/* Ends connections that are too slow (serve/clients.h). To be called several times a second while the server runs. */
void server_tend(Server *s);

/* Takes no new requests, waits for those that are inside, and stops. Bodies that do not end soon are given up. */
void server_stop(Server *s);

#endif
