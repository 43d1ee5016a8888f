#!/bin/sh
# habits BUILD: the options of nnU-Net's programs are accepted where they mean the same, else one line says what to type.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
"$build/make_phantom" -o "$out/raw" --cases 5 --size 4x40x44 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"

# Each refused option: status 2, one line, which has the option, and an option or a key to use instead.
answer() { # WORDS PATTERN COMMAND…
    words=$1 pattern=$2; shift 2
    "$@" $words >"$out/stdout" 2>"$out/stderr"; status=$?
    equals "$(basename "$1") $words is refused in one line" "$status $(wc -l <"$out/stderr")" '2 1'
    has "with what to do" "$pattern" stderr
}
plan="$build/plan_and_preprocess"
answer '-c 3d_fullres' '-c 3d_fullres: networks are 2D here' "$plan" "$out/raw" -o "$out/pre"
answer '-c 2d 3d_fullres' '-c 3d_fullres: networks are 2D here' "$plan" "$out/raw" -o "$out/pre"
answer '-fpe Own' '-fpe Own: .*leave it out' "$plan"
answer '-preprocessor_name Own' 'leave it out' "$plan"
answer '-npfp 8' '-j N' "$plan"
answer '-overwrite_target_spacing 1 1 1' '--override FILE' "$plan"
answer '-overwrite_plans_name mine' 'another -o' "$plan"
answer --no_pp '--explain' "$plan"
answer --clean '--overwrite' "$plan"
answer '-plans_name mine' '--plans FILE' "$plan"
answer --no_pbar '--quiet' "$plan"
answer '-tr nnUNetTrainer' '--recipe nnunet' "$build/train"
answer '-p nnUNetPlans' 'plans.yaml' "$build/train"
answer --val_best '--checkpoint best' "$build/train"
answer --disable_checkpointing 'give -o' "$build/train"
answer --use_compressed 'leave it out' "$build/train"
answer '--splits f.json' 'plan_and_preprocess --splits FILE' "$build/train"
answer '-s f.json' 'plan_and_preprocess --splits FILE' "$build/train"
for option in '-d 42' '-p nnUNetPlans' '-tr nnUNetTrainer'; do answer "$option" '-m RESULTS' "$build/predict"; done
answer '-c 3d_lowres' '2D here' "$build/predict"
answer '-npp 3' '-j N' "$build/predict"
answer '-nps 3' '-j N' "$build/predict"
answer '-prev_stage_predictions x' 'no cascades' "$build/predict"
answer '-num_parts 2' '-i IMAGE' "$build/predict"
answer '-part_id 0' '-i IMAGE' "$build/predict"
answer --disable_progress_bar '--quiet' "$build/predict"
answer --not_on_device '--memory SIZE' "$build/predict"
answer '-overwrite_id 5' 'the folder OUT' "$build/convert_dataset" msd
answer '-l 1 2' 'leave it out' "$build/evaluate"
answer '-il 255' '-d dataset.json' "$build/evaluate"
for option in '-p a' '-c 2d' '-tr a b'; do answer "$option" 'RESULTS RESULTS' "$build/find_best_configuration"; done
answer --no_overwrite 'leave it out' "$build/find_best_configuration"
answer --save_npz 'leave it out' "$build/ensemble"

# nnU-Net's way through a dataset.
check "plan_and_preprocess" 0 "$plan" -d "$out/raw" -o "$out/pre" -c 2d -np 2 -pl ExperimentPlanner --override "$out/narrow.yaml" \
    -gpu_memory_target 8 -fpe DatasetFingerprintExtractor --verify_dataset_integrity --verbose
has "--verify_dataset_integrity is said to hold" 'verify_dataset_integrity: the dataset is always checked' stderr
is "--verbose explains" test -s "$out/stdout"
small="--epochs 1 --iterations_per_epoch 2 --validation_iterations 1 --batch_size 2 --patch_size 32x32 --quiet"
check "train with the configuration, -device and --npz" 0 "$build/train" "$out/pre" 2d 0 -o "$out/results" -device cpu --npz $small
is "has written probabilities" ls "$out/results/fold_0/validation/"*.npy
check "train with the fold as -f" 0 "$build/train" -f 1 "$out/pre" -o "$out/results" $small --epochs 1 --npz
check "with --c it goes on" 0 "$build/train" "$out/pre" 0 -o "$out/results" --c --quiet
check "with --val it validates" 0 "$build/train" "$out/pre" 0 -o "$out/results" --val --quiet
check "a fold as fold_0" 2 "$build/train" "$out/pre" fold_0 -o "$out/x"
has "is answered with its number" 'did you mean 0' stderr
check "a configuration that is not there" 2 "$build/train" "$out/pre" 3d_fullres 0 -o "$out/x"
has "is answered" '2D here' stderr
check "two folds" 2 "$build/train" "$out/pre" 0 -f 1 -o "$out/x"
has "are refused" 'given twice\|only PREPROCESSED and FOLD' stderr
check "predict" 0 "$build/predict" -i "$out/raw/imagesTr" -o "$out/pred" -m "$out/results" -f 0 1 -chk checkpoint_best.pth -step_size 0.6 \
    --disable_tta --save_probabilities -device cpu --continue_prediction -c 2d
has "takes both folds" '^  *- 1\|folds: .*1' pred/predict.yaml
has "the best checkpoint" 'best' pred/predict.yaml
has "and the step" '0.6' pred/predict.yaml
is "and writes probabilities" ls "$out/pred/"*.npy
has "--continue_prediction is said to hold" 'always kept' stderr
check "a checkpoint that is none" 2 "$build/predict" -i x -o y -m z -chk checkpoint_good.pth
has "is answered" 'type --checkpoint final, best or latest' stderr
check "a value inside its word" 0 "$build/predict" -i "$out/raw/imagesTr" -o "$out/pred" -m "$out/results" -step_size=0.6 -f 0 1 --checkpoint=best --no-tta \
    --save-probabilities
has "means the same" '5 of 5 cases\|kept' stderr
check "predict -f at the end" 2 "$build/predict" -f
check "ensemble" 0 "$build/ensemble" -i "$out/pred" "$out/pred" -o "$out/mean" -np 1
check "evaluate" 0 "$build/evaluate" "$out/raw/labelsTr" "$out/mean" -djfile "$out/raw/dataset.json" -pfile plans.json -o "$out/scores" -np 1 --chill
check "evaluate -o FILE.json" 2 "$build/evaluate" "$out/raw/labelsTr" "$out/mean" -o "$out/scores/summary.json"
has "is answered with the folder" 'give the folder' stderr
check "find_best_configuration" 0 "$build/find_best_configuration" "$out/results" -o "$out/inference.yaml" -f 0 1 -np 1 --disable_ensembling

# A file that is called as a fold is an image.
cp "$out/raw/imagesTr/phantom_001_0000.nii.gz" "$out/1.nii.gz"; mkdir "$out/1"; cp "$out/raw/imagesTr/phantom_001_0000.nii.gz" "$out/1"
here=$PWD
in_folder() { (cd "$out" && "$here/$build/predict" -m results -o named -f 0 1); }
case $build in /*) here= ;; esac
check "a folder 1 behind -f 0" 0 in_folder
is "is predicted" test -e "$out/named/phantom_001.nii.gz"

# One image in, one named file out.
check "one image into one file" 0 "$build/predict" -i "$out/1.nii.gz" -o "$out/seg.nii.gz" -m "$out/results"
is "which is there" test -s "$out/seg.nii.gz"
