#include "evaluation/all_cases.h"

#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/crew.h"
#include "evaluation/gate.h"

typedef struct Run {
    const AllCases *all;
    Gate gate;
} Run;

static Run new_run(const AllCases *all)
{
    const int here = all->world ? all->world->count_here : 1;
    return (Run){all, gate_make(sysconf(_SC_PHYS_PAGES) / 2 / here * sysconf(_SC_PAGESIZE))};
}

static const char *name_of(const void *context, int64_t index) { return ((const Pairs *)context)->items[index].id; }

static int evaluate(Run *r, int64_t index, Err *e)
{
    const AllCases *a = r->all;
    const Pair *pair = &a->pairs->items[index];
    const int64_t bytes = case_bytes(pair, a->rules);
    gate_enter(&r->gate, bytes);
    const int code = case_evaluate(&a->summary->cases[index], pair, a->rules, e);
    gate_leave(&r->gate, bytes);
    return code;
}

static void tell(const AllCases *a, int64_t index, const Err *failed)
{
#pragma omp critical(all_cases_tell)
    a->over(a->context, (int)index, failed->code ? failed : NULL);
}

/* ---- the result of a case as bytes, between processes of one program ---- */

static size_t metrics_bytes(const Summary *s) { return (size_t)s->structures->count * sizeof(MetricRow); }

static void pack(Text *t, const Summary *s, const CaseResult *c, const Err *failed)
{
    text_add_bytes(t, (const char *)failed, sizeof *failed);
    text_add_bytes(t, (const char *)&c->done, sizeof c->done);
    text_add_bytes(t, (const char *)&c->instances, sizeof c->instances);
    text_add_bytes(t, (const char *)&c->paper, sizeof c->paper);
    text_add_bytes(t, (const char *)c->metrics, metrics_bytes(s));
    if (c->notes.length) text_add_bytes(t, c->notes.data, c->notes.length);
}

static int unpack(void *context, int64_t index, const char *bytes, size_t size, Err *e)
{
    const AllCases *a = ((const Run *)context)->all;
    const char *const past = bytes + size;
    Err failed;
    if (index < 0) return 0;
    CaseResult *c = &a->summary->cases[index];
    bytes = bytes_take(&failed, bytes, sizeof failed);
    bytes = bytes_take(&c->done, bytes, sizeof c->done);
    bytes = bytes_take(&c->instances, bytes, sizeof c->instances);
    bytes = bytes_take(&c->paper, bytes, sizeof c->paper);
    bytes = bytes_take(c->metrics, bytes, metrics_bytes(a->summary));
    if (bytes < past) text_add_bytes(&c->notes, bytes, (size_t)(past - bytes));
    tell(a, index, &failed);
    return text_check(&c->notes, e);
}

/* ---- the processes ---- */

int all_cases_evaluate(const AllCases *a, Err *e)
{
    Run r = new_run(a);
    Crew *crew;
    CrewJob job = {.world = a->world, .items = a->pairs->count, .take = unpack, .context = &r};
    crew_hash(job.names, job.items, name_of, a->pairs);
    TRY(crew_begin(&crew, &job, e));
#pragma omp parallel num_threads(a->threads)
    for (int64_t i = crew_next(crew); i >= 0; i = crew_next(crew)) {
        Err failed = {0};
        evaluate(&r, i, &failed);
        tell(a, i, &failed);
    }
    const int code = crew_end(crew, e);
    crew_dismiss(a->world);
    return code;
}

static int serve(void *context, int kind, int64_t index, Text *result, Err *e)
{
    Run *r = context;
    Err failed = {0};
    (void)kind, (void)e;
    evaluate(r, index, &failed);
    pack(result, r->all->summary, &r->all->summary->cases[index], &failed);
    return 0;
}

int all_cases_serve(const AllCases *a, Err *e)
{
    Run r = new_run(a);
    CrewWork work = {.item = serve, .context = &r, .threads = a->threads};
    crew_hash(work.names, a->pairs->count, name_of, a->pairs);
    return crew_serve(a->world, &work, e);
}
