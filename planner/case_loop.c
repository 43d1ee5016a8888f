#include "planner/case_loop.h"

#include <string.h>

#include "base/crew.h"
#include "base/memory.h"

typedef struct Loop {
    const Dataset *dataset;
    CaseWork *work;
    void *context;
    const CaseShare *share;
    Progress *progress;
    FaultList *own; /* of each case */
    Err failed;     /* the first failure that is not a fault of a case */
} Loop;

/* ---- faults as bytes: whether memory ran out; their number; of each the severity and the text ---- */

void case_faults_pack(Text *result, const FaultList *faults)
{
    const char no_memory = faults->no_memory;
    text_add_bytes(result, &no_memory, 1);
    text_add_bytes(result, (const char *)&faults->count, sizeof faults->count);
    for (int i = 0; i < faults->count; i++) {
        const Fault *f = &faults->faults[i];
        const char severity = (char)f->severity;
        text_add_bytes(result, &severity, 1);
        text_add_bytes(result, f->text, strlen(f->text) + 1);
    }
}

static const char *unpack_faults(FaultList *faults, const char *at)
{
    int count;
    if (*at++) faults_ran_out(faults);
    memcpy(&count, at, sizeof count);
    at += sizeof count;
    for (int i = 0; i < count; i++) {
        fault_add(faults, (FaultSeverity)*at, "%s", at + 1);
        at += strlen(at + 1) + 2;
    }
    return at;
}

/* ---- the loop ---- */

static const char *name_of(const void *context, int64_t index)
{
    return ((const Dataset *)context)->training.cases[index].id;
}

void case_names_hash(char hash[HASH_BYTES], const Dataset *d) { crew_hash(hash, d->training.count, name_of, d); }

static void note_end(const Loop *l, int64_t index, int code)
{
    const char *id = l->dataset->training.cases[index].id;
    if (code || l->own[index].errors) progress_fail(l->progress, id);
    else progress_step(l->progress, 1, id);
}

static int run_case(Loop *l, int64_t index)
{
    const Case *c = &l->dataset->training.cases[index];
    Err error = {0};
    const int code = l->work(l->context, (int)index, c, &l->own[index], &error);
    if (code) {
#pragma omp critical(for_each_case)
        if (!l->failed.code) {
            l->failed = error;
            err_context(&l->failed, "case %s", c->id);
        }
    }
    note_end(l, index, code);
    return code;
}

static int take(void *context, int64_t index, const char *result, size_t bytes, Err *e)
{
    Loop *l = context;
    const char *rest = index < 0 ? result : unpack_faults(&l->own[index], result);
    const int code = l->share->take(l->context, (int)index, rest, (size_t)(result + bytes - rest), e);
    if (index >= 0) note_end(l, index, code);
    return code;
}

static int run_cases(Loop *l, int threads, Err *e)
{
    Crew *crew;
    const CaseShare none = {0}, *s = l->share ? l->share : &none;
    CrewJob job = {.world = s->world,
                   .kind = s->kind,
                   .parameters = s->parameters,
                   .bytes = s->bytes,
                   .items = l->dataset->training.count,
                   .take = take,
                   .context = l};
    case_names_hash(job.names, l->dataset);
    TRY(crew_begin(&crew, &job, e));
#pragma omp parallel num_threads(threads)
    for (int64_t i = crew_next(crew); i >= 0; i = crew_next(crew))
        if (run_case(l, i)) crew_stop(crew);
    const int code = crew_end(crew, e);
    if (l->failed.code) *e = l->failed;
    return l->failed.code ? (int)l->failed.code : code;
}

int for_each_case(const Dataset *d, CaseWork *work, void *context, int threads, const CaseShare *share,
                  Progress *progress, FaultList *faults, Err *e)
{
    const int count = d->training.count;
    Loop l = {d, work, context, share, progress, mem_zalloc((size_t)count, sizeof *l.own, e), {0}};
    if (!l.own) return ERR_NOMEM;
    const int code = run_cases(&l, threads, e);
    for (int i = 0; i < count; i++) faults_move(faults, &l.own[i]);
    mem_free(l.own);
    return code;
}
