#include "inference/batch.h"

int batch_run(const CaseBatch *b, int *kept, Err *e)
{
    Progress progress;
    int failed = 0;
    *kept = 0;
    progress_begin(&progress, b->title, b->count, b->quiet);
    for (int i = 0; i < b->count; i++) {
        Err fault = {0};
        bool was_there = false;
        const int code = b->work(b->context, i, &progress, &was_there, &fault);
        if (code == BATCH_LATER) continue;
        if (code) {
            b->report(b->report_context, b->id(b->context, i), &fault);
            progress_fail(&progress, b->id(b->context, i));
            failed++;
            continue;
        }
        *kept += was_there;
        progress_step(&progress, 1, b->id(b->context, i));
    }
    progress_end(&progress);
    return failed ? err_set(e, ERR_VALUE, "%d of %d cases failed (above)", failed, b->count) : 0;
}
