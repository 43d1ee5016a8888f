/* Training by a library's user: without callbacks, or with only some of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "trainer/training.h"

static char build[512], folder[] = "/tmp/test_training_run_XXXXXX";

static int sh(const char *format, ...)
{
    char command[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command);
}

/* A dataset of five phantoms, preprocessed by the built programs. */
static int prepare(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    return sh("echo 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}' >%s/o.yaml", folder) ||
           sh("%s/make_phantom -o %s/raw --cases 5 --size 4x40x44 --quiet 2>/dev/null", build, folder) ||
           sh("%s/plan_and_preprocess %s/raw -o %s/pre --override %s/o.yaml --quiet 2>/dev/null", build, folder, folder,
              folder);
}

static int tidy(void **state)
{
    (void)state;
    return sh("rm -rf %s", folder);
}

static int trained(const TrainingWatch *watch, const char *results)
{
    char preprocessed[64], output[64];
    Training *t;
    Err e = {0};
    snprintf(preprocessed, sizeof preprocessed, "%s/pre", folder);
    snprintf(output, sizeof output, "%s/%s", folder, results);
    const TrainingOptions options = {.preprocessed = preprocessed,
                                     .results = output,
                                     .mode = RUN_NEW,
                                     .threads = 1,
                                     .overrides = {.epochs = 1,
                                                   .iterations_per_epoch = 2,
                                                   .validation_iterations = 1,
                                                   .batch_size = 2,
                                                   .patch_size = {32, 32},
                                                   .seed = 1}};
    if (training_open(&t, &options, &e)) fail_msg("%s", e.text);
    if (training_run(t, watch, &e)) fail_msg("%s", e.text);
    const int epochs = training_epochs_done(t);
    training_close(t);
    return epochs;
}

static void no_watch_is_needed(void **state)
{
    (void)state;
    assert_int_equal(trained(NULL, "alone"), 1);
}

static void count_epoch(void *context, const EpochRecord *record, const PseudoDice *dice)
{
    (void)record, (void)dice;
    ++*(int *)context;
}

static void each_part_of_a_watch_may_be_missing(void **state)
{
    (void)state;
    int epochs = 0;
    assert_int_equal(trained(&(TrainingWatch){0}, "blind"), 1);
    assert_int_equal(trained(&(TrainingWatch){.epoch = count_epoch, .context = &epochs}, "half"), 1);
    assert_int_equal(epochs, 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_watch_is_needed),
        cmocka_unit_test(each_part_of_a_watch_may_be_missing),
    };
    (void)argc;
    snprintf(build, sizeof build, "%.*s/..", (int)(path_base(argv[0]) - argv[0]), argv[0]);
    return cmocka_run_group_tests(tests, prepare, tidy);
}
