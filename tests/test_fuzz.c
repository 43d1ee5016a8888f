/* The fuzz targets (tests/fuzz) without a fuzzer: their seeds are accepted, every file of the corpora is read, and
 * changed seeds are survived. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/folder.h"

enum { ROOM = 1 << 16, CHANGES = 40, TARGETS_MOST = 32 };

static Rng generator;

/* A few bytes are replaced, and sometimes the end is left out. */
static size_t change(uint8_t *data, size_t size, size_t most)
{
    if (!size) return size;
    for (uint32_t n = 1 + rng_below(&generator, 4); n; n--)
        data[rng_below(&generator, (uint32_t)size)] = (uint8_t)rng_below(&generator, 256);
    const size_t kept = rng_below(&generator, 4) ? size : rng_below(&generator, (uint32_t)size) + 1;
    return kept < most ? kept : most;
}

static int run_file(const FuzzTarget *target, const char *in, const char *name)
{
    char path[1024], *data;
    size_t bytes;
    snprintf(path, sizeof path, "%s/%s", in, name);
    assert_int_equal(file_get(path, &data, &bytes, NULL), 0);
    const bool accepted = target->run((const uint8_t *)data, bytes);
    mem_free(data);
    return accepted;
}

/* Runs all files of a folder; returns how many were accepted. */
static int run_folder(const FuzzTarget *target, const char *in, int *count)
{
    FileList list;
    int accepted = 0;
    assert_int_equal(file_list(&list, in, NULL), 0);
    *count = list.count;
    for (int i = 0; i < list.count; i++) accepted += run_file(target, in, list.names[i]);
    file_list_free(&list);
    return accepted;
}

static void run_changed(const FuzzTarget *target, const char *in, const char *name)
{
    static uint8_t data[ROOM];
    char path[1024], *content;
    size_t bytes;
    snprintf(path, sizeof path, "%s/%s", in, name);
    assert_int_equal(file_get(path, &content, &bytes, NULL), 0);
    for (int i = 0; i < CHANGES && bytes <= ROOM; i++) {
        memcpy(data, content, bytes);
        size_t size = target->mutate ? target->mutate(data, bytes, ROOM, rng_below(&generator, 1000), change) : 0;
        if (!size) size = change(data, bytes, ROOM);
        target->run(data, size);
    }
    mem_free(content);
}

static const FuzzTarget *target_of(void **state) { return *state; }

static void seed_folder(const FuzzTarget *target, char in[512])
{
    Err e = {0};
    snprintf(in, 512, "%s", in_folder(target->name));
    assert_int_equal(file_make_folders(in, &e), 0);
    if (target->seed(in, &e)) fail_msg("%s", e.text);
}

static void seeds_are_accepted(void **state)
{
    const FuzzTarget *target = target_of(state);
    char in[512];
    int count;
    seed_folder(target, in);
    const int accepted = run_folder(target, in, &count);
    /* Of YAML two seeds are what the reader refuses. */
    assert_int_equal(accepted, strcmp(target->name, "yaml") ? count : count - 2);
    assert_true(count > 0);
}

static void changed_seeds_are_survived(void **state)
{
    const FuzzTarget *target = target_of(state);
    FileList list;
    char in[512];
    generator = rng_make(1, 0, 0, 0, RNG_TEST);
    seed_folder(target, in);
    assert_int_equal(file_list(&list, in, NULL), 0);
    for (int i = 0; i < list.count; i++) run_changed(target, in, list.names[i]);
    file_list_free(&list);
}

/* A corpus has findings, and the smallest set of inputs that reached all that a search had reached. */
static void the_corpus_is_survived(void **state)
{
    const FuzzTarget *target = target_of(state);
    char in[512];
    int count;
    snprintf(in, sizeof in, "tests/fuzz/corpus/%s", target->name);
    assert_true(file_is_folder(in));
    run_folder(target, in, &count);
    assert_true(count > 0);
}

int main(void)
{
    static struct CMUnitTest tests[3 * TARGETS_MOST];
    static char names[3 * TARGETS_MOST][80];
    static const struct {
        const char *what;
        CMUnitTestFunction function;
    } checks[] = {{"seeds are accepted", seeds_are_accepted},
                  {"changed seeds are survived", changed_seeds_are_survived},
                  {"the corpus is survived", the_corpus_is_survived}};
    size_t count = 0;
    for (int t = 0; fuzz_targets[t] && t < TARGETS_MOST; t++) {
        for (int i = 0; i < 3; i++, count++) {
            snprintf(names[count], sizeof names[0], "%s: %s", fuzz_targets[t]->name, checks[i].what);
            tests[count] = (struct CMUnitTest){.name = names[count],
                                               .test_func = checks[i].function,
                                               .initial_state = (void *)(uintptr_t)fuzz_targets[t]};
        }
    }
    /* One group of all: cmocka counts the tests of an array. */
    struct CMUnitTest *all = tests;
    return _cmocka_run_group_tests("fuzz", all, count, test_folder_make, test_folder_remove);
}
