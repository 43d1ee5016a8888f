#!/bin/sh
# plan_and_preprocess BUILD: what it writes and skips, which setting is used; the same numbers for any number of threads.
build=$1
program=$build/plan_and_preprocess
. tests/support/tap.sh
raw=$out/Dataset900_Phantom

exits() { # STATUS WORDS COMMAND…
    expected=$1; words=$2; shift 2
    "$@" >"$out/said" 2>&1; found=$?
    [ $found -eq "$expected" ] || { echo "status $found, expected $expected" >&2; cat "$out/said" >&2; return 1; }
    grep -q -e "$words" "$out/said" || { echo "no '$words' in:" >&2; cat "$out/said" >&2; return 1; }
}
runs() { "$program" "$raw" -o "$out/p" "$@"; }
holds() { grep -q -e "$2" "$1" || { cat "$1"; return 1; }; }
files() { for file; do [ -s "$file" ] || { echo "$file is missing"; return 1; }; done; }

check "a phantom dataset" 0 "$build/make_phantom" -o "$raw" --cases 6 --size 5x40x48 --channels 2 --quiet
check "plans and preprocesses" 0 exits 0 "6 done" runs -j 2
check "writes all files" 0 files "$out/p/plans.yaml" "$out/p/dataset_fingerprint.yaml" "$out/p/splits_final.yaml" \
    "$out/p/dataset.json" "$out/p/2d/phantom_003.npy" "$out/p/2d/phantom_003_seg.npy" \
    "$out/p/2d/phantom_003_locations.npy" "$out/p/2d/phantom_003.yaml"
check "the dataset's name" 0 holds "$out/p/plans.yaml" "^dataset_name: Dataset900_Phantom"
check "a patch that the network can halve" 0 holds "$out/p/plans.yaml" "patch_size: \[[0-9]*\(32\|64\|96\|128\|160\|192\|224\|256\), "
check "what is up to date is skipped" 0 exits 0 "6 cases were up to date" runs
check "--overwrite makes all anew" 0 sh -c "! '$program' '$raw' -o '$out/p' --overwrite 2>&1 | grep 'up to date'"
touch "$raw/labelsTr/phantom_002.nii.gz"
check "a time alone decides nothing" 0 exits 0 "6 cases were up to date" runs
cp -p "$raw/labelsTr/phantom_001.nii.gz" "$out/kept.nii.gz"
gzip -dc "$out/kept.nii.gz" >"$out/corrected"
printf '\001' | dd of="$out/corrected" bs=1 seek=360 conv=notrunc 2>"$out/dd"
gzip -c "$out/corrected" >"$raw/labelsTr/phantom_001.nii.gz"
touch -r "$out/kept.nii.gz" "$raw/labelsTr/phantom_001.nii.gz"
check "a corrected label is noticed" 0 exits 0 "5 cases were up to date" runs
check "also where references are kept" 0 cmp "$raw/labelsTr/phantom_001.nii.gz" "$out/p/gt_segmentations/phantom_001.nii.gz"
cp -p "$out/kept.nii.gz" "$raw/labelsTr/phantom_001.nii.gz"
check "and that it is taken back" 0 exits 0 "5 cases were up to date" runs
inode=$(ls -i "$out/p/gt_segmentations/phantom_002.nii.gz")
check "references that are right" 0 exits 0 "6 cases were up to date" runs
check "are not written again" 0 test "$inode" = "$(ls -i "$out/p/gt_segmentations/phantom_002.nii.gz")"
rm "$out/p/2d/phantom_004.yaml"
check "an unfinished case is made again" 0 exits 0 "5 cases were up to date" runs
cp -r "$out/p" "$out/one"
check "one thread gives the same files" 0 exits 0 done "$program" "$raw" -o "$out/one" -j 1 --overwrite
check "byte for byte" 0 diff -r -x plan_and_preprocess.log "$out/p" "$out/one"
check "--verify draws all cases" 0 exits 0 "no error was found in the dataset" runs --verify
check "its files" 0 files "$out/p/verify/sheet_001.png" "$out/p/verify/index.yaml"
check "--explain" 0 exits 0 "^batch: " runs --explain
printf 'training: {recompute: true}\n' >"$out/over.yaml"
check "with less memory for more time" 0 exits 0 "swin_umamba_d with recomputation" runs --explain --override "$out/over.yaml"
printf 'configurations:\n  2d:\n    patch_size: [64, 96]\n    batch_size: 3\n' >"$out/over.yaml"
check "an override has the last word" 0 exits 0 "patch 64x96, batch 3" runs --override "$out/over.yaml"
check "a larger memory target gives no smaller batch" 0 exits 0 "batch" runs --memory-target 16G
check "a plan of one's own" 0 exits 0 "patch 64x96" "$program" "$raw" -o "$out/q" --plans "$out/p/plans.yaml" \
    --override "$out/over.yaml"
check "a network that this build does not have is refused" 0 exits 2 "unknown network mednext; the networks are swin_umamba_d, swin_umamba, swin_umamba_paper" \
    "$program" "$raw" -o "$out/n" --network mednext
check "before anything is made" 0 test ! -e "$out/n"
mkdir "$out/n"
sed 's/^  name: .*/  name: mednext/; s/patch_size: .*/patch_size: [56, 40]/; s/optimizer: .*/optimizer: sgd/' "$out/p/plans.yaml" >"$out/n/plans.yaml"
check "a plan of one, too" 0 exits 1 "unknown network mednext.*choose one with --network" "$program" "$raw" -o "$out/r" --plans "$out/n/plans.yaml"
check "before anything is computed" 0 test ! -e "$out/r/dataset_fingerprint.yaml"
check "the U-Net's plan, rounded up for another network" 0 exits 0 "rounded up to 64x64" "$program" "$raw" \
    -o "$out/r" --plans "$out/n/plans.yaml" --network swin_umamba
check "with that network's training" 0 holds "$out/r/plans.yaml" "optimizer: adamw"
printf 'configurations:\n  2d:\n    patch_size: [65, 96]\n' >"$out/over.yaml"
check "a patch that cannot be halved is refused" 0 exits 1 "multiples of 32x32" runs --override "$out/over.yaml"
printf 'configurations:\n  2d:\n    patch_sice: [64, 96]\n' >"$out/over.yaml"
check "an unknown key is named" 0 exits 1 "over.yaml:3:.*patch_size" runs --override "$out/over.yaml"
check "an unknown network is named" 0 exits 2 "unknown network swin_umamba_e.*nearest name is swin_umamba_d" runs --network swin_umamba_e
cp "$out/p/splits_final.yaml" "$out/mine.yaml"
printf -- '- train: [phantom_001, phantom_002]\n  val: [phantom_003]\n' >"$out/p/splits_final.yaml"
cp "$out/p/splits_final.yaml" "$out/mine.yaml"
check "the user's own splits stay" 0 exits 0 "splits: from your file .*splits_final.yaml, 1 fold" runs
check "untouched" 0 cmp "$out/p/splits_final.yaml" "$out/mine.yaml"
check "no dataset is wrong usage" 0 exits 2 "DATASET, the folder of the raw dataset, is missing" "$program" -o "$out/p"
check "no output is wrong usage" 0 exits 2 "PATH is missing" "$program" "$raw"
check "a dataset that is not there" 0 exits 1 "dataset.json" "$program" "$out/nowhere" -o "$out/p"
ln -s "$raw" "$out/Dataset901_Other"
cp "$out/p/plans.yaml" "$out/before.yaml"
check "another dataset's folder is refused" 0 exits 1 "p holds Dataset900_Phantom: choose another folder for Dataset901_Other" \
    "$program" "$out/Dataset901_Other" -o "$out/p" --network swin_umamba
check "and nothing in it changed" 0 cmp "$out/p/plans.yaml" "$out/before.yaml"
check "a plan is no part of that" 0 exits 0 "done" "$program" "$out/Dataset901_Other" -o "$out/o" --plans "$out/p/plans.yaml"
check "but is the dataset's from then on" 0 holds "$out/o/plans.yaml" "^dataset_name: Dataset901_Other"
printf x >"$out/file"
check "an output that cannot be made" 0 exits 1 "file" "$program" "$raw" -o "$out/file/p"

# A file-size limit simulates a full disk: the case is named, and no incomplete file is left.
rm -rf "$out/full"
limited() { sh -c "ulimit -f 40; exec '$program' '$raw' -o '$out/full' --quiet"; }
check "a full disk ends the run" 0 exits 1 "error: case phantom_.*2d/phantom_.*npy" limited
check "with nothing half written" 0 sh -c "! ls '$out/full/2d' | grep -v _seg"

# Killed while it writes: existing files are complete, and the next run writes the others.
rm -rf "$out/p"
"$program" "$raw" -o "$out/p" --quiet 2>/dev/null & pid=$!
sleep 0.03; kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null
mkdir -p "$out/p/2d"; echo x >"$out/p/2d/phantom_001.npy.tmp-$(uname -n)-1-1"
check "goes on where it was killed" 0 exits 0 "6 done" runs
check "and ends with the same cases" 0 diff -r "$out/p/2d" "$out/one/2d"
