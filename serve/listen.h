/* The address that the server listens on. */
#ifndef SERVE_LISTEN_H
#define SERVE_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"

enum { LISTEN_NAME_BYTES = 256 };

typedef struct Listening {
    int fd;
    bool is_local;                /* only programs of this machine can reach it */
    char name[LISTEN_NAME_BYTES]; /* HOST of HOST:PORT, without brackets; else "" */
    Text shown;                   /* "http://127.0.0.1:8080", "unix:/run/swin.sock" */
    char *path;                   /* of a unix socket, else NULL; owned */
    ino_t inode;                  /* of that path */
} Listening;

/* address: HOST:PORT, [IPV6]:PORT (port 0: any that is free), or unix:PATH, which only this user may use. Fails: ERR_VALUE,
 * ERR_IO, ERR_NOMEM; then nothing is owned. */
int listen_on(Listening *l, const char *address, Err *e);

/* Removes the name of a unix socket; the daemon closes the socket. */
void listen_end(Listening *l);

#endif
