#include "inference/prediction_share.h"

#include <string.h>

#include "base/crew.h"
#include "base/file.h"
#include "base/memory.h"

typedef struct Server {
    PredictionJob *jobs;
    int count;
    const PredictionOptions *o;
    OutputFolder folder; /* of the present job, without a record */
    char *path;          /* the same */
    int *turns;          /* of the present job: indices of cases; owned */
} Server;

static void close_job(Server *s)
{
    mem_free(s->folder.ending);
    mem_free(s->path);
    mem_free(s->turns);
    s->folder = (OutputFolder){0};
    s->path = NULL;
    s->turns = NULL;
}

static int open_folder(Server *s, PredictionJob *job, Err *e)
{
    job->is_member = s->count > 1;
    s->path =
        job->is_member ? path_format(e, "%s/model_%d", s->o->output, job->number + 1) : mem_strdup(s->o->output, e);
    s->folder.ending = mem_strdup(prediction_job_source(job)->info.file_ending, e);
    if (!s->path || !s->folder.ending) return ERR_NOMEM;
    s->folder.path = s->path;
    if (job->is_member) job->own = s->folder;
    else job->output = &s->folder;
    return 0;
}

static int begin(void *context, int kind, const char *parameters, size_t bytes, Err *e)
{
    Server *s = context;
    PredictionJob *job = &s->jobs[kind];
    s->turns = mem_alloc(bytes, e);
    if (!s->turns) return ERR_NOMEM;
    memcpy(s->turns, parameters, bytes);
    TRY(open_folder(s, job, e));
    return prediction_job_open(job, e);
}

static int predict(PredictionJob *job, const Case *c, Err *e)
{
    char *path = output_folder_labels(prediction_job_folder(job), c->id, e);
    const int code = path ? prediction_job_predict(job, c, path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

static int serve(void *context, int kind, int64_t turn, Text *result, Err *e)
{
    Server *s = context;
    PredictionJob *job = &s->jobs[kind];
    const Case *c = &job->cases->inputs.cases[s->turns[turn]].files;
    Text noted = {0};
    Err fault = {0};
    job->id = c->id;
    job->noted = &noted;
    predict(job, c, &fault);
    text_add_bytes(result, (const char *)&fault, sizeof fault);
    if (noted.length) text_add_bytes(result, noted.data, noted.length);
    const int code = text_check(&noted, e);
    text_free(&noted);
    return code;
}

static int end(void *context, int kind, Text *result, Err *e)
{
    Server *s = context;
    (void)result, (void)e;
    prediction_job_close(&s->jobs[kind]);
    close_job(s);
    return 0;
}

int prediction_share_serve(PredictionJob *jobs, int count, const PredictionOptions *o, Err *e)
{
    Server s = {.jobs = jobs, .count = count, .o = o};
    CrewWork work = {begin, serve, end, &s, 1, ""};
    prediction_cases_hash(work.names, jobs->cases);
    const int code = crew_serve(o->world, &work, e);
    close_job(&s);
    return code;
}
