/* What has started this program: mpirun and srun tell their processes by environment variables, before MPI is started. */
#ifndef BASE_LAUNCHER_H
#define BASE_LAUNCHER_H

/* The number of processes that work together, and that of this one, from 0; 1 and 0 without a launcher. */
int launcher_count(int *rank);

/* Programs that this one starts from now on are alone. */
void launcher_forget(void);

#endif
