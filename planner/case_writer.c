#include "planner/case_writer.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/memory.h"
#include "base/sys.h"

enum { WRITERS = 32, SHARES = 8 };

typedef struct Job {
    struct Job *next;
    PreprocessedCase c;
    char *id;
    MadeFrom made_from;
} Job;

struct CaseWriter {
    const char *folder;
    pthread_t threads[WRITERS];
    int started;
    pthread_mutex_t lock; /* protects all fields below */
    pthread_cond_t changed;
    Job *first, **last;
    int64_t bytes; /* of cases in the queue or being written */
    bool closing;
    int code; /* of the first failure; its text is in error */
    Err error;
};

static int64_t case_bytes(const PreprocessedCase *c)
{
    return (int64_t)(array_bytes(&c->image) + array_bytes(&c->labels) + array_bytes(&c->locations));
}

static void note_failure(CaseWriter *w, int code, const Err *e, const char *id)
{
    if (w->code) return;
    w->code = code;
    w->error = *e;
    err_context(&w->error, "case %s", id);
}

static void job_free(Job *job)
{
    case_free(&job->c);
    made_from_free(&job->made_from);
    mem_free(job->id);
    mem_free(job);
}

static Job *next_job(CaseWriter *w)
{
    while (!w->first && !w->closing) pthread_cond_wait(&w->changed, &w->lock);
    Job *job = w->first;
    if (job) w->first = job->next;
    if (!w->first) w->last = &w->first;
    return job;
}

static void *write_jobs(void *argument)
{
    CaseWriter *w = argument;
    pthread_mutex_lock(&w->lock);
    for (Job *job; (job = next_job(w));) {
        const int64_t bytes = case_bytes(&job->c);
        Err e = {0};
        int code = w->code;
        pthread_mutex_unlock(&w->lock);
        if (!code) code = case_write(&job->c, w->folder, job->id, &job->made_from, &e);
        pthread_mutex_lock(&w->lock);
        if (code) note_failure(w, code, &e, job->id);
        job_free(job);
        w->bytes -= bytes;
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int case_writer_new(CaseWriter **out, const char *folder, Err *e)
{
    CaseWriter *w = *out = mem_zalloc(1, sizeof *w, e);
    if (!w) return ERR_NOMEM;
    w->folder = folder;
    w->last = &w->first;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    /* If no thread can be started, case_writer_give writes every case itself. */
    while (w->started < WRITERS && !sys_thread(&w->threads[w->started], NULL, write_jobs, w)) w->started++;
    return 0;
}

static Job *job_new(PreprocessedCase *c, const char *id, MadeFrom *made_from, Err *e)
{
    Job *job = mem_zalloc(1, sizeof *job, e);
    if (!job) return NULL;
    job->id = mem_strdup(id, e);
    if (!job->id) {
        mem_free(job);
        return NULL;
    }
    job->c = *c;
    job->made_from = *made_from;
    *c = (PreprocessedCase){0};
    *made_from = (MadeFrom){0};
    return job;
}

/* Waits until the job fits into the queue and adds it; returns an earlier failure of a writing thread. */
static int enqueue(CaseWriter *w, Job *job, Err *e)
{
    const int64_t bytes = case_bytes(&job->c);
    pthread_mutex_lock(&w->lock);
    while (w->bytes + bytes > CASE_WRITER_BYTES && !w->code) pthread_cond_wait(&w->changed, &w->lock);
    const int code = w->code;
    if (code) {
        *e = w->error;
    } else {
        w->bytes += bytes;
        *w->last = job;
        w->last = &job->next;
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    if (code) job_free(job);
    return code;
}

int case_writer_give(CaseWriter *w, PreprocessedCase *c, const char *id, MadeFrom *made_from, Err *e)
{
    int code;
    if (w->started && case_bytes(c) <= CASE_WRITER_BYTES / SHARES) {
        Job *job = job_new(c, id, made_from, e);
        code = job ? enqueue(w, job, e) : ERR_NOMEM;
    } else {
        code = case_write(c, w->folder, id, made_from, e);
    }
    case_free(c);
    made_from_free(made_from);
    return code;
}

int case_writer_finish(CaseWriter *w, Err *e)
{
    if (!w) return 0;
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < w->started; i++) pthread_join(w->threads[i], NULL);
    const int code = w->code;
    if (code) *e = w->error;
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
    return code;
}
