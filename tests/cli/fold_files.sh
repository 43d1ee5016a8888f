#!/bin/sh
# fold_files BUILD: files of splits that are not read, invalid forms, a run that ended between splits and record.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
raw=$out/Dataset706_Folds pre=$out/pre

printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/make_phantom" -o "$raw" --cases 6 --size 1x32x32 --quiet 2>/dev/null
plan() { "$build/plan_and_preprocess" "$raw" -o "$pre" --override "$out/narrow.yaml" -j1 "$@"; }
refused() { # WHAT TEXT PATTERN
    echo "$2" >"$out/bad.json"
    check "$1" 1 plan --splits "$out/bad.json"
    has "is reported with the expected form" "$3" stderr
}

mkdir "$pre"; touch "$pre/splits_final.pkl" "$raw/splits.json" "$raw/split.txt" "$raw/dataset_splits.csv"
check "files that look like splits" 0 plan --quiet
has "are named: nnU-Net 1's" 'warning: .*pre/splits_final.pkl is not read: folds are read from splits_final.json or splits_final.yaml' stderr
has "one of another name" 'warning: .*Dataset706_Folds/splits.json is not read' stderr
lacks "others are not" 'txt\|csv' stderr
check "train" 0 "$build/train" "$pre" 0 -o "$out/results" --epochs 1 --iterations-per-epoch 1 --no-validation --quiet
has "names it too" 'warning: .*pre/splits_final.pkl is not read' stderr
has "in the log as well" 'splits_final.pkl is not read' results/fold_0/training_log.txt
rm "$pre/splits_final.pkl" "$raw/splits.json"

refused "a mapping of folds" '{"0": {"train": ["phantom_001"], "val": ["phantom_002"]}}' 'bad.json:1:1: no list of folds: expected a list of {train: \[CASE, ...\], val: \[CASE, ...\]}'
refused "a fold with another key" '[{"train": ["phantom_001"], "validation": ["phantom_002"]}]' 'a fold without the key val: expected a list of {train:'
refused "no fold" '[]' 'no folds: expected a list of {train:'
echo '[{"train": ["phantom_001"], "val": ["phantom_002"]}, {"train": ["phantom_003"], "val": []}]' >"$out/empty.json"
check "a fold that validates nothing" 0 plan --splits "$out/empty.json" --quiet
has "is a warning" 'warning: .*empty.json: fold 1 has no validation case' stderr

# The record is written before the folds: in between there are a new record and old folds.
check "folds are drawn" 0 plan --folds 3 --new-splits --quiet
cp "$pre/splits_final.yaml" "$out/three.yaml"
check "and others" 0 plan --folds 2 --new-splits --quiet
two=$(sed -n 's/^splits_final.yaml: //p' "$pre/splits_made_from.yaml")
check "and the first again" 0 plan --folds 3 --new-splits --quiet
three=$(sed -n 's/^splits_final.yaml: //p' "$pre/splits_made_from.yaml")
printf 'made_by: "nnU-Net%ss rule"\nsplits_final.yaml: %s\n"splits_final.yaml, replaced": %s\n' "'" "$two" "$three" >"$pre/splits_made_from.yaml"
rm "$raw"/*Tr/phantom_006*; sed -i 's/"numTraining": 6/"numTraining": 5/' "$raw/dataset.json"
check "a run that ended between record and folds" 0 plan
has "leaves folds that are still the planner's" 'splits: removed from the folds, because they are no longer in the dataset: 1 case: phantom_006' stderr
lacks "not a person's" 'your own' stderr
lacks "the record then knows one file" 'replaced' pre/splits_made_from.yaml
echo '[{"train": ["phantom_001"], "val": ["phantom_002"]}]' >"$out/mine.json"
check "a file of one's own" 0 plan --splits "$out/mine.json" --quiet
cp "$pre/splits_made_from.yaml" "$out/record.yaml"; cp "$out/three.yaml" "$pre/splits_final.yaml"
printf '"splits_final.yaml, replaced": %s\n' "$three" >>"$pre/splits_made_from.yaml"
check "a run that ended before it was taken over" 0 plan --splits "$out/mine.json" --quiet
is "is made up for" cmp "$pre/splits_made_from.yaml" "$out/record.yaml"
is "with the folds" test "$(grep -c train: "$pre/splits_final.yaml")" -eq 1
