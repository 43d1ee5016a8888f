#!/bin/sh
# standard_streams BUILD: streams that are closed.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

# A closed stream's number is free for the first file that a program opens: its messages must not go in there. train
# holds its lock file open while it prints.
"$build/make_phantom" -o "$out/raw" --cases 5 --size 8x40x44 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet 2>/dev/null
for closed in '2>&-' '>&- 2>&-' '<&- >&- 2>&-'; do
    rm -rf "$out/results"
    is "train with $closed" sh -c "'$build/train' '$out/pre' 0 -o '$out/results' --epochs 1 --iterations-per-epoch 2 \
        --validation-iterations 1 --batch-size 2 --patch-size 32x32 $closed"
    is "with $closed messages do not go into its lock" test -e "$out/results/fold_0/.lock" -a ! -s "$out/results/fold_0/.lock"
done
