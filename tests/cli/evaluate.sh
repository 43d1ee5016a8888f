#!/bin/sh
# evaluate BUILD: the program on real label maps, good and bad.
build=$1
data=../shared/data/Dataset004_Hippocampus
. tests/support/tap.sh
if [ ! -d $data/labelsTs ]; then
    echo "ok - evaluate on real label maps # SKIP $data is not here"
    exit 0
fi

check "labels against themselves" 0 "$build/evaluate" $data/labelsTs $data/labelsTs -o "$out/self"
has "the mean is 1" '^foreground mean *1.0000 *1.0000 to 1.0000 *1.0000 *1.0000 *0.000' stdout
has "labels have the names of the dataset.json above" '^1 Anterior' stdout
has "the file has nnU-Net's keys" '"foreground_mean": {' self/summary.json
has "every case is in the file" 'hippocampus_099.nii.gz' self/summary.json

has "the means have their intervals" 'Dice: {mean: 1.0, low: 1.0, high: 1.0}' self/summary.yaml
has "a row per case and label" 'hippocampus_099,2,Posterior,0,1,0,0,0,0,1,1,45049,1283,0,1283,1283' self/per_case.csv

check "nnU-Net's metrics only" 0 "$build/evaluate" $data/labelsTs $data/labelsTs -o "$out/overlap" --only-overlap
lacks "no surface metric is written" HD95 overlap/summary.json

mkdir "$out/pred" "$out/ref"
set -- $data/labelsTs/*.nii.gz
cp "$1" "$2" "$3" "$4" "$out/ref"
cp "$1" "$out/pred"
cp "$3" "$out/pred/$(basename "$2")"     # another case's label map: another shape
head -c 200 "$4" >"$out/pred/$(basename "$4")"  # cut off
cp "$5" "$out/pred/stranger.nii.gz"      # no reference
check "bad cases make the status 1" 1 "$build/evaluate" "$out/ref" "$out/pred" -o "$out/bad"
has "a wrong shape is named with both shapes" 'the reference has the shape (z,y,x) [0-9]*x[0-9]*x[0-9]*, the prediction' stderr
has "a cut file is named" "$(basename "$4")" stderr
has "a prediction without a reference is named" 'case stranger: stranger.nii.gz has no reference' stderr
has "a reference without a prediction is listed" '1 reference has no prediction' stderr
has "the number of failures is reported" '3 of 4 cases' stderr
has "the good case is evaluated" "$(basename "$1")" bad/summary.json
lacks "no bad case has metrics" '"prediction_file": .*stranger' bad/summary.json
has "without dataset.json the references' labels are taken" 'labels: those of the references' stderr
has "labels without a name are their value" '^1 1 ' stdout

check "evaluations are compared" 0 "$build/evaluate" --compare "$out/self" "$out/overlap/summary.json" -o "$out/both"
has "over the common cases" '^20 cases' stdout
has "metrics of both are shown" '^Dice ' stdout
lacks "a metric that one has not is not" '^NSD ' stdout
has "as a file" '^Dice,"mean",2,1,0,nan,0$' both/comparison.csv
check "one evaluation is not enough" 2 "$build/evaluate" --compare "$out/self"
check "no summary.json" 1 "$build/evaluate" --compare "$out/self" $data/dataset.json
has "it is reported" 'dataset.json:[0-9:]* no cases' stderr
check "two files" 0 "$build/evaluate" "$1" "$1" -o "$out/file" -d $data/dataset.json
check "a tolerance for one label" 0 "$build/evaluate" "$1" "$1" -o "$out/file" --tolerance 2 --tolerance Anterior=3
check "the paper's scores" 0 "$build/evaluate" "$1" "$1" -o "$out/paper" --paper endoscopy
has "as a table" '^average *1.0000 *1.0000' stdout
has "and as a file" '^mean,1,1$' paper/paper.csv
check "an unknown paper" 2 "$build/evaluate" "$1" "$1" -o "$out/x" --paper nature
check "a tolerance for no label" 1 "$build/evaluate" "$1" "$1" -o "$out/file" --tolerance Liver=3
has "it is said which" 'Liver=3: there is no label' stderr
check "no such folder" 1 "$build/evaluate" $data/labelsTs "$out/none" -o "$out/x"
has "it is named" "$out/none: does not exist" stderr
check "an empty folder" 1 sh -c "mkdir '$out/empty'; '$build/evaluate' $data/labelsTs '$out/empty' -o '$out/x'"
check "a broken dataset.json" 1 "$build/evaluate" $data/labelsTs $data/labelsTs -o "$out/x" -d "$1"
check "an output that cannot be written" 1 "$build/evaluate" $data/labelsTs $data/labelsTs -o /dev/null/x
check "wrong usage" 2 "$build/evaluate" $data/labelsTs
check "no output" 2 "$build/evaluate" $data/labelsTs $data/labelsTs
check "a bad number" 2 "$build/evaluate" $data/labelsTs $data/labelsTs -o "$out/x" --tolerance two
