/* sums: how long the processes of mpirun take to sum gradients, without other work (docs/clusters.md).
 *
 *   mpirun -n 2 build/sums [MEBIBYTES]      of gradients; the U-Net of nnU-Net has 7.3 */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/world.h"
#include "network/device/ranks.h"

enum { ROUNDS = 20 };

/* Seconds of a sum of `count` gradients in buckets; of a small one, which is waited for, if count is 0. */
static int time_sum(double *seconds, Ranks *r, float *values, int64_t count, Err *e)
{
    double one[2] = {0};
    const int64_t bucket = (int64_t)(r->bucket_bytes / sizeof *values);
    TRY(r->sum(r, one, 2, e)); /* all begin at the same time */
    const double began = clock_seconds();
    for (int64_t first = 0; first < count; first += bucket)
        TRY(r->begin_sum(r, values + first, count - first < bucket ? count - first : bucket, e));
    if (count) TRY(r->finish_sums(r, e));
    else TRY(r->sum(r, one, 2, e));
    *seconds = clock_seconds() - began;
    return 0;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int print_median(const char *name, Ranks *r, float *values, int64_t count, Err *e)
{
    double seconds[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) TRY(time_sum(&seconds[i], r, values, count, e));
    qsort(seconds, ROUNDS, sizeof *seconds, ascending);
    printf("%-24s %8.2f ms\n", name, 1e3 * seconds[ROUNDS / 2]);
    return 0;
}

static int run(const Process *world, double mebibytes, Err *e)
{
    Ranks *r;
    char name[64];
    const int64_t count = (int64_t)(mebibytes * (1 << 20) / sizeof(float));
    if (!world) return err_set(e, ERR_VALUE, "start it by mpirun -n 2");
    float *values = mem_zalloc((size_t)count, sizeof *values, e);
    int code = values ? ranks_mpi(&r, world, e) : ERR_NOMEM;
    if (!code) {
        snprintf(name, sizeof name, "%g MiB of gradients", mebibytes);
        code = print_median(name, r, values, count, e);
        if (!code) code = print_median("two numbers", r, values, 0, e);
        r->free(r, code);
    }
    mem_free(values);
    return code;
}

int main(int argc, char **argv)
{
    Err e = {0};
    const Process *world;
    CommonOptions common = {.threads = 1, .threads_given = true};
    program_begin("sums", false);
    int code = world_begin(&world, &common, argc, argv, &e);
    if (!code) code = run(world, argc > 1 ? atof(argv[1]) : 7.3, &e);
    return world_end(world, code, &e, true);
}
