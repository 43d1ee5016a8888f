#!/bin/sh
# image_formats BUILD: the same phantom in every possible format, from plan_and_preprocess to evaluate.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
make() { # NAME ENDING SIZE
    check "a phantom as $2 is preprocessed" 0 sh -c "
        '$build/make_phantom' -o '$out/raw_$1' --cases 3 --size $3 --channels 2 --ending $2 --quiet &&
        '$build/plan_and_preprocess' '$out/raw_$1' -o '$out/pre_$1' --override '$out/narrow.yaml' --quiet"
    lacks "without a word about other files" 'ignored' stderr
}
same() { # NAME WHAT: the same arrays as from .nii.gz
    is "$2 gives the arrays of .nii.gz" sh -c "for f in '$out'/pre_nii/2d/*.npy; do cmp \"\$f\" '$out/pre_$1'/2d/\$(basename \"\$f\") || exit 1; done"
}
go() { # NAME ENDING: trains, predicts, evaluates
    "$build/train" "$out/pre_$1" all -o "$out/res_$1" --epochs 1 --iterations-per-epoch 1 --validation-iterations 1 --batch-size 2 \
        --patch-size 32x32 --no-validation --quiet 2>"$out/stderr"
    is "$2: a training ends" test -s "$out/res_$1/fold_all/checkpoint_final.safetensors"
    check "$2: it predicts" 0 "$build/predict" -i "$out/raw_$1/imagesTr" -o "$out/seg_$1" -m "$out/res_$1" --quiet
    is "$2: in the format of the images" test -s "$out/seg_$1/phantom_003$2"
    check "$2: the predictions are evaluated" 0 "$build/evaluate" "$out/raw_$1/labelsTr" "$out/seg_$1" -o "$out/eval_$1" --no-report --quiet
    is "$2: all of them" test "$(grep -c prediction_file "$out/eval_$1/summary.json")" -eq 3
}
make nii .nii.gz 3x36x40
for ending in .mha .mhd .nrrd .nhdr .tif; do
    name=${ending#.}
    make "$name" $ending 3x36x40
    [ $ending = .tif ] || same "$name" $ending
done
is "the spacing of TIFF volumes is that of .nii.gz" cmp "$out/pre_tif/2d/phantom_001_seg.npy" "$out/pre_nii/2d/phantom_001_seg.npy"
go mhd .mhd
go nrrd .nrrd
go tif .tif
is "a TIFF volume has its spacing beside it" grep -q '"spacing": \[[0-9.]*, [0-9.]*, [0-9.]*\]' "$out/seg_tif/phantom_001.json"
make png .png 1x36x40
make bmp .bmp 1x36x40
go bmp .bmp

# One slice of 40x36 pixels, stored as 40x1x36: the bytes of dim and pixdim are exchanged.
make slice .nii 1x36x40
cp -r "$out/raw_slice" "$out/raw_turned"
bytes() { dd if="$1" of="$out/part" bs=1 skip="$2" count="$3" 2>/dev/null; }
into() { dd if="$out/part" of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; }
for file in "$out"/raw_turned/*/*.nii; do
    cp "$file" "$out/header"
    bytes "$out/header" 44 2; into "$file" 46
    bytes "$out/header" 46 2; into "$file" 44
    bytes "$out/header" 84 4; into "$file" 88
    bytes "$out/header" 88 4; into "$file" 84
    printf '\0\0\0\0' >"$out/part"; into "$file" 252 # no place in space
done
check "a slice stored along another axis is preprocessed" 0 "$build/plan_and_preprocess" "$out/raw_turned" -o "$out/pre_turned" \
    --override "$out/narrow.yaml" --quiet
for file in phantom_001.npy phantom_001_seg.npy; do
    is "to the same $file" cmp "$out/pre_slice/2d/$file" "$out/pre_turned/2d/$file"
done
go turned .nii
bytes "$out/seg_turned/phantom_001.nii" 42 6
is "and the prediction is stored so too" test "$(od -An -td2 "$out/part" | tr -s ' ')" = " 40 1 36"
check "it is evaluated beside the slice as it was" 0 "$build/evaluate" "$out/raw_slice/labelsTr" "$out/seg_turned" -o "$out/eval_slice" --no-report --quiet
is "to the same values" sh -c "grep -v _file '$out/eval_slice/summary.json' >'$out/x'; grep -v _file '$out/eval_turned/summary.json' | cmp - '$out/x'"

check "an ending that no format has is refused" 1 sh -c "
    sed 's/\.png/.gif/' '$out/raw_png/dataset.json' >'$out/d.json' && cp '$out/d.json' '$out/raw_png/dataset.json' &&
    '$build/plan_and_preprocess' '$out/raw_png' -o '$out/pre_gif' --quiet"
has "and it says which are known" 'file_ending is ".gif", which no image format has: expected one of .nii.gz .nii .*.mha.*.nrrd.*.bmp' stderr
check "a volume is no picture" 2 "$build/make_phantom" -o "$out/no" --size 2x9x9 --ending .png --quiet
has "and it says so" '.png holds one slice, but a case has 2' stderr
check "make_phantom knows its endings" 2 "$build/make_phantom" -o "$out/no" --ending .gif
