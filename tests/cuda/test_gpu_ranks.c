/* Sums over GPUs while the backward pass runs: small buckets, so that most are summed before it has ended. Each of two GPUs
 * computes the loss of the whole batch, and the sum of its gradients. On a machine with one GPU there is one rank. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/processes.h"
#include "network/device/ranks.h"
#include "tests/support/emulator.h"
#include "tests/support/small_net.h"

enum { BATCH = 5, RANKS_MOST = 2, GRADIENTS_MOST = 20000, BUCKET_BYTES = 1000 };

/* The result of a process. */
typedef struct Found {
    float loss, gradients[GRADIENTS_MOST];
    int64_t count;
    int buckets;
    double host_sums[2];
} Found;

typedef struct Task {
    bool recompute, alone; /* alone: the whole batch in one process, without Ranks */
    Found *found;          /* shared; for each rank */
} Task;

typedef struct Buckets {
    Ranks *ranks;
    const Executor *executor;
    Found *found;
} Buckets;

static int begin_bucket(void *context, int64_t first, int64_t end, Err *e)
{
    const Buckets *b = context;
    b->found->buckets++;
    return b->ranks->begin_sum(b->ranks, executor_gradients(b->executor)->values + first, end - first, e);
}

static int connect(Ranks **ranks, const Device *d, const Process *p, Err *e)
{
    char id[RANKS_ID_BYTES];
    if (p->rank == 0 && ranks_cuda_id(id, e)) return e->code;
    if (process_share(p, id, sizeof id, e)) return e->code;
    return ranks_cuda(ranks, d, p->rank, p->count, id, e);
}

static int take_results(Found *f, Executor *x, Err *e)
{
    const Gradients *g = executor_gradients(x);
    f->count = g->count;
    if (g->count > GRADIENTS_MOST) return err_set(e, ERR_VALUE, "%lld gradients", (long long)g->count);
    TRY(executor_fetch(x, 0, &f->loss, e));
    TRY(g->device->copy(g->device, f->gradients, g->values, (size_t)g->count * sizeof(float), COPY_TO_HOST, e));
    return executor_wait(x, e);
}

/* Two steps: the second one writes to gradients that were summed before. */
static int train(Found *f, Executor *x, Ranks *ranks, int first, int items, Err *e)
{
    static const float one = 1;
    for (uint32_t i = 0; i < 2; i++) {
        const Step step = {.seed = 1, .iteration = i, .first_item = (uint32_t)first};
        small_net_feed(x, i, first, items);
        TRY(executor_forward(x, &step, e));
        TRY(executor_seed(x, 0, &one, e));
        TRY(executor_backward(x, &step, e));
        if (ranks) TRY(ranks->finish_sums(ranks, e));
        TRY(take_results(f, x, e));
    }
    return 0;
}

static int run_rank(void *context, const Process *p, Err *e)
{
    const Task *t = context;
    Found *f = &t->found[p->rank];
    SmallNet n;
    Ranks *ranks = NULL;
    const int first = BATCH * p->rank / p->count, items = BATCH * (p->rank + 1) / p->count - first;
    const Device *d = device_of_rank("cuda", p->rank, e);
    if (!d) return e->code;
    if (!t->alone && connect(&ranks, d, p, e)) return e->code;
    Buckets sums = {ranks, NULL, f};
    const Reduction reduction = {ranks ? ranks->sum : NULL, ranks};
    const GradientBuckets buckets = {BUCKET_BYTES, begin_bucket, &sums};
    small_net_open(&n, (DiceCE){.batch_dice = true, .smooth = 1e-5, .ignore_label = -1});
    const ExecutorOptions o = {.recompute = t->recompute,
                               .device = d,
                               .reduction = ranks ? &reduction : NULL,
                               .buckets = ranks ? &buckets : NULL};
    Executor *x = small_net_executor(&n, o, items);
    sums.executor = x;
    int code = train(f, x, ranks, first, items, e);
    f->host_sums[0] = p->rank + 1;
    f->host_sums[1] = 0.5;
    if (!code && ranks) code = ranks->sum_on_host(ranks, f->host_sums, 2, e);
    if (!code) code = d->wait(d, e);
    executor_free(x);
    small_net_close(&n);
    if (ranks) ranks->free(ranks, code);
    if (!code && emu_live_bytes && emu_live_bytes()) return err_set(e, ERR_VALUE, "memory of the GPU is not freed");
    return code;
}

static int second_gpu(void *context, const Process *p, Err *e)
{
    (void)context, (void)p;
    return device_of_rank("cuda", 1, e) ? 0 : e->code;
}

static double distance(const Found *a, const Found *b)
{
    double error = 0, norm = 0;
    for (int64_t i = 0; i < a->count; i++) {
        error += pow((double)(a->gradients[i] - b->gradients[i]), 2);
        norm += pow((double)a->gradients[i], 2);
    }
    return sqrt(error / norm);
}

static Found *run(int count, bool recompute, bool alone)
{
    Err e = {ERR_NONE, ""};
    const Task t = {recompute, alone,
                    mmap(NULL, RANKS_MOST * sizeof(Found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    assert_true(t.found != MAP_FAILED);
    if (processes_run(count, run_rank, (void *)&t, NULL, &e)) fail_msg("%s", e.text);
    return t.found;
}

static void gpus_together_give_the_gradients_of_one(void **state)
{
    (void)state;
    const int count = processes_run(1, second_gpu, NULL, NULL, NULL) ? 1 : RANKS_MOST;
    if (!ranks_cuda) skip();
    for (int recompute = 0; recompute < 2; recompute++) {
        Found *one = run(1, recompute, true), *all = run(count, recompute, false);
        for (int r = 0; r < count; r++) {
            assert_true(fabsf(all[r].loss - one->loss) < 1e-6f);
            assert_int_equal(all[r].count, one->count);
            assert_true(distance(one, &all[r]) < 2e-6);
            assert_memory_equal(all[r].gradients, all[0].gradients, (size_t)one->count * sizeof(float));
            assert_true(all[r].buckets > 4);
            assert_true(all[r].host_sums[0] == count * (count + 1) / 2 && all[r].host_sums[1] == 0.5 * count);
        }
        munmap(one, RANKS_MOST * sizeof *one);
        munmap(all, RANKS_MOST * sizeof *all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gpus_together_give_the_gradients_of_one)};
    setenv("SWIN_UMAMBA_EMULATED_GPUS", "2", 1);
    return cmocka_run_group_tests_name("gpu_ranks", tests, NULL, NULL);
}
