#!/bin/sh
# few_cases BUILD: three cases, too few for five folds: fold `all`, or splits of one's own.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

"$build/make_phantom" -o "$out/raw" --cases 3 --size 4x40x44 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
check "three cases are preprocessed" 0 "$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml"
has "and it says that they are too few" '3 cases are too few for 5 folds' stderr
is "there are no splits" test ! -e "$out/pre/splits_final.yaml"
train() { # FOLD OPTIONS…
    fold=$1; shift
    "$build/train" "$out/pre" "$fold" -o "$out/results" --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 \
        --batch-size 2 --patch-size 32x32 --quiet "$@"
}
check "fold 0 cannot be trained" 1 train 0
has "it says why and what to do" '3 cases are too few for five folds: train fold "all", .*or write .*splits_final.yaml' stderr
is "and leaves no results" test ! -e "$out/results/plans.yaml"
check "fold all can" 0 train all
is "all cases are validated" test "$(grep -c '"prediction_file"' "$out/results/fold_all/validation/summary.json")" -eq 3
check "its network predicts" 0 "$build/predict" -i "$out/raw/imagesTr" -o "$out/predictions" -m "$out/results" --quiet
printf -- '- train: [phantom_001, phantom_003]\n  val: [phantom_002]\n' >"$out/pre/splits_final.yaml"
check "with splits of one's own fold 0 can" 0 train 0
is "its one case is validated" test "$(grep -c '"prediction_file"' "$out/results/fold_0/validation/summary.json")" -eq 1
check "fold 4, a random split, too" 0 train 4
rm "$out/pre/splits_final.yaml"
check "a fold cannot go on without them" 1 train 0 --continue --epochs 2
has "and reports it" 'too few' stderr
