#!/bin/sh
# slice_axes BUILD: slices across several axes of a volume: training, prediction, its cost, what is refused.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

"$build/make_phantom" -o "$out/raw" --cases 5 --size 20x24x28 --quiet 2>/dev/null
plan() { # NAME AXES OPTIONS…
    pre=$out/$1; echo "configurations: {2d: {slice_axes: $2, adjacent_slices: 1, batch_size: 3}}" >"$pre.yaml"; shift 2
    "$build/plan_and_preprocess" "$out/raw" -o "$pre" -n nnunet --override "$pre.yaml" -j1 --quiet "$@"
}
train() { # NAME OPTIONS…
    pre=$out/$1; shift
    "$build/train" "$pre" 0 -o "$pre.results" --epochs 2 --iterations-per-epoch 3 --validation-iterations 1 --quiet "$@"
}
predict() { # NAME OPTIONS…
    model=$out/$1.results; shift
    "$build/predict" -i "$out/raw/imagesTr" -m "$model" -f 0 "$@"
}

check "a plan with all axes" 0 plan all "[0, 1, 2]"
check "and one with the first" 0 plan first "[0]"
check "all are trained" 0 train all
check "augmented patches can be looked at" 0 train all --show-augmentation "$out/patches"
check "predict" 0 predict all -o "$out/predicted" --quiet
for file in "$out"/all.results/fold_0/validation/*.nii.gz; do
    is "writes ${file##*/} as train did" cmp "$file" "$out/predicted/${file##*/}"
done
has "the results have the axes" 'slice_axes: \[0, 1, 2\]' all.results/plans.yaml

# ---- the same weights with one axis alone
for axis in 0 1 2; do
    cp -r "$out/all.results" "$out/axis$axis.results"
    sed -i "s/slice_axes: .*/slice_axes: [$axis]/" "$out/axis$axis.results/plans.yaml"
    check "across axis $axis alone" 0 predict axis$axis -o "$out/axis$axis" --quiet
    is "the labels are others" sh -c '! cmp "$1" "$2"' - "$out/axis$axis/phantom_001.nii.gz" "$out/predicted/phantom_001.nii.gz"
done
tiles() { "$build/predict" -i "$out/raw/imagesTr" -m "$out/$1.results" -f 0 --explain 2>/dev/null | awk '$1 == "phantom_001" {print $2}'; }
equals "the tiles of all axes are told" "$(tiles all)" $(($(tiles axis0) + $(tiles axis1) + $(tiles axis2)))
check "a limit of memory holds" 0 predict all -o "$out/limited" --quiet --memory 200M
is "the labels are the same" cmp "$out/limited/phantom_001.nii.gz" "$out/predicted/phantom_001.nii.gz"
check "too little memory" 1 predict all -o "$out/little" --quiet --memory 1M
has "is told" 'needs up to [0-9]* MiB, and may use 1' stderr

# ---- what is refused
check "a plan with an axis twice" 1 plan twice "[0, 0]"
has "is refused" 'slice_axes: axis 0 twice' stderr
check "one without axes" 1 plan none "[]"
has "is refused, too" 'slice_axes is empty, expected \[0\]' stderr
check "one with a fourth axis" 1 plan four "[3]"
has "is refused as well" 'found "3", expected a whole number from 0 to 2' stderr
check "other axes for the same results" 1 train all --override "$out/first.yaml" --continue
has "are told" 'slice_axes' stderr
sed -i 's/adjacent_slices: .*/adjacent_slices: 0/' "$out/all.results/plans.yaml"
check "for nnU-Net" 1 "$build/convert_weights" "$out/all.results" "$out/theirs"
has "they cannot be written" "slice_axes: nnU-Net's networks see slices across the first axis" stderr
check "the recipe for a time" 0 "$build/plan_and_preprocess" "$out/raw" -o "$out/auto" --minutes 0.02 -j1 --quiet
has "leaves out other axes where slices are far apart" 'slice_axes: \[0\]' auto/plans.yaml
