/* Several processes of one program: what they share, how they end, and what is told of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/processes.h"
#include "base/progress.h"

enum { COUNT = 3 };

/* What the processes do; done: in shared memory. Those that are killed sleep: a sanitizer reports one that is killed while
 * it looks for leaks. */
typedef struct Task {
    int (*work[COUNT])(int *done, const Process *p, Err *e);
    int *done; /* COUNT */
    const Patience *patience;
} Task;

static int do_task(void *context, const Process *p, Err *e)
{
    const Task *t = context;
    return t->work[p->rank](&t->done[p->rank], p, e);
}

static int succeed(int *done, const Process *p, Err *e)
{
    (void)p, (void)e;
    *done = 1;
    return 0;
}

static int finish_later(int *done, const Process *p, Err *e)
{
    usleep(300000);
    return succeed(done, p, e);
}

static int finish_slowly(int *done, const Process *p, Err *e)
{
    usleep(1500000);
    return succeed(done, p, e);
}

static int wait_for_ever(int *done, const Process *p, Err *e)
{
    sleep(60);
    return succeed(done, p, e);
}

static int take_bytes(int *done, const Process *p, Err *e)
{
    char bytes[128];
    memset(bytes, p->rank ? 0 : 'x', sizeof bytes);
    if (process_share(p, bytes, sizeof bytes, e)) return e->code;
    *done = bytes[0] == 'x' && bytes[127] == 'x';
    return 0;
}

static int fail_at_once(int *done, const Process *p, Err *e)
{
    (void)done, (void)p;
    return err_set(e, ERR_VALUE, "wrong");
}

static int tell_and_fail_later(int *done, const Process *p, Err *e)
{
    (void)done;
    err_set(e, ERR_IO, "the cause");
    process_failed(p, e);
    usleep(600000);
    return e->code;
}

static int tell_and_stay(int *done, const Process *p, Err *e)
{
    (void)done;
    err_set(e, ERR_IO, "the cause");
    process_failed(p, e);
    sleep(60);
    return e->code;
}

static int fail_later(int *done, const Process *p, Err *e)
{
    usleep(200000);
    return fail_at_once(done, p, e);
}

static int be_killed(int *done, const Process *p, Err *e)
{
    (void)done, (void)p, (void)e;
    kill(getpid(), SIGKILL);
    return 0;
}

static int leave(int *done, const Process *p, Err *e)
{
    (void)done, (void)p, (void)e;
    _exit(3);
}

static int be_interrupted(int *done, const Process *p, Err *e)
{
    (void)done, (void)p;
    return err_set(e, ERR_INTERRUPTED, "interrupted");
}

static int be_interrupted_later(int *done, const Process *p, Err *e)
{
    usleep(300000);
    return be_interrupted(done, p, e);
}

/* Runs them, for less than `seconds`. */
static void run(Task t, int code, const char *text, int seconds, int done[COUNT])
{
    Err e = {ERR_NONE, ""};
    const double began = clock_seconds();
    t.done = mmap(NULL, COUNT * sizeof *t.done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(t.done != MAP_FAILED);
    assert_int_equal(processes_run(COUNT, do_task, &t, t.patience, &e), code);
    assert_string_equal(e.text, text);
    assert_true(clock_seconds() - began < seconds);
    memcpy(done, t.done, COUNT * sizeof *t.done);
    munmap(t.done, COUNT * sizeof *t.done);
}

static void all_run_to_their_end(void **state)
{
    (void)state;
    int done[COUNT];
    run((Task){{succeed, finish_later, succeed}, NULL, NULL}, 0, "", 4, done);
    for (int i = 0; i < COUNT; i++) assert_int_equal(done[i], 1);
}

static void bytes_of_the_first_are_shared(void **state)
{
    (void)state;
    int done[COUNT];
    run((Task){{take_bytes, take_bytes, take_bytes}, NULL, NULL}, 0, "", 4, done);
    for (int i = 0; i < COUNT; i++) assert_int_equal(done[i], 1);
    run((Task){{succeed, take_bytes, wait_for_ever}, NULL, NULL}, ERR_IO,
        "process 2 of 3: the first of 3 processes has ended", 4, done);
}

static void a_failure_ends_all(void **state)
{
    (void)state;
    int done[COUNT];
    run((Task){{finish_later, fail_at_once, wait_for_ever}, NULL, NULL}, ERR_VALUE, "process 2 of 3: wrong", 4, done);
    assert_true(done[0] && !done[2]); /* only the first may finish */
    run((Task){{fail_at_once, wait_for_ever, wait_for_ever}, NULL, NULL}, ERR_VALUE, "wrong", 4, done);
    run((Task){{fail_later, fail_at_once, fail_at_once}, NULL, NULL}, ERR_VALUE, "wrong", 4, done);
    run((Task){{wait_for_ever, fail_at_once, succeed}, NULL, NULL}, ERR_VALUE, "process 2 of 3: wrong", 10, done);
    assert_false(done[0]);
}

static void the_first_failure_is_told(void **state)
{
    (void)state;
    int done[COUNT];
    run((Task){{fail_later, tell_and_fail_later, wait_for_ever}, NULL, NULL}, ERR_IO, "process 2 of 3: the cause", 4,
        done);
    run((Task){{tell_and_fail_later, fail_later, succeed}, NULL, NULL}, ERR_IO, "the cause", 4, done);
    run((Task){{wait_for_ever, tell_and_stay, succeed}, NULL, NULL}, ERR_IO, "process 2 of 3: the cause", 10, done);
    run((Task){{fail_later, be_killed, succeed}, NULL, NULL}, ERR_UNSUPPORTED,
        "process 2 of 3 was ended by signal 9 (Killed), as the system does if memory is short", 4, done);
}

static void a_process_that_tells_nothing_is_a_failure(void **state)
{
    (void)state;
    int done[COUNT];
    run((Task){{finish_later, succeed, be_killed}, NULL, NULL}, ERR_UNSUPPORTED,
        "process 3 of 3 was ended by signal 9 (Killed), as the system does if memory is short", 4, done);
    run((Task){{leave, wait_for_ever, wait_for_ever}, NULL, NULL}, ERR_UNSUPPORTED,
        "process 1 of 3 ended with exit status 3", 4, done);
}

static void interrupted_together(void **state)
{
    (void)state;
    int done[COUNT];
    run((Task){{be_interrupted_later, be_interrupted, be_interrupted}, NULL, NULL}, ERR_INTERRUPTED, "interrupted", 4,
        done);
    run((Task){{fail_later, be_interrupted, be_interrupted}, NULL, NULL}, ERR_VALUE, "wrong", 4, done);
    run((Task){{be_interrupted, wait_for_ever, wait_for_ever}, NULL, NULL}, ERR_INTERRUPTED, "interrupted", 4, done);
}

static int beat(int *done, const Process *p, Err *e)
{
    for (int i = 0; i < 8; i++) {
        process_beat(p);
        usleep(200000);
    }
    return succeed(done, p, e);
}

static int beat_and_stay(int *done, const Process *p, Err *e)
{
    process_beat(p);
    return wait_for_ever(done, p, e);
}

static int end_last(int *done, const Process *p, Err *e)
{
    process_beat(p);
    return finish_slowly(done, p, e);
}

static void silence_ends_all(void **state)
{
    (void)state;
    const Patience patience = {0.7, "so it goes"};
    static const char text[] =
        "none of the 3 processes has gone on for 0.7 seconds: one of them hangs, or its GPU or disk; so it goes";
    int done[COUNT];
    run((Task){{beat_and_stay, beat_and_stay, succeed}, NULL, &patience}, ERR_UNSUPPORTED, text, 3, done);
    assert_true(!done[0] && !done[1] && done[2]);
    run((Task){{beat, beat_and_stay, beat_and_stay}, NULL, &patience}, ERR_UNSUPPORTED, text, 6, done);
    assert_true(done[0] && !done[1]);
    run((Task){{beat, beat, finish_later}, NULL, &patience}, 0, "", 4, done);
    run((Task){{succeed, beat_and_stay, succeed}, NULL, &patience}, ERR_UNSUPPORTED, text, 3, done);
    run((Task){{end_last, succeed, succeed}, NULL, &patience}, 0, "", 4, done);            /* it waits for none */
    run((Task){{finish_slowly, finish_slowly, succeed}, NULL, &patience}, 0, "", 4, done); /* before a beat */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_run_to_their_end),
        cmocka_unit_test(bytes_of_the_first_are_shared),
        cmocka_unit_test(a_failure_ends_all),
        cmocka_unit_test(the_first_failure_is_told),
        cmocka_unit_test(a_process_that_tells_nothing_is_a_failure),
        cmocka_unit_test(interrupted_together),
        cmocka_unit_test(silence_ends_all),
    };
    return cmocka_run_group_tests_name("processes", tests, NULL, NULL);
}
