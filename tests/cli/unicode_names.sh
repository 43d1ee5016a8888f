#!/bin/sh
# unicode_names BUILD: names that look the same, with accents as one character (NFC) or as two (NFD, as macOS stores files).
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
raw=$out/Dataset704_Accents pre=$out/pre
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/make_phantom" -o "$out/ascii" --cases 3 --size 1x32x32 --quiet 2>/dev/null
plan() { rm -rf "$pre"; "$build/plan_and_preprocess" "$raw" -o "$pre" --override "$out/narrow.yaml" -j1 --folds 3 --quiet "$@"; }
composed=$(printf 'M\303\274ller') decomposed=$(printf 'Mu\314\210ller')
advice='looks the same, but its letters are stored in another Unicode form .*convmv '

begin() { # IMAGES LABELS: the names in both folders
    rm -rf "$raw"; mkdir -p "$raw/imagesTr" "$raw/labelsTr"; cp "$out/ascii/dataset.json" "$raw"
    for i in 1 2 3; do
        cp "$out/ascii/imagesTr/phantom_00${i}_0000.nii.gz" "$raw/imagesTr/$1_${i}_0000.nii.gz"
        cp "$out/ascii/labelsTr/phantom_00$i.nii.gz" "$raw/labelsTr/$2_$i.nii.gz"
    done
}
begin "$decomposed" "$composed"
check "labels in another form than images" 1 plan
has "are reported once" "3 labels have only nearly the name of an image: .*; ${decomposed}_1 is there and $advice" stderr
is "with the sum as the only other error" test "$(grep -c 'error: ' "$out/stderr")" -eq 2

begin "$decomposed" "$decomposed"
keys() { sed -i "s|\"numTraining\"|$1, \"numTraining\"|" "$raw/dataset.json"; }
keys "\"training\": [{\"image\": \"./imagesTr/${composed}_1.nii.gz\", \"label\": \"./labelsTr/${composed}_1.nii.gz\"}, {\"image\": \"./imagesTr/${composed}_2.nii.gz\", \"label\": \"./labelsTr/${composed}_2.nii.gz\"}, {\"image\": \"./imagesTr/${composed}_3.nii.gz\", \"label\": \"./labelsTr/${composed}_3.nii.gz\"}]"
check "the list \"training\" in another form" 0 plan
lacks "names no other files" 'is not used' stderr
printf '[{"train": ["%s_1", "%s_2"], "val": ["%s_3"]}]' "$decomposed" "$composed" "$decomposed" >"$out/splits.json"
check "a case of the splits in another form" 1 "$build/plan_and_preprocess" "$raw" -o "$out/pre_splits" --override "$out/narrow.yaml" --splits "$out/splits.json" -j1 --quiet
has "is told apart from an unknown one" "the case ${composed}_2 is not among .*; ${decomposed}_2 is there and $advice" stderr
printf 'case,patient\n%s_1,a\n%s_2,b\n%s_3,c\n' "$decomposed" "$composed" "$decomposed" >"$out/groups.csv"
check "a case of the groups" 1 plan --groups "$out/groups.csv"
has "likewise" "no group for 1 case: ${decomposed}_2: .*; ${composed}_2 is there and $advice" stderr
printf '[{"train": ["%s_1", "other_2"], "val": ["%s_3"]}]' "$decomposed" "$decomposed" >"$out/splits.json"
check "a case that is unknown" 1 "$build/plan_and_preprocess" "$raw" -o "$out/pre_splits" --override "$out/narrow.yaml" --splits "$out/splits.json" -j1 --quiet
lacks "gets no such advice" convmv stderr

begin "$decomposed" "$decomposed"
map=
for i in 1 2 3; do map="$map${map:+, }\"c$i\": {\"images\": [\"imagesTr/${composed}_${i}_0000.nii.gz\"], \"label\": \"labelsTr/${decomposed}_$i.nii.gz\"}"; done
keys "\"dataset\": {$map}"
check "files of the map in another form" 1 plan
has "are named with the files that are there" "case c1: .*imagesTr/${composed}_1_0000.nii.gz does not exist: .*; ${decomposed}_1_0000.nii.gz is there and $advice" stderr

begin "$composed" "$composed"
mkdir "$out/predicted"
for i in 1 2 3; do cp "$raw/labelsTr/${composed}_$i.nii.gz" "$out/predicted/${decomposed}_$i.nii.gz"; done
check "predictions in another form" 1 "$build/evaluate" "$raw/labelsTr" "$out/predicted" -o "$out/scores" --quiet
has "are told apart from others" "no case of .*; ${decomposed}_1 is there and $advice" stderr
mv "$out/predicted/${decomposed}_1.nii.gz" "$out/predicted/${composed}_1.nii.gz"
check "some of them" 1 "$build/evaluate" "$raw/labelsTr" "$out/predicted" -o "$out/scores" --quiet
has "likewise" "2 references have no prediction .*; ${decomposed}_2 is there and $advice" stderr
