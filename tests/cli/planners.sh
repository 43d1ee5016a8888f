#!/bin/sh
# planners BUILD: nnU-Net's planners of residual encoders, by --planner: their plans, their names, their memory.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
raw=$out/Dataset706_Planners
"$build/make_phantom" -o "$raw" --cases 5 --size 2x48x32 --channels 2 --quiet 2>/dev/null
plan() { # FOLDER OPTIONS…
    folder=$1; shift
    "$build/plan_and_preprocess" "$raw" -o "$out/$folder" -j1 "$@"
}

# ---- the numbers of nnU-Net's own planners (tests/golden/planners/manifest.json)
check "plans equal nnU-Net's" 0 "$build/golden" tests/golden/planners
has "all of them" '^13 passed, 0 failed$' stdout
mkdir "$out/copy"; cp -r tests/golden/planners "$out/copy/"; chmod -R u+w "$out/copy"
sed -i '0,/"batch_size": 54/s//"batch_size": 53/' "$out/copy/planners/plans/planner_vectors.json"
check "another batch would be noticed" 1 "$build/golden" "$out/copy"

# ---- the option
check "a residual encoder" 0 plan m -n nnunet --planner nnUNetPlannerResEncM --explain
has "its batch may have the whole dataset" '^batch: .* fit 8 GB by .*, [0-9]* are 100 % of the dataset' stdout
has "with the planner's name" '^experiment_planner_used: nnUNetPlannerResEncM' m/plans.yaml
has "and that of its plans" '^plans_name: nnUNetResEncUNetMPlans' m/plans.yaml
has "its class" 'network_class_name: .*\.ResidualEncoderUNet' m/plans.yaml
has "its blocks" 'n_blocks_per_stage: \[1, 3, 4, 6\]' m/plans.yaml
has "its decoder" 'n_conv_per_stage_decoder: \[1, 1, 1\]' m/plans.yaml
lacks "and no convolutions of a plain one" 'n_conv_per_stage:' m/plans.yaml
has "messages know the option" '^options: .*--network nnunet --planner nnUNetPlannerResEncM' m/cases.yaml
check "for more memory" 0 plan xl -n nnunet --planner nnUNetPlannerResEncXL --explain
has "which is the planner's" '^batch: .* fit 40 GB by' stdout
check "or another" 0 plan xl -n nnunet --planner nnUNetPlannerResEncXL --memory-target 20G --explain
has "which is given" '^batch: .* fit 20 GB by' stdout
check "by a file of keys" 0 sh -c "echo 'experiment_planner_used: nnUNetPlannerResEncM' >'$out/m.yaml' &&
    '$build/plan_and_preprocess' '$raw' -o '$out/file' -n nnunet --override '$out/m.yaml' -j1 --quiet"
is "the same plan" cmp "$out/m/plans.yaml" "$out/file/plans.yaml"
sed -i 's/^experiment_planner_used: .*/experiment_planner_used: ExperimentPlanner/' "$out/file/plans.yaml"
check "by an edit" 0 "$build/plan_and_preprocess" "$raw" -o "$out/file" -n nnunet --override "$out/m.yaml" -j1
has "which is kept" 'kept your edits of .*: experiment_planner_used ExperimentPlanner' stderr
has "and steers the planner" 'n_conv_per_stage: \[2, 2, 2, 2\]' file/plans.yaml

# ---- what is refused
check "an unknown planner is wrong usage" 2 plan n -n nnunet --planner nnUNetPlannerResEncS
has "with those that there are" 'the planners are ExperimentPlanner, nnUNetPlannerResEncM, .*; the nearest name is' stderr
echo 'experiment_planner_used: Mine' >"$out/mine.yaml"
check "one in a file" 1 plan n -n nnunet --override "$out/mine.yaml"
has "is named with it" 'mine.yaml: experiment_planner_used: unknown planner Mine' stderr
check "another network" 1 plan n --planner nnUNetPlannerResEncM
has "has no residual encoder of nnU-Net" 'error: --planner: experiment_planner_used: nnUNetPlannerResEncM plans a U-Net with a residual encoder: choose --network nnunet, not swin_umamba_d' stderr
is "before the dataset is measured" test ! -e "$out/n/dataset_fingerprint.yaml"
check "nor has U-Mamba" 1 plan n -n umamba_enc --planner nnUNetPlannerResEncM
has "which says so" 'this network is built from a PlainConvUNet' stderr
check "a plan that is given is not planned" 2 plan n --plans "$out/m/plans.yaml" --planner nnUNetPlannerResEncM
has "by any planner" 'cannot be given together with --planner' stderr
check "two files that disagree" 1 plan n -n nnunet --planner nnUNetPlannerResEncL --override "$out/m.yaml"
has "are named" 'm.yaml: experiment_planner_used: nnUNetPlannerResEncM, but --planner says nnUNetPlannerResEncL' stderr
