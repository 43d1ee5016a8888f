#!/bin/sh
# case_space BUILD: channels and labels of a case that are stored with different axes are brought to one grid.
build=$1
. tests/support/tap.sh
turn=$build/turn
export OMP_NUM_THREADS=1
echo 'network: {width: 0.125}' >"$out/narrow.yaml"

"$build/make_phantom" -o "$out/set" --cases 5 --channels 2 --size 3x32x28 --seed 3 --quiet
cp -r "$out/set" "$out/mixed"
"$turn" "$out/set/imagesTr/phantom_001_0001.nii.gz" "$out/mixed/imagesTr/phantom_001_0001.nii.gz" LPS
"$turn" "$out/set/labelsTr/phantom_002.nii.gz" "$out/mixed/labelsTr/phantom_002.nii.gz" AIL
plan="$build/plan_and_preprocess"
check "a sound dataset" 0 "$plan" "$out/set" -o "$out/pre" --override "$out/narrow.yaml" -j1 --quiet
check "one with a channel and a label stored otherwise" 0 "$plan" "$out/mixed" -o "$out/pre_mixed" --override "$out/narrow.yaml" -j1 --quiet
has "the channel is named" 'warning: case phantom_001: .*phantom_001_0001.nii.gz: .*LPS: turned onto' stderr
has "the label is named" 'warning: case phantom_002: .*labelsTr/phantom_002.nii.gz: .*AIL: turned onto' stderr
is "they are preprocessed alike: image" cmp "$out/pre/2d/phantom_001.npy" "$out/pre_mixed/2d/phantom_001.npy"
is "labels" cmp "$out/pre/2d/phantom_002_seg.npy" "$out/pre_mixed/2d/phantom_002_seg.npy"
check "the reference of the validation lies on the image's grid" 0 \
    "$build/evaluate" "$out/pre/gt_segmentations" "$out/pre_mixed/gt_segmentations" -o "$out/e" -j1 --no-report --quiet
lacks "as it is stored" 'warning' stderr
has "with the same labels" '^foreground mean *1.0000' stdout

cp "$out/set/labelsTr/phantom_003.nii.gz" "$out/keep.nii.gz"
"$turn" "$out/keep.nii.gz" "$out/mixed/labelsTr/phantom_003.nii.gz" LPS 7
check "another direction that fits nowhere" 1 "$plan" "$out/mixed" -o "$out/pre_bad" --override "$out/narrow.yaml" -j1 --quiet
has "is refused with both places" 'error: case phantom_003: .*origin .*LPS: expected that of .*phantom_003_0000.nii.gz, origin .*RAS' stderr

check "a toy" 0 "$build/train" "$out/pre" 0 -o "$out/results" --epochs 1 --iterations-per-epoch 1 --batch-size 2 --patch-size 32x32 --validation-iterations 1 -j1 --no-validation --quiet
mkdir "$out/one" "$out/two" "$out/bad"
cp "$out"/set/imagesTr/phantom_001_000?.nii.gz "$out/one"
cp "$out/set/imagesTr/phantom_001_0000.nii.gz" "$out/two"; cp "$out/one/phantom_001_0000.nii.gz" "$out/bad"
"$turn" "$out/one/phantom_001_0001.nii.gz" "$out/two/phantom_001_0001.nii.gz" SRP
"$turn" "$out/one/phantom_001_0001.nii.gz" "$out/bad/phantom_001_0001.nii.gz" LPS 50
check "predict with both channels as trained" 0 "$build/predict" -i "$out/one" -o "$out/p1" -m "$out/results" -j1 --quiet
check "and with one stored otherwise" 0 "$build/predict" -i "$out/two" -o "$out/p2" -m "$out/results" -j1 --quiet
has "it is reported, also with --quiet" 'warning: case phantom_001: .*_0001.nii.gz: .*SRP: turned onto' stderr
is "the labels are the same" cmp "$out/p1/phantom_001.nii.gz" "$out/p2/phantom_001.nii.gz"
check "a channel from another place is an error of its case" 1 "$build/predict" -i "$out/bad" -o "$out/p3" -m "$out/results" -j1 --quiet
has "with both places" 'case phantom_001: .*_0001.nii.gz: origin .*LPS: expected that of .*RAS' stderr
is "and leaves no labels" test ! -e "$out/p3/phantom_001.nii.gz"
