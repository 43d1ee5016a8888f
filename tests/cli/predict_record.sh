#!/bin/sh
# predict_record BUILD: predict.yaml, and which predictions are kept, made again, or an error.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

"$build/make_phantom" -o "$out/raw" --cases 5 --size 3x32x36 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet 2>/dev/null
train() { # RESULTS FOLD SEED
    "$build/train" "$out/pre" "$2" -o "$out/$1" --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 \
        --batch-size 2 --patch-size 32x32 --quiet --seed "$3" --no-validation 2>>"$out/training"
}
train a 0 1; train a 1 1; train b 0 2
mkdir "$out/images"; cp "$out"/raw/imagesTr/* "$out/images"
one=$(ls "$out/images" | sed -n 1p); one=${one%_0000.nii.gz}
two=$(ls "$out/images" | sed -n 2p); two=${two%_0000.nii.gz}
predict() { "$build/predict" -i "$out/images" "$@"; }

# Content of the record.
check "a prediction" 0 predict -o "$out/p" -m "$out/a" -f 0
has "its folds are recorded" '^  folds: "0"' p/predict.yaml
has "the weights by their content" '^  weights of fold 0: [0-9a-f]\{32\}\|^  "weights of fold 0": "\?[0-9a-f]\{32\}' p/predict.yaml
has "the program's version" 'program version' p/predict.yaml
has "a case with its image and its labels" "{case: $one, state: done, inputs: {${one}_0000.nii.gz: .*}, outputs: {$one.nii.gz: " p/predict.yaml
lacks "no path" "$out" p/predict.yaml
check "the same again" 0 predict -o "$out/p" -m "$out/a" -f 0
has "all is kept" '5 of 5 cases existed already' stderr
mv "$out/a" "$out/elsewhere"; mv "$out/images" "$out/moved"; mv "$out/p" "$out/q"
check "where everything has moved" 0 "$build/predict" -i "$out/moved" -o "$out/q" -m "$out/elsewhere" -f 0
has "too" '5 of 5 cases existed already' stderr
mv "$out/elsewhere" "$out/a"; mv "$out/moved" "$out/images"; mv "$out/q" "$out/p"

# Another model, other options.
sum() { cat "$out"/p/*.nii.gz | cksum; }
before=$(sum)
other() { # WHAT PATTERN OPTIONS…
    what=$1; pattern=$2; shift 2
    check "$what is refused" 1 predict -o "$out/p" "$@"
    has "it says what differs" "$pattern" stderr
    has "and what to type" 'another folder with -o, or replace them with --overwrite' stderr
}
other "another fold" 'folds: 0, now 1' -m "$out/a" -f 1
other "all folds" 'folds: 0, now 0 1' -m "$out/a"
other "another model" 'weights of fold 0: [0-9a-f]*…, now' -m "$out/b"
other "another step" 'step: 0.5, now 0.25' -m "$out/a" -f 0 --step 0.25
other "mirroring" 'mirroring: none, now height and width' -m "$out/a" -f 0 --tta
other "another checkpoint" 'checkpoint: final, now best' -m "$out/a" -f 0 --checkpoint best
printf 'format: 1\nmodels: [{results: a, folds: [0]}]\npostprocessing: [[1]]\n' >"$out/post.yaml"
other "post-processing" 'post-processing: none, now 1' -m "$out/a" -f 0 --postprocessing "$out/post.yaml"
cp "$out/a/dataset.json" "$out/dataset.json"; sed 's/dark_organ/spleen/' "$out/dataset.json" >"$out/a/dataset.json"
other "another name of a label" 'labels: .*dark_organ.*, now .*spleen' -m "$out/a" -f 0
cp "$out/dataset.json" "$out/a/dataset.json"
cp "$out/a/plans.yaml" "$out/plans.yaml"; sed 's/^  epochs: .*/  epochs: 77/' "$out/plans.yaml" >"$out/a/plans.yaml"
check "what only training needs does not matter" 0 predict -o "$out/p" -m "$out/a" -f 0
cp "$out/plans.yaml" "$out/a/plans.yaml"
check "a limit of memory neither" 0 predict -o "$out/p" -m "$out/a" -f 0 --memory 2G
is "nothing was touched" test "$(sum)" = "$before"
check "--overwrite makes them anew" 0 predict -o "$out/p" -m "$out/b" --overwrite
is "all of them" test "$(sum)" != "$before"
check "they are the other model's now" 0 predict -o "$out/p" -m "$out/b"
has "and kept" '5 of 5 cases existed already' stderr
check "one case of the first model again" 0 "$build/predict" -i "$out/images/${one}_0000.nii.gz" -o "$out/p" -m "$out/a" -f 0 --overwrite
has "that the others are another's is said" '4 other cases in it were made by another model' stderr
check "and they don't count as its own" 1 predict -o "$out/p" -m "$out/a" -f 0
has "nor are they replaced" '4 files with names of outputs are there already, and .*predict.yaml does not record that predict made them' stderr

# Images and outputs that changed.
rm -r "$out/p"; predict -o "$out/p" -m "$out/a" -f 0 --quiet
touch "$out"/images/*
check "touched images" 0 predict -o "$out/p" -m "$out/a" -f 0
has "are the same ones" '5 of 5 cases existed already' stderr
touch -r "$out/images/${one}_0000.nii.gz" "$out/stamp"
cp "$out/images/${two}_0000.nii.gz" "$out/images/${one}_0000.nii.gz"; touch -r "$out/stamp" "$out/images/${one}_0000.nii.gz"
check "an image that became another one" 0 predict -o "$out/p" -m "$out/a" -f 0
has "is predicted again" "case $one is predicted again: its image has changed (${one}_0000.nii.gz: " stderr
has "alone" '4 of 5 cases existed already' stderr
is "to its own labels" cmp "$out/p/$one.nii.gz" "$out/p/$two.nii.gz"
echo correction >>"$out/p/$one.nii.gz"; cp "$out/p/$one.nii.gz" "$out/corrected"
check "edited labels" 1 predict -o "$out/p" -m "$out/a" -f 0
has "are named" "case $one: .*$one.nii.gz was changed since predict wrote it" stderr
is "and left as they are" cmp "$out/corrected" "$out/p/$one.nii.gz"
rm "$out/p/$one.nii.gz"
check "labels that were removed" 0 predict -o "$out/p" -m "$out/a" -f 0
is "come back" cmp "$out/p/$one.nii.gz" "$out/p/$two.nii.gz"
check "probabilities besides" 0 predict -o "$out/p" -m "$out/a" -f 0 --save-probabilities
has "are made" "$two.npy: [0-9a-f]" p/predict.yaml
mkdir "$out/hand"; echo mine >"$out/hand/$one.nii.gz"
check "a file that predict did not make" 1 predict -o "$out/hand" -m "$out/a" -f 0
has "is named" "1 file with names of outputs is there already, .* the first is .*/hand/$one.nii.gz" stderr
is "and stays" test "$(cat "$out/hand/$one.nii.gz")" = mine
is "nothing is begun" test "$(ls "$out/hand" | wc -l)" -eq 1
echo '{' >"$out/p/predict.yaml"
check "a damaged record" 1 predict -o "$out/p" -m "$out/a" -f 0
has "is named with its place" 'predict.yaml:[12]:.*--overwrite' stderr

# A run that is killed at any time and continued has the same result.
i=0
while [ $i -lt 8 ]; do
    i=$((i + 1))
    timeout -s KILL 0.0$((i * 7 % 10 + 1)) "$build/predict" -i "$out/images" -o "$out/killed" -m "$out/a" -f 0 --quiet 2>/dev/null
done
check "runs that were killed" 0 predict -o "$out/killed" -m "$out/a" -f 0
rm -r "$out/p"; predict -o "$out/p" -m "$out/a" -f 0 --quiet
is "end with the same labels" sh -c 'for f in "$1"/p/*.nii.gz; do cmp -s "$f" "$1/killed/$(basename "$f")" || exit 1; done' sh "$out"
is "and record" cmp "$out/p/predict.yaml" "$out/killed/predict.yaml"
ls "$out/images" | while read -r f; do echo "$out/images/$f"; done >"$out/list"
"$build/predict" $(sed -n 1,3p "$out/list") -o "$out/shared" -m "$out/a" -f 0 --quiet & first=$!
check "two runs at once" 0 "$build/predict" $(sed -n 4,5p "$out/list") -o "$out/shared" -m "$out/a" -f 0 --quiet
wait $first
is "share a folder and its record" cmp "$out/p/predict.yaml" "$out/shared/predict.yaml"

# Several models.
printf 'format: 1\nmodels:\n  - {results: a, folds: [0]}\n  - {results: b, folds: [0]}\n' >"$out/both.yaml"
check "two models" 0 predict -o "$out/both" -m "$out/both.yaml"
has "both are recorded" 'model 2: folds' both/predict.yaml
has "each with a record of its own" 'weights of fold 0' both/model_2/predict.yaml
sed 's/results: b, folds: \[0\]/results: a, folds: [1]/' "$out/both.yaml" >"$out/folds.yaml"
check "one of them another" 1 predict -o "$out/both" -m "$out/folds.yaml"
has "is named" 'model 2: folds: 0, now 1' stderr
cp "$out/raw/imagesTr/${one}_0000.nii.gz" "$out/images/${one}_0000.nii.gz"
check "an image that became another one" 0 predict -o "$out/both" -m "$out/both.yaml"
has "is predicted again by both" '4 of 5 cases existed already' stderr
rm -r "$out/both"/model_*
check "the models' own folders are not needed" 0 predict -o "$out/both" -m "$out/both.yaml"
has "to keep the mean" '5 of 5 cases existed already' stderr
