#!/bin/sh
# read_only BUILD: preprocessed data and images on a read-only mount: training, prediction and evaluation write elsewhere only.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

"$build/make_phantom" -o "$out/data/raw" --cases 6 --size 2x36x40 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
check "the phantom is preprocessed" 0 "$build/plan_and_preprocess" "$out/data/raw" -o "$out/data/pre" --override "$out/narrow.yaml" --quiet
rm -f "$out/data/pre/.lock" # as if it had been copied
state() { (cd "$out/data" && find . -printf '%p %T@ %s\n' | sort); }
state >"$out/before"

# In a mount namespace of its own, so that nothing of it remains.
mounted() { # COMMAND…
    unshare -m sh -c 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && ! touch "$0/x" 2>/dev/null && exec "$@"' "$out/data" "$@"
}
if ! mounted true 2>/dev/null; then echo "ok - read-only mounts # SKIP this user may not mount"; exit 0; fi
train() { mounted "$build/train" "$out/data/pre" "$@" -o "$out/results" --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 \
    --batch-size 2 --patch-size 32x32 --quiet; }
check "two folds are trained" 0 train 0,1
check "and validated again" 0 mounted "$build/train" "$out/data/pre" 0 -o "$out/results" --val-only --quiet
check "for a time, by a recipe" 0 mounted "$build/train" "$out/data/pre" 0 -o "$out/timed" --minutes 0.02 --quiet
check "images are predicted" 0 mounted "$build/predict" -i "$out/data/raw/imagesTr" -m "$out/results" -o "$out/predicted" --quiet
check "and evaluated" 0 mounted "$build/evaluate" "$out/data/raw/labelsTr" "$out/predicted" -o "$out/evaluation" -d "$out/data/raw/dataset.json" --quiet
check "the best configuration is found" 0 mounted "$build/find_best_configuration" "$out/results" -o "$out/inference.yaml" --quiet
state >"$out/after"
is "nothing has changed there" cmp "$out/before" "$out/after"
check "results cannot be there" 1 mounted "$build/train" "$out/data/pre" 0 -o "$out/data/results" --quiet
has "which is told" 'error: .*data/results: cannot make the folder: Read-only file system' stderr
