/* serve/clients.h and serve/daemon_log.h, at times that the test sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/clients.h"
#include "serve/daemon_log.h"

enum { USUAL = 3, MOST = 5, RATE = CLIENT_BYTES_PER_SECOND };

/* Connections: ends[i][0] is the server's end. */
typedef struct Fixture {
    Clients *all;
    Client *clients[MOST];
    int ends[MOST][2];
} Fixture;

static int set_up(void **state)
{
    static Fixture f;
    *state = &f;
    for (int i = 0; i < MOST; i++)
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, f.ends[i])) return -1;
    return clients_new(&f.all, MOST, USUAL, NULL);
}

static int tear_down(void **state)
{
    Fixture *f = *state;
    clients_free(f->all);
    for (int i = 0; i < MOST; i++) close(f->ends[i][0]), close(f->ends[i][1]);
    return 0;
}

static Client *add(Fixture *f, int i, double now) { return f->clients[i] = clients_add(f->all, f->ends[i][0], now); }

static bool is_shut(const Fixture *f, int i)
{
    char byte;
    return recv(f->ends[i][1], &byte, 1, MSG_DONTWAIT) == 0;
}

static void test_idle(void **state)
{
    Fixture *f = *state;
    add(f, 0, 100);
    assert_int_equal(clients_shut_late(f->all, 100 + CLIENT_ASK_SECONDS), 0);
    assert_false(is_shut(f, 0));
    assert_int_equal(clients_shut_late(f->all, 100.1 + CLIENT_ASK_SECONDS), 0); /* it had not asked */
    assert_true(is_shut(f, 0));
}

/* A byte now and then gives no time. */
static void test_drip(void **state)
{
    Fixture *f = *state;
    client_sends(add(f, 0, 0), 10);
    for (int i = 1; i <= CLIENT_LAG_SECONDS; i++) {
        client_sent(f->clients[0], 1, 10 + i);
        assert_int_equal(clients_shut_late(f->all, 10 + i), 0);
    }
    assert_int_equal(clients_shut_late(f->all, 10.1 + CLIENT_LAG_SECONDS), 1);
    assert_true(is_shut(f, 0));
    assert_int_equal(clients_shut_late(f->all, 1000), 0); /* it is told once */
}

static void test_least_rate(void **state)
{
    Fixture *f = *state;
    client_sends(add(f, 0, 0), 0);
    for (int i = 1; i <= 1000; i++) {
        client_sent(f->clients[0], RATE, i);
        assert_int_equal(clients_shut_late(f->all, i), 0);
    }
    /* What came fast is no time for a pause. */
    client_sent(f->clients[0], (int64_t)RATE * 1000, 1000);
    assert_int_equal(clients_shut_late(f->all, 1000.1 + CLIENT_LAG_SECONDS), 1);
}

static void test_prediction_and_answer(void **state)
{
    Fixture *f = *state;
    client_sends(add(f, 0, 0), 0);
    client_waits(f->clients[0], 1);
    assert_int_equal(clients_shut_late(f->all, 1e6), 0);
    client_reads(f->clients[0], (int64_t)RATE * 100, 1e6);
    assert_int_equal(clients_shut_late(f->all, 1e6 + 100 + CLIENT_LAG_SECONDS), 0);
    assert_int_equal(clients_shut_late(f->all, 1e6 + 100.1 + CLIENT_LAG_SECONDS), 1);
    assert_true(is_shut(f, 0));
}

static void test_room(void **state)
{
    Fixture *f = *state;
    add(f, 0, 0);
    client_sends(f->clients[0], 0);
    client_has_place(f->clients[0]);
    for (int i = 1; i < USUAL; i++) add(f, i, i);
    client_asks(f->clients[1], 10); /* answered: younger than 2 */
    assert_false(is_shut(f, 2));
    assert_non_null(add(f, 3, 11));
    assert_true(is_shut(f, 2));
    for (int i = 0; i < 4; i++) assert_int_equal(is_shut(f, i), i == 2);
    assert_non_null(add(f, 4, 12)); /* 2 is shut down, but not closed */
    for (int i = 0; i < 5; i++) assert_int_equal(is_shut(f, i), i == 1 || i == 2);
    assert_null(clients_add(f->all, f->ends[0][0], 13));
    assert_false(is_shut(f, 3));
    clients_remove(f->all, f->clients[2]);
    assert_non_null(add(f, 2, 14));
    assert_true(is_shut(f, 3));
    assert_false(is_shut(f, 0));
}

/* At the end bodies have some seconds, and what is complete has its time. */
static void test_stop(void **state)
{
    Fixture *f = *state;
    for (int i = 0; i < 3; i++) client_sends(add(f, i, 0), 0);
    client_waits(f->clients[1], 1);
    client_reads(f->clients[2], 0, 1);
    clients_stop(f->all, 2);
    client_sent(f->clients[0], (int64_t)RATE * 1000, 3);
    assert_int_equal(clients_shut_late(f->all, 2 + CLIENT_STOP_SECONDS), 0);
    assert_int_equal(clients_shut_late(f->all, 2.1 + CLIENT_STOP_SECONDS), 1);
    assert_true(is_shut(f, 0));
    assert_false(is_shut(f, 1) || is_shut(f, 2));
}

/* ---- the log ---- */

static int written;
static char last[128];

static void keep(const char *text)
{
    written++;
    snprintf(last, sizeof last, "%s", text);
}

static void test_log(void **state)
{
    DaemonLog *log;
    (void)state;
    written = 0;
    assert_int_equal(daemon_log_new(&log, keep, NULL), 0);
    for (int i = 0; i < DAEMON_LOG_LINES; i++) daemon_log_add(log, "one", 5);
    assert_int_equal(written, DAEMON_LOG_LINES);
    assert_string_equal(last, "one");
    for (int i = 0; i < 1000; i++) daemon_log_add(log, "one", 5 + i / 1000.);
    assert_int_equal(written, DAEMON_LOG_LINES + 1);
    assert_non_null(strstr(last, "left out"));
    daemon_log_add(log, "later", 5 + DAEMON_LOG_SECONDS);
    assert_string_equal(last, "later");
    daemon_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_idle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_drip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_least_rate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_prediction_and_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop, set_up, tear_down),
        cmocka_unit_test(test_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
