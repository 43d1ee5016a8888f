#!/bin/sh
# model_weights BUILD: by which weights inference.yaml was chosen, in which precision the folds were validated, and weights
# that belong to an earlier state of a training.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
"$build/make_phantom" -o "$out/raw" --cases 4 --size 2x32x40 --seed 3 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --folds 2 --quiet 2>/dev/null
train() { # RESULTS FOLD OPTIONS…
    results=$out/$1 fold=$2; shift 2
    "$build/train" "$out/pre" "$fold" -o "$results" --iterations-per-epoch 1 --validation-iterations 1 --batch-size 2 \
        --patch-size 32x32 --quiet "$@" 2>"$out/training"
}
train a 0 --epochs 1; train a 1 --epochs 1
image=$out/raw/imagesTr/phantom_001_0000.nii.gz file=$out/inference.yaml
best() { "$build/find_best_configuration" "$@" -o "$file" --quiet; }
predict() { rm -rf "$out/p"; "$build/predict" -i "$image" -o "$out/p" --quiet "$@"; }

# The weights of the choice.
check "a choice" 0 best "$out/a"
has "names its weights by their content" 'weights of fold 1"\?: "\?[0-9a-f]\{32\}' inference.yaml
check "by which it predicts" 0 predict -m "$file"
lacks "without a word" warning stderr
cp "$out/a/fold_1/checkpoint_final.safetensors" "$out/kept"
cp "$out/a/fold_0/checkpoint_final.safetensors" "$out/a/fold_1/checkpoint_final.safetensors"
check "other weights" 1 predict -m "$file"
has "are refused with their file and a command" \
    "inference.yaml was chosen by other weights .*(.*/a/fold_1/checkpoint_final.safetensors): choose again (find_best_configuration .*/a -o $file)" stderr
lacks "and only those" 'fold_0/checkpoint' stderr
is "nothing is written" test ! -e "$out/p"
check "the folder itself predicts" 0 predict -m "$out/a"
cp "$out/kept" "$out/a/fold_1/checkpoint_final.safetensors"
check "the weights of the choice" 0 predict -m "$file"
cp "$out/a/fold_0/checkpoint_final.safetensors" "$out/a/fold_0/checkpoint_best.safetensors"
cp "$out/a/fold_0/checkpoint_final.safetensors" "$out/a/fold_1/checkpoint_best.safetensors"
check "another checkpoint that was asked for" 0 predict -m "$file" --checkpoint best
has "is taken, and told" 'warning: .*was chosen by checkpoint_final, and checkpoint_best of .*/a has other weights' stderr
grep -v 'made_from\|weights of fold' "$file" >"$out/older.yaml"
check "a choice of an earlier version" 0 predict -m "$out/older.yaml"
has "is told not to say its weights" \
    'warning: .*older.yaml does not record by which weights of .*/a it was chosen.*find_best_configuration .*/a -o .*older.yaml' stderr
has "in predict.yaml too" 'does not record by which weights' p/predict.yaml
sed '/weights of fold 1/d' "$file" >"$out/added.yaml"
check "a fold that was added by hand" 0 predict -m "$out/added.yaml"
has "is told so too" 'added.yaml does not record by which weights' stderr
printf 'format: 1\nmodels:\n  - {results: a, folds: [0]}\n' >"$out/hand.yaml"
check "models that were not chosen by find_best_configuration" 0 predict -m "$out/hand.yaml"
lacks "need no weights" warning stderr
rm "$out/a/fold_0/validation/predict.yaml" "$out/a/fold_1/validation/predict.yaml"
cp -r "$out/a" "$out/unrecorded"
check "a choice without records of the validation (nnU-Net)" 0 best "$out/unrecorded"
has "names the present weights" 'weights of fold 0"\?: "\?[0-9a-f]\{32\}' inference.yaml

# The precision of the validation.
train b 0 --epochs 1; train b 1 --epochs 1
check "one precision" 0 best "$out/b"
lacks "is worth no word" warning stderr
sed -i 's/^  precision: fp32/  precision: bf16/' "$out/b/fold_1/validation/predict.yaml"
check "two precisions" 0 best "$out/b"
has "are told with the folds" 'warning: .*same precision (fp32: .*/b fold 0; bf16: .*/b fold 1).*--val-only --precision bf16' stderr
cp -r "$out/b" "$out/c"
sed -i 's/^  precision: bf16/  precision: fp32/' "$out/b/fold_1/validation/predict.yaml"
sed -i 's/^  precision: fp32/  precision: bf16/' "$out/c/fold_0/validation/predict.yaml"
check "two networks of two precisions" 0 best "$out/b" "$out/c"
has "too" '(fp32: .*/b folds 0, 1; bf16: .*/c folds 0, 1)' stderr

cp "$out/b/fold_0/checkpoint_final.safetensors" "$out/kept"
cp "$out/b/fold_1/checkpoint_final.safetensors" "$out/b/fold_0/checkpoint_final.safetensors"
cp "$out/b/fold_1/checkpoint_final.safetensors" "$out/c/fold_0/checkpoint_final.safetensors"
check "other weights of the better one" 1 predict -m "$file"
has "are refused with all that were compared" "(find_best_configuration .*/b .*/c -o $file)" stderr
cp "$out/kept" "$out/b/fold_0/checkpoint_final.safetensors"

# A training that was continued and is not finished.
rm "$out"/b/fold_*/checkpoint_best.safetensors
check "finished trainings" 0 predict -m "$out/b"
lacks "are worth no word" warning stderr
cp "$out/b/fold_0/checkpoint_final.safetensors" "$out/b/fold_0/checkpoint_latest.safetensors"
check "a latest checkpoint that is the final one" 0 predict -m "$out/b"
lacks "neither" warning stderr
train longer 0 --epochs 3 --no-validation
mv "$out/longer/fold_0/checkpoint_final.safetensors" "$out/b/fold_0/checkpoint_latest.safetensors"
check "a latest checkpoint that has come further" 0 predict -m "$out/b"
has "is reported with the way to it" \
    'warning: .*/b: the training of fold 0 (1 epochs, now 3) was continued after checkpoint_final and is not finished.*--checkpoint latest' stderr
is "in one line" test "$(grep -c warning "$out/stderr")" -eq 1
check "the newer weights" 0 predict -m "$out/b" --checkpoint latest
has "are those of that fold alone" 'folds: "\?0"\?$' p/predict.yaml
has "and the finished one is named as that" 'warning: .*/b: fold 1 left out: without checkpoint_latest; finished trainings' stderr
lacks "not as one that is not finished" 'not finished' stderr
check "a checkpoint that was named" 0 predict -m "$out/b" --checkpoint final
lacks "is not questioned" warning stderr
