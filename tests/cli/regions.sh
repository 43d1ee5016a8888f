#!/bin/sh
# regions BUILD: labels that are overlapping regions, and an ignore label in slices without annotations, from
# training to evaluation; then the same images with plain labels.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

# The first two of five slices of 40x44 voxels become label 3.
leave_out() { # LABELS.nii.gz
    gunzip -c "$1" >"$out/labels.nii"
    { head -c 352 "$out/labels.nii"
      tail -c +353 "$out/labels.nii" | head -c 3520 | tr '\000\001\002' '\003\003\003'
      tail -c +3873 "$out/labels.nii"; } | gzip -c >"$1"
}
run() { # NAME: trains, predicts and evaluates $out/raw
    check "$1: preprocessed" 0 "$build/plan_and_preprocess" "$out/raw" -o "$out/$1" --override "$out/narrow.yaml" --quiet
    check "trained on" 0 "$build/train" "$out/$1" 0 -o "$out/$1/results" --epochs 4 --iterations-per-epoch 16 \
        --validation-iterations 4 --batch-size 3 --patch-size 32x32 --learning-rate 0.003 --json-log
    has "classes and regions are numbered from 1" '"seconds": [^,]*, "pseudo_dice_1": [^,]*, "pseudo_dice_2": [^,]*}$' stdout
    first=$(sed -n 2p "$out/$1/results/fold_0/metrics.csv" | cut -d, -f3)
    last=$(tail -1 "$out/$1/results/fold_0/metrics.csv" | cut -d, -f3)
    is "the loss falls" awk "BEGIN {exit !($last < $first - 0.1)}"
    has "each has its pseudo-Dice" 'pseudo Dice 0\.[0-9]* [0-9n][.a][0-9n]*, mean' "$1/results/fold_0/training_log.txt"
    check "predicted" 0 "$build/predict" -i "$out/raw/imagesTr" -o "$out/$1/out" -m "$out/$1/results"
    check "evaluated" 0 "$build/evaluate" "$out/raw/labelsTr" "$out/$1/out" -o "$out/$1/scores" -d "$out/raw/dataset.json"
    is "where it is annotated" test "$(awk '/"(FN|FP|TN|TP)":/ && n++ < 4 {s += $2} END {print s}' "$out/$1/scores/summary.json")" -eq 5280
}

"$build/make_phantom" -o "$out/raw" --cases 5 --size 5x40x44 --quiet 2>/dev/null
for labels in "$out"/raw/labelsTr/*.nii.gz; do leave_out "$labels"; done
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
cp "$out/raw/dataset.json" "$out/plain.json"
sed -i 's/"bright_organ": 1,/"organs": [1, 2],/
    s/"dark_organ": 2/"dark_organ": [2], "ignore": 3/; s/"numTraining"/"regions_class_order": [1, 2], &/' "$out/raw/dataset.json"
run regions
has "as regions" '"(1, 2)"' regions/scores/summary.json
sed 's/"dark_organ": 2/&, "ignore": 3/' "$out/plain.json" >"$out/raw/dataset.json"
run labels
has "as labels" '"1"' labels/scores/summary.json
