#!/bin/sh
# threads BUILD: labels and probabilities have the same bytes for any number of threads.
build=$1
. tests/support/tap.sh
"$build/make_phantom" -o "$out/raw" --cases 5 --size 3x150x170 --quiet 2>/dev/null
printf '%s\n' 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}' \
    'configurations: {2d: {spacing: [1.1, 0.8], patch_size: [96, 96]}}' >"$out/narrow.yaml"
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet 2>/dev/null
for fold in 0 1; do
    "$build/train" "$out/pre" $fold -o "$out/a" --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 \
        --batch-size 2 --patch-size 96x96 --quiet --no-validation 2>/dev/null
done
predict() { "$build/predict" -i "$out"/raw/imagesTr/phantom_00[12]_0000.nii.gz -m "$out/a" --quiet "$@"; }
same() { # ENDING FOLDER FOLDER
    for file in "$2"/*"$1"; do cmp "$file" "$3/${file##*/}" || return; done
}
for threads in 1 2 3; do
    check "predicted by $threads" 0 predict -o "$out/labels_$threads" -j $threads --save-probabilities
    for ending in .nii.gz .npy; do is "the same $ending" same $ending "$out/labels_1" "$out/labels_$threads"; done
done
check "one fold" 0 predict -o "$out/fold_0" -f 0 --save-probabilities
for threads in 1 2 3; do
    check "averaged by $threads" 0 "$build/ensemble" "$out/fold_0" "$out/labels_1" -o "$out/mean_$threads" -j $threads --quiet
    is "the same means" same .nii.gz "$out/mean_1" "$out/mean_$threads"
done
