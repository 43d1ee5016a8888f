#!/bin/sh
# dataset_places BUILD: folders without a dataset, outputs into the dataset, names of cases that collide.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
raw=$out/raw/Dataset704_Places

printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/make_phantom" -o "$raw" --cases 5 --size 1x32x32 --quiet 2>/dev/null
plan() { dataset=$1; shift; "$build/plan_and_preprocess" "$dataset" --override "$out/narrow.yaml" -j1 "$@"; }

check "the folder above a dataset" 1 plan "$out/raw" -o "$out/pre"
has "is reported with its place" 'no dataset.json in it, but in 1 folder below: give .*/raw/Dataset704_Places' stderr
check "a folder in a dataset" 1 plan "$raw/imagesTr" -o "$out/pre"
has "too" 'but in the folder above: give .*/raw/Dataset704_Places$' stderr
check "dataset.json itself" 1 plan "$raw/dataset.json" -o "$out/pre"
has "is no folder" 'dataset.json: a file: give the folder of the dataset' stderr
check "a folder that is not there" 1 plan "$out/none" -o "$out/pre"
has "is named" 'none: does not exist: expected the folder of a dataset, with dataset.json in it' stderr
mkdir "$out/empty"
check "a folder without a dataset" 1 plan "$out/empty" -o "$out/pre"
has "is reported with what is expected" 'empty: no dataset.json in it: expected a folder with dataset.json, imagesTr and labelsTr' stderr
cp "$raw/dataset.json" "$out/empty"; mkdir "$out/empty/imagesTr"
check "a dataset without labelsTr" 1 plan "$out/empty" -o "$out/pre"
has "is reported, too" 'labelsTr: missing: the images are expected in imagesTr and the labels in labelsTr' stderr
is "and nothing was written" test ! -e "$out/pre"

before=$(ls -R "$raw")
check "the dataset's own folder is no output" 1 plan "$raw" -o "$raw/."
has "which is reported" 'is a folder of the raw dataset: give another folder' stderr
check "its labelsTr neither" 1 plan "$raw" -o "$raw/labelsTr" --overwrite
is "nothing was written there" test "$(ls -R "$raw")" = "$before"
check "a folder of its own in it is one" 0 plan "$raw" -o "$raw/preprocessed" --quiet
root=$PWD; case $build in /*) absolute=$build ;; *) absolute=$root/$build ;; esac
cd "$raw" || exit 1
"$absolute/plan_and_preprocess" . -o "$out/pre" --override "$out/narrow.yaml" -j1 --quiet
cd "$root" || exit 1
is "the dataset . has its folder's name" grep -q 'dataset_name: Dataset704_Places' "$out/pre/plans.yaml"
check "and is the same by its path" 0 plan "$raw/" -o "$out/pre" --quiet

for i in images labels; do
    for f in "$raw/${i}Tr"/phantom_002*; do mv "$f" "$(echo "$f" | sed 's/phantom_002/phantom_001_seg/')"; done
    for f in "$raw/${i}Tr"/phantom_003*; do mv "$f" "$(echo "$f" | sed 's/phantom_003/phantom_001_locations/')"; done
done
check "cases whose preprocessed files would have one name" 1 plan "$raw" -o "$out/pre"
has "are refused: as labels" 'case phantom_001_seg: its preprocessed image would be phantom_001_seg.npy, the name of the labels of the case phantom_001:' stderr
has "and as locations" 'case phantom_001_locations: .*the name of the table of voxels of the case phantom_001:' stderr
for i in images labels; do rm "$raw/${i}Tr"/phantom_001_0000.nii.gz "$raw/${i}Tr"/phantom_001.nii.gz 2>/dev/null; done
sed -i 's/"numTraining": 5/"numTraining": 4/' "$raw/dataset.json"
check "without the case that they collide with they are sound" 0 plan "$raw" -o "$out/new" --quiet
