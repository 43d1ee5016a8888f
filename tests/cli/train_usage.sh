#!/bin/sh
# train_usage BUILD: folders, folds and options that do not fit; messages of a continued run about its cases; kills while
# a run starts.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

"$build/make_phantom" -o "$out/Dataset911_P" --cases 6 --size 4x36x40 --quiet 2>/dev/null
cat >"$out/narrow.yaml" <<'END'
network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}
training: {epochs: 2, iterations_per_epoch: 2, validation_iterations: 1}
configurations: {2d: {batch_size: 2, patch_size: [32, 32]}}
END
plan() { "$build/plan_and_preprocess" "$out/Dataset911_P" -o "$out/pre" --override "$out/narrow.yaml" --quiet "$@"; }
check "a phantom is preprocessed" 0 plan
train() { "$build/train" "$@"; }

# Folders.
check "the raw dataset instead of the preprocessed one" 1 train "$out/Dataset911_P" 0 -o "$out/x"
has "is known" 'Dataset911_P: this is a raw dataset: .*type: plan_and_preprocess .*Dataset911_P -o PREPROCESSED' stderr
check "the folder within" 1 train "$out/pre/2d" 0 -o "$out/x"
has "is known, too" 'pre/2d: there is no plans.yaml: .*, here .*/pre/2d/\.\.' stderr
check "no folder" 1 train "$out/nowhere" 0 -o "$out/x"
has "is named" 'nowhere: no such folder: expected the folder that plan_and_preprocess wrote' stderr
before=$(cksum <"$out/pre/plans.yaml")
check "results into the preprocessed folder" 1 train "$out/pre" 0 -o "$out/pre/."
has "are refused" 'cannot be written to the preprocessed folder.*give another folder with -o' stderr
is "and change nothing" test "$before" = "$(cksum <"$out/pre/plans.yaml")"

# Folds and options.
for fold in fold_0 ALL "$out/pre"; do
    check "fold $(basename "$fold")" 2 train "$out/pre" "$fold" -o "$out/x"
    has "is reported with what it should be" 'expected a fold (0, 1 …, or all) or several (0,1,2)' stderr
done
check "--continue with --overwrite" 2 train "$out/pre" 0 -o "$out/x" --continue --overwrite
check "--val-only with --no-validation" 2 train "$out/pre" 0 -o "$out/x" --val-only --no-validation
check "--val-only with --overwrite" 2 train "$out/pre" 0 -o "$out/x" --val-only --overwrite
check "--save-probabilities with --no-validation" 2 train "$out/pre" 0 -o "$out/x" --no-validation --save-probabilities
has "reports why" 'has no effect with --no-validation: the validation writes them' stderr
check "--val-only of nothing" 1 train "$out/pre" 0 -o "$out/x" --val-only
has "says what to do" 'x/fold_0 contains no training yet: omit --val-only' stderr
lacks "without a line of progress" 'validation: cases' stderr
is "nothing of all this was begun" test ! -e "$out/x"
check "a training" 0 train "$out/pre" 0 -o "$out/r" --quiet
check "--val-only with options of training" 0 train "$out/pre" 0 -o "$out/r" --val-only --epochs 9 --seed 3 --quiet
has "names them" 'warning: --val-only does not train, so these options have no effect: --epochs, --seed' stderr
has "the log has how validation came out" 'validation: 2 cases, 2 of them predicted before.*mean foreground Dice 0\.' \
    r/fold_0/training_log.txt

# A fold without validation cases.
cp -r "$out/pre" "$out/one"
printf '[{"train": ["phantom_001"], "val": []}]' >"$out/one/splits_final.json"
check "a fold without validation cases" 1 train "$out/one" 0 -o "$out/y"
has "is refused with what to do" 'no validation case .*training.validation_iterations of .*/one/plans.yaml to 0' stderr
sed -i 's/validation_iterations: 1/validation_iterations: 0/' "$out/one/plans.yaml"
check "unless nothing shall be validated" 0 train "$out/one" 0 -o "$out/y" --quiet
has "which is reported" 'warning: the fold has no validation case' stderr
check "validation of it" 1 train "$out/one" 0 -o "$out/y" --val-only
has "has nothing to do" 'fold_0/split.yaml: the fold has no validation case' stderr

# A label that was changed, with the same size and time, while the run was stopped.
changed=$(grep -m 1 -o 'phantom_[0-9]*' "$out/r/fold_0/split.yaml")
label=$out/Dataset911_P/labelsTr/$changed.nii.gz
touch -r "$label" "$out/time"
gzip -dc "$label" >"$out/label.nii"
printf '\001\001\001' | dd of="$out/label.nii" bs=1 seek=400 conv=notrunc 2>/dev/null
gzip -c "$out/label.nii" >"$label"
touch -r "$out/time" "$label"
check "the label is preprocessed, by the plan of the run" 0 \
    "$build/plan_and_preprocess" "$out/Dataset911_P" -o "$out/pre" --plans "$out/r/plans_preprocessed.yaml" --quiet
check "nothing is left to train" 0 train "$out/pre" 0 -o "$out/r" --continue --quiet
lacks "so nothing is said of cases" 'images or labels were changed' stderr
check "more epochs" 0 train "$out/pre" 0 -o "$out/r" --continue --epochs 3 --quiet
has "the changed case is named" "warning: images or labels were changed since the run began; .*: 1 case: $changed;" stderr
has "in the log, too" "warning: images or labels were changed since the run began" r/fold_0/training_log.txt
check "once more" 0 train "$out/pre" 0 -o "$out/r" --continue --epochs 4 --quiet
lacks "it is not named again" 'images or labels were changed' stderr

# The preprocessed folder was planned for other data, and planned again by the run's plan.
printf 'configurations: {2d: {spacing: [0.5, 0.5]}}\n' >"$out/spacing.yaml"
check "planned otherwise" 0 "$build/plan_and_preprocess" "$out/Dataset911_P" -o "$out/pre" --override "$out/spacing.yaml" --quiet
check "the run cannot go on" 1 train "$out/pre" 0 -o "$out/r" --continue --epochs 5
has "and says how it could" 'type: plan_and_preprocess /.*/Dataset911_P -o .*/pre --plans .*/r/plans_preprocessed.yaml' stderr
check "nor be validated" 1 train "$out/pre" 0 -o "$out/r" --val-only
has "and says the same" 'type: plan_and_preprocess /.*/Dataset911_P -o .*/pre --plans .*/r/plans_preprocessed.yaml' stderr
check "so it is typed" 0 "$build/plan_and_preprocess" "$out/Dataset911_P" -o "$out/pre" --plans "$out/r/plans_preprocessed.yaml" --quiet
check "and validated" 0 train "$out/pre" 0 -o "$out/r" --val-only --quiet
check "another fold follows" 0 train "$out/pre" 1 -o "$out/r" --quiet
check "and the first goes on" 0 train "$out/pre" 0 -o "$out/r" --continue --epochs 5 --quiet

# A training that was continued and killed: checkpoint_latest beside checkpoint_final.
cp -r "$out/r" "$out/further"
check "it goes on further" 0 train "$out/pre" 0 -o "$out/further" --continue --epochs 6 --quiet --no-validation
mv "$out/further/fold_0/checkpoint_final.safetensors" "$out/r/fold_0/checkpoint_latest.safetensors"
check "validation of the weights before" 0 train "$out/pre" 0 -o "$out/r" --val-only --quiet
has "is told from that of the last ones" 'is not finished: the weights of checkpoint_final are validated; --continue' stderr

# Stopped before all files of RESULTS were written: the existing ones are ignored.
mkdir -p "$out/k/dataset.json"
check "a file of the results that cannot be written" 1 train "$out/pre" 0 -o "$out/k" --quiet
rmdir "$out/k/dataset.json"
check "--continue after that" 0 train "$out/pre" 0 -o "$out/k" --continue --quiet
is "has all files" test -f "$out/k/dataset.json" -a -f "$out/k/plans.yaml"

# An option with one value that is given twice, and labels that were exchanged after the training.
check "--override twice" 2 train "$out/pre" 1 -o "$out/twice" --override a.yaml --override b.yaml
has "names both" '\-\-override is given twice: a.yaml and b.yaml' stderr
cp -r "$out/Dataset911_P" "$out/Dataset912_P"
"$build/plan_and_preprocess" "$out/Dataset912_P" -o "$out/pre12" --override "$out/narrow.yaml" --quiet 2>/dev/null
check "a short training" 0 train "$out/pre12" 0 -o "$out/r12" --quiet --no-validation
sed -i 's/"bright_organ": 1/"bright_organ": 2/; s/"dark_organ": 2/"dark_organ": 1/' "$out/Dataset912_P/dataset.json"
"$build/plan_and_preprocess" "$out/Dataset912_P" -o "$out/pre12" --override "$out/narrow.yaml" --quiet 2>/dev/null
check "other labels since" 1 train "$out/pre12" 0 -o "$out/r12" --val-only
has "are said to be that" 'were made for other labels than those of .*/r12/dataset.json.*restore the labels' stderr
check "another fold of other labels" 1 train "$out/pre12" 1 -o "$out/r12"
has "is refused with the way out" 'r12 contains a training with other labels: .*another results folder with -o' stderr

# 2^36 pixels are more than oneDNN counts; where our own kernels compute, they are more than fit.
check "a batch beyond all measure" 1 train "$out/pre" 0 -o "$out/huge" --patch-size 4096x4096 --batch-size 65536
has "is an error with its number" '68719476736 pixels in a batch: .* give a smaller batch or patch\|out of memory: [0-9]* bytes' stderr
