/* Training with several processes, the executor's part: sums of a loss over ranks, and reports of complete gradients by
 * bucket. The ranks are threads here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/small_net.h"

/* ---- sums over ranks ---- */

enum { RANKS = 2, BATCH = 5, SUMS = 64 };

/* The common data of the ranks. */
typedef struct World {
    pthread_barrier_t barrier;
    double given[RANKS][SUMS];
    int calls;
} World;

typedef struct Rank {
    World *world;
    int number, first_item, items;
    Executor *executor;
    float loss;
} Rank;

static int add_over_ranks(void *context, double *values, int64_t count, Err *e)
{
    (void)e;
    const Rank *rank = context;
    World *w = rank->world;
    memcpy(w->given[rank->number], values, (size_t)count * sizeof *values);
    pthread_barrier_wait(&w->barrier);
    for (int64_t i = 0; i < count; i++) {
        values[i] = 0;
        for (int r = 0; r < RANKS; r++) values[i] += w->given[r][i];
    }
    if (rank->number == 0) w->calls++;
    pthread_barrier_wait(&w->barrier);
    return 0;
}

static void *run_rank(void *context)
{
    static const float one = 1;
    Rank *rank = context;
    const Step step = {.seed = 1, .first_item = (uint32_t)rank->first_item};
    Executor *x = rank->executor;
    if (executor_forward(x, &step, NULL) || executor_fetch(x, 0, &rank->loss, NULL) || executor_wait(x, NULL) ||
        executor_seed(x, 0, &one, NULL) || executor_backward(x, &step, NULL))
        rank->loss = NAN;
    return NULL;
}

static double distance(const float *found, const double *expected, int64_t count)
{
    double error = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        error += pow((double)found[i] - expected[i], 2);
        norm += pow(expected[i], 2);
    }
    return sqrt(error / norm);
}

/* Each of two ranks computes the loss of the whole batch, including drop path; the sum of their gradients is its
 * gradient. */
static void compare_ranks(DiceCE loss, bool recompute)
{
    SmallNet n;
    World world = {.calls = 0};
    Rank whole = {.items = BATCH}, ranks[RANKS] = {{&world, 0, 0, 2, NULL, 0}, {&world, 1, 2, 3, NULL, 0}};
    Reduction reductions[RANKS];
    pthread_t threads[RANKS];
    small_net_open(&n, loss);
    pthread_barrier_init(&world.barrier, NULL, RANKS);
    whole.executor = small_net_executor(&n, (ExecutorOptions){.recompute = recompute}, BATCH);
    small_net_feed(whole.executor, 0, 0, BATCH);
    run_rank(&whole);
    for (int r = 0; r < RANKS; r++) {
        reductions[r] = (Reduction){add_over_ranks, &ranks[r]};
        const ExecutorOptions o = {.recompute = recompute, .reduction = &reductions[r]};
        ranks[r].executor = small_net_executor(&n, o, ranks[r].items);
        small_net_feed(ranks[r].executor, 0, ranks[r].first_item, ranks[r].items);
    }
    for (int r = 0; r < RANKS; r++) assert_int_equal(pthread_create(&threads[r], NULL, run_rank, &ranks[r]), 0);
    for (int r = 0; r < RANKS; r++) pthread_join(threads[r], NULL);
    assert_true(world.calls >= 2); /* one for each of the two losses */
    const Gradients *expected = executor_gradients(whole.executor);
    double *sum = calloc((size_t)expected->count, sizeof *sum);
    assert_true(isfinite(whole.loss));
    for (int r = 0; r < RANKS; r++) {
        assert_true(fabsf(ranks[r].loss - whole.loss) < 1e-6f);
        for (int64_t i = 0; i < expected->count; i++)
            sum[i] += (double)executor_gradients(ranks[r].executor)->values[i];
    }
    assert_true(distance(expected->values, sum, expected->count) < 2e-6);
    for (int r = 0; r < RANKS; r++) executor_free(ranks[r].executor);
    executor_free(whole.executor);
    free(sum);
    pthread_barrier_destroy(&world.barrier);
    small_net_close(&n);
}

static void ranks_give_the_loss_and_gradients_of_one_process(void **state)
{
    (void)state;
    for (int batch_dice = 0; batch_dice < 2; batch_dice++)
        for (int ignore = -1; ignore < 10;
             ignore += 10) /* label 9: no class, or the ignore label; more in later items */
            compare_ranks((DiceCE){.batch_dice = batch_dice, .smooth = 1e-5, .ignore_label = ignore}, ignore > 0);
}

static int cannot_add(void *context, double *values, int64_t count, Err *e)
{
    (void)context;
    (void)values;
    (void)count;
    return err_set(e, ERR_IO, "a rank is gone");
}

static void a_sum_that_fails_ends_forward(void **state)
{
    (void)state;
    SmallNet n;
    Err e = {ERR_NONE, ""};
    const Reduction reduction = {cannot_add, NULL};
    small_net_open(&n, (DiceCE){.batch_dice = true, .smooth = 1e-5, .ignore_label = -1});
    Executor *x = small_net_executor(&n, (ExecutorOptions){.reduction = &reduction}, 2);
    small_net_feed(x, 0, 0, 2);
    assert_int_equal(executor_forward(x, &(Step){0}, &e), ERR_IO);
    assert_string_equal(e.text, "loss0: a rank is gone");
    executor_free(x);
    small_net_close(&n);
}

/* ---- buckets ---- */

typedef struct Told {
    const Executor *executor;
    int64_t next_end, size;
    float *values; /* their values when they were reported */
    int buckets, fail_at;
} Told;

static int take_bucket(void *context, int64_t first, int64_t end, Err *e)
{
    Told *t = context;
    const float *values = executor_gradients(t->executor)->values;
    assert_int_equal(end, t->next_end);
    assert_true(first >= 0 && first < end && (end - first == t->size || first == 0));
    for (int64_t i = first; i < end; i++) assert_true(isfinite(values[i]));
    memcpy(t->values + first, values + first, (size_t)(end - first) * sizeof *values);
    t->next_end = first;
    return ++t->buckets == t->fail_at ? err_set(e, ERR_IO, "a rank is gone") : 0;
}

/* Every gradient is reported once, from the end to the start, and does not change after that. */
static void check_buckets(const SmallNet *n, const bool *trained, bool recompute, size_t bytes)
{
    static const float one = 1;
    Err e = {ERR_NONE, ""};
    Told told = {.size = bytes < sizeof(float) ? 1 : (int64_t)(bytes / sizeof(float))};
    const GradientBuckets buckets = {bytes, take_bucket, &told};
    const ExecutorOptions o = {.trained = trained, .recompute = recompute, .buckets = &buckets};
    Executor *x = small_net_executor(n, o, 3);
    const Gradients *g = executor_gradients(x);
    told.executor = x;
    told.values = malloc((size_t)g->count * sizeof *told.values);
    for (uint32_t step = 0; step < 3; step++) {
        told.next_end = g->count;
        told.buckets = 0;
        told.fail_at = step == 2 ? 1 : 0;
        for (int64_t i = 0; i < g->count; i++) g->values[i] = NAN;
        small_net_feed(x, step, 0, 3);
        assert_int_equal(executor_forward(x, &(Step){.iteration = step}, NULL), 0);
        assert_int_equal(executor_seed(x, 0, &one, NULL), 0);
        assert_int_equal(executor_backward(x, &(Step){.iteration = step}, &e), step == 2 ? ERR_IO : 0);
        if (step == 2) break;
        assert_int_equal(told.next_end, 0);
        assert_int_equal(told.buckets, (g->count + told.size - 1) / told.size);
        assert_memory_equal(told.values, g->values, (size_t)g->count * sizeof *g->values);
    }
    free(told.values);
    executor_free(x);
}

static void buckets_are_told_once_and_whole(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 100, 1000, 1 << 30};
    SmallNet n;
    bool trained[64];
    small_net_open(&n, (DiceCE){.batch_dice = true, .smooth = 1e-5, .ignore_label = -1});
    assert_true(graph_param_count(n.graph) <= 64);
    for (int i = 0; i < 64; i++) trained[i] = i % 3 != 0;
    for (int some = 0; some < 2; some++)
        for (int recompute = 0; recompute < 2; recompute++)
            for (int i = 0; i < 4; i++) check_buckets(&n, some ? trained : NULL, recompute, sizes[i]);
    small_net_close(&n);
}

/* Buckets at the end are reported before backward has reached the first nodes. */
static int count_bucket(void *context, int64_t first, int64_t end, Err *e)
{
    (void)e;
    const Told *t = context;
    const float *front = executor_gradients(t->executor)->values;
    if (end == t->next_end) assert_true(isnan(*front));
    if (first == 0) assert_true(isfinite(*front));
    return 0;
}

static void the_end_is_told_before_the_front_is_written(void **state)
{
    (void)state;
    static const float one = 1;
    SmallNet n;
    Told told = {.size = 25};
    const GradientBuckets buckets = {100, count_bucket, &told};
    small_net_open(&n, (DiceCE){.batch_dice = true, .smooth = 1e-5, .ignore_label = -1});
    Executor *x = small_net_executor(&n, (ExecutorOptions){.buckets = &buckets}, 2);
    told.executor = x;
    told.next_end = executor_gradients(x)->count;
    executor_gradients(x)->values[0] = NAN;
    small_net_feed(x, 0, 0, 2);
    assert_int_equal(executor_forward(x, &(Step){0}, NULL), 0);
    assert_int_equal(executor_seed(x, 0, &one, NULL), 0);
    assert_int_equal(executor_backward(x, &(Step){0}, NULL), 0);
    executor_free(x);
    small_net_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_give_the_loss_and_gradients_of_one_process),
        cmocka_unit_test(a_sum_that_fails_ends_forward),
        cmocka_unit_test(buckets_are_told_once_and_whole),
        cmocka_unit_test(the_end_is_told_before_the_front_is_written),
    };
    return cmocka_run_group_tests_name("ranks", tests, NULL, NULL);
}
