/* Request: a POST /predict, from its first byte to its answer (part of serve/server.c). */
#ifndef SERVE_REQUEST_H
#define SERVE_REQUEST_H

#include <microhttpd.h>

#include "serve/clients.h"
#include "serve/daemon_log.h"
#include "serve/metrics.h"
#include "serve/server.h"
#include "serve/upload.h"

struct Server {
    ServerOptions o;
    const Listening *listening;
    int most_files; /* of a request */
    Line *line;
    Metrics *metrics;
    Clients *clients;
    DaemonLog *log;
    struct MHD_Daemon *daemon;
};

typedef struct Request {
    Server *server;
    struct MHD_Connection *connection;
    Client *client;
    int socket;
    unsigned refused; /* status of an answer that was decided before the body; 0: none */
    bool is_inside;   /* has a place in the line */
    int64_t bytes;    /* of the body so far */
    Upload upload;
    Text warnings; /* a line each */
} Request;

/* The client of a connection; NULL: there is no room for it. */
Client *request_client(struct MHD_Connection *c);

/* Sends an answer of an error, and counts it. */
enum MHD_Result request_refuse(Server *s, struct MHD_Connection *c, unsigned status, const char *error);

/* Begins a request, when its headers have come. *result: what the access handler returns. NULL: it was answered, or
 * cannot be. */
Request *request_new(Server *s, struct MHD_Connection *c, enum MHD_Result *result);
void request_free(Request *r);

/* Takes a part of the body. MHD_NO, which closes the connection: the body has more bytes than it may. */
enum MHD_Result request_take(Request *r, const char *data, size_t bytes);

/* Predicts and answers, when the body is complete. */
enum MHD_Result request_answer(Request *r);

#endif
