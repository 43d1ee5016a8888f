/* Head: whether a request is taken, by its headers (docs/serve.md, docs/security.md). */
#ifndef SERVE_HEAD_H
#define SERVE_HEAD_H

#include <microhttpd.h>

#include "base/error.h"
#include "serve/listen.h"

/* Returns 0, or the status of a refusal with the reason in e:
 * - 400, where two servers could find different ends of the request: a name of a header that is no token, two lengths,
 *   a length with a Transfer-Encoding, or another encoding than chunked;
 * - 403, where a browser asks for a page of another server: its Origin tells, or the name that it has for this server.
 *   Not on a unix socket: no browser reaches it. */
unsigned head_refusal(struct MHD_Connection *c, const Listening *listening, Err *e);

#endif
