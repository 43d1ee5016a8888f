#include "mpi/mpi_calls.h"

#include <time.h>

#include "base/progress.h"
#include "base/world.h"

static const double SPIN = 0.001; /* seconds */

int mpi_check(int result, const char *what, Err *e)
{
    char reason[MPI_MAX_ERROR_STRING] = "";
    int length;
    if (result == MPI_SUCCESS) return 0;
    MPI_Error_string(result, reason, &length);
    return err_set(e, ERR_UNSUPPORTED, "%s failed: %s", what, reason);
}

static void pause_shortly(void) { nanosleep(&(struct timespec){0, 100000}, NULL); }

int mpi_wait(MPI_Request *requests, int count, const char *what, Err *e)
{
    const double began = clock_seconds();
    int done = 0;
    TRY(mpi_check(MPI_Testall(count, requests, &done, MPI_STATUSES_IGNORE), what, e));
    while (!done) {
        if (clock_seconds() - began > SPIN) pause_shortly();
        TRY(mpi_check(MPI_Testall(count, requests, &done, MPI_STATUSES_IGNORE), what, e));
    }
    return 0;
}

int mpi_wait_long(MPI_Request *request, const char *what, Err *e)
{
    int done = 0;
    for (;;) {
        TRY(mpi_check(MPI_Test(request, &done, MPI_STATUS_IGNORE), what, e));
        if (done) return 0;
        world_poll();
        pause_shortly();
    }
}
