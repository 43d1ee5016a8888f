#!/bin/sh
# clusters BUILD: the batch scripts of docs/clusters.md, run here with stand-ins for Slurm's programs and mpirun, and the options in its commands.
build=$1
. tests/support/tap.sh
case $build in */asan | */tsan) echo "ok - clusters # SKIP the same code runs in other tests: for VARIANT=release"; exit 0 ;; esac
export OMP_NUM_THREADS=1
document=docs/clusters.md
here=$PWD
case $build in /*) ;; *) build=$here/$build ;; esac

# Each script into a file: $out/1.sh …
awk -v out="$out" '/^    #!\/bin\/sh$/ { number++ } !/^    / { inside = 0 } /^    #!\/bin\/sh$/ { inside = 1 }
    inside { print substr($0, 5) >(out "/" number ".sh") } END { print number + 0 }' $document >"$out/count"
count=$(cat "$out/count")
is "the document has scripts" test "$count" -ge 4
for number in $(seq "$count"); do is "the shell reads script $number" sh -n "$out/$number.sh"; done

# Stand-ins: they take the options that the document uses, tell their process, and run the program as one process; mpirun has it as a child.
mkdir "$out/bin"
cat >"$out/bin/srun" <<'E'
#!/bin/sh
while :; do
    case $1 in
    --mpi=none | --mpi=pmix | --cpus-per-task=[1-9]* | --kill-on-bad-exit=1) shift ;;
    -*) echo "srun: $1 is not known" >&2; exit 2 ;;
    *) break ;;
    esac
done
echo $$ >started; exec "$@"
E
cat >"$out/bin/mpirun" <<'E'
#!/bin/sh
while :; do
    case $1 in
    --bind-to | -x | -n | --map-by | --hostfile) shift 2 ;;
    --mca) shift 3 ;;
    -*) echo "mpirun: $1 is not known" >&2; exit 2 ;;
    *) break ;;
    esac
done
"$@" & echo $! >started; wait $!
E
printf '#!/bin/sh\necho "$@" >>asked\n' >"$out/bin/scontrol"
chmod +x "$out"/bin/*
export PATH="$out/bin:$PATH" SLURM_JOB_ID=70 SLURM_ARRAY_JOB_ID=70 SLURM_ARRAY_TASK_ID=0 SLURM_CPUS_PER_TASK=1

"$build/make_phantom" -o "$out/raw" --cases 6 --size 2x32x32 --quiet 2>/dev/null
plan() { # FOLDER EPOCHS
    printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}
configurations: {2d: {batch_size: 2, patch_size: [32, 32]}}
training: {epochs: %s, iterations_per_epoch: 2, validation_iterations: 1}\n' "$2" >"$out/plan.yaml"
    mkdir "$out/$1"; ln -s "$build" "$out/$1/build"
    "$build/plan_and_preprocess" "$out/raw" -o "$out/$1/preprocessed" --override "$out/plan.yaml" --quiet
}
slurm=$(PATH=${PATH#*:} scontrol ping 2>/dev/null | grep UP) # where it runs, it says whether it would take a script
[ -n "$slurm" ] || echo "ok - sbatch knows the options # SKIP Slurm does not run here"
batch() { (cd "$1" && exec sh "$2"); } # FOLDER SCRIPT
for number in $(seq "$count"); do
    if grep -q 'device cuda' "$out/$number.sh"; then # the CPU stands for the GPU
        sed 's/--device cuda/--device cpu/' "$out/$number.sh" >"$out/cpu.sh"; mv "$out/cpu.sh" "$out/$number.sh"
    fi
    plan "short$number" 2
    check "script $number trains" 0 batch "$out/short$number" "$out/$number.sh"
    is "a fold" test -s "$out/short$number/results/fold_0/checkpoint_final.safetensors"
    is "and does not start again" test ! -e "$out/short$number/asked"

    # The time is over: the signal goes to what srun has started, or to the script (B:).
    plan "long$number" 100000
    (cd "$out/long$number" && exec sh "$out/$number.sh") >"$out/stdout" 2>"$out/stderr" & pid=$!
    while kill -0 $pid 2>/dev/null && [ ! -s "$out/long$number/results/fold_0/checkpoint_latest.safetensors" ]; do sleep 0.05; done
    if grep -q 'signal=B:' "$out/$number.sh"; then kill -TERM $pid; else kill -TERM "$(cat "$out/long$number/started")"; fi
    wait $pid; pid=
    has "script $number saves when its time is over" 'all is saved' stderr
    has "and starts again" '^requeue "*70' "long$number/asked"
    done=$(tail -1 "$out/long$number/results/fold_0/metrics.csv" | cut -d, -f1)
    (cd "$out/long$number" && exec sh "$out/$number.sh") >"$out/stdout" 2>"$out/stderr" & pid=$!
    while kill -0 $pid 2>/dev/null && [ "$(tail -1 "$out/long$number/results/fold_0/metrics.csv" | cut -d, -f1)" -le "$done" ]; do sleep 0.05; done
    kill -TERM "$(cat "$out/long$number/started")"; wait $pid; pid=
    is "script $number goes on" test "$(tail -1 "$out/long$number/results/fold_0/metrics.csv" | cut -d, -f1)" -gt "$done"
    equals "from where it was" "$(cut -d, -f1 "$out/long$number/results/fold_0/metrics.csv" | sort | uniq -d)" ''
    [ -z "$slurm" ] || is "sbatch knows the options of script $number" \
        sh -c '! sbatch --test-only "$1" 2>&1 | grep -i "unrecognized\|invalid option"' - "$out/$number.sh"
done

# The options of programs in all commands of the page.
sed 's/^ *//' $document | sed -e ':a' -e '/\\$/N; s/\\\n *//; ta' | grep -o 'build/[a-z_]* .*' | sed 's/[`|].*//' | while read -r command; do
    program=${command%% *}; program=${program#build/}
    [ -x "$build/$program" ] || { echo "$program: there is no such program"; continue; }
    "$build/$program" --help-all >"$out/all" 2>/dev/null || continue
    for option in $(echo "$command" | grep -o -e ' --[a-z-]*'); do grep -q -e "$option\b" "$out/all" || echo "$program: $option"; done
done >"$out/unknown"
equals "the options in its commands are known" "$(cat "$out/unknown")" ''
