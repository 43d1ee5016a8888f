/* World: the processes of this program that mpirun or srun has started, on one machine or several (docs/clusters.md).
 *
 *   program_begin("train", true);            // of several processes only rank 0 prints
 *   program_parse(…);
 *   const Process *world;
 *   code = world_begin(&world, &common, argc, argv, &e);   // NULL: this process is alone
 *   if (!code) code = …;
 *   return world_end(world, code, &e, quiet);
 * For mains only. A program without these calls refuses to run as several processes (program_parse). */
#ifndef BASE_WORLD_H
#define BASE_WORLD_H

#include <stdbool.h>

#include "base/processes.h"
#include "base/program.h"
#include "base/text.h"

/* Starts MPI where a launcher has started several processes, and sets *world; NULL where this process is alone. Unless the number of threads
 * was asked for (-j, OMP_NUM_THREADS), o->threads becomes this process's part of the processors that it may run on. All must have the
 * same arguments. Fails: ERR_UNSUPPORTED if this build has no MPI, or MPI cannot start; ERR_VALUE for other arguments than rank 0's. */
int world_begin(const Process **world, CommonOptions *o, int argc, char **argv, Err *e);

/* A part of the processes, to work together: those that give the same number. Every process of the world must call this. The group is
 * the world's: it ends with it. Fails: ERR_UNSUPPORTED if MPI fails. */
int world_group(const Process **group, const Process *world, int number, Err *e);

/* No other process waits for this one any more: its failure does not end them. NULL: nothing to do. */
void world_release(const Process *world);

/* In place of program_end, with its result. The failure of another process than rank 0 is printed with its number and machine. A
 * failure ends all processes at once, unless the others are released. Else all are waited for. NULL: program_end. */
int world_end(const Process *world, int code, const Err *e, bool quiet);

/* As program_interrupted, but also for a signal that another process has noticed by this function. For one thread. */
int world_interrupted(void);

/* For waits within a World: calls world_interrupted if the program does so from time to time, too. */
void world_poll(void);

/* By MPI (mpi/world_mpi.c). A build without it does not have this function: its address is NULL. */
typedef struct World {
    Process process;
    char host[256];    /* the machine's name */
    int threads;       /* for this process (threads_part) */
    int processors;    /* of this machine, that its processes may run on */
    bool has_released; /* world_release was called */
    int (*group)(const Process **group, struct World *world, int number, Err *e);
    int (*interrupted)(struct World *world,
                       int own); /* own: a signal to this process, or 0, to be told to the others */
    /* Messages (base/crew.h). fetch returns 1 if there was one, from any process, which it has appended to `message`; 0; or a
     * negative code. Any thread may call them. */
    int (*post)(struct World *world, int to, const void *bytes, size_t size, Err *e);
    int (*fetch)(struct World *world, int *from, Text *message, Err *e);
    void (*wait)(struct World *world);             /* for all processes; sleeps */
    void (*end)(struct World *world, bool failed); /* failed: ends all other processes, too, and does not return */
} World;
__attribute__((weak, visibility("hidden"))) int world_mpi(World **world, Err *e);

#endif
