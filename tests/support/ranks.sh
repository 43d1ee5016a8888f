# Sourced by tests of several processes: mpirun on this machine, also as root, and with more processes than processors.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl=self,vader,tcp
export OMPI_MCA_btl_vader_single_copy_mechanism=none # containers may forbid the other ones
run= # in the background: exec, so that the process is mpirun itself
ranks() { # COUNT PROGRAM OPTIONS…
    count=$1; shift
    $run mpirun --oversubscribe --bind-to none -n "$count" "$@"
}
expect_mpi() { # BUILD: skips the test where several processes cannot run
    command -v mpirun >/dev/null && [ -n "$(cat "$1/mpi" 2>/dev/null)" ] && return
    echo "ok - several processes # SKIP mpirun is not installed, or the programs were built without MPI=1"; exit 0
}
process_of() { # RANK: of the job whose mpirun is $pid
    for child in $(pgrep -P "$pid"); do
        grep -qz "^OMPI_COMM_WORLD_RANK=$1\$" "/proc/$child/environ" && echo "$child"
    done
}
