/* Messages about connections, of the HTTP library and of this program. Clients can cause any number of them: of many in
 * a short time only the first are logged. May be called from all threads. */
#ifndef SERVE_DAEMON_LOG_H
#define SERVE_DAEMON_LOG_H

#include "base/error.h"

enum { DAEMON_LOG_LINES = 10, DAEMON_LOG_SECONDS = 60 }; /* at most so many in so many seconds */

typedef struct DaemonLog DaemonLog;

/* write may be NULL. Fails: ERR_NOMEM. */
int daemon_log_new(DaemonLog **log, void (*write)(const char *text), Err *e);
void daemon_log_free(DaemonLog *log);

void daemon_log_add(DaemonLog *log, const char *text, double now);

#endif
