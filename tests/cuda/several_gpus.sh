#!/bin/sh
# several_gpus BUILD: train --num-gpus 2 beside one GPU. BUILD/train runs on emulated GPUs, which NCCL's double connects; the
# other programs are in the folder above.
build=$1 host=${1%/*}
. tests/support/tap.sh
export OMP_NUM_THREADS=1 SWIN_UMAMBA_EMULATED_GPUS=2

"$host/make_phantom" -o "$out/raw" --cases 6 --size 2x36x40 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
check "the phantom is preprocessed" 0 "$host/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" \
    --quiet
run= # in the background: exec, so that the process is the program itself
train() { # RESULTS OPTIONS…
    results=$1; shift
    $run "$build/train" "$out/pre" 0 -o "$results" --epochs 3 --iterations-per-epoch 2 --validation-iterations 1 \
        --batch-size 3 --patch-size 32x32 --no-validation --json-log -j2 --device cuda "$@"
}
curve() { grep -oE '"(train_loss|val_loss|pseudo_dice)": [0-9.]+' "$1" | sed 's/.*: //'; }
near() { # NAME FILE FILE BOUND: losses and pseudo Dice are equal to a relative error
    curve "$2" >"$out/a"; curve "$3" >"$out/b"
    is "$1" sh -c 'paste "$1" "$2" | awk -v bound="$3" "
        {d = \$1 / \$2 - 1; if (d < 0) d = -d; if (d > bound) bad = 1} END {exit bad || NR != 9}"' - "$out/a" "$out/b" "$4"
}
begins() { # RESULTS: waits for the first checkpoint of the program in the background
    while kill -0 $pid 2>/dev/null && [ ! -s "$1/fold_0/checkpoint_latest.safetensors" ]; do sleep 0.1; done
}
second() { pgrep -P "$1" | sort -n | tail -1; } # process of a training
same_bits() { # NAME RESULTS RESULTS
    is "$1" test "$(numbers "$2/fold_0/checkpoint_final.safetensors")" = "$(numbers "$3/fold_0/checkpoint_final.safetensors")"
}

# ---- the run of one GPU
check "three epochs on one GPU" 0 train "$out/one"; cp "$out/stdout" "$out/one.json"
check "three epochs on two GPUs, a batch of one and two" 0 train "$out/two" --num-gpus 2; cp "$out/stdout" "$out/two.json"
has "are announced as such" "batch 3 on 2 GPUs" stderr
near "have the same curves" "$out/one.json" "$out/two.json" 1e-6
equals "are told once" "$(grep -c 'epoch 2 (3 of 3)' "$out/stderr")" 1
equals "and logged once" "$(grep -c ' epoch 2: ' "$out/two/fold_0/training_log.txt")" 1
equals "write the same files" "$(cd "$out/one" && find . | sort)" "$(cd "$out/two" && find . | sort)"
is "have the CPU time of each epoch" awk -F, 'NR > 1 && $8 < 0.05 {few = 1} END {exit few || NR != 4}' \
    "$out/two/fold_0/metrics.csv"
check "once more" 0 train "$out/again" --num-gpus 2
same_bits "gives the same bits" "$out/two" "$out/again"
check "in bfloat16" 0 train "$out/half" --num-gpus 2 --precision bf16; cp "$out/stdout" "$out/half.json"
near "with nearly the same curves" "$out/half.json" "$out/two.json" 0.2

# ---- stopped and continued
run=exec; train "$out/stopped" --num-gpus 2 >/dev/null 2>"$out/stderr" & pid=$!; run=
begins "$out/stopped"; kill -TERM $pid; wait $pid; status=$?; pid=
equals "a signal to the first process stops all" "$status" 143
has "after the same step, and all is saved" "interrupted in epoch [12]; all is saved" stderr
lacks "without another error" "error" stderr
check "the run is continued" 0 train "$out/stopped" --num-gpus 2 --continue
same_bits "to the same bits" "$out/two" "$out/stopped"
run=exec; train "$out/stopped" --num-gpus 2 --overwrite --epochs 50 >/dev/null 2>/dev/null & pid=$!; run=
begins "$out/stopped"; other=$(second $pid); kill -KILL $pid; wait $pid 2>/dev/null; pid=
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do kill -0 "$other" 2>/dev/null && sleep 0.5; done
is "if the first is killed, the others end" sh -c '! kill -0 "$1"' - "$other"
is "after they have saved the run" grep -q "stopped in epoch .*: interrupted" "$out/stopped/fold_0/training_log.txt"

# ---- failures
run=exec; train "$out/killed" --num-gpus 2 >/dev/null 2>"$out/stderr" & pid=$!; run=
begins "$out/killed"; began=$(date +%s); kill -KILL "$(second $pid)"; wait $pid; status=$?; pid=
equals "if another is killed, the run fails" "$status" 1
has "and says which" "error: process 2 of 2 was ended by signal 9" stderr
is "within ten seconds" test $(($(date +%s) - began)) -le 10
check "and is continued" 0 train "$out/killed" --num-gpus 2 --continue
same_bits "to the same bits" "$out/two" "$out/killed"
export SWIN_UMAMBA_PATIENCE=8 # seconds
run=exec; train "$out/hangs" --num-gpus 2 >/dev/null 2>"$out/stderr" & pid=$!; run=
begins "$out/hangs"; began=$(date +%s); kill -STOP "$(second $pid)"; wait $pid; status=$?; pid=
equals "if one hangs, the run fails" "$status" 1
has "and says so" "error: none of the 2 processes has gone on for 8 seconds: one of them hangs.*--continue continues" stderr
is "within twenty seconds" test $(($(date +%s) - began)) -le 20
check "and is continued" 0 train "$out/hangs" --num-gpus 2 --continue
same_bits "to the same bits" "$out/two" "$out/hangs"
SWIN_UMAMBA_PATIENCE=never
check "another limit is a number" 1 train "$out/small" --num-gpus 2
has "of seconds" "error: SWIN_UMAMBA_PATIENCE=never: expected seconds" stderr
unset SWIN_UMAMBA_PATIENCE
check "a finished run is refused" 1 train "$out/two" --num-gpus 2
equals "in one line" "$(grep -c error "$out/stderr")" 1
check "a batch of one is refused" 1 train "$out/small" --num-gpus 2 --batch-size 1
has "and told why" "a batch of 1 cannot be divided among 2 processes: give --batch-size 2" stderr
check "a third GPU is refused" 1 train "$out/small" --num-gpus 3
has "by its name" "error: process 3 of 3: device cuda:2: this machine has 2 GPUs, the last is cuda:1" stderr
check "the GPUs begin at that of --device" 1 train "$out/small" --num-gpus 2 --device cuda:1
has "so that one is missing" "device cuda:2" stderr
is "a refused run makes no folder" test ! -e "$out/small"
check "the CPU is refused" 1 "$host/train" "$out/pre" 0 -o "$out/small" --num-gpus 2
has "and told what else to do" "--num-gpus 2 needs --device cuda; the CPU's cores train one network by -j" stderr
printf 'training: {gradient_klip: 0}\n' >"$out/wrong.yaml"; printf 'training: {gradient_clip: 0}\n' >"$out/no_clip.yaml"
check "a plan with an unknown key is refused" 1 train "$out/small" --num-gpus 2 --override "$out/wrong.yaml"
equals "in the words of one process" "$(grep -c 'error: .*wrong.yaml:1:12: unknown key' "$out/stderr")" 1
is "and makes no folder, either" test ! -e "$out/small"
check "a loss that is not a number ends all" 1 train "$out/small" --num-gpus 2 --learning-rate 100 --override "$out/no_clip.yaml"
equals "in one line" "$(grep -c 'error: epoch 0, iteration 1: the loss is not a number' "$out/stderr")" 1

# ---- a length by time, and validation at the end
check "a run of a given time" 0 "$build/train" "$out/pre" 0 -o "$out/timed" --minutes 0.05 --recipe paper --batch-size 2 --patch-size 32x32 \
    --device cuda --num-gpus 2 -j1
equals "has one summary" "$(ls "$out"/timed/fold_0/validation/summary.json | wc -l)" 1
