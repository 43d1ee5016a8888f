/* Clients: the open connections, and the time that each of them has (docs/serve.md).
 *
 * A connection whose time is over, or whose room another one needs, is shut down: its thread then finds it closed.
 * Times are those of clock_seconds, given by the caller. All functions may be called from all threads. */
#ifndef SERVE_CLIENTS_H
#define SERVE_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* For the headers of a request, from the connection or the last answer on; how far a body, or the reading of an answer,
 * may be behind the least rate; for the bodies that are on their way when the server stops. */
enum { CLIENT_ASK_SECONDS = 60, CLIENT_LAG_SECONDS = 20, CLIENT_STOP_SECONDS = 5 };
enum { CLIENT_BYTES_PER_SECOND = 64 << 10 }; /* the least rate */

typedef struct Clients Clients;
typedef struct Client Client; /* a connection */

/* most: connections that can be open. usual <= most: beyond so many the one without a place that has done the same for
 * the longest time is shut down; `most - usual` of them can be shut down and not closed yet. Fails: ERR_NOMEM. */
int clients_new(Clients **clients, int most, int usual, Err *e);
void clients_free(Clients *clients);

/* A new connection, that waits for a request (client_asks). NULL: `most` are open. */
Client *clients_add(Clients *clients, int socket, double now);
void clients_remove(Clients *clients, Client *c); /* before the socket is closed */

/* What the client does from now on. */
void client_asks(Client *c, double now);                 /* it sends the headers of a request, or nothing */
void client_sends(Client *c, double now);                /* its body */
void client_sent(Client *c, int64_t bytes, double now);  /* a part of it has come */
void client_waits(Client *c, double now);                /* for the prediction: its time has no end */
void client_reads(Client *c, int64_t bytes, double now); /* an answer of so many bytes */

/* It has a place in the line until it asks again: no other connection may have its room. */
void client_has_place(Client *c);

/* Shuts down those whose time is over. Returns how many had asked: the others were idle. */
int clients_shut_late(Clients *clients, double now);

/* From now on bodies have CLIENT_STOP_SECONDS. */
void clients_stop(Clients *clients, double now);

#endif
