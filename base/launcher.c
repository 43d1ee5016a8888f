#include "base/launcher.h"

#include <stdlib.h>

/* Open MPI's mpirun; MPICH's, Intel's and srun with PMI-2; srun with PMIx. */
static const struct {
    const char *rank, *count;
} launchers[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, {"PMI_RANK", "PMI_SIZE"}, {"PMIX_RANK", "SLURM_NTASKS"}};
enum { LAUNCHERS = sizeof launchers / sizeof *launchers };

int launcher_count(int *rank)
{
    *rank = 0;
    for (int i = 0; i < LAUNCHERS; i++) {
        const char *number = getenv(launchers[i].rank), *count = getenv(launchers[i].count);
        if (!number || !count || atoi(count) < 1) continue;
        *rank = atoi(number);
        return atoi(count);
    }
    return 1;
}

void launcher_forget(void)
{
    for (int i = 0; i < LAUNCHERS; i++) unsetenv(launchers[i].rank);
}
