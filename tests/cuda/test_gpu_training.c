/* Training on the GPU (emulated, or a real one) by a library's user. On the emulated GPU: while the host reads an iteration,
 * the next one waits on the device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/processes.h"
#include "tests/support/emulator.h"
#include "trainer/training.h"

enum { RANKS = 2 };

static char build[512], folder[] = "/tmp/test_gpu_training_XXXXXX";

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
    if (!emu_counts) return 0;
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

typedef struct Task {
    int iterations; /* of training; half as many of validation */
    int *waits;     /* shared; for each rank: how often the host waited until the GPU had nothing left to do */
} Task;

static int train(const Task *t, const Device *device, Ranks *ranks, int rank, Err *e)
{
    char preprocessed[64], output[64];
    Training *training;
    snprintf(preprocessed, sizeof preprocessed, "%s/pre", folder);
    snprintf(output, sizeof output, "%s/results", folder);
    const TrainingOptions options = {.preprocessed = preprocessed,
                                     .results = output,
                                     .mode = RUN_OVERWRITE,
                                     .threads = 1,
                                     .device = device,
                                     .ranks = ranks,
                                     .overrides = {.epochs = 1,
                                                   .iterations_per_epoch = t->iterations,
                                                   .validation_iterations = t->iterations / 2,
                                                   .batch_size = 2,
                                                   .patch_size = {32, 32},
                                                   .seed = 1}};
    TRY(training_open(&training, &options, e));
    const uint64_t before = emu_counts().emptied;
    const int code = training_run(training, NULL, e);
    t->waits[rank] = (int)(emu_counts().emptied - before);
    training_close(training);
    return code;
}

static int run_alone(void *context, const Process *p, Err *e)
{
    const Device *d = device_named("cuda", e);
    (void)p;
    return d ? train(context, d, NULL, 0, e) : e->code;
}

static int run_rank(void *context, const Process *p, Err *e)
{
    char id[RANKS_ID_BYTES];
    Ranks *ranks;
    const Device *d = device_of_rank("cuda", p->rank, e);
    if (!d) return e->code;
    if (p->rank == 0) TRY(ranks_cuda_id(id, e));
    TRY(process_share(p, id, sizeof id, e));
    TRY(ranks_cuda(&ranks, d, p->rank, p->count, id, e));
    const int code = train(context, d, ranks, p->rank, e);
    ranks->free(ranks, code);
    return code;
}

/* More iterations are no more waits. */
static void expect_no_waits(int processes, int (*work)(void *, const Process *, Err *))
{
    Err e = {ERR_NONE, ""};
    const int protection = PROT_READ | PROT_WRITE, kind = MAP_SHARED | MAP_ANONYMOUS;
    int(*waits)[RANKS] = mmap(NULL, 2 * sizeof *waits, protection, kind, -1, 0);
    assert_true(waits != MAP_FAILED);
    for (int i = 0; i < 2; i++) {
        Task t = {i ? 5 : 2, waits[i]};
        if (processes_run(processes, work, &t, NULL, &e)) fail_msg("%s", e.text);
    }
    for (int r = 0; r < processes; r++) {
        assert_true(waits[0][r] > 0);
        assert_int_equal(waits[0][r], waits[1][r]);
    }
    munmap(waits, 2 * sizeof *waits);
}

static void the_gpu_has_the_next_iteration_when_one_is_read(void **state)
{
    (void)state;
    if (!emu_counts) skip();
    expect_no_waits(1, run_alone);
    expect_no_waits(RANKS, run_rank);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_gpu_has_the_next_iteration_when_one_is_read)};
    (void)argc;
    setenv("SWIN_UMAMBA_EMULATED_GPUS", "2", 1);
    snprintf(build, sizeof build, "%.*s/../..", (int)(path_base(argv[0]) - argv[0]), argv[0]);
    return cmocka_run_group_tests_name("gpu_training", tests, prepare, tidy);
}
