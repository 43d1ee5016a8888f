/* The inside of a World by MPI (base/world.h). */
#ifndef MPI_WORLD_MPI_H
#define MPI_WORLD_MPI_H

#include <mpi.h>

#include "base/world.h"

/* A world, or a group of it. */
typedef struct MpiWorld {
    World world;
    MPI_Comm communicator;  /* of all its processes, for calls of one thread */
    MPI_Comm messages;      /* the same processes */
    struct MpiWorld *group; /* of a world; NULL: none was made */
    int signal;             /* that has interrupted one of its processes; 0: none */
} MpiWorld;

#endif
