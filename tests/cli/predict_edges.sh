#!/bin/sh
# predict_edges BUILD: images in two files, and unexpected folders, options and models.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
train() { # RESULTS ENDING SIZE: fold 0 of a toy network
    "$build/make_phantom" -o "$out/raw_$1" --cases 5 --size "$3" --ending "$2" --quiet 2>/dev/null
    "$build/plan_and_preprocess" "$out/raw_$1" -o "$out/pre_$1" --override "$out/narrow.yaml" --quiet 2>/dev/null
    "$build/train" "$out/pre_$1" 0 -o "$out/$1" --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 \
        --batch-size 2 --patch-size 32x32 --quiet --no-validation 2>>"$out/training"
}
train mhd .mhd 3x32x36; train png .png 1x32x36
images=$out/raw_mhd/imagesTr; image=$images/phantom_001_0000
predict() { "$build/predict" "$@"; }

# The voxels of an image belong to it.
check "images in two files" 0 predict -i "$images" -o "$out/p" -m "$out/mhd"
has "both are recorded" 'outputs: {phantom_002.mhd: [0-9a-f]*, phantom_002.zraw: ' p/predict.yaml
before=$(cksum <"$out/p/phantom_001.zraw"); rm "$out/p/phantom_001.zraw"
check "voxels that were lost" 0 predict -i "$images" -o "$out/p" -m "$out/mhd"
has "are made again, the others kept" '4 of 5 cases existed already' stderr
is "as they were" test "$(cksum <"$out/p/phantom_001.zraw")" = "$before"
cp "$out/p/phantom_003.zraw" "$out/p/phantom_002.zraw"
check "voxels that were edited" 1 predict -i "$images" -o "$out/p" -m "$out/mhd"
has "are named" 'phantom_002.zraw was changed since predict wrote it' stderr
mkdir "$out/side"; cp "$image.zraw" "$out/side/a.zraw"
sed 's/phantom_001_0000.zraw/a.zraw/' "$image.mhd" >"$out/side/a_0000.mhd"; before=$(cksum <"$out/side/a.zraw")
check "an output over the voxels of an image" 1 predict -i "$out/side" -o "$out/side" -m "$out/mhd" --overwrite
has "is refused" 'its labels would replace .*side/a.zraw, which belongs to an image' stderr
check "a file beside them too" 1 predict -i "$out/side" -o "$out/side/a.mhd" -m "$out/mhd" --overwrite
is "they are as they were" test "$(cksum <"$out/side/a.zraw")" = "$before"
mkdir "$out/own"; echo mine >"$out/own/seg.zraw"
check "voxels of another image" 1 predict -i "$image.mhd" -o "$out/own/seg.mhd" -m "$out/mhd"
has "are named" 'own/seg.zraw exists already' stderr
check "--overwrite" 0 predict -i "$image.mhd" -o "$out/own/seg.mhd" -m "$out/mhd" --overwrite

mkdir "$out/locked"; ln -s "$out/victim" "$out/locked/.lock"
check "a lock that is a link" 1 env SWIN_UMAMBA_SANDBOX=off "$build/predict" -i "$image.mhd" -o "$out/locked" -m "$out/mhd"
has "is refused" 'locked: cannot write into this folder (its lock, .lock)' stderr
is "and no file is made elsewhere" test ! -e "$out/victim"
name=$(printf 'x\npredict: case y: done\033[31m')
check "a name with a newline" 1 predict -i "$out/$name" -o "$out/q" -m "$out/mhd"
has "does not begin a message" '^  predict: case y: done?\[31m: there is no such file' stderr

# Options.
check "folds as nnU-Net takes them" 1 predict -i "$images" -o "$out/q" -m "$out/mhd" -f 0 1 2
has "are folds" 'there is no fold_1' stderr
check "a fold in the place of an image" 2 predict -i "$images" -o "$out/q" -m "$out/mhd" -f0 1
has "is reported with the right form" 'separate folds by commas, as in -f 0,1' stderr
check "two models" 2 predict -i "$images" -o "$out/q" -m "$out/mhd" -m "$out/png"
has "are reported with what averages them" 'inference.yaml' stderr
check "two outputs" 2 predict -i "$images" -o "$out/q" -o "$out/r" -m "$out/mhd"
check "a file of a format that is not written" 2 predict -i "$image.mhd" -o "$out/q.jpg" -m "$out/mhd"
has "is told which are" 'the ending .jpg cannot be written; .* one of .nii.gz' stderr
mkdir "$out/odd.zip"; check "a folder may be called so" 0 predict -i "$image.mhd" -o "$out/odd.zip" -m "$out/mhd"
name=$(printf '%0250d' 7); cp "$image.zraw" "$out/long.zraw"
sed 's/phantom_001_0000.zraw/long.zraw/' "$image.mhd" >"$out/$name.mhd"
check "a very long name" 0 predict -i "$out/$name.mhd" -o "$out/q_long" -m "$out/mhd"
is "is that of the output" test -s "$out/q_long/$name.mhd"
check "an empty path" 2 predict -i '' -o "$out/q" -m "$out/mhd"
is "nothing was written" test ! -e "$out/q"

# Models.
cp -r "$out/mhd" "$out/edited"; mkdir "$out/edited/fold_3"
sed 's/ZScoreNormalization/RescaleTo01Normalization/' "$out/mhd/plans.yaml" >"$out/edited/plans.yaml"
check "a plan that was edited after the training" 0 predict -i "$image.mhd" -o "$out/e" -m "$out/edited" --quiet
has "is reported" 'warning: .*not the plan by which fold 0 was trained (.*ZScore.*, now .*RescaleTo01' stderr
has "and recorded" 'not the plan by which fold 0 was trained' e/predict.yaml
has "as is a fold that is left out" 'fold 3 left out: without checkpoint_final' e/predict.yaml
sed 's/^  step: .*/  step: 0.25/; s/^  epochs: .*/  epochs: 9/' "$out/mhd/plans.yaml" >"$out/edited/plans.yaml"
check "options of inference and training" 0 predict -i "$image.mhd" -o "$out/f" -m "$out/edited" --quiet
lacks "may be edited" 'not the plan' stderr
sed 's/"file_ending": ".mhd"/"file_ending": ".dcm"/' "$out/mhd/dataset.json" >"$out/edited/dataset.json"
check "an ending that no format has" 1 predict -i "$image.mhd" -o "$out/f" -m "$out/edited"
has "is named with those that are known" 'edited/dataset.json: file_ending is ".dcm", which no image format has: .*\.nii\.gz' stderr
cp "$out/mhd/dataset.json" "$out/edited"
sed 's/ZScoreNormalization/CTNormalization/; /^foreground_intensity/,/^[a-z]/s/mean: .*/mean: .nan/' "$out/mhd/plans.yaml" >"$out/edited/plans.yaml"
check "statistics that are no numbers" 1 predict -i "$image.mhd" -o "$out/f" -m "$out/edited"
has "are told" 'of channel 0: mean nan, .*expected numbers' stderr
cp "$out/mhd/plans.yaml" "$out/edited"; cp "$out/mhd/fold_0/checkpoint_final.safetensors" "$out/whole"
head -c 1000 "$out/whole" >"$out/edited/fold_0/checkpoint_final.safetensors"
check "a checkpoint that is cut off" 1 predict -i "$image.mhd" -o "$out/g" -m "$out/edited"
is "is found before anything is written" test ! -e "$out/g"
broken=$out/edited/fold_0/checkpoint_final.safetensors; cp "$out/whole" "$broken"
header=$(od -An -tu8 -N8 "$broken" | tr -d ' ')
place=$(tail -c +9 "$broken" | head -c "$header" |
    sed -n 's/.*"vssm_encoder.patch_embed.proj.weight":{[^}]*"data_offsets":\[\([0-9]*\),.*/\1/p')
printf '\377\377\377\177' | dd of="$broken" bs=1 seek=$((header + 8 + place)) conv=notrunc 2>/dev/null
check "NaN in a checkpoint" 1 predict -i "$images" -o "$out/nan" -m "$out/edited"
has "begins with the checkpoint" "error: .*checkpoint_final.safetensors: tensor 'vssm_encoder.patch_embed.proj.weight': element 0 of " stderr
is "is told once for all cases" test "$(grep -c NaN "$out/stderr")" -eq 1
mkdir "$out/lost"; cp "$image.mhd" "$out/lost/a_0000.mhd"
check "images without voxels" 1 predict -i "$out/lost" -o "$out/h" -m "$out/mhd"
check "do not keep another model from the folder" 0 predict -i "$image.mhd" -o "$out/h" -m "$out/mhd" --tta
check "a volume for a model of pictures" 1 predict -i "$image.mhd" -o "$out/i" -m "$out/png"
has "is refused with the way out" 'a picture cannot store the 3 slices of .*, such as -o seg.mhd' stderr

# Several models.
models() { printf 'format: 1\nmodels:\n  - {results: %s, folds: [0]}\n  - {results: %s, folds: [0]}\n%s\n' "$1" "$2" "$3" >"$out/m.yaml"; }
models mhd mhd 'postprocessing: [[1], [7]]'
check "post-processing of another dataset" 1 predict -i "$image.mhd" -o "$out/j" -m "$out/m.yaml"
has "is named" 'has label 7, and the labels of .*mhd go up to 2' stderr
models mhd mhd ''
check "probabilities of several models" 0 predict -i "$image.mhd" -o "$out/j" -m "$out/m.yaml" --save-probabilities --quiet
has "are said to be each one's" 'their mean is not written' stderr
cp -r "$images" "$out/images"; cp "$out/images/phantom_002_0000.zraw" "$out/images/phantom_001_0000.zraw"
check "an image that is another one now" 0 predict -i "$out/images/phantom_001_0000.mhd" -o "$out/j" -m "$out/m.yaml" --save-probabilities
is "is reported once" test "$(grep -c 'is predicted again' "$out/stderr")" -eq 1
printf '%s\n' 'postprocessing: [[7]]' 'models: [{results: mhd, folds: [0]}]' 'format: 1' >"$out/seven.yaml"
check "in ensemble too" 1 "$build/ensemble" "$out/j/model_1" "$out/j/model_2" -o "$out/k" --postprocessing "$out/seven.yaml"
has "it is named" 'has label 7, and the labels of .*model_1/dataset.json go up to 2' stderr
cp -r "$out/mhd" "$out/other"
sed 's/"0": *"[^"]*"/"0": "CT"/' "$out/mhd/dataset.json" >"$out/other/dataset.json"; models mhd other ''
check "models of other images" 0 predict -i "$image.mhd" -o "$out/l" -m "$out/m.yaml" --quiet
has "are reported" 'channel 0 is MRI for .*, and CT for ' stderr
sed 's/"0": *"[^"]*"/"0": "CT", "1": "PET"/' "$out/mhd/dataset.json" >"$out/other/dataset.json"
sed 's/^\( *normalization_schemes\): .*/\1: [ZScoreNormalization, ZScoreNormalization]/; s/^\( *use_mask_for_norm\): .*/\1: [false, false]/' \
    "$out/mhd/plans.yaml" >"$out/other/plans.yaml"
check "of more channels" 1 predict -i "$image.mhd" -o "$out/n" -m "$out/m.yaml"
has "are refused" 'cannot predict the same images' stderr

# Missing files.
cp -r "$out/mhd" "$out/best"; mv "$out/best/fold_0/checkpoint_final.safetensors" "$out/best/fold_0/checkpoint_best.safetensors"
check "a training that is not finished" 1 predict -i "$image.mhd" -o "$out/s" -m "$out/best"
has "is reported with the checkpoint that is there" 'fold 0 has no checkpoint_final, but checkpoint_best: use it with --checkpoint best, or finish' stderr
check "which is taken" 0 predict -i "$image.mhd" -o "$out/s" -m "$out/best" --checkpoint best
check "one that is not there" 1 predict -i "$image.mhd" -o "$out/t" -m "$out/best" -f 0 --checkpoint latest
has "is reported with what is" 'fold_0 has no checkpoint_latest, but checkpoint_best: use it with --checkpoint best$' stderr
rm "$out/best/plans.yaml"
check "folds without their plan" 1 predict -i "$image.mhd" -o "$out/t" -m "$out/best"
has "are reported" 'there are folds, but no plans.yaml' stderr
