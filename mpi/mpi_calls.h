/* Calls of MPI with this project's errors and waiting. */
#ifndef MPI_MPI_CALLS_H
#define MPI_MPI_CALLS_H

#include <mpi.h>

#include "base/error.h"

/* 0, or ERR_UNSUPPORTED with what failed and MPI's reason. */
int mpi_check(int result, const char *what, Err *e);

/* Waits until all requests are done. MPI's own waiting keeps a core busy; this does so for a millisecond and then sleeps between two
 * looks. Fails: as mpi_check. */
int mpi_wait(MPI_Request *requests, int count, const char *what, Err *e);

/* The same, for the main thread and waits that may be long: meanwhile it notices signals (world_poll). */
int mpi_wait_long(MPI_Request *request, const char *what, Err *e);

#endif
