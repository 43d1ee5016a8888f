/* The number of threads: control groups as containers and batch systems set them, and the choice among the limits. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/threads.h"

static char root[32];

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/test_threads_XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static void put(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s", root, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(file_make_folders(path, NULL), 0);
    *slash = '/';
    assert_int_equal(file_put(path, text, strlen(text), NULL), 0);
}

#define UNIFIED "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"

static void no_files_are_no_limit(void **state)
{
    (void)state;
    assert_int_equal(threads_quota(root), INT_MAX);
    put("/proc/self/cgroup", "0::/user.slice\n");
    assert_int_equal(threads_quota(root), INT_MAX);
    put("/proc/self/mountinfo", UNIFIED);
    assert_int_equal(threads_quota(root), INT_MAX);
    put("/sys/fs/cgroup/user.slice/cpu.max", "max 100000\n");
    assert_int_equal(threads_quota(root), INT_MAX);
    put("/sys/fs/cgroup/user.slice/cpu.max", "not a number\n");
    assert_int_equal(threads_quota(root), INT_MAX);
}

static void version_2_and_the_groups_above(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/batch/job_7/step\n");
    put("/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" UNIFIED);
    put("/sys/fs/cgroup/batch/job_7/step/cpu.max", "400000 100000\n");
    assert_int_equal(threads_quota(root), 4);
    put("/sys/fs/cgroup/batch/job_7/cpu.max", "150000 100000\n");
    assert_int_equal(threads_quota(root), 2); /* 1.5, rounded up */
    put("/sys/fs/cgroup/batch/cpu.max", "10000 100000\n");
    assert_int_equal(threads_quota(root), 1);
}

/* In a container with a namespace of its own the group is "/"; without one, the mounted group is ours. */
static void containers(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", UNIFIED);
    put("/sys/fs/cgroup/cpu.max", "300000 100000\n");
    assert_int_equal(threads_quota(root), 3);
    put("/proc/self/cgroup", "0::/docker/abc\n");
    put("/proc/self/mountinfo", "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    assert_int_equal(threads_quota(root), 3);
    put("/proc/self/cgroup", "0::/docker/abcdef\n"); /* another group, which is not seen here */
    assert_int_equal(threads_quota(root), 3);
}

static void version_1(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "5:cpuset:/jobs/set\n4:cpuacct,cpu:/jobs/7\n3:name=systemd:/x\n");
    put("/proc/self/mountinfo", "31 25 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
                                "32 25 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n");
    put("/sys/fs/cgroup/cpu,cpuacct/jobs/7/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/jobs/7/cpu.cfs_period_us", "100000\n");
    assert_int_equal(threads_quota(root), INT_MAX);
    put("/sys/fs/cgroup/cpu,cpuacct/jobs/7/cpu.cfs_quota_us", "250000\n");
    assert_int_equal(threads_quota(root), 3);
    put("/sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us", "50000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_period_us", "50000\n");
    assert_int_equal(threads_quota(root), 1);
}

/* Both versions at once, as systemd's hybrid layout has them; the cpu controller is in one of them. */
static void both_versions(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "1:cpu:/a\n0::/b\n");
    put("/proc/self/mountinfo",
        "32 25 0:28 / /cg/cpu rw - cgroup cgroup rw,cpu\n41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n");
    put("/cg/unified/b/cgroup.procs", "");
    put("/cg/cpu/a/cpu.cfs_quota_us", "200000\n");
    put("/cg/cpu/a/cpu.cfs_period_us", "100000\n");
    assert_int_equal(threads_quota(root), 2);
}

static void the_choice(void **state)
{
    (void)state;
    static const struct {
        ThreadSetting setting;
        int threads, bounded;
    } cases[] = {
        /* asked, by default, processors, quota, limit */
        {{0, 8, 8, INT_MAX, INT_MAX}, 8, 0},
        {{0, 8, 8, 3, INT_MAX}, 3, 0}, /* a container with a quota */
        {{0, 2, 8, INT_MAX, INT_MAX}, 2, 0},
        {{0, 8, 8, INT_MAX, 1}, 1, 0}, /* OMP_THREAD_LIMIT=1 */
        {{0, 4, 8, 2, INT_MAX}, 2, 0},
        {{0, 1000, 2, INT_MAX, INT_MAX}, 8, 1},
        {{4, 2, 2, INT_MAX, INT_MAX}, 4, 0},
        {{4, 2, 2, 1, INT_MAX}, 4, 0}, /* an explicit number is used, up to four for each processor */
        {{1000, 2, 2, INT_MAX, INT_MAX}, 8, 1},
        {{4, 2, 2, INT_MAX, 3}, 3, 1},
        {{4, 2, 2, INT_MAX, 1}, 1, 1},
        {{1, 2, 2, INT_MAX, INT_MAX}, 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int bounded;
        assert_int_equal(threads_choose(&cases[i].setting, &bounded), cases[i].threads);
        assert_int_equal(bounded, cases[i].bounded);
    }
}

/* The processes of a machine that may each run on `count` processors from first[i] on; the last one is asked. */
static int part_of_last(const int *first, int processes, int count, int quota)
{
    static int own[THREADS_PROCESSORS], users[THREADS_PROCESSORS];
    memset(users, 0, sizeof users);
    for (int p = 0; p < processes; p++) {
        memset(own, 0, sizeof own);
        for (int i = 0; i < count; i++) own[first[p] + i] = 1;
        for (int i = 0; i < THREADS_PROCESSORS; i++) users[i] += own[i];
    }
    return threads_part(own, users, processes, quota);
}

static void parts_of_a_machine(void **state)
{
    (void)state;
    const int together[8] = {0}, apart[] = {0, 8}, two_here[] = {8, 0, 8}, overlapping[] = {0, 4};
    assert_int_equal(part_of_last(together, 2, 8, INT_MAX), 4); /* 8 processors of a larger machine */
    assert_int_equal(part_of_last(together, 3, 9, INT_MAX), 3);
    assert_int_equal(part_of_last(together, 3, 8, INT_MAX), 2);
    assert_int_equal(part_of_last(together, 8, 4, INT_MAX), 1); /* more processes than processors */
    assert_int_equal(part_of_last(together, 2, 64, 8), 4);      /* a container's quota, which both have */
    assert_int_equal(part_of_last(apart, 2, 8, INT_MAX), 8);    /* bound */
    assert_int_equal(part_of_last(apart, 2, 1, INT_MAX), 1);
    assert_int_equal(part_of_last(two_here, 3, 8, INT_MAX), 4); /* of three processes two have one socket */
    assert_int_equal(part_of_last(overlapping, 2, 8, INT_MAX), 6);
}

static void processors_of_a_process(void **state)
{
    (void)state;
    static int own[THREADS_PROCESSORS];
    int count = 0;
    threads_mark(own);
    for (int i = 0; i < THREADS_PROCESSORS; i++) count += own[i];
    assert_int_equal(count, threads_setting(0).processors);
    assert_int_equal(threads_processors_of(0), count);
    assert_int_equal(threads_processors_of(-1), 0);
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOT(no_files_are_no_limit),
        IN_ROOT(version_2_and_the_groups_above),
        IN_ROOT(containers),
        IN_ROOT(version_1),
        IN_ROOT(both_versions),
        cmocka_unit_test(the_choice),
        cmocka_unit_test(parts_of_a_machine),
        cmocka_unit_test(processors_of_a_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
