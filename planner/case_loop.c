#include "planner/case_loop.h"

#include "base/memory.h"

int for_each_case(const Dataset *d, CaseWork *work, void *context, int threads, Progress *progress, FaultList *faults,
                  Err *e)
{
    const int count = d->training.count;
    FaultList *own = mem_zalloc((size_t)count, sizeof *own, e);
    if (!own) return ERR_NOMEM;
    int failed = 0;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int i = 0; i < count; i++) {
        const Case *c = &d->training.cases[i];
        int stop;
#pragma omp atomic read
        stop = failed;
        if (stop) continue;
        Err error = {0};
        const int code = work(context, i, c, &own[i], &error);
        if (code) {
#pragma omp critical(for_each_case)
            if (!failed) {
                *e = error;
                err_context(e, "case %s", c->id);
#pragma omp atomic write
                failed = code;
            }
        }
        if (code || own[i].errors) progress_fail(progress, c->id);
        else progress_step(progress, 1, c->id);
    }
    for (int i = 0; i < count; i++) faults_move(faults, &own[i]);
    mem_free(own);
    return failed;
}
