#!/bin/sh
# adjacent_slices BUILD: a network that sees adjacent slices as further channels: training, prediction, what is refused.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

"$build/make_phantom" -o "$out/raw" --cases 5 --size 4x32x36 --channels 2 --quiet 2>/dev/null
plan() { # FOLDER NUMBER OPTIONS…
    pre=$out/$1; echo "configurations: {2d: {adjacent_slices: $2, batch_size: 2}}" >"$out/$1.yaml"; shift 2
    "$build/plan_and_preprocess" "$out/raw" -o "$pre" -n nnunet --override "$pre.yaml" -j1 --quiet "$@"
}
train() { "$build/train" "$pre" 0 -o "$pre.results" --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 --quiet "$@"; }

check "a plan without adjacent slices" 0 plan none 0
check "is trained" 0 train
check "a plan with one on each side" 0 plan one 1
is "preprocesses the same" cmp "$out/none/2d/phantom_001.npy" "$out/one/2d/phantom_001.npy"
check "augmented patches can be looked at" 0 train --show-augmentation "$out/patches"
check "it is trained" 0 train
has "the results have it" 'adjacent_slices: 1' one.results/plans.yaml
has "one alone has none" 'adjacent_slices: 0' none.results/plans.yaml
check "predict" 0 "$build/predict" -i "$out/raw/imagesTr" -o "$out/predicted" -m "$out/one.results" -f 0 --quiet
for file in "$out"/one.results/fold_0/validation/*.nii.gz; do
    is "writes ${file##*/} as train did" cmp "$file" "$out/predicted/${file##*/}"
done
"$build/make_phantom" -o "$out/flat" --cases 1 --size 1x32x36 --channels 2 --quiet 2>/dev/null
check "a volume of one slice" 0 "$build/predict" -i "$out/flat/imagesTr" -o "$out/flat_labels" -m "$out/one.results" -f 0 --quiet
is "is predicted, too" test -s "$out/flat_labels/phantom_001.nii.gz"

# ---- a run that is killed and continued
longer() { # RESULTS OPTIONS…
    results=$1; shift
    $run "$build/train" "$pre" 0 -o "$results" --epochs 3 --iterations-per-epoch 2 --validation-iterations 1 --no-validation \
        --quiet "$@"
}
run=
check "three epochs" 0 longer "$out/whole"
run=exec; longer "$out/killed" 2>/dev/null & pid=$!; run=
while kill -0 $pid 2>/dev/null && [ ! -s "$out/killed/fold_0/checkpoint_latest.safetensors" ]; do sleep 0.01; done
kill -KILL $pid 2>/dev/null; wait $pid 2>/dev/null
check "three epochs that were killed on their way" 0 longer "$out/killed" --continue
weights=fold_0/checkpoint_final.safetensors
is "have the same bits" test "$(numbers "$out/whole/$weights")" = "$(numbers "$out/killed/$weights")"

# ---- with a network that sees one slice
pre=$out/none; check "the other network's probabilities" 0 train --overwrite --save-probabilities
pre=$out/one; check "and its own" 0 train --overwrite --save-probabilities
check "both are compared, and their ensemble" 0 "$build/find_best_configuration" "$out/none.results" "$out/one.results" \
    -o "$out/inference.yaml"
has "which is a pair" 'none.results + .*one.results' stdout

check "another number for the same results" 1 train --override "$out/none.yaml" --continue
has "is told" 'adjacent_slices' stderr
check "for nnU-Net" 1 "$build/convert_weights" "$out/one.results" "$out/theirs"
has "they cannot be written" "adjacent_slices: 1: nnU-Net's networks see one slice at a time" stderr
check "too many channels" 1 plan many 16
has "are refused" '16 of 2 channels on each side are 66 channels for the network: at most 64; give fewer' stderr
check "the recipe for a time" 0 "$build/plan_and_preprocess" "$out/raw" -o "$out/auto" --minutes 0.02 -j1 --quiet
has "leaves out slices that are far away" 'adjacent_slices: 0' auto/plans.yaml
