#!/bin/sh
# predict_paths BUILD: images, models and outputs given by various names, paths and files.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
train() { # RESULTS CHANNELS: fold 0 of a toy network
    "$build/make_phantom" -o "$out/raw_$1" --cases 5 --channels "$2" --size 2x32x32 --quiet 2>/dev/null
    "$build/plan_and_preprocess" "$out/raw_$1" -o "$out/pre_$1" --override "$out/narrow.yaml" --quiet 2>/dev/null
    "$build/train" "$out/pre_$1" 0 -o "$out/$1" --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 \
        --batch-size 2 --patch-size 32x32 --quiet --no-validation 2>>"$out/training"
}
train one 1; train two 2
images=$out/raw_one/imagesTr; id=$(ls "$images" | head -1); id=${id%_0000.nii.gz}; image=$images/${id}_0000.nii.gz
predict() { "$build/predict" "$@"; }

# Names.
check "every file of two channels given singly" 0 predict "$out"/raw_two/imagesTr/*.nii.gz -o "$out/singly" -m "$out/two"
is "is a case for two" test "$(ls "$out"/singly/*.nii.gz | wc -l)" -eq 5
mkdir "$out/ixi"; cp "$image" "$out/ixi/IXI_0012.nii.gz"; cp "$image" "$out/ixi/IXI_0013.nii.gz"
check "patients 12 and 13 are no channels" 1 predict "$out/ixi/IXI_0012.nii.gz" -o "$out/mixture" -m "$out/two"
has "the file is named, and what is missing" 'case IXI_0012: .*IXI_0012.nii.gz.*expected 2.*IXI_0012_0001.nii.gz' stderr
is "nothing is written" test ! -e "$out/mixture/IXI.nii.gz"
check "of a network for one channel" 0 predict "$out/ixi/IXI_0012.nii.gz" -o "$out/patients" -m "$out/one"
is "they keep their names" test -s "$out/patients/IXI_0012.nii.gz"
check "in a folder too" 0 predict -i "$out/ixi" -o "$out/patients" -m "$out/one"
has "with a note" '2 files (IXI_0012.nii.gz, IXI_0013.nii.gz) without a channel number' stderr
has "that is kept" 'without a channel number' patients/predict.yaml
cp -r "$out/raw_two/imagesTr" "$out/gap"; rm "$out/gap/${id}_0000.nii.gz"; cp -r "$out/raw_one/imagesTr" "$out/bad"
echo "no image" >"$out/bad/${id}_0000.nii.gz"
check "a channel that is missing" 1 predict -i "$out/gap" -o "$out/gaps" -m "$out/two"
has "counts once" '1 of 5 cases failed' stderr
has "and names what is missing" "if it is channel 1 of the case $id, ${id}_0000.nii.gz is missing" stderr
is "the others are there" test "$(ls "$out"/gaps/*.nii.gz | wc -l)" -eq 4
printf 'format: 1\nmodels:\n  - {results: one, folds: [0]}\n  - {results: one, folds: [0]}\n' >"$out/both.yaml"
check "a file that is no image" 1 predict -i "$out/bad" -o "$out/bads" -m "$out/both.yaml"
has "of two models" '1 of 5 cases failed' stderr
is "is reported once" test "$(grep -c "case $id:" "$out/stderr")" -eq 1
has "and recorded" "{case: $id, state: failed, inputs: {${id}_0000.nii.gz: [0-9a-f]*}, error: " bads/predict.yaml
mkdir "$out/png" "$out/capitals"; touch "$out/png/a.png" "$out/png/b.png"; cp "$image" "$out/capitals/A_0000.NII.GZ"
check "images of another format" 1 predict -i "$out/png" -o "$out/none" -m "$out/one"
has "are named" 'there is no image with the ending .nii.gz, .* but 2 .png files' stderr
check "endings in capitals" 0 predict -i "$out/capitals" -o "$out/small" -m "$out/one"
is "are read" test -s "$out/small/A.nii.gz"
check "a raw dataset in place of its images" 1 predict -i "$out/raw_one" -o "$out/none" -m "$out/one"
has "is answered with its folders" 'imagesTr' stderr
for i in 0 1; do # frames of a film, each with both channels
    printf '%s\n' 'ObjectType = Image' 'NDims = 2' 'DimSize = 32 32' 'ElementNumberOfChannels = 2' 'ElementType = MET_UCHAR' \
        'ElementDataFile = LOCAL' >"$out/frame_000$i.mha"
    head -c 2048 "$image" >>"$out/frame_000$i.mha"; head -c 2048 "$image" | wc -c | grep -q 2048 || echo "not ok - too small an image"
done
check "frames that are numbered from 0" 1 predict "$out"/frame_000?.mha -o "$out/frames" -m "$out/two"
has "are no channels" 'frame_0000.mha: expected 2.*each of these files has all channels: .* as frame_0000_0000.mha' stderr

# Outputs.
check "a file for one case" 0 predict -i "$image" -o "$out/new/segmentation.nii.gz" -m "$out/one"
predict -i "$images" -o "$out/labels" -m "$out/one" --quiet
is "is written" cmp "$out/new/segmentation.nii.gz" "$out/labels/$id.nii.gz"
is "alone" test "$(ls "$out/new" | wc -l)" -eq 1
check "not over one that is there" 1 predict -i "$image" -o "$out/new/segmentation.nii.gz" -m "$out/one"
has "but with" 'exists already: give another name with -o, or --overwrite' stderr
check "--overwrite" 0 predict -i "$image" -o "$out/new/segmentation.nii.gz" -m "$out/one" --overwrite
check "another format" 0 predict -i "$image" -o "$out/new/segmentation.nii" -m "$out/one"
is "holds the same" test "$(gzip -dc "$out/new/segmentation.nii.gz" | cksum)" = "$(cksum <"$out/new/segmentation.nii")"
check "a picture of a volume" 1 predict -i "$image" -o "$out/new/segmentation.png" -m "$out/one"
has "is none" 'a picture cannot store the 2 slices' stderr
check "the image itself" 1 predict -i "$image" -o "$image" -m "$out/one" --overwrite
has "is no output" 'belongs to the image itself' stderr
check "a file for five cases" 1 predict -i "$images" -o "$out/all.nii.gz" -m "$out/one"
has "is refused" 'is one file, and there are 5 cases' stderr
check "a file for two models" 1 predict -i "$image" -o "$out/all.nii.gz" -m "$out/both.yaml"
check "a file and probabilities" 2 predict -i "$image" -o "$out/all.nii.gz" -m "$out/one" --save-probabilities
mkdir "$out/nested"; cp "$image" "$out/nested/a_0000.nii.gz"; cp "$image" "$out/nested/a_0000_0000.nii.gz"
before=$(cksum <"$out/nested/a_0000.nii.gz")
check "an output that is another case's image" 1 predict -i "$out/nested" -o "$out/nested" -m "$out/one" --overwrite
has "is named" 'case a_0000: its labels would replace .*/a_0000.nii.gz, which belongs to an image' stderr
is "the image is as it was" test "$(cksum <"$out/nested/a_0000.nii.gz")" = "$before"
is "the other case is done" test -s "$out/nested/a.nii.gz"
check "an output below a file" 1 predict -i "$image" -o "$image/out" -m "$out/one"
has "is found before anything is read" 'cannot' stderr
lacks "and before the network" 'swin_umamba' stderr
cp "$out/one/dataset.json" "$out/dataset.json"
mkdir "$out/own"; sed 's/dark_organ/spleen/' "$out/dataset.json" >"$out/own/dataset.json"
check "somebody else's dataset.json" 1 predict -i "$image" -o "$out/own" -m "$out/one" --save-probabilities
has "is not replaced" 'spleen' own/dataset.json

# Models.
model() { what=$1; want=$2; path=$3; shift 3; check "$what" "$want" predict -i "$image" -o "$out/by_model" -m "$path" "$@"; }
model "a fold's folder" 0 "$out/one/fold_0"
has "leads to the results above" 'using fold 0 of the results folder .*/one' stderr
model "a checkpoint" 0 "$out/one/fold_0/checkpoint_final.safetensors"
has "too" 'fold 0 of the results folder .*/one, checkpoint final' stderr
model "a checkpoint and another" 1 "$out/one/fold_0/checkpoint_final.safetensors" --checkpoint best
has "is refused by name" "names the checkpoint final, but best is asked for" stderr
model "a fold and another" 1 "$out/one/fold_0" -f 1
mkdir -p "$out/store/Dataset001_X"; cp -r "$out/one" "$out/store/Dataset001_X/nnUNetTrainer__nnUNetPlans__2d"
model "a folder above" 0 "$out/store"
has "leads to the only results below" 'the only results folder in it, .*/Dataset001_X/nnUNetTrainer__nnUNetPlans__2d' stderr
cp -r "$out/one" "$out/store/Dataset001_X/other"
model "a folder above two" 1 "$out/store"
has "names both" 'holds 2 results folders: give one of them (.*nnUNetTrainer__nnUNetPlans__2d, .*/other)' stderr
model "preprocessed cases" 1 "$out/pre_one"
has "are named as that" 'is a folder of preprocessed cases' stderr
model "a raw dataset" 1 "$out/raw_one"
has "too" 'is a raw dataset' stderr
cp "$out/one/fold_0/checkpoint_final.safetensors" "$out/alone.safetensors"
model "weights alone" 1 "$out/alone.safetensors"
has "are no model" 'these are only weights' stderr
model "a plan" 1 "$out/one/plans.yaml"
for file in dataset.json plans.yaml; do
    cp -r "$out/one" "$out/lacks"; rm "$out/lacks/$file"
    model "results without $file" 1 "$out/lacks"
    has "are told to have it back" "lacks.*$file.* train wrote beside .*put it back" stderr
    rm -r "$out/lacks"
done
model "folds of inference.yaml" 1 "$out/both.yaml" -f 0
mkdir "$out/one/fold_3"
model "a fold that was begun" 0 "$out/one"
has "is left out by name" 'warning: .*/one: fold 3 left out: without checkpoint_final; trainings that are not finished' stderr
cp -r "$out/one/fold_0" "$out/one/fold_all"
model "fold_all beside others" 0 "$out/one" --overwrite
has "does not predict" 'swin_umamba_d, fold 0, 1 case' stderr
has "and is named" 'fold_all is left out' stderr
model "but if asked for" 0 "$out/one" -f all --overwrite
has "alone" 'swin_umamba_d, fold all, 1 case' stderr
model "a range of folds" 1 "$out/one" -f 0-2
has "names the first that is not there" 'there is no fold_1, only folds all, 0, 3' stderr
cp -r "$out/one" "$out/unknown"; sed -i 's/name: swin_umamba_d/name: mednext/' "$out/unknown/plans.yaml"
model "a network that is not known" 1 "$out/unknown"
has "is named with its file" 'unknown/plans.yaml: .*mednext.*swin_umamba_d' stderr
if command -v setpriv >/dev/null && [ "$(id -u)" -eq 0 ]; then
    chmod 755 "$out"; cp "$build/predict" "$out/program"; chmod 700 "$out/one/fold_0"
    other() { setpriv --reuid=65534 --regid=65534 --clear-groups "$out/program" "$@"; }
    mkdir -m 777 "$out/theirs"
    check "a fold that may not be read" 1 other -i "$image" -o "$out/theirs/p" -m "$out/one" -f 0
    has "is no fold that is missing" 'fold_0.*Permission denied' stderr
    chmod 700 "$out/one"
    check "nor is a folder" 1 other -i "$image" -o "$out/theirs/p" -m "$out/one"
    has "empty that may not be read" 'one.*Permission denied' stderr
    chmod 755 "$out/one"
else
    echo "ok - folders of another user # SKIP not root, or no setpriv"
fi
for step in 0 nan -1 inf 2; do check "--step $step" 2 predict -i "$image" -o "$out/none" -m "$out/one" --step $step; done
