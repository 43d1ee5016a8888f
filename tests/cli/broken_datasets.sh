#!/bin/sh
# broken_datasets BUILD: plan_and_preprocess names what is wrong with each of the broken datasets and
# stops, or goes on where the fault is harmless; several faults come in one run.
build=$1
broken=../shared/data/broken
. tests/support/tap.sh
[ -x "$build/plan_and_preprocess" ] || { echo "ok - broken datasets # SKIP plan_and_preprocess is not built"; exit 0; }

# SET STATUS WORDS…: the exit status, and a line of stderr for each of the words
try() {
    set_folder=$1; want=$2; shift 2
    rm -rf "$out/preprocessed"
    timeout 60 "$build/plan_and_preprocess" "$set_folder" -o "$out/preprocessed" -j 2 >"$out/log" 2>&1
    status=$?
    name=$(basename "$set_folder")
    if [ $status -ne "$want" ]; then
        echo "not ok - $name (status $status, expected $want)"; cat "$out/log"; return
    fi
    for words in "$@"; do
        if ! grep -q -e "$words" "$out/log"; then
            echo "not ok - $name: no '$words'"; cat "$out/log"; return
        fi
    done
    echo "ok - $name"
}

if [ -d "$broken" ]; then
    try $broken/Dataset901_LabelWithoutImage 1 'error: case hippocampus_010.*no image'
    try $broken/Dataset902_ImageWithoutLabel 1 'error: case hippocampus_118.*no label'
    try $broken/Dataset903_LabelOfAnotherTask 1 'error: case hippocampus_281.*no image'
    try $broken/Dataset904_JunkFile 0 'plan: '
    try $broken/Dataset905_FloatLabel 0
    try $broken/Dataset911_ShapeMismatch 1 'error: case hippocampus_281.*512x512x94.*34x52x35'
    try $broken/Dataset912_OriginMismatch 0 'warning: case hippocampus_.*origin 25x'
    try $broken/Dataset913_SpacingMismatch 1 'error: case hippocampus_.*2x1x1.*1x1x1'
    try $broken/Dataset914_UnknownLabelValue 1 'error: case hippocampus_.* 3 (1 voxels), 255 (1 voxels)'
    try $broken/Dataset915_FractionalLabel 1 'error: case hippocampus_.*1\.5'
    try $broken/Dataset916_NaNLabel 1 'error: case hippocampus_.*nan'
    try $broken/Dataset917_NaNImage 1 'error: case hippocampus_.*not finite'
    try $broken/Dataset918_EmptyLabel 0
    try $broken/Dataset919_ConstantImage 0 'warning: case hippocampus_003.*all voxels are 0'
    try $broken/Dataset920_MissingChannel 1 'error: case hippocampus_003.*_0001'
    try $broken/Dataset921_ChannelShapeMismatch 1 'error: case hippocampus_001.*shape'
    try $broken/Dataset922_WrongNumTraining 1 'error:.*numTraining is 5.* 1$'
    try $broken/Dataset923_LabelGap 1 'error:.*dataset.json:'
    try $broken/Dataset924_TruncatedImage 1 'error:.*hippocampus_003_0000.nii.gz.*cut off'
    try $broken/Dataset925_BadDatasetJson 1 'error:.*dataset.json:'
else
    echo "ok - broken datasets # SKIP $broken is not here"
fi

set=$out/several
"$build/make_phantom" -o "$set" --cases 6 --size 2x24x24 --quiet || echo "not ok - make_phantom"
rm "$set/labelsTr/phantom_001.nii.gz" "$set/imagesTr/phantom_002_0000.nii.gz"
head -c 500 "$set/imagesTr/phantom_003_0000.nii.gz" >"$out/cut" && mv "$out/cut" "$set/imagesTr/phantom_003_0000.nii.gz"
cp "$set/imagesTr/phantom_004_0000.nii.gz" "$set/labelsTr/phantom_004.nii.gz"
try "$set" 1 'error: case phantom_001.*no label' 'error: case phantom_002.*no image' \
    'error: case phantom_003.*cut off' 'error: case phantom_004.*label value'
