#!/bin/sh
# convert_dataset BUILD: made-up folders in the layouts of the public downloads, sound and broken. The values of what is
# converted: tests/test_convert.c.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
convert() { "$build/convert_dataset" "$@"; }
files() { (cd "$out/$1" && find . -type f | sed 's|^\./||' | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//'); }
refused() { # WHAT PATTERN SOURCE IN…: nothing is left of OUT
    what=$1 pattern=$2; shift 2
    check "$what" 1 convert "$@" "$out/refused" --quiet
    has "$what: the message" "$pattern" stderr
    is "$what: nothing is left" test ! -e "$out/refused" -a ! -e "$out/.refused.convert"
}
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
planned() { # WHAT DATASET [OPTION…]
    what=$1 dataset=$2; shift 2
    rm -rf "$out/pre"
    check "$what" 0 "$build/plan_and_preprocess" "$out/$dataset" -o "$out/pre" --override "$out/narrow.yaml" --quiet "$@"
    lacks "$what: without a warning" 'numTraining\|not used\|missing' stderr
}
volumes() { "$build/make_phantom" -o "$out/$1" --cases "$2" --size 6x40x36 --quiet 2>/dev/null; }
pictures() { "$build/make_phantom" -o "$out/$1" --cases "$2" --size 1x48x60 --ending "$3" --quiet 2>/dev/null; }

# ---- usage
check "without arguments" 2 convert
check "with two" 2 convert msd "$out"
check "with four" 2 convert msd a b c
check "an unknown source" 2 convert amos a b
has "names those that there are" 'amos is no source: expected one of amos-mri, endovis17, neurips-cell, msd, nnunet-v1, instances' stderr
check "an option of another source" 2 convert msd a b --shrink 2
has "is told of" '\-\-shrink has no use with msd' stderr
check "a boundary without width" 2 convert neurips-cell a b --boundary-width 0
check "--help" 0 convert --help
has "lists the sources" '^  neurips-cell  NeurIPS 2022 cell segmentation: Dataset703_NeurIPSCell$' stdout

# ---- AMOS
volumes ph 8
scan() { cp "$out/ph/imagesTr/phantom_00$1_0000.nii.gz" "$out/amos22/images$2/$3.nii.gz"; }
mask() { cp "$out/ph/labelsTr/phantom_00$1.nii.gz" "$out/amos22/labels$2/$3.nii.gz"; }
mkdir -p "$out/amos22/imagesTr" "$out/amos22/labelsTr" "$out/amos22/imagesVa" "$out/amos22/labelsVa" "$out/amos22/imagesTs"
for i in 1 2 3 4; do scan $i Tr amos_050$i; mask $i Tr amos_050$i; done
scan 5 Va amos_0600; mask 5 Va amos_0600; scan 6 Ts amos_0540
scan 7 Tr amos_0500; mask 7 Tr amos_0500; scan 8 Ts amos_0001
touch "$out/amos22/imagesTr/._amos_0501.nii.gz"
check "AMOS" 0 convert amos-mri "$out/amos22" "$out/Dataset702_AbdomenMR"
has "tells what was left out" 'CT scans left out (numbers up to 500): 2' stderr
has "and how to go on" 'next: plan_and_preprocess .*Dataset702_AbdomenMR -o PREPROCESSED --splits .*Dataset702_AbdomenMR/splits_final.json$' stderr
equals "has the files of Dataset702" "$(files Dataset702_AbdomenMR)" "dataset.json imagesTr/amos_0501_0000.nii.gz imagesTr/amos_0502_0000.nii.gz imagesTr/amos_0503_0000.nii.gz imagesTr/amos_0504_0000.nii.gz imagesTr/amos_0600_0000.nii.gz imagesTs/amos_0540_0000.nii.gz labelsTr/amos_0501.nii.gz labelsTr/amos_0502.nii.gz labelsTr/amos_0503.nii.gz labelsTr/amos_0504.nii.gz labelsTr/amos_0600.nii.gz splits_final.json"
is "images are copied" cmp "$out/amos22/imagesTr/amos_0501.nii.gz" "$out/Dataset702_AbdomenMR/imagesTr/amos_0501_0000.nii.gz"
has "AMOS' own validation is a fold" '"amos_0600"' Dataset702_AbdomenMR/splits_final.json
has "numTraining is counted" '"numTraining": 5' Dataset702_AbdomenMR/dataset.json
planned "it can be planned" Dataset702_AbdomenMR --splits "$out/Dataset702_AbdomenMR/splits_final.json"
mkdir "$out/download"; ln -s ../amos22 "$out/download/amos22"
refused "a folder above it" 'has no folder imagesTr, but .*download/amos22 has: give that one as IN' amos-mri "$out/download"
refused "a folder that is not there" 'nowhere: is no folder: expected AMOS 2022' amos-mri "$out/nowhere"
refused "another dataset" 'imagesTr/phantom_001_0000.nii.gz: expected a name as\|no MRI' amos-mri "$out/ph"
mv "$out/amos22/labelsTr/amos_0502.nii.gz" "$out/amos22/labelsTr/amos_0599.nii.gz"
touch "$out/amos22/imagesTr/readme.txt"
refused "names that do not fit" 'error: .*imagesTr/amos_0502.nii.gz: there is no label amos_0502 in .*labelsTr' amos-mri "$out/amos22"
has "all are named" 'error: .*labelsTr/amos_0599.nii.gz: there is no image amos_0599 in .*imagesTr' stderr
has "and counted" 'error: 2 errors: .*refused is not written' stderr
has "another file is a warning" 'warning: .*imagesTr/readme.txt: is no image file' stderr
rm "$out/amos22/imagesTr/readme.txt"
mv "$out/amos22/labelsTr/amos_0599.nii.gz" "$out/amos22/labelsTr/amos_0502.nii.gz"
head -c 100 "$out/ph/labelsTr/phantom_002.nii.gz" >"$out/amos22/labelsTr/amos_0502.nii.gz"
"$build/make_phantom" -o "$out/other" --cases 1 --size 6x40x40 --quiet 2>/dev/null
cp "$out/other/labelsTr/phantom_001.nii.gz" "$out/amos22/labelsTr/amos_0503.nii.gz"
refused "a label that is cut off, and one of another size" 'error: .*labelsTr/amos_0502.nii.gz' amos-mri "$out/amos22"
has "both are named" 'error: .*labelsTr/amos_0503.nii.gz: .*40x40x6.*amos_0503.nii.gz, 36x40x6' stderr
mask 2 Tr amos_0502; mask 3 Tr amos_0503

# ---- what is replaced
check "a dataset that is there" 1 convert amos-mri "$out/amos22" "$out/Dataset702_AbdomenMR" --quiet
has "is kept" 'exists already; --overwrite replaces it' stderr
touch "$out/Dataset702_AbdomenMR/old"
check "--overwrite" 0 convert amos-mri "$out/amos22" "$out/Dataset702_AbdomenMR" --quiet --overwrite
is "replaces all of it" test ! -e "$out/Dataset702_AbdomenMR/old" -a -s "$out/Dataset702_AbdomenMR/dataset.json"
cp -r "$out/ph" "$out/own"
check "a dataset that was not converted" 1 convert amos-mri "$out/amos22" "$out/own" --quiet --overwrite
has "is never replaced" 'own: exists, is not of convert_dataset, and is not replaced' stderr
is "and stands" diff -r "$out/ph" "$out/own"
check "the input as output" 1 convert amos-mri "$out/amos22" "$out/amos22/" --quiet --overwrite
has "is refused" 'is the input folder, or contains it' stderr
check "a folder above the input" 1 convert amos-mri "$out/amos22" "$out" --quiet --overwrite
has "too" 'is the input folder, or contains it' stderr
mkdir "$out/.refused.convert"; : >"$out/.refused.convert/.lock"
flock "$out/.refused.convert/.lock" sh -c 'exec sleep 600' & pid=$!
until ! flock -n "$out/.refused.convert/.lock" true; do sleep 0.01; done
check "a folder that another run writes" 1 convert amos-mri "$out/amos22" "$out/refused" --quiet
has "is refused" '.refused.convert: another run is writing there' stderr
pkill -P $pid; kill $pid; wait $pid 2>/dev/null; pid=
mkdir "$out/.killed.convert" "$out/.killed.convert/new"; : >"$out/.killed.convert/new/half"
check "what a killed run left" 0 convert amos-mri "$out/amos22" "$out/killed" --quiet
is "is removed" test -e "$out/killed/dataset.json" -a ! -e "$out/killed/half" -a ! -e "$out/.killed.convert"
rm -rf "$out/.refused.convert" "$out/killed" "$out/.killed.convert"
for i in $(seq 700 999); do ln "$out/amos22/imagesTr/amos_0501.nii.gz" "$out/amos22/imagesTr/amos_0$i.nii.gz"; ln "$out/amos22/labelsTr/amos_0501.nii.gz" "$out/amos22/labelsTr/amos_0$i.nii.gz"; done
"$build/convert_dataset" amos-mri "$out/amos22" "$out/long" --quiet 2>"$out/stderr" & pid=$!
until [ -e "$out/.long.convert/new/labelsTr" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
kill -TERM $pid; wait $pid; equals "a signal ends it" $? 143; pid=
has "with one line" 'interrupted; nothing was written' stderr
is "and nothing is left" test ! -e "$out/long" -a ! -e "$out/.long.convert"
rm "$out"/amos22/*/amos_0[789]??.nii.gz

# ---- cells
pictures gray 5 .png; pictures maps 5 .tif
for set in Training-labeled Tuning; do mkdir -p "$out/cells/$set/images" "$out/cells/$set/labels"; done
cell() { cp "$out/gray/imagesTr/phantom_00$1_0000.png" "$out/cells/$2/images/cell_0000$1.png"; cp "$out/maps/labelsTr/phantom_00$1.tif" "$out/cells/$2/labels/cell_0000$1_label.tiff"; }
for i in 1 2 3 4; do cell $i Training-labeled; done; cell 5 Tuning
check "cells" 0 convert neurips-cell "$out/cells" "$out/Dataset703_NeurIPSCell"
has "are counted" 'imagesVal: 1 image, 1 label' stderr
equals "have the files of Dataset703" "$(files Dataset703_NeurIPSCell | tr ' ' '\n' | grep -v '[234][._]')" "dataset.json
imagesTr/cell_00001_0000.png
imagesVal/cell_00005_0000.png
instancesTr/cell_00001.tiff
instancesVal/cell_00005.tiff
labelsTr/cell_00001.png
labelsVal/cell_00005.png"
has "and the width of the boundary" 'neurips-cell --boundary-width 2' Dataset703_NeurIPSCell/dataset.json
planned "they can be planned" Dataset703_NeurIPSCell
instances() { "$build/evaluate" "$out/Dataset703_NeurIPSCell/labelsVal" "$out/Dataset703_NeurIPSCell/labelsVal" -o "$out/evaluation" --instances --only-overlap; }
check "and evaluated as instances" 0 instances
echo damaged >"$out/Dataset703_NeurIPSCell/instancesVal/cell_00005.tiff"
check "of the maps that were kept" 1 instances
has "beside the labels" 'instancesVal/cell_00005.tiff' stderr
rm -r "$out/Dataset703_NeurIPSCell"
check "with three threads" 0 convert neurips-cell "$out/cells" "$out/Dataset703_NeurIPSCell" -j 3 --quiet
check "and with one" 0 convert neurips-cell "$out/cells" "$out/single" -j 1 --quiet
is "are the same files" diff -r "$out/single" "$out/Dataset703_NeurIPSCell"
mkdir -p "$out/nested/Training-labeled"; cp -r "$out/cells/Training-labeled" "$out/nested/Training-labeled"
check "archives in folders of their own" 0 convert neurips-cell "$out/nested" "$out/from_nested" --quiet
is "are found" diff -r "$out/from_nested/imagesTr" "$out/Dataset703_NeurIPSCell/imagesTr"
check "another boundary" 0 convert neurips-cell "$out/cells" "$out/wide" --boundary-width 4 --quiet
is "is another label" sh -c "! cmp -s '$out/wide/labelsTr/cell_00001.png' '$out/Dataset703_NeurIPSCell/labelsTr/cell_00001.png'"
rm -r "$out/cells/Tuning"
check "without the tuning set" 0 convert neurips-cell "$out/cells" "$out/untuned" --quiet
has "there is a warning" 'warning: .*has no folder Tuning: there will be no imagesVal' stderr
cp "$out/gray/imagesTr/phantom_001_0000.png" "$out/cells/Training-labeled/images/cell_00001.bmp"
mv "$out/cells/Training-labeled/labels/cell_00002_label.tiff" "$out/cells/Training-labeled/labels/cell_00002.tiff"
refused "two images of one name" 'cell_00001.png: has the name of .*cell_00001.bmp: keep one' neurips-cell "$out/cells"
has "and a label without its suffix" 'labels/cell_00002.tiff: expected a name that ends in _label.tiff' stderr
rm "$out/cells/Training-labeled/images/cell_00001.bmp"
mv "$out/cells/Training-labeled/labels/cell_00002.tiff" "$out/cells/Training-labeled/labels/cell_00002_label.tiff"
cp "$out/ph/labelsTr/phantom_001.nii.gz" "$out/cells/Training-labeled/labels/cell_00003_label.tiff"
cp "$out/Dataset703_NeurIPSCell/imagesTr/cell_00002_0000.png" "$out/cells/Training-labeled/labels/cell_00002_label.tiff"
refused "a map that is no TIFF" 'cell_00003_label.tiff' neurips-cell "$out/cells"
rm -r "$out/cells/Training-labeled/labels"
refused "a set without labels" 'Training-labeled: expected the folders images and labels' neurips-cell "$out/cells"
refused "a folder without the sets" 'has no folder Training-labeled: expected' neurips-cell "$out/ph"

# ---- any images with instance maps
mkdir -p "$out/objects/images" "$out/objects/labels"
for i in 1 2 3 4 5; do cp "$out/gray/imagesTr/phantom_00${i}_0000.png" "$out/objects/images/plate $i.png"; cp "$out/maps/labelsTr/phantom_00$i.tif" "$out/objects/labels/plate $i.tif"; done
check "instance maps" 0 convert instances "$out/objects" "$out/Dataset800_Objects"
equals "have a dataset's files" "$(files Dataset800_Objects | tr ' ' '\n' | grep -c '^\(images\|labels\|instances\)Tr/plate')" 15
is "images are copied" cmp "$out/objects/images/plate 1.png" "$out/Dataset800_Objects/imagesTr/plate 1_0000.png"
is "so are maps" cmp "$out/objects/labels/plate 1.tif" "$out/Dataset800_Objects/instancesTr/plate 1.tif"
has "the width of the boundary is kept" 'instances --boundary-width 2' Dataset800_Objects/dataset.json
has "and the channel is named" '"gray"' Dataset800_Objects/dataset.json
is "the classes are those of cells" cmp "$out/Dataset800_Objects/labelsTr/plate 1.png" "$out/Dataset703_NeurIPSCell/labelsTr/cell_00001.png"
planned "they can be planned" Dataset800_Objects
check "and evaluated as instances" 0 "$build/evaluate" "$out/Dataset800_Objects/labelsTr" "$out/Dataset800_Objects/labelsTr" -o "$out/evaluation" --instances --only-overlap
cp "$out/maps/imagesTr/phantom_002_0000.tif" "$out/objects/images/plate 2.tif"; rm "$out/objects/images/plate 2.png"
refused "images of two formats" 'plate 2.tif: is of another format than .*plate 1.png' instances "$out/objects"
rm "$out/objects/images/plate 2.tif" "$out/objects/labels/plate 2.tif"
cp "$out/ph/imagesTr/phantom_001_0000.nii.gz" "$out/objects/images/plate 2.nii.gz"
for i in 1 3 4 5; do rm "$out/objects/images/plate $i.png" "$out/objects/labels/plate $i.tif"; done
cp "$out/ph/labelsTr/phantom_001.nii.gz" "$out/objects/labels/plate 2.nii.gz"
refused "volumes" 'plate 2.nii.gz: has 6 slices: expected one' instances "$out/objects"
rm "$out/objects/images/plate 2.nii.gz"
refused "a map without an image" 'there is no image plate 2\|there are no images' instances "$out/objects"
rm -r "$out/objects/labels"
refused "images without maps" 'has no folder labels: expected a folder with images and labels' instances "$out/objects"

# ---- instruments: frames are the cells, which are in colours
truth() { cp "$out/Dataset703_NeurIPSCell/labelsTr/cell_00001.png" "$1"; }
sequence() { # FOLDER NUMBER FRAME
    mkdir -p "$out/eye/$1/instrument_dataset_$2/left_frames"
    cp "$out/Dataset703_NeurIPSCell/imagesTr/cell_00001_0000.png" "$out/eye/$1/instrument_dataset_$2/left_frames/$3.png"
}
masks() { # FOLDER NUMBER FRAME INSTRUMENT
    mkdir -p "$out/eye/$1/instrument_dataset_$2/ground_truth/$4"; truth "$out/eye/$1/instrument_dataset_$2/ground_truth/$4/$3.png"
}
for i in 1 2 3 4 5 6 7 8; do
    folder=instrument_1_4_training; [ $i -le 4 ] || folder=instrument_5_8_training
    sequence $folder $i frame000; masks $folder $i frame000 Left_Prograsp_Forceps_labels; masks $folder $i frame000 Other_labels
done
sequence instrument_1_4_testing 1 frame225; sequence instrument_9_10_testing 10 frame000
for i in 1 10; do mkdir -p "$out/eye/instrument_2017_test/instrument_2017_test/instrument_dataset_$i/TypeSegmentation"; done
truth "$out/eye/instrument_2017_test/instrument_2017_test/instrument_dataset_1/TypeSegmentation/frame225.png"
truth "$out/eye/instrument_2017_test/instrument_2017_test/instrument_dataset_10/TypeSegmentation/frame000.png"
check "instruments" 0 convert endovis17 "$out/eye" "$out/Dataset704_Endovis17"
has "are counted" 'imagesTs: 2 images, 2 labels' stderr
equals "have the files of Dataset704" "$(files Dataset704_Endovis17 | tr ' ' '\n' | grep -v 'dataset_[2-8]_')" "dataset.json
imagesTr/instrument_dataset_1_frame000_0000.png
imagesTs/instrument_dataset_10_frame000_0000.png
imagesTs/instrument_dataset_1_frame225_0000.png
labelsTr/instrument_dataset_1_frame000.png
labelsTs/instrument_dataset_10_frame000.png
labelsTs/instrument_dataset_1_frame225.png
splits_final.json"
equals "and four folds" "$(grep -c '"val"' "$out/Dataset704_Endovis17/splits_final.json")" 4
planned "they can be planned" Dataset704_Endovis17 --splits "$out/Dataset704_Endovis17/splits_final.json"
equals "a third as large" "$(grep median_image "$out/pre/plans.yaml" | tr -d ' ')" 'median_image_size_in_voxels:[16.0,20.0]'
check "in their size" 0 convert endovis17 "$out/eye" "$out/full" --shrink 1 --quiet
refused "a size that does not divide" 'no multiple of 7: --shrink 1 keeps the size' endovis17 "$out/eye" --shrink 7
truth=$out/eye/instrument_1_4_training/instrument_dataset_1/ground_truth
mkdir "$truth/Scalpel_labels"
refused "an instrument that is not known" 'Scalpel_labels: names no instrument' endovis17 "$out/eye"
rmdir "$truth/Scalpel_labels"; rm "$truth/Other_labels/frame000.png"
refused "a mask that is missing" 'Other_labels/frame000.png' endovis17 "$out/eye"
rm -r "$truth/Other_labels" "$out/eye/instrument_5_8_training/instrument_dataset_7"
check "a sequence that is missing" 0 convert endovis17 "$out/eye" "$out/fewer" --quiet
has "is a warning" 'warning: .*training sequences are missing: 7' stderr
is "and there are no folds" test ! -e "$out/fewer/splits_final.json"
rm "$out/eye/instrument_2017_test/instrument_2017_test/instrument_dataset_1/TypeSegmentation/frame225.png"
sequence copy 3 frame000; masks copy 3 frame000 Other_labels
refused "a label of the test that is missing" 'TypeSegmentation/frame225.png: is missing' endovis17 "$out/eye"
has "and a sequence twice" 'instrument_dataset_3 is there twice: .* and .*: keep one' stderr
refused "a folder without sequences" 'found no folder instrument_dataset_1' endovis17 "$out/ph"

# ---- the Decathlon and nnU-Net 1
task() { # FOLDER MODALITIES
    printf '{"name": "PH", "description": "made up", "licence": "CC0", "modality": %s, "labels": {"0": "background", "1": "bright", "2": "dark"}, "numTraining": 8, "training": [], "test": []}' "$2" >"$out/$1/dataset.json"
}
mkdir -p "$out/Task01_Ph/imagesTs"; cp -r "$out/ph/labelsTr" "$out/ph/imagesTr" "$out/Task01_Ph"
for i in 1 2 3 4 5 6 7 8; do mv "$out/Task01_Ph/imagesTr/phantom_00${i}_0000.nii.gz" "$out/Task01_Ph/imagesTr/phantom_00$i.nii.gz"; done
cp "$out/Task01_Ph/imagesTr/phantom_001.nii.gz" "$out/Task01_Ph/imagesTs/phantom_009.nii.gz"
task Task01_Ph '{"0": "MRI"}'
check "a task of the Decathlon" 0 convert msd "$out/Task01_Ph" "$out/Dataset001_Ph"
equals "has nnU-Net's names" "$(files Dataset001_Ph | tr ' ' '\n' | grep -v '[2-8][._]')" "dataset.json
imagesTr/phantom_001_0000.nii.gz
imagesTs/phantom_009_0000.nii.gz
labelsTr/phantom_001.nii.gz"
has "and its licence" 'made up; licence: CC0' Dataset001_Ph/dataset.json
planned "it can be planned" Dataset001_Ph
refused "as of nnU-Net 1" 'imagesTr/phantom_001.nii.gz: has no channel number.*convert_dataset msd' nnunet-v1 "$out/Task01_Ph"
task Task01_Ph '{"0": "MRI", "1": "CT"}'
refused "a channel too few" 'phantom_001.nii.gz: has 1 channels, but dataset.json has 2 in modality' msd "$out/Task01_Ph"
rm "$out/Task01_Ph/dataset.json"
refused "no dataset.json" 'Task01_Ph/dataset.json: is missing: expected a folder as Task05_Prostate' msd "$out/Task01_Ph"
refused "a dataset of nnU-Net 2" 'dataset.json:.*form of nnU-Net 2: the folder needs no conversion' msd "$out/ph"
mkdir -p "$out/Task500_Ph"; cp -r "$out/ph/imagesTr" "$out/ph/labelsTr" "$out/Task500_Ph"; cp -r "$out/ph/imagesTr" "$out/Task500_Ph/imagesVal"
task Task500_Ph '{"0": "MRI"}'
check "a dataset of nnU-Net 1" 0 convert nnunet-v1 "$out/Task500_Ph" "$out/Dataset500_Ph"
is "is copied" diff -r "$out/Task500_Ph/imagesTr" "$out/Dataset500_Ph/imagesTr"
is "with its other parts" diff -r "$out/Task500_Ph/imagesVal" "$out/Dataset500_Ph/imagesVal"
planned "it can be planned" Dataset500_Ph
refused "as of the Decathlon" 'names have channel numbers (phantom_001_0000.nii.gz), as nnU-Net 1 has them: use convert_dataset nnunet-v1' msd "$out/Task500_Ph"
rm "$out/Task500_Ph/imagesTr/phantom_003_0000.nii.gz" "$out/Task500_Ph/labelsTr/phantom_005.nii.gz"
refused "files that are missing" 'imagesTr/phantom_003_0000.nii.gz: is missing, but there is .*labelsTr/phantom_003.nii.gz' nnunet-v1 "$out/Task500_Ph"
has "all are named" 'labelsTr/phantom_005.nii.gz: is missing, but there is .*imagesTr/phantom_005_0000.nii.gz' stderr
has "numTraining is compared" 'numTraining is 8, but labelsTr has 7 labels' stderr
task Task500_Ph '{"1": "MRI"}'
refused "modalities that do not count from 0" 'Task500_Ph/dataset.json:1:' nnunet-v1 "$out/Task500_Ph"

# ---- the commands of docs/reproduce.md
commands=$out/commands; grep '^    build/' docs/reproduce.md >"$commands"
is "docs/reproduce.md has commands" test "$(wc -l <"$commands")" -gt 15
unknown=$(while read -r program words; do
    for word in $words; do
        case $word in
        --*) "$build/${program#build/}" --help-all | grep -q -e "^ .*$word\>" || echo "$program $word";;
        plans/*) [ -e "$word" ] || echo "$word";;
        esac
    done
done <"$commands")
equals "with options and plans that exist" "$unknown" ""
sources=$(sed -n 's|^    build/convert_dataset  *\([^ ]*\) .*|\1|p' "$commands" | while read -r source; do
    "$build/convert_dataset" --help | grep -q "^  $source " || echo "$source"; done)
equals "and sources, too" "$sources" ""
