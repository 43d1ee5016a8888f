#!/bin/sh
# bounded_memory BUILD: the bound printed by predict --explain is not exceeded, a limit is respected, and labels do not depend on it.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=2
why= # the measurements cannot be made
case $build in *san) why="a sanitizer needs memory of its own" ;; esac
[ -x /usr/bin/time ] || why="no GNU time"

"$build/make_phantom" -o "$out/raw" --cases 5 --size 5x40x44 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet 2>/dev/null
for fold in 0 1; do
    "$build/train" "$out/pre" $fold -o "$out/a" --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 \
        --batch-size 2 --patch-size 32x32 --quiet --no-validation 2>/dev/null
done

# SIZE OPTIONS…: prints "BOUND PEAK" in MiB; the labels go to OUT/labels_SIZE.
predict_size() {
    size=$1; shift
    [ -d "$out/$size" ] || "$build/make_phantom" -o "$out/$size" --cases 1 --size "$size" --quiet 2>/dev/null
    /usr/bin/time -f '%M' -o "$out/time" "$build/predict" -i "$out/$size/imagesTr" -o "$out/labels_$size" -m "$out/a" \
        --explain --overwrite --quiet "$@" >"$out/stdout" 2>"$out/stderr"
    echo "$(awk 'NR == 2 {print $NF}' "$out/stdout") $(($(tail -1 "$out/time") / 1024))"
}
# WHAT SIZES OPTIONS…: the peak is below the printed bound.
holds() {
    what=$1; sizes=$2; shift 2
    for size in $sizes; do
        [ -z "$why" ] || { echo "ok - $what, $size # SKIP $why"; continue; }
        line=$(predict_size $size "$@"); bound=${line% *}; peak=${line#* }
        if [ "$peak" -gt 0 ] && [ "$peak" -le "${bound:-0}" ]; then echo "ok - $what, $size: $peak of $bound MiB"
        else echo "not ok - $what, $size: $peak MiB, said $bound"; cat "$out/stdout" "$out/stderr"; fi
    done
}
holds "two folds" "2x33x70 5x120x150 12x128x128 1x500x600 6x200x200" --step 1
holds "one fold with probabilities and mirroring" "2x33x70 1x500x600" -f 0 --step 1 --tta --save-probabilities

image=$out/1x500x600/imagesTr
[ -d "$image" ] || "$build/make_phantom" -o "$out/1x500x600" --cases 1 --size 1x500x600 --quiet 2>/dev/null
predict() { "$build/predict" -i "$image" -m "$out/a" --step 1 --quiet "$@"; }
value() { awk 'NR == 2 {print $('"$1"')}' "$out/$2"; }   # COLUMN FILE
check "the cost of a case is printed" 0 predict -o "$out/free" --explain; mv "$out/stdout" "$out/wide"
check "a limit is kept to" 0 predict -o "$out/capped" --explain --memory $(($(value NF wide) - 1))M
mv "$out/stdout" "$out/narrow"
is "by smaller batches" test "$(value 3 narrow)" -lt "$(value 3 wide)"
is "that change no label" cmp "$out"/free/*.nii.gz "$out"/capped/*.nii.gz
check "too little memory is refused" 1 predict -o "$out/none" --memory 20M
has "with what is needed" 'needs up to [0-9]* MiB, and may use 20' stderr
is "before anything but the record is written" test "$(ls "$out/none")" = predict.yaml
check "beforehand too" 1 "$build/predict" -i "$image" -m "$out/a" --step 1 --explain --memory 20M
mkdir "$out/two"
cp "$image"/*_0000.nii.gz "$out/two/big_0000.nii.gz"
"$build/make_phantom" -o "$out/small" --cases 1 --size 12x40x44 --quiet 2>/dev/null
cp "$out"/small/imagesTr/*_0000.nii.gz "$out/two/small_0000.nii.gz"
both() { "$build/predict" -i "$out/two" -m "$out/a" --step 1 --explain "$@"; }
check "two cases" 0 both; mv "$out/stdout" "$out/wide"
check "of which a limit concerns one" 0 both --memory $(($(value NF wide) - 1))M; mv "$out/stdout" "$out/narrow"
is "have a batch each" test "$(value 3 narrow)" -lt "$(value 3 wide)"
is "as large as it may be" test "$(awk 'NR == 3 {print $3}' "$out/narrow")" -eq "$(awk 'NR == 3 {print $3}' "$out/wide")"
check "a size that is none" 2 predict -o "$out/none" --memory 4X

# All programs read sizes in the same way; without a unit they are GiB.
batches() { awk '{print $1, $2, $3}' "$1"; }
plan() { "$build/plan_and_preprocess" "$out/small" -o "$out/planned" --overwrite -j1 --quiet --memory-target "$1"; }
for size in 3 3G 3GB 3GiB 3g 3072M; do
    check "--memory $size" 0 both --memory "$size"
    is "is no limit for these" test "$(batches "$out/stdout")" = "$(batches "$out/wide")"
    check "--memory-target $size" 0 plan "$size"
    [ "$size" != 3 ] || cp "$out/planned/plans.yaml" "$out/of_3.yaml"
    is "plans as 3" cmp "$out/planned/plans.yaml" "$out/of_3.yaml"
done
for size in 8KB 1e-300G 0 -1; do
    check "--memory $size" 2 both --memory "$size"
    has "is reported with what is expected" "--memory $size: expected an amount of memory of at least 1M" stderr
    check "--memory-target $size" 2 plan "$size"
    has "alike" "--memory-target $size: expected an amount of memory of at least 1M" stderr
done
