#!/bin/sh
# odd_files BUILD: other files in folders of images: hidden files, broken links, pipes, temporary files of killed
# programs.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
"$build/make_phantom" -o "$out/raw" --cases 5 --size 8x40x44 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
plan() { timeout 60 "$build/plan_and_preprocess" "$out/$1" -o "$out/pre_$1" --override "$out/narrow.yaml" --quiet; }
predict() { timeout 60 "$build/predict" -i "$out/$1/imagesTr" -o "$out/predicted_$1" -m "$out/results" --quiet; }
evaluate() { "$build/evaluate" "$out/$1/labelsTr" "$out/$2" -o "$out/evaluated" --quiet; }

for folder in imagesTr labelsTr; do
    for name in ._phantom_001_0000.nii.gz ._phantom_001.nii.gz .DS_Store .hidden.nii.gz; do echo x >"$out/raw/$folder/$name"; done
done
check "hidden files: it is planned" 0 plan raw
is "without a word" test ! -s "$out/stderr"
check "it is trained" 0 "$build/train" "$out/pre_raw" 0 -o "$out/results" --epochs 1 --iterations-per-epoch 2 \
    --validation-iterations 1 --batch-size 2 --patch-size 32x32 --quiet
check "it is predicted" 0 predict raw
echo x >"$out/predicted_raw/._phantom_001.nii.gz"
check "it is evaluated" 0 evaluate raw predicted_raw
is "without a word" test ! -s "$out/stderr"

broken() { # NAME FILE: a copy of the dataset whose FILE is gone
    cp -r "$out/raw" "$out/$1"; rm "$out/$1/$2"
}
broken linked imagesTr/phantom_002_0000.nii.gz; ln -s /nowhere/x "$out/linked/imagesTr/phantom_002_0000.nii.gz"
says='case phantom_002: .*phantom_002_0000.nii.gz: .*link to /nowhere/x, which does not exist'
check "an image that is a link to nothing: planning fails" 1 plan linked
has "and names it" "$says" stderr
check "prediction fails" 1 predict linked
has "and names it" "$says" stderr
is "for this case only" test "$(ls "$out/predicted_linked" | grep -c 'phantom_.*gz')" -eq 4
broken linked_label labelsTr/phantom_002.nii.gz; ln -s /nowhere/x "$out/linked_label/labelsTr/phantom_002.nii.gz"
says='case phantom_002: .*phantom_002.nii.gz: .*link to /nowhere/x, which does not exist'
check "a reference that is a link to nothing: planning fails" 1 plan linked_label
has "and names it" "$says" stderr
check "evaluation fails" 1 evaluate linked_label predicted_raw
has "and names it" "$says" stderr
broken piped imagesTr/phantom_002_0000.nii.gz; mkfifo "$out/piped/imagesTr/phantom_002_0000.nii.gz"
check "a pipe for an image: planning does not wait for it" 1 plan piped
has "and names it" 'case phantom_002: .*not a regular file but a named pipe' stderr
check "nor does prediction" 1 predict piped

# Temporary files of a killed process, in every folder that a program writes to.
for folder in pre_raw pre_raw/2d results results/fold_0 predicted_raw evaluated; do echo x >"$out/$folder/summary.json.tmp-$(uname -n)-1-0"; done
rm "$out/predicted_raw/phantom_001.nii.gz"
check "planning again" 0 plan raw
check "predicting again" 0 predict raw
check "evaluating again" 0 evaluate raw predicted_raw
check "training again" 0 "$build/train" "$out/pre_raw" 0 -o "$out/results" --epochs 2 --continue --quiet
is "leftovers are gone" sh -c "! find '$out' -name '*.tmp-*' | grep ."
