#!/bin/sh
# predict_batch BUILD: predictions of many cases, their probabilities, ensembles, and the choice of the best.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=2
same() { # WHAT FOLDER FOLDER: the same images
    for image in "$2"/*.nii.gz; do
        cmp -s "$image" "$3/$(basename "$image")" || { echo "not ok - $1: $(basename "$image") differs"; return; }
    done
    echo "ok - $1"
}

"$build/make_phantom" -o "$out/raw" --cases 6 --size 5x40x44 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet 2>/dev/null
train() { # RESULTS FOLD SEED
    "$build/train" "$out/pre" "$2" -o "$out/$1" --epochs 1 --iterations-per-epoch 6 --validation-iterations 1 \
        --batch-size 3 --patch-size 32x32 --quiet --seed "$3" --save-probabilities 2>>"$out/training"
}
train a 0 1; train a 1 1; train b 0 2
predict() { "$build/predict" -i "$out/raw/imagesTr" "$@"; }

check "probabilities are saved" 0 predict -o "$out/pa" -m "$out/a" --save-probabilities
is "one file a case" test "$(ls "$out"/pa/*.npy | wc -l)" -eq 6
is "with the labels' names" test -s "$out/pa/dataset.json"
check "and without" 0 predict -o "$out/labels" -m "$out/a"
same "to the same labels" "$out/pa" "$out/labels"
check "a rerun keeps all" 0 predict -o "$out/pa" -m "$out/a" --save-probabilities
has "and reports it" '6 of 6 cases existed already' stderr
first=$(ls "$out"/pa/*.npy | head -1); case=$(basename "$first" .npy)
rm "$out/pa/$case.yaml"
check "what was left half done is done again" 0 predict -o "$out/pa" -m "$out/a" --save-probabilities
has "it alone" '5 of 6 cases existed already' stderr

check "a second model" 0 predict -o "$out/pb" -m "$out/b" --save-probabilities
check "an ensemble of one changes nothing" 0 "$build/ensemble" "$out/pa" -o "$out/ea"
same "not a voxel" "$out/pa" "$out/ea"
check "an ensemble of two" 0 "$build/ensemble" "$out/pa" "$out/pb" -o "$out/eab"
check "in any order" 0 "$build/ensemble" "$out/pb" "$out/pa" -o "$out/eba"
same "is the same" "$out/eab" "$out/eba"
printf 'format: 1\nmodels:\n  - {results: a, folds: [0, 1]}\n  - {results: b, folds: [0]}\npostprocessing: []\n' \
    >"$out/both.yaml"
check "predict runs both by itself" 0 predict -o "$out/both" -m "$out/both.yaml"
same "to the same labels as the ensemble's" "$out/eab" "$out/both"
rm -r "$out/both/model_1" "$out/both/model_2" "$out/both/$case.nii.gz"
check "what is there is kept without the models' own" 0 predict -o "$out/both" -m "$out/both.yaml"
has "what is not is made" '5 of 6 cases existed already' stderr
same "again" "$out/eab" "$out/both"
sed 's/\[\]$/[[1, 2]]/' "$out/both.yaml" >"$out/processed.yaml"
check "post-processing" 0 predict -o "$out/processed" -m "$out/a" --postprocessing "$out/processed.yaml"
check "of the saved ones too" 0 "$build/ensemble" "$out/pa" -o "$out/eap" -p "$out/processed.yaml"
same "does the same" "$out/processed" "$out/eap"

head -c 1000 "$out/pb/$case.npy" >"$out/cut"; mv "$out/cut" "$out/pb/$case.npy"
check "a damaged file is one case's fault" 1 "$build/ensemble" "$out/pa" "$out/pb" -o "$out/bad"
has "it is named" "case $case: .*$case.npy" stderr
is "the others are there" test "$(ls "$out"/bad/*.nii.gz | wc -l)" -eq 5
check "a folder without probabilities" 1 "$build/ensemble" "$out/labels" -o "$out/none" -d "$out/pa/dataset.json"
has "is reported" 'save-probabilities' stderr
check "no folder" 2 "$build/ensemble" -o "$out/none"
sed 's/results: b/results: elsewhere/' "$out/both.yaml" >"$out/lost.yaml"
check "a model that is not there" 1 predict -o "$out/lost" -m "$out/lost.yaml"
sed 's/models/model/' "$out/both.yaml" >"$out/wrong.yaml"
check "a file that is none" 1 predict -o "$out/lost" -m "$out/wrong.yaml"
has "names the key" 'wrong.yaml:2:1: unknown key model; the nearest known one is models' stderr

cp "$out/raw/imagesTr/${case}_0000.nii.gz" "$out/lone.nii.gz"
check "a single file with a name of its own" 0 "$build/predict" "$out/lone.nii.gz" -o "$out/lone" -m "$out/a"
is "gives that name to its labels" cmp "$out/lone/lone.nii.gz" "$out/labels/$case.nii.gz"
check "which is not replaced by them" 1 "$build/predict" "$out/lone.nii.gz" -o "$out" -m "$out/a" --overwrite
has "and told so" 'case lone: its labels would replace .*which belongs to an image' stderr
is "it is as it was" cmp "$out/lone.nii.gz" "$out/raw/imagesTr/${case}_0000.nii.gz"
check "a model that is nowhere" 1 predict -o "$out/lost" -m "$out/nowhere"
has "is named" 'nowhere does not exist' stderr
mkdir "$out/mixed"; cp "$out"/raw/imagesTr/*_0000.nii.gz "$out/mixed"
head -c 400 "$out/raw/imagesTr/${case}_0000.nii.gz" >"$out/mixed/${case}_0000.nii.gz"
check "a bad image among good ones" 1 "$build/predict" -i "$out/mixed" -o "$out/some" -m "$out/both.yaml"
has "is named" "case $case: .*${case}_0000.nii.gz" stderr
has "and counted" '1 of 6 cases failed' stderr
is "the others are there" test "$(ls "$out"/some/*.nii.gz | wc -l)" -eq 5

# find_best_configuration: over trained networks; over made-up ones whose order is known.
best() { "$build/find_best_configuration" "$@" -o "$out/inference.yaml"; }
check "networks are compared" 0 best "$out/a" "$out/b" -f 0
is "three candidates" test "$(grep -c "^$out.* 0\.[0-9]*" "$out/stdout")" -eq 3
has "and the command to run" "^predict -i IMAGES -o OUT -m $out/inference.yaml" stdout
check "which runs" 0 predict -o "$out/chosen" -m "$out/inference.yaml"
check "other folds than the second has" 1 best "$out/a" "$out/b"
has "are named" 'a has validated folds 0, 1, .*b fold 0' stderr
check "a network without validation" 1 best "$out/raw"
check "nothing to compare" 2 best
fake() { # NAME: its predictions are in $out/NAME/fold_0/validation
    cp "$out/a/dataset.json" "$out/$1"
    "$build/evaluate" "$out/raw/labelsTr" "$out/$1/fold_0/validation" -o "$out/eval" -d "$out/a/dataset.json" --only-overlap \
        --no-report --quiet >/dev/null 2>&1
    cp "$out/eval/summary.json" "$out/$1/fold_0/validation"
}
mkdir -p "$out/right/fold_0/validation" "$out/poor/fold_0/validation"
cp "$out"/raw/labelsTr/*.nii.gz "$out/right/fold_0/validation"; fake right
cp "$out"/labels/*.nii.gz "$out/poor/fold_0/validation"; fake poor
check "the truth" 0 best "$out/poor" "$out/right"
has "is best" 'right  *1.0000  <- best' stdout
has "and nothing helps it" 'post-processing: none helps' stdout
has "the file names it" "results: right$" inference.yaml
has "and where it was" "absolute: /.*/right$" inference.yaml
has "pairs need probabilities" 'poor has no probabilities' stderr
rm "$out/right/fold_0/validation/$case.nii.gz"; fake right
check "other cases" 1 best "$out/poor" "$out/right"
has "are no comparison" "case $case is not in the same fold" stderr
