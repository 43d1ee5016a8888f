#!/bin/sh
# pretrain BUILD: an encoder from images without labels, from the images of a preprocessed folder, and from classes of images.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=2

"$build/make_phantom" -o "$out/raw" --cases 6 --size 3x64x70 --quiet 2>/dev/null
printf 'network: {width: 0.125, depths: [1, 1, 1, 1]}\n' >"$out/narrow.yaml"
printf 'network: {width: 0.125, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/whole.yaml"
pretrain() { # OUTPUT OPTIONS…
    output=$1; shift
    "$build/pretrain" -o "$out/$output" --epochs 2 --iterations-per-epoch 4 --batch-size 3 "$@"
}

# ---- wrong usage
check "it is one kind of minutes" 2 "$build/pretrain" "$out/raw" -o "$out/x.pth" --minutes 1 --cpu-minutes 1
has "of two" 'either --minutes or --cpu-minutes' stderr
check "and minutes or epochs" 2 pretrain x.pth "$out/raw" --cpu-minutes 1
has "by the option's name" 'either --cpu-minutes or --epochs' stderr

# ---- images without labels
check "images train an encoder" 0 pretrain a.safetensors "$out/raw/imagesTr" --override "$out/narrow.yaml"
has "by masked squares" 'vmamba_masked, fp32, patch 64x64, batch 3, 2 epochs of 4 iterations' stderr
has "whose size follows the patch" 'mask_size: 8' a_pretraining/plans.yaml
is "there is a log" test -s "$out/a_pretraining/fold_0/training_log.txt"
lacks "without a Dice" 'Dice' a_pretraining/fold_0/training_log.txt
check "an encoder that is there is kept" 1 pretrain a.safetensors "$out/raw/imagesTr" --override "$out/narrow.yaml"
has "with what to do" 'exists already: give --overwrite' stderr
sums() { numbers "$out/$1"; }
before=$(sums a.safetensors)
check "--overwrite trains anew" 0 pretrain a.safetensors "$out/raw/imagesTr" --override "$out/narrow.yaml" --overwrite --quiet
is "to the same bits" test "$before" = "$(sums a.safetensors)"
check "a training begins" 0 "$build/train" "$out/a_pretraining/images" 0 -o "$out/b_pretraining" --override "$out/a_pretraining/plans.yaml" \
    --epochs 1 --quiet
check "and pretrain goes on with it" 0 pretrain b.safetensors "$out/raw/imagesTr" --override "$out/narrow.yaml" --continue --epochs 2 --quiet

# ---- other images, other runs
mkdir "$out/few"
cp "$out"/raw/imagesTr/phantom_00[12]* "$out/few"
few() { # OUTPUT OPTIONS…: pretrains on the few images
    pretrain "$@" "$out/few" --override "$out/narrow.yaml" --quiet
}
check "the output may be among the images" 0 few few/a.pth
check "and its pictures are not taken for images" 0 few few/a.pth --overwrite
is "of which there are two" test "$(ls "$out"/few/a_pretraining/images/2d/*_seg.npy | wc -l)" = 2
cp "$out"/raw/imagesTr/phantom_003* "$out/few"; rm "$out/few/a.pth"
check "a run that is there is kept" 1 few few/a.pth
is "with its images" test ! -e "$out/few/a_pretraining/images/2d/phantom_003_0000.npy"
check "it does not go on with other images" 1 few few/a.pth --continue
has "but says so" 'the images (3) are not those that the run began with (2' stderr
rm "$out"/few/phantom_00[23]*
check "--overwrite replaces them" 0 few few/a.pth --overwrite
is "all" test ! -e "$out/few/a_pretraining/images/2d/phantom_002_0000.npy"
check "links are followed" 0 sh -c 'ln -s "$1" "$1/again"' - "$out/few"
check "but not in a circle" 1 few b.pth
has "which is named" 'few/again: a link to a folder that contains it' stderr

check "a run goes on without the options of its plan" 0 "$build/pretrain" "$out/raw/imagesTr" -o "$out/a.safetensors" --continue --epochs 3
has "for the epochs that are left" 'epoch 2 (3 of 3)' stderr
check "but not as another network" 1 "$build/pretrain" "$out/raw/imagesTr" -o "$out/a.safetensors" --classes --continue
check "a finished run" 0 "$build/pretrain" "$out/raw/imagesTr" -o "$out/a.safetensors" --continue
has "says so" 'the training is finished: all 3 epochs are done' stderr

# ---- gray images among colours: the curves are a picture of three channels
"$build/make_phantom" -o "$out/gray" --cases 2 --size 1x64x64 --ending .png --quiet 2>/dev/null
cp "$out/a_pretraining/fold_0/progress.png" "$out/gray/imagesTr"
check "gray images and colours" 0 pretrain g.pth "$out/gray/imagesTr" --override "$out/narrow.yaml" --patch-size 64x64 --quiet
is "have equally many channels" grep -q '(1, 64, 64, 3)' "$out/g_pretraining/images/2d/phantom_001_0000.npy"

# ---- of a time
check "a pretraining of some seconds of CPU time" 0 "$build/pretrain" "$out/raw/imagesTr" -o "$out/t.pth" --cpu-minutes 0.05 \
    --override "$out/narrow.yaml" --batch-size 2 --quiet
is "takes about as many" awk -F, 'FNR > 1 { seconds += $8 } END { exit !(seconds > 0.3 && seconds < 12) }' \
    "$out/t_pretraining/fold_0/metrics.csv"

# ---- into a training
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/whole.yaml" --quiet 2>/dev/null
train() { # RESULTS OPTIONS…
    results=$1; shift
    "$build/train" "$out/pre" 0 -o "$out/$results" --epochs 1 --iterations-per-epoch 2 --batch-size 2 --no-validation --quiet "$@"
}
check "it is the encoder of a training" 0 train r --pretrained "$out/a.safetensors"
has "all of it" 'encoder 61 of 61' r/fold_0/training_log.txt

# ---- a preprocessed folder: the encoder has the plan's size, the file VMamba's form
check "a preprocessed folder trains an encoder, too" 0 pretrain c.pth "$out/pre" --fold 1 --patch-size 64x64
has "on the cases of a fold" 'fold 1 of .*/pre/splits_final.yaml' stderr
has "of its plan's width" 'width: 0.125' c_pretraining/plans.yaml
check "it is the encoder of a training" 0 train s --pretrained "$out/c.pth"
has "all of it" 'encoder 61 of 61' s/fold_0/training_log.txt
if python3 -c 'import torch' 2>/dev/null; then
    is "PyTorch reads it as VMamba does" python3 -c '
import sys, torch
weights = torch.load(sys.argv[1], weights_only=True)["model"]
assert tuple(weights["layers.0.downsample.reduction.weight"].shape) == (24, 48)
assert "mask_token" not in weights and "norm.weight" in weights' "$out/c.pth"
else
    echo "ok - PyTorch reads it as VMamba does # SKIP PyTorch is absent"
fi
check "predict says what it is" 1 "$build/predict" -i "$out/raw/imagesTr" -o "$out/labels" -m "$out/a_pretraining"
has "and what it is for" 'vmamba_masked only trains an encoder .* --pretrained' stderr
check "so does --val-only" 1 "$build/train" "$out/a_pretraining/images" 0 -o "$out/a_pretraining" --val-only
has "with the same words" 'vmamba_masked only trains an encoder' stderr
check "it is no network to describe" 1 "$build/network_info" vmamba_masked
has "but others are" 'the networks are swin_umamba_d' stderr
check "it is no network to plan" 2 "$build/plan_and_preprocess" "$out/raw" -o "$out/none" -n vmamba_masked

# ---- classes in ImageNet's layout
for set in train val; do
    mkdir -p "$out/classes/$set/bright" "$out/classes/$set/dark"
done
cp "$out"/raw/imagesTr/phantom_00[12]* "$out/classes/train/bright"; cp "$out/raw/imagesTr/"phantom_003* "$out/classes/val/bright"
cp "$out"/raw/imagesTr/phantom_00[45]* "$out/classes/train/dark"; cp "$out/raw/imagesTr/"phantom_006* "$out/classes/val/dark"
check "classes of images train a classifier" 0 pretrain d.pth "$out/classes" --classes --override "$out/narrow.yaml"
has "with an accuracy" 'epoch 1 .* accuracy [01]\.[0-9]*' stderr
has "of the images in val/" '4 training and 2 validation cases' stderr
check "its encoder is one for training" 0 train t --pretrained "$out/d.pth"
has "without the head" 'left out: 4 of the classifier' t/fold_0/training_log.txt

# ---- bad input
check "no image" 1 pretrain e.pth "$out/pre/2d" --override "$out/narrow.yaml"
has "is told" 'there is no image in it; the known endings are .*\.png' stderr
check "a dataset with labels" 1 pretrain e.pth "$out/raw"
has "is told" 'give .*/raw/imagesTr' stderr
check "a fold of a folder of images" 1 pretrain e.pth "$out/raw/imagesTr" --fold 1
has "is told" 'which has no folds' stderr
printf 'network: {name: nnunet}\n' >"$out/other.yaml"
check "another network" 1 pretrain e.pth "$out/raw/imagesTr" --override "$out/other.yaml"
has "is told" 'network.name is nnunet, but this trains vmamba_masked' stderr
printf 'network: {width: 0.125, mask_size: 64}\n' >"$out/other.yaml"
check "a square as large as the patch" 1 pretrain e.pth "$out/raw/imagesTr" --override "$out/other.yaml"
has "is told" 'network.mask_size is 64: expected at most half of the patch, 32' stderr
mkdir "$out/folder.pth"
check "a folder as the file" 1 pretrain folder.pth "$out/raw/imagesTr" --overwrite
has "is told" 'is a folder: give the name of a file' stderr
check "one class" 1 pretrain e.pth "$out/classes/train/bright" --classes
has "is told" 'expected it in the folder of its class' stderr
check "an unknown ending of the file" 1 pretrain e.bin "$out/raw/imagesTr"
has "is told" 'unknown ending; expected .safetensors' stderr
{ printf 'ObjectType = Image\nNDims = 2\nDimSize = 2 2\nElementType = MET_FLOAT\nElementDataFile = LOCAL\n'
    printf '\0\0\200\177\0\0\0\0\0\0\0\0\0\0\0\0'; } >"$out/few/infinite.mha"
rm "$out/few/again"
check "a voxel that is not finite" 1 few e.pth
has "is told with the file" 'few/infinite.mha: a voxel is inf: mend the image, or remove it' stderr
head -c 300 "$out/raw/imagesTr/phantom_001_0000.nii.gz" >"$out/classes/train/bright/cut.nii.gz"
check "a damaged image" 1 pretrain e.pth "$out/classes" --classes
has "is named" 'cut.nii.gz' stderr
is "and nothing is trained" test ! -e "$out/e_pretraining/fold_0"
