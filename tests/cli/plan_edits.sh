#!/bin/sh
# plan_edits BUILD: edits of plans.yaml and of --override in all kinds of keys; a run that ended between two files.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
raw=$out/Dataset705_Edits pre=$out/pre

printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/make_phantom" -o "$raw" --cases 5 --size 2x48x32 --channels 2 --quiet 2>/dev/null
plan_by() { # OVERRIDE OPTIONS…
    override=$1; shift
    "$build/plan_and_preprocess" "$raw" -o "$pre" --override "$out/$override" -j1 "$@"
}
plan() { plan_by narrow.yaml "$@"; }
edit() { sed -i "s/\( $1\): [^#]*/\1: $2 /" "$pre/plans.yaml"; }
top() { sed -i "s/^$1: [^#]*/$1: $2 /" "$pre/plans.yaml"; }
statistic() { sed -n "/^foreground/,/^network/s/^    $1: //p" "$pre/plans.yaml" | sed -n "$2p"; }

# ---- order of axes
check "planned" 0 plan --quiet
top orientation canonical
check "train refuses cases of another orientation" 1 "$build/train" "$pre" 0 -o "$out/results" --epochs 1
has "and names it" 'plan orientation: none, now canonical' stderr
check "an orientation that was edited" 0 plan
has "is kept" 'kept your edits of .*: orientation canonical (planned stored)' stderr
cp "$out/narrow.yaml" "$out/canonical.yaml"; echo 'orientation: canonical' >>"$out/canonical.yaml"
check "the same by --override" 0 "$build/plan_and_preprocess" "$raw" -o "$out/other" --override "$out/canonical.yaml" -j1 --quiet
is "measures the same" cmp "$pre/dataset_fingerprint.yaml" "$out/other/dataset_fingerprint.yaml"
is "and gives the same cases" cmp "$pre/2d/phantom_001.npy" "$out/other/2d/phantom_001.npy"
top orientation stored; top image_reader_writer NibabelIOWithReorient
check "a reader that was edited" 0 plan --quiet
is "measures in its order" cmp "$pre/dataset_fingerprint.yaml" "$out/other/dataset_fingerprint.yaml"
top image_reader_writer nibabelIO
check "an unknown reader" 1 plan
has "is named with who said it" 'error: plans.yaml, changed by hand: image_reader_writer: found nibabelIO' stderr
top image_reader_writer SimpleITKIO
check "taken back" 0 plan --quiet
echo 'network: {name: mednext}' >"$out/mednext.yaml"
check "a network that this build lacks" 1 plan_by mednext.yaml
has "is named with the file" 'mednext.yaml: network.name: unknown network mednext' stderr

# ---- statistics
before=$(statistic max 2)
sed -i '/^foreground/,/^network/s/^    mean: .*/    mean: 123.5/' "$pre/plans.yaml"
check "a statistic that was edited" 0 plan
has "is named alone" 'edits of .*: foreground_intensity_properties_per_channel.0.mean 123.5 (planned [-0-9.e]*), .*channel.1.mean 123.5 (planned [-0-9.e]*); --overwrite' stderr
is "and kept" test "$(statistic mean 1) $(statistic mean 2)" = "123.5 123.5"
printf 'foreground_intensity_properties_per_channel: {"1": {std: 7.5}}\n' >"$out/second.yaml"; cat "$out/narrow.yaml" >>"$out/second.yaml"
check "an override of the second channel alone" 0 plan_by second.yaml --overwrite --quiet
is "changes that alone" test "$(statistic std 2) $(statistic max 2)" = "7.5 $before"
is "and the first stays" test -n "$(statistic std 1)" -a "$(statistic std 1)" != 7.5
printf 'foreground_intensity_properties_per_channel: {"2": {std: 7.5}}\n' >"$out/third.yaml"; cat "$out/narrow.yaml" >>"$out/third.yaml"
check "one of a channel that is not there" 1 plan_by third.yaml
has "is refused" 'foreground_intensity_properties_per_channel has 3 entries, normalization_schemes 2' stderr

# ---- too much memory, unused keys
check "anew" 0 plan --overwrite --quiet
edit spacing '[0.00001, 0.00001]'
check "a spacing that is far too fine" 1 plan --quiet
has "is refused before it costs memory" 'case phantom_001: .*at the plan.s spacing, 1e-05x1e-05 mm, the case would have .* voxels' stderr
check "dropped" 0 plan --overwrite --quiet
printf 'configurations: {2d: {patch_size: [256, 256], batch_size: 64}, 3d_fullres: {batch_size: 2}}\n' >"$out/large.yaml"; cat "$out/narrow.yaml" >>"$out/large.yaml"
check "an override that takes much memory" 0 plan_by large.yaml --memory-target 100M --quiet
has "is a warning" 'warning: a training step of 64 patches of 256x256 takes [0-9.]* GiB, more than --memory-target' stderr
has "a key of it that has no use, too" 'warning: .*large.yaml:1:.*3d_fullres: not used here' stderr
check "back" 0 plan --overwrite --quiet
cp -r "$raw" "$out/one"; rm "$out/one/imagesTr/"*_0001.nii.gz; sed -i '/"1": /d; s/\("0": "[^"]*"\),/\1/' "$out/one/dataset.json"
check "a plan for other channels" 1 "$build/plan_and_preprocess" "$out/one" -o "$out/p1" --plans "$pre/plans.yaml" -j1
has "is refused" 'plans.yaml: the plan is for 2 channels, the dataset has 1' stderr
is "before anything is measured" test ! -e "$out/p1/dataset_fingerprint.yaml"
sed -i 's/"numTraining"/"overwrite_image_reader_writer": "NibabelIOWithReorient", "numTraining"/' "$raw/dataset.json"
check "a plan that reads otherwise than dataset.json says" 0 "$build/plan_and_preprocess" "$raw" -o "$out/p1" --plans "$pre/plans.yaml" -j1 --quiet
has "is reported" 'warning: dataset.json: overwrite_image_reader_writer: NibabelIOWithReorient is not used: the plan has SimpleITKIO' stderr
sed -i 's/"overwrite_image_reader_writer": "NibabelIOWithReorient", //' "$raw/dataset.json"

# ---- files left between two runs
edit epochs 50; sed -i 's/^training:/# mine\ntraining:/' "$pre/plans.yaml"
cp "$pre/plans.yaml" "$out/mine.yaml"
check "an edit with a comment" 0 plan --quiet
is "stays as it was written" cmp "$pre/plans.yaml" "$out/mine.yaml"
# A run with another network ended between plans.yaml and the copy of it: first before, then after plans.yaml.
cp "$pre/plans_as_planned.yaml" "$out/old.yaml"
check "another network" 0 plan --network swin_umamba --quiet
cp "$pre/plans_as_planned.yaml" "$pre/plans_as_planned_next.yaml"; cp "$out/old.yaml" "$pre/plans_as_planned.yaml"
check "a run after one that was killed behind plans.yaml" 0 plan --network swin_umamba
has "knows the edit" 'kept your edits of .*: training.epochs 50 (planned 1000); --overwrite' stderr
is "leaves one copy" test ! -e "$pre/plans_as_planned_next.yaml"
cp "$pre/plans_as_planned.yaml" "$pre/plans_as_planned_next.yaml"; cp "$out/old.yaml" "$pre/plans_as_planned.yaml"; cp "$out/mine.yaml" "$pre/plans.yaml"
check "one after a run that was killed before it" 0 plan --network swin_umamba
has "too" 'kept your edits of .*: training.epochs 50 (planned 1000); --overwrite' stderr
mv "$pre/plans_as_planned.yaml" "$pre/plans_as_planned_next.yaml"
check "one after the first run of all was killed there" 0 plan --network swin_umamba
has "knows it as well" 'kept your edits of .*: training.epochs 50' stderr
