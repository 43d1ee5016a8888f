#!/bin/sh
# train_predict BUILD: from a phantom to predictions; runs that are stopped, killed and continued.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=2

"$build/make_phantom" -o "$out/raw" --cases 6 --size 6x40x44 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
check "the phantom is preprocessed" 0 "$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet
run= # in the background: exec, so that the process is the program itself
train() { # RESULTS FOLD OPTIONS…
    results=$1; fold=$2; shift 2
    $run "$build/train" "$out/pre" "$fold" -o "$results" --epochs 3 --iterations-per-epoch 4 --validation-iterations 2 \
        --batch-size 3 --patch-size 32x32 "$@"
}

check "augmented patches can be looked at" 0 train "$out/look" 0 --show-augmentation "$out/patches"
is "as pictures" test "$(ls "$out"/patches/*.png | wc -l)" -eq 48
check "a training runs to its end" 0 train "$out/a" 0
for file in plans.yaml dataset.json fold_0/checkpoint_final.safetensors fold_0/checkpoint_best.safetensors \
    fold_0/training_log.txt fold_0/metrics.csv fold_0/progress.png fold_0/validation/summary.json; do
    is "it leaves $file" test -s "$out/a/$file"
done
is "but not the checkpoint it no longer needs" test ! -e "$out/a/fold_0/checkpoint_latest.safetensors"
has "the plan has what was changed" 'patch_size: \[32, 32\]' a/plans.yaml
has "one record per epoch" '^2,' a/fold_0/metrics.csv
has "the log has the loader's share" 'the loader took [0-9.]* of [0-9.]* CPU seconds ([0-9.]* %)' a/fold_0/training_log.txt

check "a folder that holds a run is not touched" 1 train "$out/a" 0
has "it says what to do" '--continue to continue it or --overwrite to replace it' stderr
before=$(numbers "$out/a/fold_0/checkpoint_final.safetensors")
check "continuing a finished run is done at once" 0 train "$out/a" 0 --continue
is "and changes nothing" test "$before" = "$(numbers "$out/a/fold_0/checkpoint_final.safetensors")"
check "another fold follows the same plan" 0 train "$out/a" 1 --no-validation --json-log
has "and tells every epoch in JSON" '^{"time": .*, "event": "epoch", "epoch": 2, "learning_rate": .*, "pseudo_dice_2": .*}$' stdout
check "or is refused" 1 train "$out/a" 2 --batch-size 2
has "with the reason" 'differs from the plan with these options' stderr
check "--overwrite trains anew" 0 train "$out/a" 0 --overwrite
is "to the same bits" test "$before" = "$(numbers "$out/a/fold_0/checkpoint_final.safetensors")"

mib() { sed -n 's/.*memory of the network \([0-9]*\) MiB.*/\1/p' "$out/stderr"; }
kept=$(mib)
printf 'training: {recompute: true}\n' >"$out/recompute.yaml"
check "a run that recomputes" 0 train "$out/r" 0 --override "$out/recompute.yaml" --no-validation
is "comes to the same bits" test "$before" = "$(numbers "$out/r/fold_0/checkpoint_final.safetensors")"
is "with less memory" test "$(mib)" -lt "$kept"

# --minutes.
check "a training of some seconds" 0 "$build/train" "$out/pre" 0 -o "$out/brief" --minutes 0.05 --batch-size 2 \
    --patch-size 32x32 --no-validation
has "its length stands in the plan" 'epochs: [1-9]' brief/plans.yaml
is "and is another than planned" test "$(grep -c '^ *epochs: 1000$' "$out/brief/plans.yaml")" -eq 0
check "another fold is as long" 0 "$build/train" "$out/pre" 1 -o "$out/brief" --minutes 3 --batch-size 2 \
    --patch-size 32x32 --no-validation
check "minutes and epochs exclude each other" 2 train "$out/brief2" 0 --minutes 1
check "a training of some seconds of CPU time" 0 "$build/train" "$out/pre" 0 -o "$out/cpu" --cpu-minutes 0.05 \
    --batch-size 2 --patch-size 32x32 --no-validation
is "takes about as many" awk -F, 'FNR > 1 { seconds += $8 } END { exit !(seconds > 0.3 && seconds < 12) }' \
    "$out/cpu/fold_0/metrics.csv"
check "it is one kind of minutes" 2 "$build/train" "$out/pre" 0 -o "$out/brief2" --minutes 1 --cpu-minutes 1

# Killed and stopped at many moments, continued each time.
long() { train "$1" 0 --epochs 10 --iterations-per-epoch 8 --no-validation --quiet --continue; }
check "an undisturbed run" 0 long "$out/u"
kills=0; round=0
while [ $round -lt 20 ] && [ ! -e "$out/b/fold_0/checkpoint_final.safetensors" ]; do
    { run=exec; long "$out/b" 2>>"$out/kills"; } & pid=$!
    sleep "0.$((round * 37 % 29 + 12))"
    if [ $((round % 3)) -eq 2 ]; then kill -TERM $pid 2>/dev/null; else kill -KILL $pid 2>/dev/null; fi
    wait $pid 2>/dev/null || kills=$((kills + 1))
    round=$((round + 1))
done
check "a run killed $kills times goes on" 0 long "$out/b"
is "to the same bits as an undisturbed one" test "$(numbers "$out/u/fold_0/checkpoint_final.safetensors")" = \
    "$(numbers "$out/b/fold_0/checkpoint_final.safetensors")"

# The other optimizer, without and with a stop.
printf 'training: {optimizer: sgd, learning_rate: 0.01, weight_decay: 3e-5, schedule: poly, schedule_epochs: 3}\n' >"$out/sgd.yaml"
sgd() { results=$1; shift; train "$results" 0 --override "$out/sgd.yaml" --no-validation --quiet "$@"; }
check "SGD trains" 0 sgd "$out/g"
has "by its own schedule" '^2,0.0037' g/fold_0/metrics.csv
check "and begins" 0 sgd "$out/h" --epochs 2
check "and goes on" 0 sgd "$out/h" --continue
is "to the same bits" test "$(numbers "$out/g/fold_0/checkpoint_final.safetensors")" = \
    "$(numbers "$out/h/fold_0/checkpoint_final.safetensors")"

# Averaged weights, a schedule by iterations, fewer transforms: without and with stops.
printf '%s\n' 'training: {weight_averaging: 0.9, schedule_step: iteration, warmup_iterations: 6, augmentation: 0.5, schedule_epochs: 3}' >"$out/mean.yaml"
mean() { results=$1; shift; train "$results" 0 --override "$out/mean.yaml" --no-validation --quiet "$@"; }
check "a training with averaged weights" 0 mean "$out/m"
check "and begins" 0 mean "$out/n" --epochs 2
check "and goes on" 0 mean "$out/n" --continue
is "to the same bits" test "$(numbers "$out/m/fold_0/checkpoint_final.safetensors")" = \
    "$(numbers "$out/n/fold_0/checkpoint_final.safetensors")"

# Stopped in the middle of an epoch.
{ run=exec; train "$out/c" 0 --iterations-per-epoch 100000 >"$out/told" 2>"$out/first"; } & pid=$!
while [ ! -e "$out/c/fold_0/training_log.txt" ] && kill -0 $pid 2>/dev/null; do sleep 0.05; done
check "a second run in the folder is refused" 1 train "$out/c" 0 --continue --iterations-per-epoch 100000
has "while the first is there" 'another run is writing' stderr
kill -INT $pid; wait $pid; status=$?
is "SIGINT ends it with 130" test $status -eq 130
has "it says how to go on" 'interrupted in epoch 0; all is saved in .*: --continue continues the training' first
is "and its state is saved" test -s "$out/c/fold_0/checkpoint_latest.safetensors"

printf 'training: {pretrained: "%s", freeze_encoder_epochs: 2}\n' "$out/a/fold_0/checkpoint_final.safetensors" >"$out/tuned.yaml"
check "a training starts from weights" 0 train "$out/f" 0 --override "$out/tuned.yaml" --no-validation
has "and logs what it took" 'checkpoint_final.safetensors: ' f/fold_0/training_log.txt

check "a loss that is no number ends it" 1 train "$out/d" 0 --learning-rate 100 --epochs 50
has "with one clear line" 'error: epoch [0-9]*, iteration [0-9]*: the .* is not a number, first in' stderr
check "an unwritable place too" 1 train /proc/nowhere 0
check "no such fold" 1 train "$out/e" 0 --override "$out/none.yaml"
check "wrong usage" 2 "$build/train" "$out/pre" five -o "$out/e"

check "the folds predict together" 0 "$build/predict" -i "$out/raw/imagesTr" -o "$out/pred" -m "$out/a"
has "both of them" 'folds 0, 1, 6 cases' stderr
is "one label map per case" test "$(ls "$out"/pred/*.nii.gz | wc -l)" -eq 6
check "they can be evaluated" 0 "$build/evaluate" "$out/raw/labelsTr" "$out/pred" -o "$out/eval" -d "$out/a/dataset.json"
check "a rerun keeps what is there" 0 "$build/predict" -i "$out/raw/imagesTr" -o "$out/pred" -m "$out/a"
has "and reports it" '6 of 6 cases existed already' stderr
first=$(ls "$out/raw/imagesTr" | head -1); second=$(ls "$out/raw/imagesTr" | sed -n 2p)
head -c 300 "$out/raw/imagesTr/$second" >"$out/cut_0000.nii.gz"
check "a bad case does not stop the others" 1 \
    "$build/predict" -i "$out/cut_0000.nii.gz" -i "$out/raw/imagesTr/$first" -o "$out/one" -m "$out/a" -f 1 --tta
has "it is named" 'case cut: .*cut_0000.nii.gz' stderr
is "the other is there" test -s "$out/one/${first%_0000.nii.gz}.nii.gz"
check "a fold that is not there" 1 "$build/predict" -i "$out/raw/imagesTr" -o "$out/x" -m "$out/a" -f 4

mkdir -p "$out/official/fold_0"
cp "$out/a/plans.yaml" "$out/official/plans.json"
cp "$out/a/dataset.json" "$out/official"
"$build/convert_weights" "$out/a/fold_0/checkpoint_final.safetensors" "$out/official/fold_0/checkpoint_final.pth" 2>/dev/null
check "an nnU-Net results folder predicts" 0 "$build/predict" "$out/raw/imagesTr/$first" -o "$out/pth" -m "$out/official"
check "as ours does" 0 "$build/predict" "$out/raw/imagesTr/$first" -o "$out/own" -m "$out/a" -f 0
is "to the same bits" cmp "$out/pth/${first%_0000.nii.gz}.nii.gz" "$out/own/${first%_0000.nii.gz}.nii.gz"
