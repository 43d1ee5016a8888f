#!/bin/sh
# numbers BUILD: labels and images of unusual content and size, each through plan_and_preprocess, train, predict and evaluate:
# finite results, with a warning where a result means nothing, or a refusal that names what is wrong. tests/cli/numbers_large.sh:
# intensities and spacings.
build=$1
. tests/support/tap.sh
. tests/support/numbers.sh

# A dataset as it should be: what the others are compared with.
begin plain; whole
lacks "no warning of the plan" warning said_plan
lacks "of the training" warning said_train
lacks "of the prediction" warning said_predict

# Constant images.
begin constant; image 2 fill 7; whole
warns plan 'phantom_002_0000.nii.gz: all voxels are 7: nothing to learn from' pre/plan_and_preprocess.log
warns predict 'phantom_002_0000.nii.gz: channel 0: all voxels are 7; labels that follow' predicted/predict.yaml
is "of this image only" test "$(grep -c 'all voxels' "$out/said_predict")" -eq 1
begin all_constant; images fill 0; whole
is "each is named" test "$(grep -c 'all voxels are 0' "$out/said_plan")" -eq 5

# Labels without foreground.
begin empty; label 2 fill 0; whole
begin all_empty; labels fill 0; whole
warns plan 'label 1, bright_organ; label 2, dark_organ, are in none of 5 cases' pre/plan_and_preprocess.log
warns train '2 of 2 labels are in no training case, so the network cannot learn them' results/fold_0/training_log.txt
has "the log has no Dice" 'pseudo Dice – –, mean –, EMA –' all_empty/results/fold_0/training_log.txt
lacks "and no nan" 'nan' all_empty/results/fold_0/training_log.txt
check "an empty prediction of an empty reference" 0 "$build/evaluate" "$set/labelsTr" "$set/labelsTr" -o "$set/empty" --quiet
has "is warned of" '2 of 2 labels are in no case' stderr
has "has no Dice, as in nnU-Net" '"Dice": NaN' all_empty/empty/summary.json
lacks "and no 0 or 1" '"Dice": [01]' all_empty/empty/summary.json

# Voxels that are no numbers: no program goes on with them.
cp -r "$out/plain" "$out/strange"; set=$out/strange; rm -r "$set/pre"
for value in nan inf -inf; do
    image 3 set 1 5 6 $value
    check "$value in an image: plan_and_preprocess" 1 plan
    has "names file, number and place" "case phantom_003: .*phantom_003_0000.nii.gz: 1 voxel(s) that are not finite, the first $value at voxel 1190" stderr
    rm -rf "$set/predicted"
    check "predict" 1 predict
    has "names them, too" "case phantom_003: .*phantom_003_0000.nii.gz: 1 voxel(s) are not finite, the first $value in channel 0 at x 6, y 5, z 1" stderr
    is "the other cases are predicted" test "$(ls "$set/predicted" | grep -c 'gz$')" -eq 4
    label 3 set 1 5 6 $value
    check "$value in a label: plan_and_preprocess" 1 plan
    has "names file and value" "case phantom_003: .*phantom_003.nii.gz: .*$value" stderr
    cp "$set/labelsTr/phantom_003.nii.gz" "$set/predicted"
    check "evaluate, in reference and prediction" 1 evaluate
    has "names them" "case phantom_003: .*phantom_003.nii.gz: .*$value" stderr
    is "the others are evaluated" test "$(grep -c prediction_file "$set/evaluated/summary.json")" -eq 4
    cp "$out/base/imagesTr/phantom_003_0000.nii.gz" "$set/imagesTr"; cp "$out/base/labelsTr/phantom_003.nii.gz" "$set/labelsTr"
done
check "the dataset is as before" 0 plan
array=$(ls "$set"/pre/2d/*_00*.npy | grep -v -e _seg -e _locations | head -1)
printf '\000\000\300\177' | dd of="$array" bs=1 seek=200 conv=notrunc 2>/dev/null
rm -rf "$set/results"
check "nan in a preprocessed array: train" 1 train
has "names it" "$(basename "$array" .npy).*plan_and_preprocess" stderr

# A class that the training cases of fold 0 do not have.
begin absent
only=$(sed -n '/val:/{n; s/.*- //p; q;}' "$out/plain/pre/splits_final.yaml")
for i in 1 2 3 4 5; do [ "$only" = "phantom_00$i" ] || label $i replace 2 0; done
whole
warns plan 'label 2, dark_organ, is in none of the training cases of fold 0: the networks' pre/plan_and_preprocess.log
warns train '1 of 2 labels are in no training case, so the network cannot learn them: dark_organ' results/fold_0/training_log.txt
check "a fold whose validation cases do not have it" 0 train 1
has "is warned of" '1 of 2 labels are in no validation case, and left out of the pseudo Dice: dark_organ' stderr

# Structures of one voxel.
begin voxels; images spacing 1 1 1; labels spacing 1 1 1 fill 0 set 0 9 9 1 set 1 20 20 2; whole
has "the one voxel is counted" '^phantom_001,1,bright_organ,.*,1,$' voxels/evaluated/per_case.csv
lacks "no label is lost" 'in none of' said_plan

# Images smaller than the patch, and of a single row.
begin small; images crop 2 20 12; labels crop 2 20 12; whole
begin row; images crop 2 1 32; labels crop 2 1 32; labels set 0 0 5 1 set 1 0 20 2; whole
begin line; images crop 1 1 32; labels crop 1 1 32; labels set 0 0 5 1 set 0 0 20 2; whole
begin column; images crop 1 32 1; labels crop 1 32 1; labels set 0 5 0 1 set 0 20 0 2; whole

# One case.
begin single
rm "$set"/*Tr/phantom_00[2-5]*; sed -i 's/"numTraining": *5/"numTraining": 1/' "$set/dataset.json"
whole all
check "of one case there are no folds" 1 train 0
has "which is said, with what to do" '1 case.* too few for five folds: train fold "all"' stderr
is "a single case has no interval" grep -q 'low: .nan' "$set/evaluated/summary.yaml"

# 200 labels.
begin many; labels ramp 200
{ printf '{"channel_names": {"0": "MRI"}, "numTraining": 5, "file_ending": ".nii.gz", "labels": {"background": 0'
  for k in $(seq 200); do printf ', "l%d": %d' $k $k; done; echo '}}'; } >"$set/dataset.json"
whole
equals "a row for each label and case" "$(grep -c ',l[0-9]*,' "$set/evaluated/per_case.csv")" 1000
