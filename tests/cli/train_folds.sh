#!/bin/sh
# train_folds BUILD: all folds of a results folder have one plan; a run that fails to start changes nothing; --overwrite.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

"$build/make_phantom" -o "$out/Dataset900_P" --cases 6 --size 4x40x44 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
check "a phantom is preprocessed" 0 "$build/plan_and_preprocess" "$out/Dataset900_P" -o "$out/pre" \
    --override "$out/narrow.yaml" --quiet
run= # in the background: exec, so that the process is the program itself
plain() { # RESULTS FOLD OPTIONS…
    results=$1; fold=$2; shift 2
    $run "$build/train" "$out/pre" "$fold" -o "$results" "$@"
}
train() { # the same with the options of a tiny training
    results=$1; fold=$2; shift 2
    plain "$results" "$fold" --epochs 2 --iterations-per-epoch 2 --validation-iterations 1 --batch-size 2 \
        --patch-size 32x32 "$@"
}
files() { (cd "$1" && find . -type f ! -name .lock | sort | xargs cksum); }

# Later folds.
r=$out/r
check "fold 0" 0 train "$r" 0 --no-validation
check "fold 1 with other options" 1 plain "$r" 1 --batch-size 3 --epochs 5
has "is refused with keys and values" 'plans.yaml differs from the plan with these options, and is that of fold_0: batch_size: 2, now 3; training.epochs: 2, now 5; omit these options' stderr
is "and leaves no empty folder" test ! -e "$r/fold_1"
check "fold 1 without options" 0 plain "$r" 1 --no-validation
has "follows fold 0, and says so" 'the plan is that of fold_0 (.*/r/plans.yaml); .*: patch_size: .*, now \[32, 32\]; training.epochs: 1000, now 2;' stderr
has "in its log too" 'the plan is that of fold_0' r/fold_1/training_log.txt
has "in two epochs" '^1,' r/fold_1/metrics.csv
check "fold 2 with the same options" 0 train "$r" 2 --no-validation
lacks "has nothing to say" 'the plan is that' stderr
check "fold 3 by the time there is" 0 plain "$r" 3 --minutes 100 --no-validation
has "has the length of the others" 'minutes has no effect: .*2 epochs of 2 iterations' stderr
sed -i 's/^    drop_path: .*/    drop_path: 0.3/; s/drop_path: 0.2/drop_path: 0.3/' "$out/pre/plans.yaml"
check "when the preprocessed plan has changed, fold 4" 1 plain "$r" 4
has "is refused with the key" 'pre/plans.yaml was changed since .*/r was made: network.drop_path: 0.2, now 0.3; all folds' stderr
check "what has begun goes on" 0 plain "$r" 0 --continue --epochs 3 --no-validation
has "and reports it" 'pre/plans.yaml was changed since .*drop_path.*; the run continues with .*/r/plans.yaml' stderr
sed -i 's/drop_path: 0.3/drop_path: 0.2/' "$out/pre/plans.yaml"
cp "$r/plans.yaml" "$out/plans.yaml"
sed -i 's/batch_size: 2/batch_size: 3/' "$r/plans.yaml"
check "plans.yaml of the results, changed" 1 plain "$r" 0 --continue --epochs 4
has "is refused with the key" 'checkpoint_final.safetensors was trained by another plan than the present .*/r/plans.yaml: batch_size: 2, now 3; undo' stderr
check "for a new fold too" 1 plain "$r" 4
has "with the key" 'fold_0/checkpoint_final.safetensors was trained by another plan .*: batch_size: 2, now 3; undo' stderr
cp "$out/plans.yaml" "$r/plans.yaml"
cp "$out/pre/dataset.json" "$out/dataset.json"
sed 's/": *1/_renamed": 1/' "$out/dataset.json" >"$out/pre/dataset.json"
check "labels that mean something else than in the results" 1 plain "$r" 4
has "are refused" 'dataset.json' stderr
is "and nothing is left" test ! -e "$r/fold_4"
cp "$out/dataset.json" "$out/pre/dataset.json"
check "fewer epochs than are trained" 1 plain "$r" 0 --continue --epochs 1
has "are refused with the numbers" 'has trained 3 epochs, but the plan has 1' stderr

# Folds that start together.
t=$out/t
{ run=exec; train "$t" 0 --iterations-per-epoch 100000 2>"$out/first"; } & pid=$!
while ! grep -q "started from" "$t/fold_0/training_log.txt" 2>/dev/null && kill -0 $pid 2>/dev/null; do sleep 0.05; done
check "another plan beside a fold that has no checkpoint yet" 1 train "$t" 1 --batch-size 4
has "is refused" 'is that of fold_0: batch_size: 2, now 4' stderr
is "and changes nothing" grep -q 'batch_size: 2' "$t/plans.yaml"
kill -TERM $pid; wait $pid; pid=
sed -i 's/iterations_per_epoch: 100000/iterations_per_epoch: 1/' "$t/plans.yaml"
check "a run that goes on after plans.yaml was changed" 1 plain "$t" 0 --continue
has "is refused" 'training.iterations_per_epoch: 100000, now 1' stderr
m=$out/m
for fold in 0 1 2; do # one of them decides how long all are
    "$build/train" "$out/pre" $fold -o "$m" --minutes 0.05 --batch-size 2 --patch-size 32x32 --no-validation 2>"$out/m$fold" &
    eval "fold$fold=$!"
done
for fold in 0 1 2; do eval "wait \$fold$fold" || echo "not ok - fold $fold of three that start together"; done
epochs=$(sed -n 's/^ *epochs: \([0-9]*\).*/\1/p' "$m/plans.yaml")
for fold in 0 1 2; do
    is "fold $fold is as long as plans.yaml says" test "$(sed -n '$s/,.*//p' "$m/fold_$fold/metrics.csv")" = $((epochs - 1))
done

# --overwrite removes nothing before the first checkpoint of the new run.
o=$out/o
check "a run to be replaced" 0 train "$o" 0
before=$(files "$o")
unchanged() { is "$1" test "$before" = "$(files "$o")"; }
check "--overwrite of a folder that is not there" 1 "$build/train" "$out/typo" 0 -o "$o" --overwrite
unchanged "leaves the earlier run"
check "--overwrite with a patch that does not fit" 1 train "$o" 0 --overwrite --patch-size 40x40
unchanged "leaves it"
check "--overwrite with weights that are not there" 1 train "$o" 0 --overwrite --pretrained "$out/nofile.pth"
unchanged "leaves it"
check "--show-augmentation" 0 train "$o" 0 --overwrite --show-augmentation "$out/show"
unchanged "leaves it"
check "--show-augmentation beside a run" 0 train "$o" 0 --show-augmentation "$out/show"
unchanged "needs no other results folder"
check "--show-augmentation for results that are not there" 0 train "$out/none" 0 --show-augmentation "$out/show"
is "makes none" test ! -e "$out/none"
check "a first epoch that goes wrong" 1 train "$o" 0 --overwrite --learning-rate 100 --iterations-per-epoch 50
unchanged "leaves it"
{ run=exec; train "$o" 0 --overwrite --batch-size 3 --iterations-per-epoch 100000 2>"$out/replacing"; } & pid=$!
while ! grep -q "started from" "$o/.fold_0.new/training_log.txt" 2>/dev/null && kill -0 $pid 2>/dev/null; do sleep 0.05; done
kill -KILL $pid; wait $pid 2>/dev/null; pid=
is "killed in its first epoch: the earlier run stands" test "$before" = "$(files "$o" | grep -v '\.new/')"
check "and predicts" 0 "$build/predict" -i "$out/Dataset900_P/imagesTr/phantom_001_0000.nii.gz" -o "$out/p" -m "$o" --quiet
check "its validation as well" 0 plain "$o" 0 --val-only
has "is the one that was there" '2 of 2 validation cases had been predicted with these weights before' stderr
check "--overwrite with another plan" 0 train "$o" 0 --overwrite --batch-size 3 --no-validation
is "takes its place" grep -q 'batch_size: 3' "$o/plans.yaml"
is "with all that was there" test -z "$(ls "$o/fold_0/validation" 2>/dev/null)"
is "and leaves no folder beside it" test -z "$(ls -A "$o" | grep '^.fold')"
has "its log is its own" 'batch 3 of' o/fold_0/training_log.txt
lacks "alone" 'batch 2 of' o/fold_0/training_log.txt

# The curves of the last epoch.
rm "$o/fold_0/progress.png"; sed -i '$d' "$o/fold_0/metrics.csv"
check "a run that was ended before its last curves" 0 plain "$o" 0 --continue --no-validation
has "gets them" '^1,' o/fold_0/metrics.csv
is "with the picture" test -s "$o/fold_0/progress.png"
