#!/bin/sh
# evaluate_pairs BUILD: folders that do not belong together, labels that mean something else, references without labels,
# options without an effect; names of any letters.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
"$build/make_phantom" -o "$out/raw" --cases 3 --size 3x20x24 --quiet 2>/dev/null
labels=$out/raw/labelsTr
evaluate() { "$build/evaluate" "$@" -o "$out/scores" --quiet; }

# No common names.
mkdir "$out/images" "$out/none"
for label in "$labels"/*; do cp "$label" "$out/images/$(basename "$label" .nii.gz)_0000.nii.gz"; done
check "names that never fit" 1 evaluate "$labels" "$out/images" --allow-missing
has "are one error with names of both" \
    'no case of .*images is in .*labelsTr: .*here are phantom_001_0000, .*there phantom_001, ' stderr
is "and nothing else" test "$(wc -l <"$out/stderr")" = 1
is "nothing is written" test ! -e "$out/scores"
check "an empty folder of references" 1 evaluate "$out/none" "$labels"
has "is named" 'none: there is no image in this folder' stderr

# What the labels mean.
cp -r "$labels" "$out/predicted"
swapped='s/"bright_organ": 1/"bright_organ": 2/; s/"dark_organ": 2/"dark_organ": 1/'
sed "$swapped" "$out/raw/dataset.json" >"$out/predicted/dataset.json"
check "predictions whose labels mean something else" 1 evaluate "$labels" "$out/predicted"
has "are refused, with both files" "label 'bright_organ' is 2 in .*predicted/dataset.json, 1 in .*raw/.*dataset.json; name" stderr
check "unless it is said what they mean" 0 evaluate "$labels" "$out/predicted" -d "$out/raw/dataset.json"
sed 's/"dark_organ": 2/&, "ignore": 3/' "$out/raw/dataset.json" >"$out/predicted/dataset.json"
check "only one side ignores a label" 1 evaluate "$labels" "$out/predicted"
has "is reported" "differ in the label 'ignore'" stderr
cp "$out/raw/dataset.json" "$out/predicted"
check "the same meaning" 0 evaluate "$labels" "$out/predicted"

# Without dataset.json: the references' labels.
mkdir "$out/empty" "$out/broken" "$out/some"
for label in "$labels"/*; do
    cp "$label" "$out/some"
    gunzip -c "$label" >"$out/label.nii"
    { head -c 352 "$out/label.nii"; head -c 1440 /dev/zero; } | gzip -c >"$out/empty/$(basename "$label")"
    head -c 60 "$label" >"$out/broken/$(basename "$label")"
done
check "references without a label" 1 evaluate "$out/empty" "$out/some"
has "are told from broken ones" 'no reference has a label above 0: name the labels by -d dataset.json' stderr
check "broken references" 1 evaluate "$out/broken" "$out/some"
has "say what is wrong" 'no label above 0 is in a reference that could be read; 3 could not: .*broken/phantom_00.*nii.gz' stderr
check "a label of which there is none in the references" 0 evaluate "$out/empty" "$out/some" -d "$out/raw/dataset.json"
has "is an invented one" '^foreground mean *0\.0000' stdout

# Options that would do nothing.
idle() { # OPTION PATTERN ARGUMENT…
    what=$1; pattern=$2; shift 2
    check "$what without an effect" 2 evaluate "$@"
    has "is refused" "$pattern" stderr
}
idle --tolerance '--tolerance has no effect with --only-overlap' "$labels" "$labels" --tolerance 2 --only-overlap
idle --images '--images has no effect with --no-report' "$labels" "$labels" --images "$out/images" --no-report
idle --count-border 'no effect without --instances' "$labels" "$labels" --count-border
idle --instance-rule 'no effect without --instances' "$labels" "$labels" --instance-rule components
idle --dataset '--dataset has no effect with --compare' --compare "$out/scores" "$out/scores" -d "$out/raw/dataset.json"
check "no evaluation to compare" 1 evaluate --compare "$out/scores" "$labels"
has "is reported" 'labelsTr/summary.json does not exist: expected an output folder of evaluate' stderr

# Columns are padded by the displayed width of names.
sed 's/"bright_organ"/"größere Leber"/; s/"dark_organ"/"日本語, <i>"/' "$out/raw/dataset.json" >"$out/names.json"
check "names of any letters" 0 evaluate "$labels" "$labels" -d "$out/names.json"
has "are padded by what they show" '^1 größere Leber  1\.0000' stdout
has "wide letters too" '^2 日本語, <i>    1\.0000' stdout
has "and are whole in the table of cases" '^phantom_001,2,"日本語, <i>",' scores/per_case.csv

# A folder in which predict did not finish may contain an earlier model's predictions.
printf 'format: 1\nmade_from: {folds: "0"}\nwarnings: []\ncases:\n  - {case: phantom_001, state: done}\n' \
    >"$out/predicted/predict.yaml"
printf '  - {case: phantom_002, state: planned}\n  - {case: phantom_009, state: failed, error: "none"}\n' \
    >>"$out/predicted/predict.yaml"
check "predictions that were not finished" 0 evaluate "$labels" "$out/predicted"
has "are reported" "warning: case phantom_002: predict did not finish this case (it is 'planned' in predict.yaml)" stderr
is "and only they" test "$(grep -c 'did not finish' "$out/stderr")" = 1
has "in the table of cases too" '^phantom_002,1,.*predict did not finish' scores/per_case.csv
sed -i '/phantom_002/d' "$out/predicted/predict.yaml"
check "a prediction that predict does not know" 0 evaluate "$labels" "$out/predicted"
has "is reported" 'warning: case phantom_002: predict.yaml does not name this case: .* an earlier model' stderr
lacks "those that it made are not" 'case phantom_001' stderr
echo 'nothing: 1' >"$out/predicted/predict.yaml"
check "a predict.yaml of somebody else" 1 evaluate "$labels" "$out/predicted"
has "is named" 'predict.yaml:1:1: no cases: expected a predict.yaml of predict' stderr
