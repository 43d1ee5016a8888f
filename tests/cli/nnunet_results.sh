#!/bin/sh
# nnunet_results BUILD: results of train as a results folder of nnU-Net, and back into predict; what is refused.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
raw=$out/Dataset707_Export
convert() { "$build/convert_weights" "$@"; }
train() { "$build/train" "$out/$1" "$2" -o "$out/$3" --epochs 1 --iterations-per-epoch 2 --batch-size 2 -j1 --quiet; }
predict() { "$build/predict" -i "$raw/imagesTr" -o "$out/$1" -m "$out/$2" --tta --save-probabilities -j1 --quiet; }
same() { # A B: the predictions in two folders
    for file in "$out/$1"/*.nii.gz "$out/$1"/*.npy; do cmp "$file" "$out/$2/$(basename "$file")" || return 1; done
}
"$build/make_phantom" -o "$raw" --cases 5 --size 2x48x32 --channels 2 --quiet 2>/dev/null

for planner in ExperimentPlanner nnUNetPlannerResEncM; do
    p=pre_$planner r=r_$planner
    "$build/plan_and_preprocess" "$raw" -o "$out/$p" -n nnunet --planner $planner -j1 --quiet
    check "$planner: trained" 0 train $p 0 $r
    train $p 1 $r
    check "$planner: written for nnU-Net" 0 convert "$out/$r" "$out/x_$planner"
    has "each checkpoint is named" 'fold_1/checkpoint_best.pth' stderr
    has "the plan says what is a class" '"_kw_requires_import": *\["conv_op", *"norm_op", *"dropout_op", *"nonlin"\]' x_$planner/plans.json
    is "dataset.json is a copy" cmp "$out/$r/dataset.json" "$out/x_$planner/dataset.json"
    check "$planner: ours" 0 predict own_$planner $r
    check "$planner: nnU-Net's" 0 predict theirs_$planner x_$planner
    is "with the same bits" same own_$planner theirs_$planner
done
r=r_ExperimentPlanner x=x_ExperimentPlanner
check "a checkpoint in nnU-Net's form" 0 convert "$out/$x/fold_0/checkpoint_final.pth" "$out/one.safetensors"
has "its trainer" 'note trainer_name: nnUNetTrainer' stderr
has "its configuration" 'note init_args: {"configuration":"2d","fold":0}' stderr
has "its mirroring" 'note inference_allowed_mirroring_axes: \[0,1\]' stderr
has "tensors under all of PyTorch's names" '188 tensors' stderr
is "repeated tensors take no room" test "$(wc -c <"$out/$x/fold_0/checkpoint_final.pth")" -lt "$(wc -c <"$out/one.safetensors")"
mkdir -p "$out/three/fold_0"; cp "$out/$x"/*.json "$out/three"
sed 's/\(configuration[\]*":[\]*"\)2d/\13d/' "$out/one.safetensors" >"$out/three/fold_0/checkpoint_final.safetensors"
check "another configuration of nnU-Net's plans" 1 predict p_three three
has "is refused" "fold_0/checkpoint_final.safetensors: it was trained in nnU-Net's configuration 3d: only 2d can be predicted" stderr
cp "$out/one.safetensors" "$out/three/fold_0/checkpoint_final.safetensors"
check "2d is not" 0 predict p_three three
check "a fold's folder means the results" 0 convert "$out/$r/fold_0" "$out/of_fold" --quiet
is "with all folds" test -s "$out/of_fold/fold_1/checkpoint_final.pth"
"$build/train" "$out/pre_ExperimentPlanner" all -o "$out/all" --epochs 1 --iterations-per-epoch 1 --batch-size 2 -j1 --quiet 2>/dev/null
check "fold all" 0 convert "$out/all/" "$out/x_all/" --quiet
is "keeps its name" test -s "$out/x_all/fold_all/checkpoint_final.pth"

# ---- a plain plan with an override to a residual encoder has the keys of both
cat >"$out/residual.yaml" <<END
configurations: {2d: {architecture: {network_class_name: ResidualEncoderUNet, arch_kwargs: {
  n_blocks_per_stage: 1, n_conv_per_stage_decoder: 1, features_per_stage: 8}}}}
END
"$build/plan_and_preprocess" "$raw" -o "$out/mixed" -n nnunet --override "$out/residual.yaml" -j1 --quiet
train mixed 0 r_mixed
check "an override to a residual encoder" 0 convert "$out/r_mixed" "$out/x_mixed" --quiet
has "leaves the keys of its class" '"n_blocks_per_stage"' x_mixed/plans.json
lacks "only" '"n_conv_per_stage"' x_mixed/plans.json

# ---- a plan that was changed after the training
cp "$out/$r/plans.yaml" "$out/plans"
sed -i 's/negative_slope: 0.01/negative_slope: 0.1/' "$out/$r/plans.yaml"
check "weights of another plan" 1 convert "$out/$r" "$out/other"
has "are refused, with the key" 'plans.yaml is not the plan by which .*fold_0/checkpoint_final.safetensors was trained (.*negative_slope: 0.01, now 0.1)' stderr
is "and nothing is written" test ! -e "$out/other"
cp "$out/plans" "$out/$r/plans.yaml"

# ---- what exists is kept
check "a folder that exists" 1 convert "$out/$r" "$out/$x"
has "is kept" "$x: exists already; --overwrite replaces it" stderr
mkdir "$out/notes"; echo 1 >"$out/notes/thesis"
check "a folder of something else" 1 convert "$out/$r" "$out/notes" --overwrite
has "is never replaced" 'notes: is no results folder of nnU-Net, and is not replaced' stderr
cp "$out/$x/plans.json" "$out/$r/plans.yaml" "$out/notes"
check "nor one with results of train in it" 1 convert "$out/$r" "$out/notes" --overwrite
is "which stay" test -e "$out/notes/plans.yaml"
is "and stands" test -s "$out/notes/thesis"
check "the results themselves" 1 convert "$out/$r" "$out/$r" --overwrite
mkdir -p "$out/.of_fold.export/new"; echo 1 >"$out/.of_fold.export/mine"
check "the working folder of a killed run" 0 convert "$out/r_nnUNetPlannerResEncM" "$out/of_fold" --overwrite --quiet
is "is removed, but not what is not its own" test -s "$out/.of_fold.export/mine" -a ! -e "$out/.of_fold.export/new"
rm -r "$out/.of_fold.export"
mkdir "$out/.of_fold.new"; echo 1 >"$out/.of_fold.new/mine"
check "--overwrite replaces nnU-Net's" 0 convert "$out/r_nnUNetPlannerResEncM" "$out/of_fold" --overwrite --quiet
has "by the new ones" 'ResidualEncoderUNet' of_fold/plans.json
equals "nothing else is left or lost" "$(ls -A "$out" | grep of_fold | tr '\n' ' ')" ".of_fold.new of_fold "

# ---- what is refused
check "nnU-Net's own" 1 convert "$out/$x" "$out/n"
has "needs nothing" "$x: is nnU-Net's results folder already" stderr
check "a folder into a file" 2 convert "$out/$r" "$out/n.pth"
has "is wrong usage" "r_ExperimentPlanner is a folder: expected a folder's name for OUT" stderr
check "a raw dataset" 1 convert "$raw" "$out/n"
has "is recognised" 'is a raw dataset' stderr
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/plan_and_preprocess" "$raw" -o "$out/pre_d" --override "$out/narrow.yaml" -j1 --quiet
train pre_d 0 r_d
check "another network" 1 convert "$out/r_d" "$out/n"
has "is not nnU-Net's, but its files can be converted" \
    'r_d: its network is swin_umamba_d, which nnU-Net does not have: .*convert_weights .*checkpoint_final.safetensors FILE.pth' stderr
cp -r "$out/$r" "$out/turned"; sed -i 's/^orientation: [a-z]*/orientation: canonical/' "$out/turned/plans.yaml"
check "a plan that nnU-Net cannot follow" 1 convert "$out/turned" "$out/n"
has "is named" 'turned/plans.yaml: orientation: canonical: nnU-Net would read volumes as they are stored' stderr
cp -r "$out/$r" "$out/unfinished"; rm "$out"/unfinished/fold_*/checkpoint_*
check "no checkpoint" 1 convert "$out/unfinished" "$out/n"
has "is an error" 'no fold has a checkpoint_final or checkpoint_best: finish a training first' stderr
head -c 5000 "$out/$r/fold_1/checkpoint_final.safetensors" >"$out/cut"
cp -r "$out/$r" "$out/damaged"; cp "$out/cut" "$out/damaged/fold_1/checkpoint_final.safetensors"
check "a damaged checkpoint" 1 convert "$out/damaged" "$out/n"
has "is named" 'damaged/fold_1/checkpoint_final.safetensors' stderr
is "nothing is left of all that" test ! -e "$out/n" -a ! -e "$out/.n.export"

for python in ${PYTHON:-python3}; do
    if ! "$python" -c 'import nnunetv2' 2>/dev/null; then
        echo "ok - nnU-Net loads what we write # SKIP no Python with nnunetv2 (PYTHON=…)"; continue
    fi
    for planner in ExperimentPlanner nnUNetPlannerResEncM; do
        check "$planner: nnU-Net loads what we write" 0 "$python" -W ignore - "$out/x_$planner" <<'PYTHON'
import sys, torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
p = nnUNetPredictor(device=torch.device("cpu"))
p.initialize_from_trained_model_folder(sys.argv[1], (0, 1))
assert p.trainer_name == "nnUNetTrainer" and list(p.allowed_mirroring_axes) == [0, 1] and len(p.list_of_parameters) == 2
PYTHON
    done
done
