#!/bin/sh
# train_ranks BUILD: several processes that train one fold together, or several folds.
build=$1
. tests/support/tap.sh
. tests/support/ranks.sh
expect_mpi "$build"
export OMP_NUM_THREADS=1

"$build/make_phantom" -o "$out/raw" --cases 8 --size 2x36x40 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
check "the phantom is preprocessed" 0 "$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet
train() { # RANKS RESULTS FOLDS OPTIONS…
    count=$1 results=$2 folds=$3; shift 3
    set -- "$build/train" "$out/pre" "$folds" -o "$results" --epochs 2 --iterations-per-epoch 3 --validation-iterations 2 \
        --batch-size 5 --patch-size 32x32 --json-log "$@"
    if [ "$count" = alone ]; then "$@"; else ranks "$count" "$@"; fi
}
curve() { grep -oE '"(train_loss|val_loss|pseudo_dice)": [-0-9.]+' "$1" | sed 's/.*: //'; }
near() { # NAME FILE FILE BOUND: losses and pseudo Dice differ by less
    curve "$2" >"$out/a"; curve "$3" >"$out/b"
    is "$1" sh -c 'paste "$1" "$2" | awk -v bound="$3" "
        {d = \$1 - \$2; if (d < 0) d = -d; if (!(d <= bound)) bad = 1} END {exit bad || NR != 6}"' - "$out/a" "$out/b" "$4"
}
begins() { # RESULTS/FOLD: waits for the first checkpoint of the program in the background
    while kill -0 $pid 2>/dev/null && [ ! -s "$1/checkpoint_latest.safetensors" ]; do sleep 0.05; done
}
weights() { numbers "$1/checkpoint_final.safetensors"; }

# ---- one fold
check "two epochs in one process" 0 train alone "$out/one" 0; cp "$out/stdout" "$out/one.json"
for count in 1 2 3 4; do
    check "in $count by mpirun" 0 train $count "$out/n$count" 0; cp "$out/stdout" "$out/n$count.json"
    near "have the same curves" "$out/one.json" "$out/n$count.json" 1e-5
    equals "are told once" "$(grep -c 'epoch 1 (2 of 2)' "$out/stderr")" 1
    equals "and end once" "$(grep -c 'peak memory' "$out/stderr")" 1
    equals "write the same files" "$(cd "$out/one" && find . | sort)" "$(cd "$out/n$count" && find . | sort)"
    equals "and one log" "$(grep -c ' epoch 1: ' "$out/n$count/fold_0/training_log.txt")" 1
done
has "the number of processes is told" 'batch 5 in 4 processes' stderr
equals "one by mpirun is one" "$(weights "$out/one/fold_0")" "$(weights "$out/n1/fold_0")"
check "three once more" 0 train 3 "$out/again" 0
equals "give the same bits" "$(weights "$out/n3/fold_0")" "$(weights "$out/again/fold_0")"

# ---- several folds
check "two folds, one after another" 0 train alone "$out/folds" 0,1
check "two folds in two processes" 0 train 2 "$out/folds2" 0-1
check "three folds in two" 0 train 2 "$out/folds3" 0,1,2
check "two folds in four" 0 train 4 "$out/folds4" 0,1
for fold in 0 1; do
    equals "fold $fold is that of one process" "$(weights "$out/folds/fold_$fold")" "$(weights "$out/folds2/fold_$fold")"
    equals "also beside a third" "$(weights "$out/folds/fold_$fold")" "$(weights "$out/folds3/fold_$fold")"
    is "and is validated" test -s "$out/folds4/fold_$fold/validation/summary.json"
done
is "so is the third" test -s "$out/folds3/fold_2/validation/summary.json"
check "folds for a time" 0 ranks 2 "$build/train" "$out/pre" 0,1 -o "$out/timed" --minutes 0.05 --batch-size 2 --patch-size 32x32
last=$(tail -1 "$out/timed/fold_0/metrics.csv" | cut -d, -f1)
is "are trained for some epochs" test "$last" -ge 1
equals "have the same length" "$(tail -1 "$out/timed/fold_1/metrics.csv" | cut -d, -f1)" "$last"
for fold in 2 0 1; do # independent programs, at the same moment
    "$build/train" "$out/pre" $fold -o "$out/together" --minutes 0.05 --batch-size 2 --patch-size 32x32 --quiet 2>"$out/together$fold.txt" & runs="${runs:-} $!"
done
for run in $runs; do wait "$run" || echo "not ok - a fold beside others failed: $(cat "$out"/together*.txt)"; done; run=
for fold in 0 1 2; do
    equals "fold $fold, trained beside the others, has their length" "$(tail -1 "$out/together/fold_$fold/metrics.csv" | cut -d, -f1)" \
        "$(tail -1 "$out/together/fold_2/metrics.csv" | cut -d, -f1)"
    is "and is whole" test -s "$out/together/fold_$fold/validation/summary.json"
done
check "a fold that is there is refused" 1 train 2 "$out/folds2" 1,2
has "with its process and fold" 'error: .*fold 1: .*folds2/fold_1 contains a training run' stderr
is "and the other one is trained" test -s "$out/folds2/fold_2/validation/summary.json"

# ---- the recipe time: chosen by rank 0, for the speed of all
check "three processes for a time" 0 ranks 3 "$build/train" "$out/pre" 0 -o "$out/chosen" --minutes 0.05 --no-validation
has "choose how to train" 'the recipe time: 0.05 minutes with 1 thread in each of 3 processes, ' stderr
equals "once" "$(grep -c 'the recipe time: ' "$out/stderr")" 1
has "and record it" '^  recipe: time' chosen/plans.yaml
check "and go on as they began" 0 ranks 2 "$build/train" "$out/pre" 0 -o "$out/chosen" --no-validation --continue --epochs $(($(tail -1 "$out/chosen/fold_0/metrics.csv" | cut -d, -f1) + 2))

# ---- stopped and continued
run=exec; train 3 "$out/stopped" 0 --epochs 400 >/dev/null 2>"$out/stderr" & pid=$!; run=
begins "$out/stopped/fold_0"; kill -TERM "$(process_of 1)"; wait $pid; status=$?; pid=
equals "a signal to one process stops all" "$status" 143
has "after the same step, and all is saved" 'interrupted in epoch [0-9]*; all is saved' stderr
lacks "without another error" 'error:' stderr
done=$(tail -1 "$out/stopped/fold_0/metrics.csv" | cut -d, -f1)
check "two go on" 0 train 2 "$out/stopped" 0 --continue --epochs $((done + 3))
equals "from there" "$(cut -d, -f1 "$out/stopped/fold_0/metrics.csv" | tr '\n' ' ')" "epoch $(seq 0 $((done + 2)) | tr '\n' ' ')"
run=exec; train 2 "$out/folds_stopped" 0,1 --epochs 400 >/dev/null 2>"$out/stderr" & pid=$!; run=
begins "$out/folds_stopped/fold_0"; begins "$out/folds_stopped/fold_1"; kill -TERM "$(process_of 0)"; wait $pid; status=$?; pid=
equals "a signal to one fold stops all folds" "$status" 143
is "which say so" grep -q 'stopped in epoch .*: interrupted' "$out/folds_stopped/fold_1/training_log.txt"

# ---- failures
run=exec; train 3 "$out/killed" 0 --epochs 400 >/dev/null 2>"$out/stderr" & pid=$!; run=
begins "$out/killed/fold_0"; began=$(date +%s); kill -KILL "$(process_of 2)"; wait $pid; status=$?; pid=
equals "if one is killed, the job fails" "$status" 137
is "within ten seconds" test $(($(date +%s) - began)) -le 10
has "and says which" 'process rank 2 with PID .* exited on signal 9' stderr
done=$(tail -1 "$out/killed/fold_0/metrics.csv" | cut -d, -f1)
check "and is continued by two" 0 train 2 "$out/killed" 0 --continue --epochs $((done + 2))
check "a finished run is refused" 1 train 2 "$out/n2" 0
equals "in one line" "$(grep -c 'error:' "$out/stderr")" 1
check "a batch of one is refused" 1 train 2 "$out/small" 0 --batch-size 1
has "and told why" 'error: a batch of 1 cannot be divided among 2 processes: give --batch-size 2' stderr
equals "in one line" "$(grep -c 'error:' "$out/stderr")" 1
is "and makes no folder" test ! -e "$out/small"
check "wrong usage is wrong usage" 2 train 3 "$out/small" 0 --epoks 3
equals "in one line" "$(grep -c 'train: ' "$out/stderr")" 1
check "different arguments are refused" 1 ranks 1 "$build/train" "$out/pre" 0 -o "$out/small" : -n 1 "$build/train" "$out/pre" 1 -o "$out/small"
has "and told what to do" 'error: process 2 of 2, on .*: the processes have different arguments' stderr
is "before anything is written" test ! -e "$out/small"
check "another launcher is refused" 1 env OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0 "$build/train" "$out/pre" 0 -o "$out/small"
has "and told what to do" 'error: 2 processes were started, and MPI knows of 1: start the program by the mpirun of the MPI' stderr
check "a program of one process is refused" 2 ranks 2 "$build/network_info" swin_umamba_d
equals "in one line" "$(grep -c 'network_info: error: 2 processes were started to work together' "$out/stderr")" 1
printf 'training: {gradient_clip: 0}\n' >"$out/no_clip.yaml"
check "a loss that is not a number ends all" 1 train 2 "$out/small" 0 --learning-rate 100 --override "$out/no_clip.yaml" --iterations-per-epoch 50
equals "in one line" "$(grep -c 'error: epoch 0, iteration .*: the .* is not a number' "$out/stderr")" 1
