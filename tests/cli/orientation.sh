#!/bin/sh
# orientation BUILD: readers that reorient volumes to RAS, and messages about different orientations.
build=$1
. tests/support/tap.sh
turn=$build/turn; plan="$build/plan_and_preprocess"
export OMP_NUM_THREADS=1
echo 'network: {width: 0.125}' >"$out/narrow.yaml"
printf 'network: {width: 0.125}\norientation: canonical\n' >"$out/canonical.yaml"
printf 'network: {width: 0.125}\nimage_reader_writer: FooIO\n' >"$out/foo.yaml"
short="--epochs 1 --iterations-per-epoch 2 --batch-size 2 --patch-size 32x32 --validation-iterations 1 -j1 --quiet"

# DATASET: the first two cases and the last are stored with other axes, image and label
"$build/make_phantom" -o "$out/ras" --cases 5 --size 3x32x28 --seed 5 --quiet
cp -r "$out/ras" "$out/mixed"
store() { # CASE CODE
    "$turn" "$out/ras/imagesTr/phantom_00$1_0000.nii.gz" "$out/mixed/imagesTr/phantom_00$1_0000.nii.gz" "$2"
    "$turn" "$out/ras/labelsTr/phantom_00$1.nii.gz" "$out/mixed/labelsTr/phantom_00$1.nii.gz" "$2"
}
store 1 LPS; store 2 LPS; store 5 PSR

check "a dataset of one orientation" 0 $plan "$out/ras" -o "$out/pre_ras" --override "$out/narrow.yaml" -j1 --quiet
lacks "is worth no word" warning stderr
has "the plan knows it" '^orientations: RAS' pre_ras/plans.yaml
check "a dataset of several" 0 $plan "$out/mixed" -o "$out/pre_stored" --override "$out/narrow.yaml" -j1 --quiet
has "is told, grouped, with names" 'warning: .*LPS: 2 cases (phantom_001, phantom_002); RAS: 2 cases (.*); PSR: 1 case (phantom_005)' stderr
is "once" test "$(grep -c warning "$out/stderr")" -eq 1
has "the fingerprint has each case's" '^orientations: \[LPS, LPS, RAS, RAS, PSR\]' pre_stored/dataset_fingerprint.yaml
check "the same with existing files" 0 $plan "$out/mixed" -o "$out/pre_stored" --override "$out/narrow.yaml" -j1 --quiet
has "is told again" 'LPS: 2 cases' stderr

check "orientation: canonical" 0 $plan "$out/mixed" -o "$out/pre_canonical" --override "$out/canonical.yaml" -j1 --quiet
lacks "leaves nothing to warn of" warning stderr
sed -i 's/"file_ending"/"overwrite_image_reader_writer": "NibabelIOWithReorient", "file_ending"/' "$out/mixed/dataset.json"
check "nnU-Net's reader that reorients" 0 $plan "$out/mixed" -o "$out/pre" --override "$out/narrow.yaml" -j1 --quiet
has "is in the plan" '^image_reader_writer: NibabelIOWithReorient' pre/plans.yaml
for c in 1 2 3 5; do
    is "case $c is preprocessed as its RAS twin" cmp "$out/pre_ras/2d/phantom_00$c.npy" "$out/pre/2d/phantom_00$c.npy"
    is "its labels, too" cmp "$out/pre_ras/2d/phantom_00${c}_seg.npy" "$out/pre/2d/phantom_00${c}_seg.npy"
    is "and by orientation: canonical" cmp "$out/pre_canonical/2d/phantom_00$c.npy" "$out/pre/2d/phantom_00$c.npy"
done

check "train, all stored RAS" 0 "$build/train" "$out/pre_ras" 0 -o "$out/model_ras" $short
check "train, turned to RAS" 0 "$build/train" "$out/pre" 0 -o "$out/model" $short
is "the networks are the same" test "$(numbers "$out/model_ras/fold_0/checkpoint_final.safetensors")" = "$(numbers "$out/model/fold_0/checkpoint_final.safetensors")"
check "validation lies in the images' own space" 0 "$build/evaluate" "$out/pre/gt_segmentations" "$out/model/fold_0/validation" -o "$out/e1" --allow-missing -j1 --no-report --quiet
lacks "as it is stored" turned stderr
check "and is that of the RAS twins" 0 "$build/evaluate" "$out/model_ras/fold_0/validation" "$out/model/fold_0/validation" -o "$out/e2" -j1 --no-report --quiet
has "in every voxel" '^foreground mean *1.0000' stdout

mkdir "$out/in_ras" "$out/in_psr"
cp "$out/ras/imagesTr/phantom_005_0000.nii.gz" "$out/in_ras"
cp "$out/mixed/imagesTr/phantom_005_0000.nii.gz" "$out/in_psr"
check "predict RAS" 0 "$build/predict" -i "$out/in_ras" -o "$out/p_ras" -m "$out/model_ras" -j1 --quiet
lacks "no word" warning stderr
check "predict PSR with the reader" 0 "$build/predict" -i "$out/in_psr" -o "$out/p_psr" -m "$out/model" -j1 --quiet --save-probabilities
lacks "no word either" warning stderr
check "the result lies in the image's own space" 0 "$turn" "$out/p_psr/phantom_005.nii.gz" "$out/back.nii.gz" RAS
is "and is the same in every voxel" "$build/evaluate" "$out/p_ras/phantom_005.nii.gz" "$out/back.nii.gz" -o "$out/e3" --no-report
has "mean 1" '^ *Dice: *.*1.0' e3/summary.yaml
check "the mean of its probabilities" 0 "$build/ensemble" "$out/p_psr" "$out/p_psr" -o "$out/mean" --quiet
is "lies there as well" cmp "$out/mean/phantom_005.nii.gz" "$out/p_psr/phantom_005.nii.gz"
check "predict PSR with a network that saw RAS" 0 "$build/predict" -i "$out/in_psr" -o "$out/p_bad" -m "$out/model_ras" -j1 --quiet
has "is reported with the file" 'warning: case phantom_005: .*phantom_005_0000.nii.gz: its orientation is PSR, and the training images had RAS only' stderr

# Each orientation is reported once on the terminal, with advice for its file format.
cp "$out/in_psr/phantom_005_0000.nii.gz" "$out/in_psr/phantom_006_0000.nii.gz"
"$turn" "$out/in_ras/phantom_005_0000.nii.gz" "$out/in_psr/phantom_007_0000.nii.gz" LPS
"$build/make_phantom" -o "$out/tif5" --cases 5 --size 2x32x32 --ending .tif --quiet
"$build/make_phantom" -o "$out/tif" --cases 2 --size 2x32x32 --ending .tif --quiet
check "predict volumes of several orientations" 0 "$build/predict" -i "$out/in_psr" "$out"/tif/imagesTr/*.tif -o "$out/p_many" -m "$out/model_ras" -j1 --quiet
is "is reported once for each" test "$(grep -c 'warning: .*confuse left and right' "$out/stderr")" -eq 3
has "with where the others are named" 'phantom_005_0000.nii.gz: its orientation is PSR.*only in predict.yaml' stderr
has "and recorded of each case" 'phantom_006_0000.nii.gz: its orientation is PSR' p_many/predict.yaml
has "TIFF holds none" 'phantom_001_0000.tif: it has no orientation, .*TIFF, PNG and BMP have none: store it as NIfTI' stderr
check "a network of TIFF volumes" 0 sh -c '"$0/plan_and_preprocess" "$1/tif5" -o "$1/pre_tif" --override "$1/narrow.yaml" -j1 --quiet &&
    "$0/train" "$1/pre_tif" all -o "$1/model_tif" $2' "$build" "$out" "$short"
check "predicts them" 0 "$build/predict" -i "$out/tif5/imagesTr" -o "$out/p_tif" -m "$out/model_tif" -f all -j1 --quiet
lacks "without a word" 'left and right' stderr

# Networks that read a volume with different axes cannot be averaged.
check "train, as stored" 0 "$build/train" "$out/pre_ras" 1 -o "$out/model_ras" $short --save-probabilities
check "train, turned to RAS" 0 "$build/train" "$out/pre" 1 -o "$out/model" $short --save-probabilities
printf 'format: 1\nmodels:\n  - {results: model_ras, folds: [0]}\n  - {results: model, folds: [0]}\n' >"$out/two.yaml"
cp "$out/in_ras/phantom_005_0000.nii.gz" "$out/in_psr/phantom_008_0000.nii.gz"
check "together they predict" 1 "$build/predict" -i "$out/in_psr" -o "$out/p_pair" -m "$out/two.yaml" -j1 --quiet
has "what both read alike" 'case: phantom_008, state: done' p_pair/predict.yaml
has "and refuse the rest before the work" 'case phantom_005: .*by the plans of .*/model_ras and .*/model it is read with its axes in another order' stderr
is "once each" test "$(grep -c 'phantom_005' "$out/stderr")" -eq 1
check "probabilities of the first" 0 "$build/predict" -i "$out/in_psr" -o "$out/pa" -m "$out/model_ras" -f 0 -j1 --quiet --save-probabilities
check "and of the other" 0 "$build/predict" -i "$out/in_psr" -o "$out/pb" -m "$out/model" -f 0 -j1 --quiet --save-probabilities
check "ensemble" 1 "$build/ensemble" "$out/pa" "$out/pb" -o "$out/mean2"
has "names the case once, the folders and a way on" \
    'error: case phantom_005: the probabilities in .*/pa and .*/pb have their axes in another order (orientation.*plan_and_preprocess' stderr
has "and averages the others" 'average: 1 done, 3 failed' stderr
check "find_best_configuration" 0 "$build/find_best_configuration" "$out/model_ras" "$out/model" -f 1 -o "$out/inference.yaml" --quiet
has "leaves their pair out" 'warning: .*/model_ras + .*/model is left out of the pairs: case phantom_00.: the probabilities .* in another order' stderr
is "and compares each" test "$(grep -c '[01]\.[0-9]* *\(<- best\)*$' "$out/stdout")" -ge 2
cp -r "$out/model" "$out/model_t"; sed -i 's/^\(transpose_[a-z]*\): .*/\1: [0, 2, 1]/' "$out/model_t/plans.yaml"
sed 's/results: model,/results: model_t,/' "$out/two.yaml" >"$out/transposed.yaml"
check "another transpose_forward" 1 "$build/predict" -i "$out/in_ras" -o "$out/p_t" -m "$out/transposed.yaml" -j1 --quiet
has "is refused at once" 'model_ras/plans.yaml has transpose_forward \[0, 1, 2\], .*model_t/plans.yaml \[0, 2, 1\]' stderr
is "and nothing is written" test ! -e "$out/p_t"

# A 2-D NIfTI among volumes of one slice: no reader reorients it.
two=$out/two
"$build/make_phantom" -o "$two" --cases 5 --size 1x32x28 --seed 5 --ending .nii --quiet
flat() { printf '\002' | dd of="$1" bs=1 seek=40 conv=notrunc 2>"$out/dd"; } # dim[0] of the header
for f in imagesTr/phantom_001_0000.nii labelsTr/phantom_001.nii; do
    "$turn" "$two/$f" "$out/turned.nii" LPS; cp "$out/turned.nii" "$two/$f"; cp "$two/$f" "$out/one_slice_${f%%/*}.nii"; flat "$two/$f"
done
check "a 2-D image stored otherwise" 0 $plan "$two" -o "$out/pre_two" --override "$out/narrow.yaml" -j1 --quiet
has "is reported with what helps" 'warning: .*RAS: 4 cases.*LP: 1 case (phantom_001); a 2-D image is never turned.*volume of one slice' stderr
check "it is not turned by canonical" 0 $plan "$two" -o "$out/pre_two_canonical" --override "$out/canonical.yaml" -j1 --quiet
has "which is reported as well" 'warning: .*LP: 1 case (phantom_001); a 2-D image is never turned: store it as a volume' stderr
check "train on them" 0 "$build/train" "$out/pre_two_canonical" all -o "$out/model_two" $short
mkdir "$out/in_two"; "$turn" "$two/imagesTr/phantom_002_0000.nii" "$out/in_two/x_0000.nii" PSR; flat "$out/in_two/x_0000.nii"
check "predict a 2-D image of a third orientation" 0 "$build/predict" -i "$out/in_two" -o "$out/p_two" -m "$out/model_two" -f all -j1 --quiet
has "has the same advice" 'x_0000.nii: its orientation is PS, .*a 2-D image is never turned: store it as a volume' stderr
mv "$out/one_slice_imagesTr.nii" "$two/imagesTr/phantom_001_0000.nii"; mv "$out/one_slice_labelsTr.nii" "$two/labelsTr/phantom_001.nii"
check "as a volume of one slice, as advised" 0 $plan "$two" -o "$out/pre_two_mended" --override "$out/canonical.yaml" -j1 --quiet
lacks "it is turned" warning stderr

sed -i 's/NibabelIOWithReorient/BarIO/' "$out/mixed/dataset.json"
check "an unknown reader in dataset.json" 1 $plan "$out/mixed" -o "$out/x" -j1 --quiet
has "is refused with the list" 'dataset.json:.*overwrite_image_reader_writer: found BarIO.*SimpleITKIO, NibabelIO, .*Tiff3DIO' stderr
check "in an override" 1 $plan "$out/ras" -o "$out/x" --override "$out/foo.yaml" -j1 --quiet
has "likewise" 'image_reader_writer: found FooIO' stderr
sed -i 's/^image_reader_writer: .*/image_reader_writer: FooIO/' "$out/model_ras/plans.yaml" "$out/pre_ras/plans.yaml"
check "in predict" 1 "$build/predict" -i "$out/in_ras" -o "$out/x" -m "$out/model_ras" -j1 --quiet
has "with the plan's name" 'model_ras/plans.yaml.*image_reader_writer: found FooIO' stderr
check "in train" 1 "$build/train" "$out/pre_ras" 0 -o "$out/x" $short
has "likewise" 'image_reader_writer: found FooIO' stderr
