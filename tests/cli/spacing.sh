#!/bin/sh
# spacing BUILD: implausible voxel sizes are reported before memory is allocated for them.
build=$1
. tests/support/tap.sh
turn=$build/turn; plan="$build/plan_and_preprocess"
export OMP_NUM_THREADS=1
echo 'network: {width: 0.125}' >"$out/narrow.yaml"
"$build/make_phantom" -o "$out/set" --cases 6 --size 4x24x22 --seed 7 --quiet
scale() { # SET CASE FACTOR: another spacing, of image and label
    for f in imagesTr/phantom_00$2_0000 labelsTr/phantom_00$2; do
        "$turn" "$out/set/$f.nii.gz" "$1/$f.nii.gz" RAS 0 "$3"
    done
}
cp -r "$out/set" "$out/far"; scale "$out/far" 3 7
cp -r "$out/set" "$out/wrong"; scale "$out/wrong" 4 1000; scale "$out/wrong" 5 0.001
check "a spacing of seven times the others" 0 $plan "$out/far" -o "$out/pre" --override "$out/narrow.yaml" -j1 --quiet
has "is named with file and factor" 'warning: case phantom_003: .*phantom_003_0000.nii.gz: spacing .* differs by a factor of [67][.0-9]* from the training' stderr
is "and no other" test "$(grep -c 'by a factor of' "$out/stderr")" -eq 1
check "one of a thousand times" 1 $plan "$out/wrong" -o "$out/pre_wrong" --override "$out/narrow.yaml" -j1 --quiet
has "is an error" 'error: case phantom_004: .*by a factor of' stderr
has "each of them" 'error: case phantom_005: .*by a factor of' stderr
is "and nothing is preprocessed" test ! -e "$out/pre_wrong/plans.yaml"
for factor in 1e-42 1e30; do
    cp -r "$out/set" "$out/all"
    for c in 1 2 3 4 5 6; do scale "$out/all" $c $factor; done
    check "all spacings times $factor" 1 $plan "$out/all" -o "$out/pre_all" --override "$out/narrow.yaml" -j1 --quiet
    has "no plan that train would refuse" 'phantom_001_0000.nii.gz: .*pixdim.*, a voxel.s size, is .*: expected a number from 1e-9 to 1e9' stderr
    is "is written" test ! -e "$out/pre_all/plans.yaml"
    rm -rf "$out/all" "$out/pre_all"
done

check "a toy" 0 "$build/train" "$out/pre" 0 -o "$out/results" --epochs 1 --iterations-per-epoch 1 --batch-size 2 --patch-size 32x32 --validation-iterations 1 -j1 --no-validation --quiet
mkdir "$out/seven" "$out/thousand" "$out/micron"
cp "$out/far/imagesTr/phantom_003_0000.nii.gz" "$out/seven"
cp "$out/wrong/imagesTr/phantom_004_0000.nii.gz" "$out/thousand"
check "predict seven times the spacing" 0 "$build/predict" -i "$out/seven" -o "$out/p7" -m "$out/results" -j1 --quiet
has "is reported" 'warning: case phantom_003: .*by a factor of .* from the training images' stderr
check "predict a thousand times" 1 "$build/predict" -i "$out/thousand" -o "$out/p1000" -m "$out/results" -j1 --quiet
has "is an error of the case" 'case phantom_004: .*phantom_004_0000.nii.gz: spacing .*by a factor of' stderr

# the same millimetres in micrometres: the header's unit, byte 123, is 3 (1: metre, 2: millimetre)
"$turn" "$out/set/imagesTr/phantom_001_0000.nii.gz" "$out/plain.nii" RAS 0 1000
printf '\003' | dd of="$out/plain.nii" bs=1 seek=123 conv=notrunc 2>/dev/null
gzip -c "$out/plain.nii" >"$out/micron/phantom_001_0000.nii.gz"
check "a header in micrometres" 0 "$build/predict" -i "$out/micron" -o "$out/pm" -m "$out/results" -j1 --quiet
has "is reported with the spacing in mm" 'warning: case phantom_001: .*the header says micrometre: its spacing is taken as [0-2]' stderr
lacks "is not implausible" 'by a factor of' stderr
check "the same image in mm" 0 "$build/predict" -i "$out/set/imagesTr/phantom_001_0000.nii.gz" -o "$out/pn" -m "$out/results" -j1 --quiet
check "has the same labels at the same place" 0 "$build/evaluate" "$out/pn/phantom_001.nii.gz" "$out/pm/phantom_001.nii.gz" -o "$out/e" --no-report --quiet
lacks "without a note" warning stderr
