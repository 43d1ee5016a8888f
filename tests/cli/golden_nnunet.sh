#!/bin/sh
# golden_nnunet BUILD: the references of nnU-Net, part by part, and that a changed one is detected.
build=$1
golden=$GOLDEN/nnunet
[ -d "$golden" ] || { echo "ok - golden nnunet # SKIP $golden is not here"; exit 0; }
. tests/support/tap.sh

for part in plans splits resample preprocessed augment inference metrics postprocessing; do
    if "$build/golden" "$golden" $part >"$out/log" 2>&1; then
        echo "ok - golden $part: $(tail -1 "$out/log")"
    else
        echo "not ok - golden $part"; grep -v '^ok' "$out/log"
    fi
done

# FILE SED-COMMAND PART: one number of a copy is changed, and exactly one entry fails.
notices() {
    rm -rf "$out/copy"; cp -r "$golden" "$out/copy"; chmod -R u+w "$out/copy"
    sed -i "$2" "$out/copy/$1"
    "$build/golden" "$out/copy" "$3" >"$out/log" 2>&1
    if tail -1 "$out/log" | grep -q ' passed, 1 failed$'; then echo "ok - a change of $1 fails"
    else echo "not ok - a change of $1"; tail -3 "$out/log"; fi
}
notices splits/split_vectors.json 's/3992670690/3992670691/' splits
notices plans/D5_nnUNetPlans.json '0,/"batch_size": 9/s//"batch_size": 10/' plans/D5
notices plans/planner_vectors.json '0,/"batch_size": 3,/s//"batch_size": 4,/' plans/planner_vectors.json
notices resample/resample.json '0,/"new_spacing": \[5.0, 0.62/s//"new_spacing": [0.1, 0.62/' resample/data_sepz_up
notices preprocessed/D4_2d_all_cases.json '0,/"1": 1324/s//"1": 1325/' preprocessed/D4_2d_all
notices inference/inference.json '0,/4.265625/s//4.26953125/' inference/inference.json/gaussian
notices inference/inference.json '0,/"tile_step_size": 0.5/s//"tile_step_size": 0.7/' inference/inference.json/sliding
notices metrics/surface/surface.json '0,/0.664559866/s//0.664559868/' metrics/surface
notices metrics/losses/losses.json '0,/1.87501275/s//1.87503275/' metrics/losses
notices metrics/umamba/umamba_eval.json '0,/0.9508/s//0.9509/' metrics/umamba
notices postprocessing/postprocessing.json '0,/"labels_or_regions": 2}/s//"labels_or_regions": 1}/' postprocessing/determine
