#!/bin/sh
# dataset_unused BUILD: files and keys of a dataset that are not used, or that are used in an unexpected way.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
raw=$out/Dataset707_Unused

printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/make_phantom" -o "$raw" --cases 6 --size 1x32x32 --quiet 2>/dev/null
plan() { rm -rf "$out/pre"; "$build/plan_and_preprocess" "$raw" -o "$out/pre" --override "$out/narrow.yaml" -j1 --quiet; }
json() { # LABELS CASES [MORE]
    printf '{"channel_names": {"0": "MRI"},\n"labels": %s,\n"numTraining": %s, "file_ending": ".nii.gz"%s}\n' "$1" "$2" "${3:+,
$3}" >"$raw/dataset.json"
}
labels='{"background": 0, "a": 1, "b": 2}'

json "$labels" 6 '"regions_class_order": [1, 2], "modality": {"0": "CT"}'
check "keys that have no use" 0 plan
has "are named: an order without regions" 'warning: .*dataset.json:4:1: regions_class_order is not used: no label is a region' stderr
has "an older name beside the newer" 'warning: .*"modality" is not used beside "channel_names"' stderr
json '{"background": 0, "a": 1, "Ignore": 2}' 6
check "Ignore" 0 plan
has "is no ignore label" 'warning: .*"Ignore" is an ordinary label: the label that is not learned must be named "ignore"' stderr
json '{"background": 1, "a": 0, "b": 2}' 6
check "a background that is not 0" 1 plan
has "is refused" 'dataset.json:2:.*labels: background is 1, expected 0' stderr
json '{"background": 0, "a": 1, "ignore": 2, "b": 3}' 6
check "an ignore label between others" 1 plan
has "is named as that" 'labels: ignore is 2, expected the highest value, 4' stderr

entry() { printf '"%s": {"%s": ["imagesTr/phantom_00%s_0000.nii.gz"], "%s": "labelsTr/phantom_00%s.nii.gz"}' "$1" "$2" "$3" "$4" "$3"; }
json "$labels" 5 "\"dataset\": {$(for i in 1 2 3 4 5; do entry c$i images $i label; [ $i = 5 ] || printf ', '; done)}"
check "a map of some of the images" 0 plan
has "names those that it leaves out" 'warning: .*imagesTr: 1 image file is not in the map "dataset" of dataset.json, and is not used, the first is phantom_006_0000.nii.gz' stderr
rm "$raw/imagesTr/phantom_006_0000.nii.gz"
check "a map of all" 0 plan
lacks "says nothing" 'warning' stderr
json "$labels" 2 "\"dataset\": {$(entry c1 image 1 label), $(entry c2 images 2 label)}"
check "a map with image for images" 1 plan
has "is told the key" 'found the key "image", expected "images"' stderr
json "$labels" 2 "\"dataset\": {$(entry c1 images 1 labels), $(entry c2 images 2 labels)}"
check "with labels for label" 1 plan
has "too, once" 'dataset.json:4:[0-9]*: found the key "labels", expected "label"' stderr

json "$labels" 6 "\"dataset\": {$(for i in 1 2 3 4 5; do entry c$i images $i label; printf ', '; done) $(entry again images 3 label)}"
check "an image of two cases" 0 plan
has "is named" 'warning: .*cases with identical images: again, c3: remove the duplicates' stderr
has "in the log, too" 'warning: .*again, c3' pre/plan_and_preprocess.log

# ---- wrong names, reported by one message
json "$labels" 5
rm "$raw/labelsTr/phantom_006.nii.gz"
for i in 1 2 3 4 5; do mv "$raw/imagesTr/phantom_00${i}_0000.nii.gz" "$raw/imagesTr/phantom_00${i}_000.nii.gz"; done
check "channel numbers of three digits" 1 plan
has "are reported once" '5 images have a channel number that has not four digits: rename phantom_001_000.nii.gz to phantom_001_0000.nii.gz, and the others alike' stderr
is "with the sum as the only other error" test "$(grep -c 'error: ' "$out/stderr")" -eq 2
for i in 1 2 3 4 5; do mv "$raw/imagesTr/phantom_00${i}_000.nii.gz" "$raw/imagesTr/phantom_00${i}_0000.nii.gz"; done
for i in 1 2 3 4; do mv "$raw/labelsTr/phantom_00$i.nii.gz" "$raw/labelsTr/phantom_00${i}_label.nii.gz"; done
check "labels with an ending of their own" 1 plan
has "are told of once, too" '4 labels have more than the case.s name: rename phantom_001_label.nii.gz to phantom_001.nii.gz, and the others alike' stderr
is "images of theirs are not called unlabelled" test "$(grep -c 'error: ' "$out/stderr")" -eq 2
