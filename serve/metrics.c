#include "serve/metrics.h"

#include <math.h>
#include <pthread.h>

#include "base/memory.h"
#include "base/progress.h"

static const unsigned statuses[] = {200, 400, 403, 404, 405, 413, 415, 500, 503};
enum { STATUSES = sizeof statuses / sizeof statuses[0], LONGEST_RETRY = 600 };

static const double bounds[] = {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600};
enum { BOUNDS = sizeof bounds / sizeof bounds[0] };

struct Metrics {
    pthread_mutex_t lock;
    int64_t answers[STATUSES];
    int64_t ends[PREDICTIONS];
    int64_t within[BOUNDS]; /* predictions that are done and took at most that long */
    double waited, took;    /* seconds, of those that are done */
    double started;
};

int metrics_new(Metrics **result, Err *e)
{
    Metrics *m = *result = mem_zalloc(1, sizeof *m, e);
    if (!m) return ERR_NOMEM;
    pthread_mutex_init(&m->lock, NULL);
    m->started = clock_seconds();
    return 0;
}

void metrics_free(Metrics *m)
{
    if (m) pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

void metrics_answer(Metrics *m, unsigned status)
{
    pthread_mutex_lock(&m->lock);
    for (int i = 0; i < STATUSES; i++) m->answers[i] += statuses[i] == status;
    pthread_mutex_unlock(&m->lock);
}

void metrics_prediction(Metrics *m, PredictionEnd end, double waited, double took)
{
    pthread_mutex_lock(&m->lock);
    m->ends[end]++;
    if (end == PREDICTION_DONE) {
        m->waited += waited;
        m->took += took;
        for (int i = 0; i < BOUNDS; i++) m->within[i] += took <= bounds[i];
    }
    pthread_mutex_unlock(&m->lock);
}

int metrics_retry_after(Metrics *m, LineLength length)
{
    pthread_mutex_lock(&m->lock);
    const double mean = m->ends[PREDICTION_DONE] ? m->took / (double)m->ends[PREDICTION_DONE] : 1;
    pthread_mutex_unlock(&m->lock);
    const double seconds = ceil(mean * length.inside / length.models);
    return seconds < 1 ? 1 : seconds > LONGEST_RETRY ? LONGEST_RETRY : (int)seconds;
}

static void add_head(Text *t, const char *name, const char *type, const char *help)
{
    text_add(t, "# HELP swin_umamba_%s %s\n# TYPE swin_umamba_%s %s\n", name, help, name, type);
}

static void add_gauge(Text *t, const char *name, const char *help, double value)
{
    add_head(t, name, "gauge", help);
    text_add(t, "swin_umamba_%s %.15g\n", name, value);
}

static void add_histogram(Text *t, const Metrics *m)
{
    add_head(t, "prediction_seconds", "histogram", "Time of a prediction with its model, of those that are done.");
    for (int i = 0; i < BOUNDS; i++)
        text_add(t, "swin_umamba_prediction_seconds_bucket{le=\"%g\"} %lld\n", bounds[i], (long long)m->within[i]);
    const long long all = m->ends[PREDICTION_DONE];
    text_add(t, "swin_umamba_prediction_seconds_bucket{le=\"+Inf\"} %lld\n", all);
    text_add(t, "swin_umamba_prediction_seconds_sum %.6f\nswin_umamba_prediction_seconds_count %lld\n", m->took, all);
    add_head(t, "waiting_seconds_total", "counter", "Time in the queue, of the predictions that are done.");
    text_add(t, "swin_umamba_waiting_seconds_total %.6f\n", m->waited);
}

void metrics_text(Metrics *m, LineLength length, double network, Text *t)
{
    static const char *const ends[] = {"done", "failed", "client_gone"};
    pthread_mutex_lock(&m->lock);
    add_head(t, "answers_total", "counter", "Answers by HTTP status.");
    for (int i = 0; i < STATUSES; i++)
        text_add(t, "swin_umamba_answers_total{status=\"%u\"} %lld\n", statuses[i], (long long)m->answers[i]);
    add_head(t, "predictions_total", "counter", "Predictions by how they ended.");
    for (int i = 0; i < PREDICTIONS; i++)
        text_add(t, "swin_umamba_predictions_total{end=\"%s\"} %lld\n", ends[i], (long long)m->ends[i]);
    add_histogram(t, m);
    const double uptime = clock_seconds() - m->started;
    pthread_mutex_unlock(&m->lock);
    add_head(t, "network_seconds_total", "counter", "Time that the networks computed, of all predictions.");
    text_add(t, "swin_umamba_network_seconds_total %.6f\n", network);
    add_gauge(t, "requests_inside", "Requests that upload, wait or are predicted.", length.inside);
    add_gauge(t, "requests_working", "Requests that are predicted.", length.working);
    add_gauge(t, "places", "Requests that may be inside; others get 503.", length.places);
    add_gauge(t, "resident_memory_bytes", "Resident memory of the process.", (double)mem_resident());
    add_gauge(t, "uptime_seconds", "Time since the start.", uptime);
}
