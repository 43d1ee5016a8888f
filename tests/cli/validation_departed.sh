#!/bin/sh
# validation_departed BUILD: files in fold_F/validation of a case that was removed from the dataset: those written by train are removed;
# with labels in two files, which must stay together.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
"$build/make_phantom" -o "$out/raw" --cases 6 --size 2x32x40 --ending .mhd --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
plan() { "$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --quiet "$@"; }
plan --override "$out/narrow.yaml" --folds 2 2>"$out/planning"
train() { # OPTIONS…
    "$build/train" "$out/pre" 0 -o "$out/r" --iterations-per-epoch 1 --validation-iterations 1 --batch-size 2 \
        --patch-size 32x32 --save-probabilities --quiet "$@"
}
is "labels in two files are whole beside the preprocessed cases" test "$(ls "$out"/pre/gt_segmentations/*.zraw | wc -l)" -eq 6
check "a training" 0 train --epochs 1
validation=$out/r/fold_0/validation
names=$(cd "$validation" && ls phantom_*.mhd) first=phantom_none second=phantom_none
for name in $names; do second=$first first=${name%.mhd}; done # two of them
is "leaves four files of each case" test "$(ls "$validation/$first".* | wc -l)" -eq 4
echo mine >"$validation/$first.json"; echo mine >"$validation/notes.yaml"; mkdir "$validation/views"; echo mine >"$validation/view.png"; echo changed >>"$validation/$first.npy"
for case in $first $second; do rm "$out/raw/imagesTr/$case"_0000.* "$out/raw/labelsTr/$case".*; done
sed -i 's/"numTraining": 6/"numTraining": 4/' "$out/raw/dataset.json"
check "two cases leave the dataset" 0 plan --plans "$out/r/plans_preprocessed.yaml"
is "and their labels the preprocessed ones" test "$(ls "$out/pre/gt_segmentations" | wc -l)" -eq 8
check "the others are validated again" 0 train --val-only
has "the departed are named" "these cases are no longer in the dataset and are not validated: .*$first" stderr
is "of one nothing is left" test -z "$(ls "$validation" | grep "^$second\\.")"
is "of the other the file that was not written by train" test "$(cd "$validation" && echo $first.*)" = "$first.json $first.npy"
is "nor are others' files touched" test -s "$validation/notes.yaml" -a -s "$validation/view.png"
lacks "the record forgets them" "$first\|$second" r/fold_0/validation/predict.yaml
check "the fold can be chosen by" 0 "$build/find_best_configuration" "$out/r" -o "$out/inference.yaml" --quiet
prediction=$validation/$(cd "$validation" && ls phantom_*.npy | grep -v "^$first" | sed 1q)
echo "of earlier predictions" >"$validation/report.html"
check "other weights" 0 "$build/train" "$out/pre" 0 -o "$out/r" --continue --epochs 2 --no-validation --quiet
is "leave no prediction of the earlier ones" test ! -e "$prediction" -a ! -e "$validation/predict.yaml" -a ! -e "$validation/summary.json" -a ! -e "$validation/report.html"
is "but what somebody wrote" test -s "$validation/notes.yaml" -a -s "$validation/view.png" -a -d "$validation/views"
