#!/bin/sh
# evaluate_earlier BUILD: an evaluation into the folder of an earlier one, of which no case can be evaluated.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
"$build/make_phantom" -o "$out/raw" --cases 2 --size 3x20x24 --quiet 2>/dev/null
mkdir "$out/plain"
cp -r "$out/raw/labelsTr" "$out/plain/good"
mkdir "$out/plain/bad"
for file in "$out"/plain/good/*; do head -c 60 "$file" >"$out/plain/bad/$(basename "$file")"; done
json=$out/raw/dataset.json
use() { # NAME: a folder with an earlier evaluation
    "$build/evaluate" "$out/plain/good" "$out/plain/good" -o "$out/$1" --quiet >/dev/null 2>&1
}
evaluate() { # REFERENCES PREDICTIONS OUT OPTIONS…
    references=$1; predictions=$2; to=$3; shift 3
    "$build/evaluate" "$out/plain/$references" "$out/plain/$predictions" -o "$out/$to" --quiet "$@"
}
fresh() { # FOLDER: its summary is this evaluation's
    lacks "no earlier number stays" '"Dice": 1' "$1/summary.json"
    has "the summary says why" '"phantom_001": "not evaluated: ' "$1/summary.json"
    has "so does the table of cases" '^phantom_002,.*not evaluated' "$1/per_case.csv"
    lacks "no warning of an earlier one" 'of an earlier evaluation' stderr
}

for names in "" "-d $json"; do
    rm -rf "$out/used"; use used
    check "bad predictions ${names:+with dataset.json}" 1 evaluate good bad used $names
    fresh used
done
rm -rf "$out/used"; use used
check "bad references with dataset.json" 1 evaluate bad good used -d "$json"
fresh used
rm -rf "$out/used"; use used
cp "$out/used/summary.json" "$out/before.json"
check "without it, the labels are not known" 1 evaluate bad good used
has "the earlier summary is said to be that" 'warning: .*/used/summary.json is of an earlier evaluation: this one has written none' stderr
is "and is as it was" cmp "$out/before.json" "$out/used/summary.json"
check "a refused option" 1 evaluate good good used --tolerance Liver=3
has "reports it too" 'warning: .*/used/summary.json is of an earlier evaluation' stderr
check "into a new folder" 1 evaluate bad good new
lacks "there is none to tell of" 'earlier evaluation' stderr
