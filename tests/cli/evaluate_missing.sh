#!/bin/sh
# evaluate_missing BUILD: references without a prediction, predictions without a reference, labels in no case: named in
# every file and in the exit status. What can be checked before the work is.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
"$build/make_phantom" -o "$out/raw" --cases 5 --size 3x20x24 --quiet 2>/dev/null
labels=$out/raw/labelsTr
set -- "$labels"/*.nii.gz
evaluate() { "$build/evaluate" "$labels" "$@"; }

mkdir "$out/some"
cp "$1" "$3" "$5" "$out/some"
check "references without a prediction" 1 evaluate "$out/some" -o "$out/missing" --quiet
has "are named, quiet or not" 'error: 2 references have no prediction .*: phantom_002, phantom_004$' stderr
has "the others have their numbers" '^foreground mean *1\.0000' stdout
has "summary.json names them" '^    "missing_predictions": \[$' missing/summary.json
has "summary.yaml" '^  - phantom_004$' missing/summary.yaml
has "per_case.csv" '^phantom_002,,,.*no prediction$' missing/per_case.csv
has "and the report" 'phantom_002, phantom_004' missing/report.html
check "are allowed" 0 evaluate "$out/some" -o "$out/allowed" --allow-missing --quiet
has "with a warning" 'warning: 2 references have no prediction' stderr
is "and the same files" cmp "$out/missing/summary.json" "$out/allowed/summary.json"
check "by nnU-Net's name too" 0 evaluate "$out/some" -o "$out/allowed" --chill --quiet
check "nothing is missing" 0 evaluate "$labels" -o "$out/whole" --quiet
lacks "and nnU-Net's keys are all" 'missing\|absent\|failed\|extra\|notes' whole/summary.json

cp "$1" "$out/some/stranger.nii.gz"
check "a prediction without a reference" 1 evaluate "$out/some" -o "$out/extra" --allow-missing --quiet
has "is an error" 'case stranger: stranger.nii.gz has no reference' stderr
has "summary.json names it" '^        "stranger"$' extra/summary.json
has "summary.yaml" '^extra_predictions:$' extra/summary.yaml
has "per_case.csv" '^stranger,,,.*not evaluated: .*has no reference$' extra/per_case.csv
has "and the report" 'stranger' extra/report.html
echo "not an image" >"$out/some/._phantom_001.nii.gz"
rm "$out/some/stranger.nii.gz"
check "hidden files are no cases" 0 evaluate "$out/some" -o "$out/hidden" --chill --quiet
head -c 60 "$1" >"$out/some/$(basename "$1")"
check "a broken file" 1 evaluate "$out/some" -o "$out/broken" --chill
has "is not counted as done" '^evaluate: 2 done, 1 failed' stderr
has "and named in the file" '^  phantom_001: .*not evaluated' broken/summary.yaml

mkdir "$out/dead"
head -c 60 "$1" >"$out/dead/$(basename "$1")"
check "no case at all" 1 evaluate "$out/dead" -o "$out/nothing" --chill --quiet
lacks "prints no numbers" 'foreground' stdout
lacks "and calls no label absent" 'absent_labels": \[' nothing/summary.json
has "but says why" 'not evaluated: ' nothing/summary.json

# Labels that are in no case.
sed 's/"dark_organ": 2/"dark_organ": 2, "tumour": 3, "cyst": 4/' "$out/raw/dataset.json" >"$out/more.json"
check "labels in no case" 0 evaluate "$labels" -o "$out/absent" -d "$out/more.json" --quiet
has "are said" 'warning: 2 of 4 labels are in no case, .*: tumour, cyst$' stderr
has "have no mean" '^3 tumour  *-  *-  *-  *-' stdout
has "and are in none" '^foreground mean *1\.0000' stdout
has "the file says which" '^    "absent_labels": \[$' absent/summary.json
lacks "no number is none" 'nan' stdout
lacks "no tile of the report is empty" '<b>–' absent/report.html
has "a tile says over how many labels" 'over 2 of 4 labels' absent/report.html
has "the report says which are left out" 'left out: tumour, cyst\.' absent/report.html
lacks "and has no table of them" 'data-tab="tumour"' absent/report.html
has "one tolerance of all is said once" 'NSD at a tolerance of 1 mm\. Dist' absent/report.html

# Regions have nnU-Net's keys.
sed 's/"bright_organ": 1,/"organs": [1, 2],/; s/"dark_organ": 2/"dark_organ": [2]/
    s/"numTraining"/"regions_class_order": [1, 2], &/' "$out/raw/dataset.json" >"$out/regions.json"
check "regions" 0 evaluate "$labels" -o "$out/regions" -d "$out/regions.json" --quiet
has "have nnU-Net's keys" '^ *"(1, 2)": {$' regions/summary.json
has "of a list with one value too" '^ *"(2,)": {$' regions/summary.json

# Many labels.
awk 'BEGIN {for (i = 3; i <= 104; i++) printf ", \"organ_%03d\": %d", i, i}' >"$out/organs"
sed "s/\"dark_organ\": 2/&$(cat "$out/organs")/" "$out/raw/dataset.json" >"$out/many.json"
check "104 labels" 0 "$build/evaluate" "$1" "$1" -o "$out/many" -d "$out/many.json" --quiet --tolerance organ_104=3
has "are all in the table" '^104 organ_104 ' stdout
has "and counted" 'warning: 102 of 104 labels are in no case.*organ_003.* and 97 more (all are in summary.yaml)' stderr
has "all in the file" '^  - .104' many/summary.yaml
has "one case is one" ': 1 case\.' many/report.html
has "tolerances are put together" '1 mm (bright_organ, dark_organ, organ_003.* and 91 more), 3 mm (organ_104)' many/report.html

# Checks before the evaluation.
before() { # WHAT PATTERN OPTION…: fails, and no case was looked at
    what=$1; pattern=$2; shift 2
    check "$what" 1 evaluate "$labels" -o "${output:-$out/never}" "$@"
    has "is reported" "$pattern" stderr
    lacks "before the work" 'done' stderr
}
before "no folder of images" '--images .*none: it does not exist' --images "$out/none"
before "no folder of instances" '--instances .*: this is no folder' --instances="$1"
before "a label that is none" "no label 'liver'; the labels are bright_organ, dark_organ" --tolerance liver=2
before "another dataset.json" 'none.json' -d "$out/none.json"
output=$out/raw/dataset.json/x
before "an output that cannot be" 'raw/dataset.json'
output=
before "instances of more than two labels" 'has 4 labels: bright_organ' --instances -d "$out/more.json"
before "instances of regions" 'label 1' --instances -d "$out/regions.json"
for tolerance in nan inf -1 1e99 2= =2x liver= ''; do
    check "--tolerance '$tolerance'" 2 evaluate "$labels" -o "$out/never" --tolerance "$tolerance"
done

# Files of an earlier evaluation are removed.
check "again without a report" 0 evaluate "$labels" -o "$out/whole" --no-report --only-overlap --quiet
is "the old report is gone" test ! -e "$out/whole/report.html"
