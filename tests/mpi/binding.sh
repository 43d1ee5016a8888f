#!/bin/sh
# binding BUILD: the processors that two processes may run on, and what they say of them.
build=$1
. tests/support/tap.sh
. tests/support/ranks.sh
expect_mpi "$build"
unset OMP_NUM_THREADS
processors=$(nproc)
warning='warning: .*process.* processor'

starts() { # WHAT OPTIONS…: a training that ends with an error, after the warnings
    what=$1; shift
    check "$what" 1 ranks 2 ${bound:-} "$build/train" "$out/none" 0 -o "$out/results" "$@"
}
starts "one thread in each process" -j 1
lacks "is told of no processors" "$warning" stderr
starts "more threads than processors" -j $((processors + 1))
has "are told" "warning: each process has $((processors + 1)) threads on [0-9]* processors*: give -j [0-9]*; mpirun --bind-to none" stderr
equals "once" "$(grep -c "$warning" "$out/stderr")" 1
OMP_NUM_THREADS=$((processors + 1)); export OMP_NUM_THREADS
starts "the same by OMP_NUM_THREADS"
has "is told, too" "warning: each process has $((processors + 1)) threads" stderr
unset OMP_NUM_THREADS
if [ "$processors" -ge 2 ]; then
    starts "processes on all processors"
    lacks "are silent" "$warning" stderr
    bound='taskset -c 0'
    starts "processes that are bound to one of them"
    has "tell it" "warning: the processes of this machine may run on 1 of $processors processors: mpirun --bind-to none" stderr
    export SLURM_CPUS_ON_NODE=1
    starts "the same in a job of Slurm that has one"
    lacks "is right" "$warning" stderr
    unset SLURM_CPUS_ON_NODE bound
    run='taskset -c 0'
    starts "the same where mpirun has one"
    lacks "is right" "$warning" stderr
else echo "ok - processors that are not used # SKIP there is one processor"; fi
