#!/bin/sh
# model_stale BUILD: find_best_configuration if a validation does not belong to the present weights, if results differ in their
# folds, or labels are stored with other axes. Existing files are not lost.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
"$build/make_phantom" -o "$out/raw" --cases 5 --size 3x32x40 --seed 3 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --folds 2 --quiet 2>/dev/null
train() { # RESULTS FOLD SEED
    "$build/train" "$out/pre" "$2" -o "$out/$1" --epochs 1 --iterations-per-epoch 1 --validation-iterations 1 \
        --batch-size 2 --patch-size 32x32 --seed "$3" --save-probabilities --quiet 2>"$out/training"
}
train "my results" 0 1; train "my results" 1 1; train other 0 2; train other 1 2
best() { "$build/find_best_configuration" "$@" -o "$out/it's one.yaml" --quiet; }
check "two networks" 0 best "$out/my results" "$out/other"
has "and their pair" 'my results + ' stdout
has "the command can be copied" "-m '.*/it'.''s one.yaml'$" stdout
cp "$out/stdout" "$out/table"

# The validation belongs to other weights or other files, or is not complete.
changed() { rm -rf "$out/changed"; cp -r "$out/my results" "$out/changed"; validation=$out/changed/fold_1/validation; }
case_of() { basename "$(ls "$validation"/*.npy | head -1)" .npy; }
changed; cp "$out/other/fold_1/checkpoint_final.safetensors" "$out/changed/fold_1"
check "other weights" 1 best "$out/changed"
has "are told, and what to type" \
    'fold_1/validation was predicted with other weights.*train PREPROCESSED 1 -o .*changed --val-only' stderr
changed; rm "$out/changed/fold_1/checkpoint_final.safetensors"
check "no weights" 1 best "$out/changed"
has "are reported" 'fold_1 has no checkpoint_final' stderr
changed; case=$(case_of); cp "$out/raw/labelsTr/$case.nii.gz" "$validation"
check "a corrected prediction" 1 best "$out/changed"
has "is none of the network" "$case.nii.gz was changed since it was predicted" stderr
changed; cp "$out/other/fold_1/validation/$case.npy" "$validation"
check "other probabilities" 1 best "$out/changed" "$out/other"
has "are named" "changed/fold_1/validation/$case.npy was changed" stderr
changed; rm "$validation/$case.nii.gz"
check "a prediction that is gone" 1 best "$out/changed"
has "is named" "$case.nii.gz does not exist; predict the validation cases again" stderr
changed; sed -i "s/{case: $case, state: done,.*/{case: $case, state: planned}/" "$validation/predict.yaml"
check "a case that was not finished" 1 best "$out/changed"
has "is named" "case $case of .*was not finished" stderr
changed; rm "$validation/predict.yaml"
check "without a record nothing is known (nnU-Net's folders)" 0 best "$out/changed"

# Folds.
changed; rm "$validation/summary.json"
check "a fold that was not validated" 0 best "$out/changed"
has "is said to be left out" 'warning: .*changed: fold 1 without validated cases: left out' stderr
check "results of other folds" 1 best "$out/my results" "$out/changed"
has "are refused, with both" 'has validated folds 0, 1, .*changed fold 0:.*-f' stderr
check "unless folds are chosen" 0 best "$out/my results" "$out/changed" -f 0
has "which the choice says" 'folds: \[0\]' "it's one.yaml"
check "a chosen fold that was not validated" 1 best "$out/changed" -f 1
has "is named" 'fold 1 has not been validated.*train PREPROCESSED 1' stderr
check "the same results twice" 1 best "$out/other" "$out/../$(basename "$out")/other/"
has "are no two networks" 'is given twice' stderr
check "a fold's folder" 1 best "$out/other/fold_0"
has "is told from the results" 'is not the results folder: give .*/other$' stderr
check "a raw dataset" 1 best "$out/raw"
has "has no folds" 'there is no fold: expected the results folder of train' stderr

# Existing files are not lost.
cp "$out/other/plans.yaml" "$out/kept.yaml"
check "a plan as the output" 1 "$build/find_best_configuration" "$out/other" -o "$out/other/plans.yaml" --quiet
has "is refused" 'plans.yaml: this file exists already and is not an inference.yaml' stderr
is "and is kept" cmp "$out/kept.yaml" "$out/other/plans.yaml"

# The same labels, stored with other axes, and elsewhere.
turned() { # FOLDER CODE [SHIFT_MM]
    rm -rf "$out/$1"; mkdir "$out/$1"; folder=$out/$1; shift
    for label in "$out"/raw/labelsTr/*; do "$build/turn" "$label" "$folder/$(basename "$label")" "$@"; done
}
turned turned PSL
check "labels stored with other axes" 0 best "$out/my results" "$out/other" -g "$out/turned"
is "are turned onto the predictions" cmp "$out/stdout" "$out/table"
turned moved RAS 9
check "labels of another place" 1 best "$out/other" -g "$out/moved"
has "are refused" 'case phantom_00.: .*they show different places' stderr

# Probabilities of earlier weights are removed when labels are predicted without any; restored ones are not used.
arrays() { ls "$1" | grep -c 'npy$'; }
keep() { mkdir "$out/kept_$1"; cp "$2"/phantom_*.npy "$2"/phantom_*.yaml "$out/kept_$1"; } # NAME FOLDER
cp -r "$out/other" "$out/later"
cp "$out/my results/fold_0/checkpoint_final.safetensors" "$out/later/fold_0"
validation=$out/later/fold_0/validation; keep v "$validation"; echo mine >"$validation/notes.npy"
check "validated again without probabilities" 0 "$build/train" "$out/pre" 0 -o "$out/later" --val-only --quiet
is "the earlier ones are gone, and nothing else" test "$(arrays "$validation")" -eq 1 -a -e "$validation/notes.npy"
is "nor their properties" test -z "$(ls "$validation" | grep 'phantom.*yaml')"
check "no pair" 0 best "$out/my results" "$out/later"
has "is made of them" 'later has no probabilities of the validation cases: left out of the pairs' stderr
cp "$out"/kept_v/* "$validation"
check "a pair with earlier ones that came back" 1 best "$out/my results" "$out/later"
has "is refused" 'npy belongs to an earlier validation than the labels beside it.*--save-probabilities' stderr
predicted() { "$build/predict" -i "$out/raw/imagesTr" -o "$1" -m "$out/$2" --quiet "$3" "$4"; }
check "a prediction" 0 predicted "$out/pa" "my results" --save-probabilities -j1
check "another" 0 predicted "$out/pb" other --save-probabilities -j1
keep p "$out/pb"; echo changed >>"$out/pb/phantom_002.npy"
check "which a third replaces without probabilities" 0 predicted "$out/pb" later --overwrite -j1
is "the earlier ones are removed, except edited ones" test "$(ls "$out/pb"/*.npy)" = "$out/pb/phantom_002.npy"
check "the ensemble" 1 "$build/ensemble" "$out/pa" "$out/pb" -o "$out/mean" --quiet
has "lacks them" 'case phantom_001: its probabilities are not in .*/pb' stderr
cp "$out"/kept_p/* "$out/pb"
check "the ensemble with earlier ones that came back" 1 "$build/ensemble" "$out/pa" "$out/pb" -o "$out/mean" --quiet
has "does not take them" 'npy belongs to an earlier prediction than the present labels' stderr

# A reference that was changed after the validation.
label=$(ls "$out/pre/gt_segmentations"/* | head -1); cp "$label" "$out/label"
cp "$(ls "$out/pre/gt_segmentations"/* | tail -1)" "$label"
check "a changed reference" 1 best "$out/other"
has "is reported" 'was changed since the case phantom_001 was validated; predict the validation cases again' stderr
cp "$out/label" "$label"

# A plan that was edited after the validation.
cp -r "$out/other" "$out/edited"
sed -i 's/^  step: [0-9.]*/  step: 0.25/' "$out/edited/plans.yaml"
check "another step of the sliding window" 1 best "$out/edited"
has "is named" 'was predicted with other settings than those of .*/edited now (step: 0.5, now 0.25)' stderr
