#!/bin/sh
# dataset_meaning BUILD: datasets with complete files but implausible content: order of regions, statistics, labels.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
raw=$out/Dataset702_Meaning

printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
plan() { rm -rf "$out/pre"; "$build/plan_and_preprocess" "$raw" -o "$out/pre" --override "$out/narrow.yaml" -j1 "$@"; }
json() { # CHANNEL LABELS [MORE]
    printf '{"channel_names": {"0": "%s"},\n"labels": %s,\n"numTraining": 5,\n"file_ending": ".nii.gz"%s}\n' "$1" "$2" "${3:+,
$3}" >"$raw/dataset.json"
}
"$build/make_phantom" -o "$raw" --cases 5 --size 2x32x32 --quiet 2>/dev/null
regions='{"background": 0, "whole": [1, 2], "core": 2}'

json MRI '{"background": 0, "core": 2, "whole": [1, 2]}' '"regions_class_order": [2, 1]'
check "an inner region first" 1 plan
has "is always overwritten" 'dataset.json:5:25: .*core (2) is always overwritten by whole (1, 2), which comes later: list inner regions last' stderr
json MRI "$regions" '"regions_class_order": [1, 1]'
check "a value twice" 1 plan
has "is named" 'regions_class_order: 1 occurs twice, for whole and for core' stderr
json MRI "$regions" '"regions_class_order": [0, 2]'
check "the background's value" 1 plan
has "is named, too" "regions_class_order: 0 is the background's value" stderr
json MRI "$regions" '"regions_class_order": [2, 1]'
check "values the wrong way round" 1 plan
has "would not give the regions back" 'a voxel of label 1 would be written as 2, which is in the region core' stderr
json MRI "$regions" '"regions_class_order": [1, 2]'
check "the right order" 0 plan --quiet

json CT '{"background": 0, "a": 1, "b": 2}'
check "CT with foreground" 0 plan --quiet
json MRI '{"background": 0, "a": 1, "b": 2, "tumour": 3}'
check "a label that no case has" 0 plan --quiet
has "is a warning" 'warning: label 3, tumour, is in none of 5 cases' stderr
has "the log has it, too" '  warning: label 3, tumour, is in none of 5 cases' pre/plan_and_preprocess.log
lacks "of that label alone" 'label [12]' stderr
check "train reports it too" 0 "$build/train" "$out/pre" all -o "$out/results" --epochs 1 --iterations-per-epoch 1 \
    --validation-iterations 1 --batch-size 2 --patch-size 32x32 -j1 --no-validation --quiet
has "on the terminal" 'warning: 1 of 3 labels are in no training case, so the network cannot learn them: tumour' stderr
has "and in the log" 'warning: 1 of 3 labels are in no training case' results/fold_all/training_log.txt

json MRI "$(printf '{"background": 0'; for k in $(seq 20); do printf ', "l%d": %d' "$k" "$k"; done; printf '}')"
check "many labels that no case has" 0 plan --quiet
has "are reported in one line" 'warning: label 3, l3; label 4, l4; .* and 10 more labels, are in none of 5 cases' stderr
is "and no more lines" test "$(grep -c 'none of 5 cases' "$out/stderr")" -eq 1

# Labels without foreground: an empty image of the same shape, made from a phantom's label.
for i in 1 2 3 4 5; do
    gzip -dc "$raw/labelsTr/phantom_00$i.nii.gz" >"$out/label"
    { head -c 352 "$out/label"; head -c $(($(wc -c <"$out/label") - 352)) /dev/zero; } | gzip >"$raw/labelsTr/phantom_00$i.nii.gz"
done
json CT '{"background": 0, "a": 1, "b": 2}'
check "CT without foreground" 1 plan
has "cannot be normalised" 'error: channel 0, CT: no voxel has a label above 0, so CT normalisation has no statistics' stderr
has "which the log has" '  error: channel 0, CT' pre/plan_and_preprocess.log
is "and nothing is preprocessed" test ! -e "$out/pre/2d"
json MRI '{"background": 0, "a": 1, "b": 2}'
check "another normalisation needs none" 0 plan --quiet
has "but there is nothing to learn" 'label 1, a; label 2, b, are in none of 5 cases' stderr
