#include "serve/daemon_log.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>

#include "base/memory.h"

struct DaemonLog {
    pthread_mutex_t lock;
    void (*write)(const char *text);
    double began; /* of these seconds */
    int count;    /* of messages in them */
};

int daemon_log_new(DaemonLog **result, void (*write)(const char *text), Err *e)
{
    DaemonLog *log = *result = mem_zalloc(1, sizeof *log, e);
    if (!log) return ERR_NOMEM;
    pthread_mutex_init(&log->lock, NULL);
    log->write = write;
    log->began = -INFINITY;
    return 0;
}

void daemon_log_free(DaemonLog *log)
{
    if (log) pthread_mutex_destroy(&log->lock);
    mem_free(log);
}

void daemon_log_add(DaemonLog *log, const char *text, double now)
{
    char left_out[80];
    if (!log->write) return;
    pthread_mutex_lock(&log->lock);
    if (now - log->began >= DAEMON_LOG_SECONDS) {
        log->began = now;
        log->count = 0;
    }
    const int count = ++log->count;
    pthread_mutex_unlock(&log->lock);
    snprintf(left_out, sizeof left_out, "more messages about connections are left out for %d s", DAEMON_LOG_SECONDS);
    if (count <= DAEMON_LOG_LINES + 1) log->write(count <= DAEMON_LOG_LINES ? text : left_out);
}
