#!/bin/sh
# evaluate_paper BUILD: the paper's scores where the labels are not those of the paper.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
"$build/make_phantom" -o "$out/raw" --cases 2 --size 3x20x24 --quiet 2>/dev/null
labels=$out/raw/labelsTr
evaluate() { "$build/evaluate" "$labels" "$labels" -o "$out/$1" --quiet --paper "$2" --no-report; }
organs() { # LABELS: dataset.json with organs 1 to LABELS
    awk -v n="$1" 'BEGIN {printf "{\"channel_names\": {\"0\": \"MRI\"}, \"labels\": {\"background\": 0"
        for (i = 1; i <= n; i++) printf ", \"organ_%d\": %d", i, i
        print "}, \"numTraining\": 2, \"file_ending\": \".nii.gz\"}"}' >"$out/raw/dataset.json"
}

check "organs of a dataset that has two labels" 1 evaluate two abdomen_mri
has "are refused" 'scores 13 organs by their labels 1 to 13, and 11 of them are no labels of .*dataset.json: Spleen (3), Pancreas (4), .*LK (13): omit --paper' stderr
lacks "and not printed" 'Liver' stdout
is "nothing is written, no folder either" test ! -e "$out/two"
organs 12
check "one that lacks the last" 1 evaluate twelve abdomen_mri
has "is reported with the names" '1 of them are no labels of .*: LK (13): ' stderr
organs 13
check "a dataset of 13 organs, 2 of them in the references" 0 evaluate thirteen abdomen_mri
has "warns, quiet or not" 'warning: --paper abdomen_mri: 11 of 13 organs are in no reference; .*score 1 .*: Spleen (3), ' stderr
has "in summary.json" '"note": "--paper abdomen_mri: 11 of 13 organs' thirteen/summary.json
has "and summary.yaml" '^note: .*--paper abdomen_mri: 11 of 13 organs' thirteen/summary.yaml
rm "$out/raw/dataset.json"
check "without dataset.json" 0 evaluate unnamed abdomen_mri
has "it warns too" 'warning: --paper abdomen_mri: 11 of 13 organs are in no reference' stderr
check "without the paper" 0 "$build/evaluate" "$labels" "$labels" -o "$out/plain" --quiet --no-report
lacks "there is no note" 'note' plain/summary.json

check "volumes as endoscopy" 0 evaluate volumes endoscopy
has "warns" 'warning: --paper endoscopy is for pictures, but 2 of 2 cases are volumes' stderr
has "in the summary too" '"note": "--paper endoscopy is for pictures' volumes/summary.json
"$build/make_phantom" -o "$out/flat" --cases 2 --size 1x20x24 --quiet 2>/dev/null
labels=$out/flat/labelsTr
check "pictures" 0 evaluate pictures endoscopy
lacks "do not" 'warning: --paper' stderr
