#!/bin/sh
# train_messages BUILD: messages of train: many labels, labels in no case, epochs, warnings in the log.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

raw=$out/Dataset900_P
"$build/make_phantom" -o "$raw" --cases 6 --size 4x40x44 --quiet 2>/dev/null
more=; value=3
while [ $value -le 60 ]; do more="$more, \"organ_$value\": $value"; value=$((value + 1)); done
sed 's/\("[a-z_]*": *2\) *}/\1'"$more"'}/' "$raw/dataset.json" | tr -d '\n' |
    sed 's/\("labels": *{[^}]*": *2\) *}/\1'"$more"'}/' >"$out/many.json"
cp "$out/many.json" "$raw/dataset.json"
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
check "a dataset of 60 labels, 58 in no case" 0 "$build/plan_and_preprocess" "$raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet
train() { # FOLD OPTIONS…
    fold=$1; shift
    "$build/train" "$out/pre" "$fold" -o "$out/r" --iterations-per-epoch 2 --validation-iterations 1 --batch-size 2 \
        --patch-size 32x32 --epochs 2 "$@"
}
check "it trains" 0 train 0 --json-log --precision bf16
has "labels that no case shows are named, the first of them" \
    'warning: 58 of 60 labels are in no training case, so the network cannot learn them: organ_3, \(organ_[4-7], \)\{4\}organ_8 and 52 more$' stderr
has "once" 'warning: 58 of 60 labels are in no validation case, and left out of the pseudo Dice: 58 of those that are in no training case$' stderr
is "in two lines" test "$(grep -c 'organ_3' "$out/stderr")" -eq 1
has "in the log too" 'warning: 58 of 60 labels are in no training case.* and 52 more$' r/fold_0/training_log.txt
has "the terminal has the mean and the worst" 'epoch 1 (2 of 2): .* of 60 classes: mean [0-9.]*, worst [12]: [0-9.]*, [12]: [0-9.]*, EMA [0-9.]*,' stderr
has "the log has all" 'epoch 1: .* pseudo Dice [0-9.]* [0-9.]*\( –\)\{58\}, mean [0-9.]*,' r/fold_0/training_log.txt
lacks "nothing is nan" 'nan' stderr
lacks "in the log neither" 'nan' r/fold_0/training_log.txt
has "JSON numbers the classes alike" '"pseudo_dice_1": [0-9.]*, "pseudo_dice_2": [0-9.]*, "pseudo_dice_3": null, .*"pseudo_dice_60": null}$' stdout
has "epochs count from 0 in metrics.csv as well" '^1,' r/fold_0/metrics.csv
has "and in JSON" '"event": "epoch", "epoch": 1,' stdout
has "what is counted is said" 'iterations: 6 done' stderr
check "a finished run that goes on" 0 train 0 --continue --quiet --no-validation
check "without --quiet" 0 train 0 --continue --no-validation
has "says that nothing is left" 'the training is finished: all 2 epochs are done' stderr
check "--continue where nothing is" 0 train 1 --continue --quiet --no-validation
has "reports that it starts from the beginning" 'warning: .*/r/fold_1: there is no checkpoint to continue from: the training starts from the beginning' stderr
has "in the log too" 'warning: .*starts from the beginning' r/fold_1/training_log.txt
check "fold all" 0 train all
has "does not call them validation cases" 'mean foreground Dice of the training cases, which fold all predicts: ' stderr
has "warns that its scores are not valid" 'warning: fold all is validated on the cases that it was trained on' stderr
has "in the log" 'warning: fold all is validated on the cases' r/fold_all/training_log.txt
has "and in summary.json" '"note": "fold all is validated on the cases' r/fold_all/validation/summary.json

# A patch whose deepest level is a single pixel.
printf 'network: {feature_size: 2, heads: [1, 1, 1, 1], depths: [1, 1, 1, 1]}\n' >"$out/swin.yaml"
check "a network with instance norms" 0 "$build/plan_and_preprocess" "$raw" -o "$out/swin" -n swinunetr --override "$out/swin.yaml" --quiet
small() { # HxW
    "$build/train" "$out/swin" 0 -o "$out/swin_$1" --iterations-per-epoch 1 --validation-iterations 1 --batch-size 2 \
        --patch-size "$1" --epochs 1 --no-validation
}
check "trains a single pixel" 0 small 32x32
has "with a warning" 'warning: patch_size 32x32 is so small that [2-9] norms of swinunetr see a single pixel .*, first encoder10\.' stderr
check "and two pixels" 0 small 32x64
lacks "without" 'see a single pixel' stderr

printf 'training: {warmup_iterations: 4}\n' >"$out/warm.yaml"
check "a warm-up as long as the run" 0 "$build/train" "$out/pre" 0 -o "$out/warm" --iterations-per-epoch 2 --validation-iterations 1 \
    --batch-size 2 --patch-size 32x32 --epochs 2 --quiet --no-validation --override "$out/warm.yaml"
has "is warned of" 'warning: training.warmup_iterations is 4, but the run has 4 iterations' stderr
