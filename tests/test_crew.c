/* base/crew.h: items are shared by processes, which are threads here, with messages in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crew.h"
#include "tests/support/team.h"

enum { PROCESSES = 4, ITEMS = 100, MESSAGES = 4096 };

/* ---- a world in memory ---- */

typedef struct Message {
    int from;
    Text text;
} Message;

typedef struct Box {
    pthread_mutex_t lock;
    Message messages[MESSAGES];
    int first, past;
} Box;

static Box boxes[PROCESSES];
static World worlds[PROCESSES];

static int post(World *w, int to, const void *bytes, size_t size, Err *e)
{
    Box *b = &boxes[to];
    (void)e;
    pthread_mutex_lock(&b->lock);
    Message *m = &b->messages[b->past++ % MESSAGES];
    *m = (Message){.from = w->process.rank};
    text_add_bytes(&m->text, bytes, size);
    pthread_mutex_unlock(&b->lock);
    return 0;
}

static int fetch(World *w, int *from, Text *message, Err *e)
{
    Box *b = &boxes[w->process.rank];
    int found = 0;
    (void)e;
    pthread_mutex_lock(&b->lock);
    if (b->first < b->past) {
        Message *m = &b->messages[b->first++ % MESSAGES];
        *from = m->from;
        text_add_bytes(message, m->text.data, m->text.length);
        text_free(&m->text);
        found = 1;
    }
    pthread_mutex_unlock(&b->lock);
    return found;
}

static void make_worlds(int count)
{
    for (int i = 0; i < count; i++) {
        pthread_mutex_init(&boxes[i].lock, NULL);
        boxes[i].first = boxes[i].past = 0;
        worlds[i] = (World){.process = {.rank = i, .count = count, .count_here = count}, .post = post, .fetch = fetch};
    }
}

/* ---- work: squares of numbers ---- */

typedef struct Work {
    atomic_int done[ITEMS]; /* how often */
    int64_t squares[ITEMS]; /* in rank 0 */
    int64_t sums;           /* of the results at the end */
    bool other_names;       /* rank 0 has other items */
    bool fails, refuses;    /* another process at its first item; rank 0 the first result */
    atomic_int others, begun, ended;
} Work;

static atomic_llong sum_of_one[PROCESSES];

typedef struct Worker {
    Work *work;
    int rank, result;
    Err e;
} Worker;

static void take_time(void) { nanosleep(&(struct timespec){0, 200000}, NULL); }

static int begin(void *context, int kind, const char *parameters, size_t bytes, Err *e)
{
    Worker *w = context;
    (void)e;
    assert_int_equal(kind, 7);
    assert_int_equal(bytes, 5);
    assert_memory_equal(parameters, "hello", 5);
    sum_of_one[w->rank] = 0;
    w->work->begun++;
    return 0;
}

static int item(void *context, int kind, int64_t index, Text *result, Err *e)
{
    Worker *w = context;
    const int64_t square = index * index;
    (void)kind;
    take_time();
    w->work->others++;
    if (w->work->fails) return err_set(e, ERR_IO, "item %lld of rank %d", (long long)index, w->rank);
    w->work->done[index]++;
    sum_of_one[w->rank] += square;
    text_add_bytes(result, (const char *)&square, sizeof square);
    return 0;
}

static int end(void *context, int kind, Text *result, Err *e)
{
    Worker *w = context;
    const int64_t sum = sum_of_one[w->rank];
    (void)kind, (void)e;
    w->work->ended++;
    text_add_bytes(result, (const char *)&sum, sizeof sum);
    return 0;
}

static int take(void *context, int64_t index, const char *result, size_t bytes, Err *e)
{
    Work *w = context;
    int64_t value;
    assert_int_equal(bytes, sizeof value);
    memcpy(&value, result, sizeof value);
    if (w->refuses) return err_set(e, ERR_FORMAT, "refused");
    if (index < 0) w->sums += value;
    else w->squares[index] = value;
    return 0;
}

static void *serve(void *context)
{
    Worker *w = context;
    const CrewWork work = {begin, item, end, w, TEAM, "numbers"};
    w->result = crew_serve(&worlds[w->rank].process, &work, &w->e);
    return NULL;
}

static int run_job(Work *w, const Process *world, Err *e)
{
    Crew *crew;
    CrewJob job = {
        .world = world, .kind = 7, .parameters = "hello", .bytes = 5, .items = ITEMS, .take = take, .context = w};
    snprintf(job.names, sizeof job.names, "%s", w->other_names ? "letters" : "numbers");
    assert_int_equal(crew_begin(&crew, &job, e), 0);
    for (int64_t i = crew_next(crew); i >= 0; i = crew_next(crew)) {
        while (world && !w->others && !w->other_names) take_time(); /* on a busy machine the others come late */
        w->done[i]++;
        w->squares[i] = i * i;
        w->sums += i * i;
    }
    return crew_end(crew, e);
}

/* Two jobs one after another: the result of the second. */
static int run_jobs(Work *w, int processes, Err *e)
{
    pthread_t threads[PROCESSES];
    Worker workers[PROCESSES];
    make_worlds(processes);
    for (int i = 1; i < processes; i++) {
        workers[i] = (Worker){.work = w, .rank = i};
        pthread_create(&threads[i], NULL, serve, &workers[i]);
    }
    const Process *world = processes > 1 ? &worlds[0].process : NULL;
    int code = 0;
    for (int n = 0; n < 2; n++) {
        for (int i = 0; i < ITEMS; i++) {
            w->done[i] = 0;
            w->squares[i] = -1;
        }
        w->sums = 0;
        w->others = w->begun = w->ended = 0;
        *e = (Err){0};
        code = run_job(w, world, e);
    }
    crew_dismiss(world);
    for (int i = 1; i < processes; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].result, 0);
    }
    if (world) assert_true(worlds[0].has_released);
    return code;
}

static void each_item_is_done_once(void **state)
{
    (void)state;
    for (int processes = 1; processes <= PROCESSES; processes++) {
        static Work w;
        Err e;
        int64_t sum = 0;
        assert_int_equal(run_jobs(&w, processes, &e), 0);
        for (int64_t i = 0; i < ITEMS; i++) {
            assert_int_equal(w.done[i], 1);
            assert_int_equal(w.squares[i], i * i);
            sum += i * i;
        }
        assert_int_equal(w.sums, sum);
        assert_int_equal(w.begun, processes - 1);
        assert_int_equal(w.ended, processes - 1);
    }
}

static void a_failure_ends_the_job(void **state)
{
    (void)state;
    static Work w = {.fails = true};
    Err e;
    int done = 0;
    assert_int_equal(run_jobs(&w, PROCESSES, &e), ERR_IO);
    assert_non_null(strstr(e.text, "of rank"));
    assert_int_equal(w.ended, PROCESSES - 1);
    for (int i = 0; i < ITEMS; i++) done += w.done[i];
    assert_true(done < ITEMS);
}

static void other_items_are_refused(void **state)
{
    (void)state;
    static Work w = {.other_names = true};
    Err e;
    assert_int_equal(run_jobs(&w, PROCESSES, &e), ERR_VALUE);
    assert_non_null(strstr(e.text, "sees other cases than the first"));
}

static void a_refused_result_ends_the_job(void **state)
{
    (void)state;
    static Work w = {.refuses = true};
    Err e;
    assert_int_equal(run_jobs(&w, PROCESSES, &e), ERR_FORMAT);
    assert_string_equal(e.text, "refused");
    assert_int_equal(w.ended, PROCESSES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_item_is_done_once),
        cmocka_unit_test(a_failure_ends_the_job),
        cmocka_unit_test(other_items_are_refused),
        cmocka_unit_test(a_refused_result_ends_the_job),
    };
    return cmocka_run_group_tests_name("crew", tests, NULL, NULL);
}
