#!/bin/sh
# dataset_names BUILD: files with wrong names are reported once; maps and lists in dataset.json.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
raw=$out/Dataset703_Names

printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/make_phantom" -o "$out/sound" --cases 5 --size 1x32x32 --quiet 2>/dev/null
begin() { rm -rf "$raw"; cp -r "$out/sound" "$raw"; }
plan() { rm -rf "$out/pre"; "$build/plan_and_preprocess" "$raw" -o "$out/pre" --override "$out/narrow.yaml" -j1 "$@"; }
errors() { grep -c 'error: ' "$out/stderr"; }
keys() { sed -i "s|\"numTraining\"|$1, \"numTraining\"|" "$raw/dataset.json"; }

begin
for f in "$raw"/labelsTr/*; do mv "$f" "${f%.nii.gz}_0000.nii.gz"; done
check "labels with a channel number" 1 plan
has "are reported once" '5 labels have a channel number; only images carry one: rename phantom_001_0000.nii.gz to phantom_001.nii.gz' stderr
is "with the sum as the only other error" test "$(errors)" -eq 2
begin
for i in 1 2 3 4 5; do
    mv "$raw/imagesTr/phantom_00${i}_0000.nii.gz" "$raw/imagesTr/scan_000$i.nii.gz"
    mv "$raw/labelsTr/phantom_00$i.nii.gz" "$raw/labelsTr/scan_000$i.nii.gz"
done
check "images whose case ends in four digits" 1 plan
has "lack their channel number" '5 images have no channel number behind the case.s name: rename scan_0001.nii.gz to scan_0001_0000.nii.gz' stderr
is "with no error more" test "$(errors)" -eq 2
for i in 1 2 3 4 5; do mv "$raw/imagesTr/scan_000$i.nii.gz" "$raw/imagesTr/scan_000${i}_0000.nii.gz"; done
check "with it they are sound" 0 plan --quiet
begin
mv "$raw/imagesTr/phantom_002_0000.nii.gz" "$raw/imagesTr/phantom_002.nii.gz"
check "one image alone without a number" 1 plan
has "is named" '1 image has no channel number behind the case.s name: rename phantom_002.nii.gz to phantom_002_0000.nii.gz$' stderr
lacks "without a word on numTraining" 'numTraining' stderr
begin
gzip -d "$raw/imagesTr/phantom_003_0000.nii.gz" "$raw/labelsTr/phantom_003.nii.gz"
check "a case with another ending that numTraining counts" 1 plan
has "is an error" 'error: .*imagesTr/phantom_003_0000.nii, labelsTr/phantom_003.nii: 1 case in files with another ending' stderr
sed -i 's/"numTraining": 5/"numTraining": 4/' "$raw/dataset.json"
check "one that it does not count" 0 plan --quiet
has "is a warning" 'warning: .*1 case in files with another ending' stderr
begin
gzip -d "$raw/labelsTr/phantom_003.nii.gz"
check "a label alone with another ending" 1 plan
has "is one error" 'error: .*labelsTr/phantom_003.nii: 1 case in files' stderr
lacks "and the image is not called unlabelled" 'has no label' stderr
begin
rm "$raw/labelsTr/phantom_001.nii.gz" "$raw/imagesTr/phantom_002_0000.nii.gz"
check "broken cases" 1 plan
has "are counted once each" '2 errors in the dataset' stderr
sed -i 's/"numTraining": 5/"numTraining": 9/' "$raw/dataset.json"
check "a number that is wrong in any case" 1 plan
has "is said all the same" 'numTraining is 9: expected the number of training cases there, 5' stderr
# An image and its label that are both named wrongly are one fault.
begin
mv "$raw/imagesTr/phantom_002_0000.nii.gz" "$raw/imagesTr/phantom_002_0001.nii.gz"
mv "$raw/labelsTr/phantom_002.nii.gz" "$raw/labelsTr/phantom_002_seg.nii.gz"
check "a wrong channel and a longer label" 1 plan
has "are one error" '1 error in the dataset' stderr
has "with both files" 'case phantom_002: .*phantom_002_0001.nii.gz: no file with channel number 0000: .*; its label, phantom_002_seg.nii.gz, is expected as phantom_002.nii.gz' stderr
lacks "without a word on numTraining" 'numTraining' stderr
begin
mv "$raw/imagesTr/phantom_002_0000.nii.gz" "$raw/imagesTr/phantom_002_0001.nii.gz"
check "a wrong channel alone" 1 plan
has "says nothing of the label" 'phantom_002_0001.nii.gz: no file with channel number 0000: expected one for each number from 0000 on$' stderr
begin
mv "$raw/imagesTr/phantom_002_0000.nii.gz" "$raw/imagesTr/phantom_002_image_0000.nii.gz"
mv "$raw/labelsTr/phantom_002.nii.gz" "$raw/labelsTr/phantom_002_label.nii.gz"
check "image and label of one case, named by two rules" 1 plan
has "are one error, too" '1 error in the dataset' stderr
has "with both files and what to do" 'labelsTr/phantom_002_label.nii.gz has no image: .*imagesTr/phantom_002_image_0000.nii.gz has no label: if they are one case, rename the label to phantom_002_image.nii.gz' stderr
lacks "without a word on numTraining" 'numTraining' stderr
mv "$raw/imagesTr/phantom_003_0000.nii.gz" "$raw/imagesTr/phantom_003_image_0000.nii.gz"
mv "$raw/labelsTr/phantom_003.nii.gz" "$raw/labelsTr/phantom_003_label.nii.gz"
check "two such cases" 1 plan
has "are two" '2 errors in the dataset' stderr
has "each with its own" 'phantom_003_label.nii.gz has no image: .*phantom_003_image_0000.nii.gz has no label' stderr
begin
for i in 1 2 3 4 5; do
    mv "$raw/imagesTr/phantom_00${i}_0000.nii.gz" "$raw/imagesTr/phantom_00${i}_image_0000.nii.gz"
    mv "$raw/labelsTr/phantom_00$i.nii.gz" "$raw/labelsTr/phantom_00${i}_label.nii.gz"
done
check "images and labels named by two rules" 1 plan
has "are reported once" 'no label has the name of an image: the first image is phantom_001_image_0000.nii.gz, .* expected as phantom_001_image.nii.gz, and the first label is phantom_001_label.nii.gz' stderr
is "with the sum as the only other error" test "$(errors)" -eq 2
lacks "without a word on numTraining" 'numTraining' stderr
mv "$raw/labelsTr/phantom_004_label.nii.gz" "$raw/labelsTr/phantom_004_image.nii.gz"
check "where one fits" 1 plan
has "the others are named one by one" 'case phantom_001_label: .*has no image: expected imagesTr/phantom_001_label_0000.nii.gz' stderr
begin
mv "$raw/imagesTr/phantom_002_0000.nii.gz" "$raw/imagesTr/Phantom_002_0000.nii.gz"
check "a name that differs in capital letters" 1 plan
has "is reported with the other one" '1 label has only nearly the name of an image: the case "phantom_002" has no image; "Phantom_002" is there, which differs from "phantom_002" in capital letters or blanks only' stderr
is "with the sum as the only other error" test "$(errors)" -eq 2
begin
for f in "$raw"/imagesTr/*; do mv "$f" "${f%.nii.gz}.NII.gz"; done
check "an ending in capital letters" 1 plan
has "is reported" '5 cases in files with another ending .*capital letters count: rename them' stderr
begin
mkdir "$raw/imagesTr/p1"; mv "$raw"/imagesTr/*1_0000.nii.gz "$raw/imagesTr/p1"
check "an image in a folder of its own" 1 plan
has "is not looked for" '1 file(s) ignored, the first is p1, a folder, which is not searched' stderr
begin
mv "$raw/imagesTr" "$raw/ImagesTr"
check "another name of the folder" 1 plan
has "is reported with what is there" 'imagesTr: missing: .*there are ImagesTr, dataset.json, labelsTr' stderr

# ---- files whose content does not fit their ending
begin
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 5\n' >"$raw/imagesTr/phantom_001_0000.nii.gz"
gzip -c "$raw/imagesTr/phantom_002_0000.nii.gz" >"$out/twice"; mv "$out/twice" "$raw/imagesTr/phantom_002_0000.nii.gz"
"$build/make_phantom" -o "$out/other" --cases 1 --size 1x32x32 --ending .nrrd --quiet
cp "$out/other/imagesTr/phantom_001_0000.nrrd" "$raw/imagesTr/phantom_003_0000.nii.gz"
: >"$raw/labelsTr/phantom_004.nii.gz"
check "files that are no images" 1 plan
has "a pointer of Git LFS is told" 'phantom_001_0000.nii.gz: not NIfTI: .*by its content it is a pointer of Git LFS: fetch' stderr
has "what is packed twice" 'phantom_002_0000.nii.gz: not NIfTI: .*compressed by gzip twice: unpack it once' stderr
has "another format" 'phantom_003_0000.nii.gz: not NIfTI: .*by its content it is a NRRD file: give it the ending of one' stderr
has "an empty file" 'labelsTr/phantom_004.nii.gz: .*the file is empty' stderr

# ---- keys of dataset.json
begin
wrong() { # OLD NEW PATTERN
    cp "$out/sound/dataset.json" "$raw/dataset.json"; sed -i "s/$1/$2/" "$raw/dataset.json"
    check "\"$2\" for $1" 1 plan
    has "is named" "$3" stderr
}
wrong '"file_ending"' '"file_endings"' 'dataset.json:[0-9]*:[0-9]*: found the key "file_endings", expected "file_ending"'
wrong '"numTraining"' '"num_training"' 'found the key "num_training", expected "numTraining"'
wrong '"numTraining"' '"datasets": {}, "numTraining"' 'found the key "datasets", expected "dataset"'
wrong '"numTraining"' '"overwrite_image_reader": "NibabelIO", "numTraining"' 'expected "overwrite_image_reader_writer"'
wrong '"labels"' '"label"' 'found the key "label", expected "labels"'
wrong '"channel_names"' '"channels"' 'the key channel_names is missing: write "channel_names": {"0": "CT"}\|found the key "channels", expected "channel_names"'
wrong '"background": 0' '"0": "background"' 'expected the name first, then its value, as "background": 0'
many=$(awk 'BEGIN {for (i = 0; i < 65; i++) printf "%s\"%d\": \"MRI\"", i ? ", " : "", i}')
printf '{"channel_names": {%s}, "labels": {"background": 0, "a": 1, "b": 2}, "numTraining": 5, "file_ending": ".nii.gz"}' "$many" >"$raw/dataset.json"
check "more channels than an image may have" 1 plan
has "are refused" 'channel_names: 65 channels, expected at most 64' stderr

# ---- lists and maps in dataset.json
begin
keys '"training": [{"image": "./imagesTr/phantom_001.nii.gz", "label": "./labelsTr/phantom_001.nii.gz"}, {"image": "./imagesTr/phantom_002.nii.gz", "label": "./labelsTr2/phantom_002.nii.gz"}]'
check "a list that names other files" 0 plan --quiet
has "is named as unused" 'warning: .*"training" is not used and names other files than those used, 1 of them, the first is ./labelsTr2/phantom_002' stderr
begin
keys '"training": [{"image": "./imagesTr/phantom_001.nii.gz", "label": "./labelsTr/phantom_001.nii.gz"}], "test": ["./imagesTs/phantom_002.nii.gz"]'
check "a shorter list" 0 plan --quiet
has "is named too" 'names 1 cases; all 5 that are in the folders are used' stderr
begin
map=
for i in 1 2 3 4 5; do map="$map${map:+, }\"c$i\": {\"images\": [\"\${PLACE}/imagesTr/phantom_00${i}_0000.nii.gz\"], \"label\": \"\$PLACE/labelsTr/phantom_00$i.nii.gz\"}"; done
mkdir "$out/elsewhere"; mv "$raw/imagesTr" "$raw/labelsTr" "$out/elsewhere/"
keys "\"dataset\": {$map}"
check "a variable that is not set" 1 plan
has "is named" 'dataset.json: dataset: case c1: .*the variable PLACE is not set' stderr
export PLACE="$out/elsewhere"
check "variables in paths are expanded" 0 plan --quiet
sed -i "s|[$]PLACE|~|; s|[$]{PLACE}|~|g" "$raw/dataset.json"; HOME=$out/elsewhere; export HOME
check "and the home folder" 0 plan --quiet
