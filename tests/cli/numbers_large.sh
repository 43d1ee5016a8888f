#!/bin/sh
# numbers_large BUILD: very large and very small intensities and spacings, each through plan_and_preprocess, train, predict and
# evaluate (see tests/cli/numbers.sh).
build=$1
. tests/support/tap.sh
. tests/support/numbers.sh
case $build in */asan | */tsan) echo "ok - large numbers # SKIP the same code runs in numbers.sh: for VARIANT=release"; exit 0 ;; esac
weights() { numbers "$set/results/fold_0/checkpoint_final.safetensors"; }
predictions() { (cd "$set/predicted" && cksum ./*.gz); }

# Intensities. Multiplied by a power of two, normalised images are the same to the last bit, so all results are.
begin plain; whole; trained=$(weights) predicted=$(predictions)
begin e30; images scale 9903520314283042199192993792; whole # 2^93: to 1e30
lacks "no warning" warning said_plan
equals "1e30: the weights are those of the plain images" "$(weights)" "$trained"
equals "the labels, too" "$(predictions)" "$predicted"
begin e-4; images scale 0.00000095367431640625; whole # 2^-20
equals "1e-4: the weights are those of the plain images" "$(weights)" "$trained"
begin e-30; images scale 7.703719777548943e-34; whole # 2^-110: to 1e-31, where normalisation's divisor, 1e-8, leaves nothing
warns plan 'phantom_003_0000.nii.gz: all voxels are from .*e-.* to .*e-.*, closer than 1e-8' pre/plan_and_preprocess.log
warns predict 'phantom_003_0000.nii.gz: channel 0: all voxels are from .*, closer than 1e-8' predicted/predict.yaml
for scheme in CT rescale_to_0_1; do
    begin $scheme-plain; channel $scheme; whole; trained=$(weights)
    begin $scheme-e30; channel $scheme; images scale 9903520314283042199192993792; whole
    equals "1e30, $scheme: the weights are those of the plain images" "$(weights)" "$trained"
    lacks "$scheme: the plan has numbers" '[^a-z]\(nan\|inf\)[^a-z]' $scheme-e30/pre/plans.yaml
    begin $scheme-e-30; channel $scheme; images scale 7.703719777548943e-34; whole
    warns plan 'closer than 1e-8' pre/plan_and_preprocess.log
done
begin noNorm; channel noNorm; images scale 9903520314283042199192993792; whole
warns plan 'channel 0, noNorm: voxels are from .*e+.* to .*e+.* and are not normalised' pre/plan_and_preprocess.log
warns predict 'channel 0: voxels are from .* to .* and are not normalised' predicted/predict.yaml
# Beyond float32: a difference of two voxels, and what a network makes of an image that another one was trained without.
begin beyond; image 4 fill 3e38 set 0 1 1 -3e38
check "values of 3e38 and -3e38: plan_and_preprocess" 1 plan
has "names the case and both" 'case phantom_004: .*channel 0: values from -3e+38 to 3e+38: normalised, they are beyond float32' stderr
set=$out/plain; image 4 fill 3e38 set 0 1 1 -3e38; rm -r "$set/predicted"
check "predict" 1 predict
has "names them, too" 'case phantom_004: .*values from -3e+38 to 3e+38: normalised' stderr
equals "the other cases are predicted" "$(ls "$set/predicted" | grep -c 'gz$')" 4

# Spacings. With the same ratios, all but distances is the same.
begin mm; images spacing 4 1 1; labels spacing 4 1 1; whole; trained=$(weights) predicted=$(predictions)
dice=$(cut -d, -f1,2,5 "$set/evaluated/per_case.csv")
for power in e-3 e3; do
    begin s1$power; images spacing 4$power 1$power 1$power; labels spacing 4$power 1$power 1$power; whole
    equals "1$power mm: the weights are those of 1 mm" "$(weights)" "$trained"
    equals "the scores, too" "$(cut -d, -f1,2,5 "$set/evaluated/per_case.csv")" "$dice"
    lacks "no warning of the plan" warning said_plan
done
has "HD is in mm" '^phantom_001,1,bright_organ,[0-9.]*,[0-9.]*,[0-9]*,[0-9]*,[0-9]\{4,5\}[.,]' s1e3/evaluated/per_case.csv
set=$out/s1e-3
has "a tolerance beyond the image is warned of" 'the tolerance of 1 mm is larger than the whole image (0.04[0-9]* mm), so that NSD is 1' \
    s1e-3/evaluated/summary.json
check "a tolerance that fits" 0 "$build/evaluate" "$set/labelsTr" "$set/predicted" -o "$set/fits" --tolerance 0.001 --quiet
lacks "is not" tolerance stderr
begin thick; images spacing 1e3 1e-3 1e-3; labels spacing 1e3 1e-3 1e-3; whole
begin stretched; images spacing 1 1e3 1e-3; labels spacing 1 1e3 1e-3; whole
check "an image of 1e3 mm for a network of 1 mm" 1 "$build/predict" -i "$out/s1e3/imagesTr" -o "$out/far" -m "$out/mm/results" --quiet
has "is an error of the case" 'case phantom_001: .*by a factor of 1000 from' stderr
