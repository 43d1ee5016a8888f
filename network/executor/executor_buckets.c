/* Divides the flat gradients into buckets and reports when each is complete. */
#include "base/memory.h"
#include "network/executor/executor_internal.h"

/* written[p]: the last action that writes the gradient of parameter p; -1: none. */
static void find_writers(const Executor *x, int *written)
{
    for (int p = 0; p < x->graph->param_count; p++) written[p] = -1;
    for (int i = 0; i < x->node_count; i++) {
        const NodeDef *d = &x->plans[i].definition;
        const int action = x->plans[i].step[PASS_BACKWARD];
        for (int k = 0; k < d->param_count; k++)
            if (x->nodes[i].trains_param[k] && written[d->params[k]] < action) written[d->params[k]] = action;
    }
}

/* A bucket is complete when the gradients of all parameters that overlap it are. */
static void find_action(const Executor *x, const int *written, Bucket *bucket)
{
    for (int p = 0; p < x->graph->param_count; p++) {
        const int64_t first = x->gradients.offset[p], end = first + x->graph->params[p].count;
        if (first < 0 || first >= bucket->end || end <= bucket->first) continue;
        if (bucket->action < written[p]) bucket->action = written[p];
    }
}

int executor_cut_buckets(Executor *x, Err *e)
{
    const int64_t numbers = (int64_t)(x->buckets.bytes / sizeof(float)), size = numbers ? numbers : 1;
    const int64_t count = x->gradients.count, buckets = (count + size - 1) / size;
    x->bucket_plan = mem_alloc((size_t)buckets * sizeof *x->bucket_plan, e);
    int *written = mem_alloc((size_t)x->graph->param_count * sizeof *written, e);
    if (x->bucket_plan && written) {
        find_writers(x, written);
        for (int64_t end = count; end > 0; end -= size) {
            Bucket *bucket = &x->bucket_plan[x->bucket_count];
            *bucket = (Bucket){end > size ? end - size : 0, end, -1};
            find_action(x, written, bucket);
            x->bucket_count++;
        }
    }
    mem_free(written);
    return x->bucket_plan && written ? 0 : ERR_NOMEM;
}

int executor_report_buckets(const Executor *x, int action, int *reported, Err *e)
{
    for (; *reported < x->bucket_count && x->bucket_plan[*reported].action <= action; ++*reported) {
        const Bucket *bucket = &x->bucket_plan[*reported];
        TRY(x->buckets.complete(x->buckets.context, bucket->first, bucket->end, e));
    }
    return 0;
}
