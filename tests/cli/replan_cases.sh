#!/bin/sh
# replan_cases BUILD: planning a dataset again: warnings about cases are printed again, and contact sheets show the
# present labels.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
raw=$out/Dataset702_Cases pre=$out/pre
printf 'network: {width: 0.125}\n' >"$out/narrow.yaml"
"$build/make_phantom" -o "$raw" --cases 30 --size 2x16x16 --quiet 2>/dev/null
plan() { "$build/plan_and_preprocess" "$raw" -o "$pre" --override "$out/narrow.yaml" -j1 --quiet "$@"; }
logged() { grep -c "warning: case phantom_002: .*: turned onto" "$pre/plan_and_preprocess.log"; }
copy() { mkdir "$out/$1"; cp "$pre"/verify/* "$out/$1"; }
drawn() { cmp -s "$out/$1/$2" "$pre/verify/$2"; } # BEFORE SHEET: as before

# ---- warnings
cp "$raw/labelsTr/phantom_002.nii.gz" "$out/label.nii.gz"
"$build/turn" "$out/label.nii.gz" "$raw/labelsTr/phantom_002.nii.gz" AIL
check "a label that is stored otherwise" 0 plan
has "is reported" 'warning: case phantom_002: .*: turned onto' stderr
grep 'warning: case' "$out/stderr" >"$out/first"
check "planned again with the same fingerprint" 0 plan
grep 'warning: case' "$out/stderr" >"$out/again"
is "it is told again, in the same words" cmp "$out/first" "$out/again"
is "and once in the log for each run" test "$(logged)" -eq 2
rm "$pre/fingerprint_warnings.yaml"
check "where the messages of the run are not known" 0 plan
has "the cases are read again" 'warning: case phantom_002: .*: turned onto' stderr
cp "$out/label.nii.gz" "$raw/labelsTr/phantom_002.nii.gz"
check "the label was mended" 0 plan
lacks "and is told no more" 'phantom_002' stderr
check "nor again" 0 plan
lacks "in the next run" 'phantom_002' stderr

# ---- contact sheets
is "without --verify there are no sheets" test ! -e "$pre/verify"
check "sheets are drawn" 0 plan --verify
copy before
check "nothing has changed" 0 "$build/plan_and_preprocess" "$raw" -o "$pre" --override "$out/narrow.yaml" -j1
lacks "so they stay" 'drawn anew' stderr
last=$raw/labelsTr/phantom_030.nii.gz # on the second sheet: the labels change places
gunzip -c "$last" >"$out/last.nii"
{ head -c 352 "$out/last.nii"; tail -c +353 "$out/last.nii" | tr '\001\002' '\002\001'; } | gzip -c >"$last"
check "a corrected label, without --verify" 0 "$build/plan_and_preprocess" "$raw" -o "$pre" --override "$out/narrow.yaml" -j1
has "it is reported" 'pre/verify: these contact sheets show an earlier state of the dataset and are drawn again' stderr
is "its sheet is another one" test ! "$(drawn before sheet_002.png && echo same)"
is "with the same picture of the others" drawn before sheet_001.png
copy corrected
check "and with it" 0 plan --verify
is "it is just that" drawn corrected sheet_002.png
check "sheets without a record of the images they show" 0 sh -c "rm '$pre/verify/made_from.yaml'; echo old >'$pre/verify/sheet_001.png'"
check "are drawn anew" 0 plan
is "as they were" drawn corrected sheet_001.png
rm "$raw"/imagesTr/phantom_02[0-9]* "$raw"/labelsTr/phantom_02[0-9]*
sed -i 's/"numTraining": 30/"numTraining": 20/' "$raw/dataset.json"
check "a dataset with fewer cases" 0 plan
is "has no sheet of those that are gone" test ! -e "$pre/verify/sheet_002.png"
lacks "nor are they in the index" 'phantom_025' pre/verify/index.yaml
