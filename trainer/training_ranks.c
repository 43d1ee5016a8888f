/* What a Training does with other ranks (training_parts.h). */
#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "trainer/training_parts.h"

bool training_writes(const Training *t) { return !t->options.ranks || t->options.ranks->rank == 0; }

int training_sum(const Training *t, double *values, int64_t count, Err *e)
{
    Ranks *ranks = t->options.ranks;
    if (!ranks) return 0;
    TRY(ranks->sum_on_host(ranks, values, count, e));
    TRY(ranks->finish_sums(ranks, e));
    return t->device->wait(t->device, e);
}

/* Starts the sum of complete gradients, while backward goes on. */
static int sum_bucket(void *context, int64_t first, int64_t end, Err *e)
{
    const Training *t = context;
    Ranks *ranks = t->options.ranks;
    return ranks->begin_sum(ranks, executor_gradients(t->trainer)->values + first, end - first, e);
}

GradientBuckets training_buckets(Training *t)
{
    const Ranks *ranks = t->options.ranks;
    return (GradientBuckets){ranks ? ranks->bucket_bytes : 0, sum_bucket, t};
}

int training_divide_batch(Training *t, Err *e)
{
    const Ranks *ranks = t->options.ranks;
    const int batch = t->plan.configuration.batch_size;
    const int count = ranks ? ranks->count : 1, rank = ranks ? ranks->rank : 0;
    if (batch < count)
        return err_set(e, ERR_VALUE,
                       "a batch of %d cannot be divided among %d processes: give --batch-size %d or more, or fewer "
                       "processes",
                       batch, count, count);
    t->part.first_item = (int)((int64_t)batch * rank / count);
    t->part.items = (int)((int64_t)batch * (rank + 1) / count) - t->part.first_item;
    if (ranks) t->reduction = (Reduction){ranks->sum, t->options.ranks};
    return 0;
}

/* Each byte is a number of a sum, to which the other ranks add 0. */
static int share_bytes(const Training *t, unsigned char *bytes, int64_t size, Err *e)
{
    double *sums = mem_zalloc((size_t)size, sizeof *sums, e);
    if (!sums) return ERR_NOMEM;
    for (int64_t i = 0; training_writes(t) && i < size; i++) sums[i] = bytes[i];
    const int code = training_sum(t, sums, size, e);
    for (int64_t i = 0; !code && i < size; i++) bytes[i] = (unsigned char)sums[i];
    mem_free(sums);
    return code;
}

int training_share_choice(Training *t, Err *e)
{
    return t->options.ranks ? share_bytes(t, (unsigned char *)&t->choice, sizeof t->choice, e) : 0;
}

int training_meet(const Training *t, Err *e)
{
    double nothing = 0;
    return training_sum(t, &nothing, 1, e);
}

int training_agree(const Training *t, Err *e)
{
    enum { HALF = 16 }; /* hexadecimal digits */
    Text plan = {0};
    char hash[HASH_BYTES];
    int code = plan_text(&t->plan, &plan, e);
    if (!code) hash_bytes(hash, plan.data, plan.length);
    text_free(&plan);
    if (code) return code;
    const double own[] = {(double)(strtoull(hash + HALF, NULL, 16) >> 24), t->state.epoch, t->state.iteration, 1};
    double sums[] = {own[0], own[1], own[2], own[3]};
    TRY(training_sum(t, sums, 4, e));
    for (int i = 0; i < 3; i++)
        if (sums[i] != own[i] * sums[3])
            return err_set(e, ERR_VALUE, "the processes have read different plans or checkpoints in %s: start again",
                           t->options.results);
    return 0;
}
