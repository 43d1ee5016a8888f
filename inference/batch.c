#include "inference/batch.h"

#include <string.h>

#include "base/crew.h"

typedef struct Run {
    const CaseBatch *batch;
    Progress progress;
    BatchEnd end;
} Run;

static void note_end(Run *r, int index, int code, bool was_there, const Err *fault)
{
    const CaseBatch *b = r->batch;
    const char *id = b->id(b->context, index);
    if (code == BATCH_LATER) return;
    if (code) {
        b->report(b->report_context, id, fault);
        progress_fail(&r->progress, id);
        r->end.failed++;
        return;
    }
    r->end.kept += was_there;
    progress_step(&r->progress, 1, id);
}

static void run_case(Run *r, int index)
{
    const CaseBatch *b = r->batch;
    Err fault = {0};
    bool was_there = false;
    const int code = b->work(b->context, index, &r->progress, &was_there, &fault);
    note_end(r, index, code, was_there, &fault);
}

static int take_result(void *context, int64_t index, const char *result, size_t bytes, Err *e)
{
    Run *r = context;
    const CaseBatch *b = r->batch;
    Err fault = {0};
    (void)e;
    if (index < 0) return 0;
    const int code = b->take(b->context, (int)index, result, bytes, &fault);
    note_end(r, (int)index, code, false, &fault);
    return 0;
}

int batch_run(const CaseBatch *b, BatchEnd *end, Err *e)
{
    Run r = {.batch = b};
    Crew *crew;
    CrewJob job = {.world = b->world,
                   .kind = b->kind,
                   .parameters = b->parameters,
                   .bytes = b->bytes,
                   .items = b->count,
                   .take = take_result,
                   .context = &r};
    if (b->names) memcpy(job.names, b->names, sizeof job.names);
    *end = (BatchEnd){0};
    TRY(crew_begin(&crew, &job, e));
    progress_begin(&r.progress, b->title, b->count, b->quiet);
    for (int64_t i = crew_next(crew); i >= 0; i = crew_next(crew)) run_case(&r, (int)i);
    const int code = crew_end(crew, e);
    progress_end(&r.progress);
    *end = r.end;
    return code;
}
