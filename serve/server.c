#include "serve/server.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "serve/answer.h"
#include "serve/request.h"

enum { STACK_BYTES = 512 << 10, MORE_CONNECTIONS = 64 };

/* ---- questions without a body ---- */

static enum MHD_Result tell_health(Server *s, struct MHD_Connection *c)
{
    Text text = {0};
    const bool stops = line_is_closed(s->line);
    const unsigned status = stops ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
    text_add(&text, "{\"status\": \"%s\"}\n", stops ? "stopping" : "ok");
    metrics_answer(s->metrics, status);
    return answer_text(c, status, "application/json", &text, (AnswerHeader){NULL, NULL});
}

static enum MHD_Result tell_model(Server *s, struct MHD_Connection *c)
{
    Text text = {0};
    answer_model(&text, swin_model_info(s->o.models[0]), s->o.model_count);
    metrics_answer(s->metrics, MHD_HTTP_OK);
    return answer_text(c, MHD_HTTP_OK, "application/json", &text, (AnswerHeader){NULL, NULL});
}

static enum MHD_Result tell_metrics(Server *s, struct MHD_Connection *c)
{
    Text text = {0};
    double network = 0;
    for (int i = 0; i < s->o.model_count; i++) network += swin_network_seconds(s->o.models[i]);
    metrics_answer(s->metrics, MHD_HTTP_OK);
    metrics_text(s->metrics, line_length(s->line), network, &text);
    return answer_text(c, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &text, (AnswerHeader){NULL, NULL});
}

static const struct {
    const char *path;
    enum MHD_Result (*tell)(Server *s, struct MHD_Connection *c);
} questions[] = {{"/health", tell_health}, {"/model", tell_model}, {"/metrics", tell_metrics}};

static enum MHD_Result tell(Server *s, struct MHD_Connection *c, const char *path, const char *method)
{
    const bool asks = !strcmp(method, MHD_HTTP_METHOD_GET) || !strcmp(method, MHD_HTTP_METHOD_HEAD);
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        if (strcmp(path, questions[i].path)) continue;
        return asks ? questions[i].tell(s, c)
                    : request_refuse(s, c, MHD_HTTP_METHOD_NOT_ALLOWED, "expected GET, or POST /predict");
    }
    if (!strcmp(path, "/predict"))
        return request_refuse(s, c, MHD_HTTP_METHOD_NOT_ALLOWED, "expected POST /predict with an image");
    return request_refuse(s, c, MHD_HTTP_NOT_FOUND, "expected POST /predict, GET /health, GET /model or GET /metrics");
}

/* ---- requests ---- */

/* Called when the headers have come, for each part of the body, and at its end. context: the server. *state: NULL at first,
 * then the Request of a prediction, or the server for all else. */
static enum MHD_Result handle(void *context, struct MHD_Connection *c, const char *path, const char *method,
                              const char *version, const char *data, size_t *bytes, void **state)
{
    enum MHD_Result result = MHD_YES;
    (void)version;
    if (!*state) {
        const bool predicts = !strcmp(path, "/predict") && !strcmp(method, MHD_HTTP_METHOD_POST);
        *state = predicts ? (void *)request_new(context, c, &result) : context;
        return result;
    }
    if (*bytes) {
        result = *state == context ? MHD_YES : request_take(*state, data, *bytes);
        *bytes = 0;
        return result;
    }
    return *state == context ? tell(context, c, path, method) : request_answer(*state);
}

/* Called once for each request that handle has seen, also where the client closed the connection within the body. */
static void finish(void *context, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why)
{
    (void)c, (void)why;
    if (*state && *state != context) request_free(*state);
    *state = NULL;
}

/* ---- the server ---- */

static void log_failure(void *context, const char *format, va_list args)
{
    const Server *s = context;
    char text[512];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    /* Also said where a connection is closed because its client is gone: that was told. */
    if (s->o.log && strncmp(text, "Application reported", 20)) s->o.log(text);
}

static int start_daemon(Server *s, int fd, Err *e)
{
    const unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
                           MHD_USE_ITC | MHD_USE_ERROR_LOG;
    const unsigned connections = (unsigned)line_length(s->line).places + MORE_CONNECTIONS;
    s->daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, s, MHD_OPTION_EXTERNAL_LOGGER, log_failure, s,
                                 MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd, MHD_OPTION_NOTIFY_COMPLETED, finish, s,
                                 MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_TIMEOUT,
                                 (unsigned)REQUEST_TIMEOUT_SECONDS, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES,
                                 MHD_OPTION_END);
    return s->daemon ? 0 : err_set(e, ERR_IO, "the HTTP server could not be started");
}

static void free_server(Server *s)
{
    metrics_free(s->metrics);
    line_free(s->line);
    mem_free(s);
}

int server_start(Server **result, const ServerOptions *o, const Listening *listening, Err *e)
{
    Server *s = *result = mem_zalloc(1, sizeof *s, e);
    if (!s) return ERR_NOMEM;
    s->o = *o;
    int code = line_new(&s->line, o->models, o->model_count, o->waiting, e);
    if (!code) code = metrics_new(&s->metrics, e);
    if (!code) code = start_daemon(s, listening->fd, e);
    if (!code) return 0;
    free_server(s);
    *result = NULL;
    return code;
}

void server_stop(Server *s)
{
    const struct timespec moment = {.tv_nsec = 50000000};
    line_close(s->line);
    const MHD_socket listening = MHD_quiesce_daemon(s->daemon);
    while (line_length(s->line).inside) nanosleep(&moment, NULL);
    MHD_stop_daemon(s->daemon);
    if (listening >= 0) close(listening);
    free_server(s);
}
