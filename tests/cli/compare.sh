#!/bin/sh
# compare BUILD: evaluate --compare names what the evaluations do not share, and refuses what cannot be compared.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
"$build/make_phantom" -o "$out/raw" --cases 5 --size 3x20x24 --quiet 2>/dev/null
"$build/make_phantom" -o "$out/other" --cases 5 --size 3x20x24 --seed 9 --quiet 2>/dev/null
labels=$out/raw/labelsTr
evaluate() { # NAME PREDICTIONS OPTION…
    name=$1; predictions=$2; shift 2
    "$build/evaluate" "$labels" "$predictions" -o "$out/$name" --quiet --allow-missing "$@" >"$out/log" 2>&1
}
mkdir "$out/some" "$out/others"
cp "$labels"/*_00[1-3].nii.gz "$out/some"
cp "$labels"/*_00[2-5].nii.gz "$out/others"
evaluate a "$out/some"; evaluate b "$out/others"
compare() { "$build/evaluate" --compare "$@" --quiet; }
check "evaluations of different cases" 0 compare "$out/a" "$out/b" -o "$out/ab"
has "name them" 'warning: 3 cases are not in all .*phantom_001 (not in .*/b), phantom_004 (not in .*/a), phantom_005' stderr
has "in the table too" '^3 cases are not in all' stdout
has "and compare the others" '^2 cases that all' stdout
evaluate c "$out/others"
check "of three, each case once" 0 compare "$out/a" "$out/b" "$out/c"
has "is named" 'warning: 3 cases are not' stderr

sed 's/"dark_organ": 2/"dark_organ": 2, "tumour": 3/' "$out/raw/dataset.json" >"$out/more.json"
evaluate whole "$labels"; evaluate more "$labels" -d "$out/more.json"
check "a label that one has not" 0 compare "$out/whole" "$out/more"
has "is named" 'warning: 1 label is not in all evaluations and left out: 3 (not in .*/whole)' stderr
evaluate wide "$labels" --tolerance dark_organ=3
check "other tolerances" 0 compare "$out/whole" "$out/wide"
has "leave the surface Dice out" 'warning: NSD is left out: the tolerance of label 2 is 3 mm in .*/wide and 1 mm' stderr
lacks "with a word" '^NSD  ' stdout
sed 's/"dark_organ"/"kidney"/' "$out/raw/dataset.json" >"$out/named.json"
evaluate named "$labels" -d "$out/named.json"
check "another meaning of a label" 1 compare "$out/whole" "$out/named"
has "is refused" "label 2 is 'dark_organ' in .*/whole, but 'kidney' in .*/named" stderr
labels=$out/other/labelsTr
evaluate other "$labels"
check "another dataset with cases of the same names" 1 compare "$out/whole" "$out/other"
has "is refused" 'case phantom_00.: its reference has [0-9]* voxels.* but [0-9]* in .*/other.*other references' stderr
check "an output that cannot be written" 1 compare "$out/whole" "$out/more" -o "$out/raw/dataset.json/x"
