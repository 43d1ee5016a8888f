#include "serve/server.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/progress.h"
#include "serve/answer.h"
#include "serve/head.h"
#include "serve/request.h"

/* Connections besides those that have a place in the line, and those that are being closed. */
enum { STACK_BYTES = 512 << 10, MORE_CONNECTIONS = 64, CLOSING_CONNECTIONS = 128 };

/* Open files besides connections and images: of the process, and of a request (its labels, answer and pipes). */
enum { PROCESS_FILES = 64, REQUEST_FILES = 16 };

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

/* Called when the headers have come. */
static enum MHD_Result begin(Server *s, struct MHD_Connection *c, bool predicts, void **state)
{
    Err e = {0};
    enum MHD_Result result = MHD_YES;
    Client *client = request_client(c);
    if (!client) return MHD_NO;
    client_sends(client, clock_seconds());
    const unsigned refused = head_refusal(c, s->listening, &e);
    if (refused) return request_refuse(s, c, refused, e.text);
    *state = predicts ? (void *)request_new(s, c, &result) : s;
    return result;
}

/* Called when the headers have come, for each part of the body, and at its end. context: the server. *state: NULL at first,
 * then the Request of a prediction, or the server for all else. */
static enum MHD_Result handle(void *context, struct MHD_Connection *c, const char *path, const char *method,
                              const char *version, const char *data, size_t *bytes, void **state)
{
    (void)version;
    if (!*state) return begin(context, c, !strcmp(path, "/predict") && !strcmp(method, MHD_HTTP_METHOD_POST), state);
    if (*bytes) {
        client_sent(request_client(c), (int64_t)*bytes, clock_seconds());
        const enum MHD_Result result = *state == context ? MHD_YES : request_take(*state, data, *bytes);
        *bytes = 0;
        return result;
    }
    client_reads(request_client(c), 0, clock_seconds());
    return *state == context ? tell(context, c, path, method) : request_answer(*state);
}

/* Called once for each request that handle has seen, also where the client closed the connection within the body. */
static void finish(void *context, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why)
{
    Client *client = request_client(c);
    (void)why;
    if (*state && *state != context) request_free(*state);
    *state = NULL;
    if (client) client_asks(client, clock_seconds());
}

/* ---- connections ---- */

static void connect_client(void *context, struct MHD_Connection *c, void **client,
                           enum MHD_ConnectionNotificationCode code)
{
    const Server *s = context;
    const int socket = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) *client = clients_add(s->clients, socket, clock_seconds());
    else if (*client) clients_remove(s->clients, *client);
}

/* A path is compared as it is sent: "/health%00" is another one. */
static size_t keep_escapes(void *context, struct MHD_Connection *c, char *text)
{
    (void)context, (void)c;
    return strlen(text);
}

static void log_failure(void *context, const char *format, va_list args)
{
    const Server *s = context;
    char text[512];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    /* Also said where a connection is closed because its client is gone: that was told. */
    if (strncmp(text, "Application reported", 20)) daemon_log_add(s->log, text, clock_seconds());
}

/* ---- the server ---- */

/* How strictly requests are read. 2 is the highest level that the library recommends for servers; older versions have 1
 * only, and serve/head.c checks the rest. */
#if MHD_VERSION >= 0x00097701
enum { STRICT_OPTION = MHD_OPTION_CLIENT_DISCIPLINE_LVL, STRICT_LEVEL = 2 };
#else
enum { STRICT_OPTION = MHD_OPTION_STRICT_FOR_CLIENT, STRICT_LEVEL = 1 };
#endif

static int usual_connections(const Server *s) { return line_length(s->line).places + MORE_CONNECTIONS; }
static int most_connections(const Server *s) { return usual_connections(s) + CLOSING_CONNECTIONS; }

static int start_daemon(Server *s, int fd, Err *e)
{
    const unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
                           MHD_USE_ITC | MHD_USE_ERROR_LOG;
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, s, MHD_OPTION_EXTERNAL_LOGGER, log_failure, s, MHD_OPTION_LISTEN_SOCKET,
        (MHD_socket)fd, MHD_OPTION_NOTIFY_COMPLETED, finish, s, MHD_OPTION_NOTIFY_CONNECTION, connect_client, s,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, STRICT_OPTION, (int)STRICT_LEVEL, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)most_connections(s), MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES, MHD_OPTION_END);
    return s->daemon ? 0 : err_set(e, ERR_IO, "the HTTP server could not be started");
}

/* Objects of a series are files of a model with one channel, too (serve/series.c). */
static int most_files(int channels) { return channels == 1 || channels > UPLOAD_FILES ? UPLOAD_FILES : channels; }

/* Without it some clients could open all files of the process, and nobody would be answered. */
static int allow_files(const Server *s, Err *e)
{
    struct rlimit limit;
    const int channels = swin_model_info(s->o.models[0])->channel_count, places = line_length(s->line).places;
    const rlim_t needed =
        (rlim_t)(PROCESS_FILES + most_connections(s) + places * (s->most_files + channels + REQUEST_FILES));
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= needed) return 0;
    limit.rlim_cur = needed;
    if (limit.rlim_max >= needed && !setrlimit(RLIMIT_NOFILE, &limit)) return 0;
    return err_set(
        e, ERR_VALUE,
        "%d requests at a time may need %llu open files, and this process may have %llu: allow more (ulimit -Hn; "
        "LimitNOFILE= of systemd), or use a smaller --queue",
        places, (unsigned long long)needed, (unsigned long long)limit.rlim_max);
}

static void free_server(Server *s)
{
    daemon_log_free(s->log);
    clients_free(s->clients);
    metrics_free(s->metrics);
    line_free(s->line);
    mem_free(s);
}

int server_start(Server **result, const ServerOptions *o, const Listening *listening, Err *e)
{
    Server *s = *result = mem_zalloc(1, sizeof *s, e);
    if (!s) return ERR_NOMEM;
    s->o = *o;
    s->listening = listening;
    s->most_files = most_files(swin_model_info(o->models[0])->channel_count);
    int code = line_new(&s->line, o->models, o->model_count, o->waiting, e);
    if (!code) code = metrics_new(&s->metrics, e);
    if (!code) code = clients_new(&s->clients, most_connections(s), usual_connections(s), e);
    if (!code) code = daemon_log_new(&s->log, o->log, e);
    if (!code) code = allow_files(s, e);
    if (!code) code = start_daemon(s, listening->fd, e);
    if (!code) return 0;
    free_server(s);
    *result = NULL;
    return code;
}

void server_tend(Server *s)
{
    const double now = clock_seconds();
    for (int late = clients_shut_late(s->clients, now); late > 0; late--)
        daemon_log_add(s->log, "a client was too slow: its connection is closed", now);
}

void server_stop(Server *s)
{
    const struct timespec moment = {.tv_nsec = 50000000};
    line_close(s->line);
    const MHD_socket listening = MHD_quiesce_daemon(s->daemon);
    clients_stop(s->clients, clock_seconds());
    while (line_length(s->line).inside) {
        server_tend(s);
        nanosleep(&moment, NULL);
    }
    MHD_stop_daemon(s->daemon);
    if (listening >= 0) close(listening);
    free_server(s);
}
