#!/bin/sh
# recipe_time BUILD: plan_and_preprocess --minutes and train --minutes choose how to train; every value can be given; --recipe.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
raw=$out/raw

"$build/make_phantom" -o "$raw" --cases 5 --size 2x32x32 --quiet 2>/dev/null
printf 'network: {name: swin_umamba_d, width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
plan() { # FOLDER OPTION…: of the steps that $out/a has timed none is timed again
    pre=$out/$1; shift
    if [ -e "$out/a/step_times.yaml" ] && [ ! -e "$pre" ]; then mkdir "$pre"; cp "$out/a/step_times.yaml" "$pre"; fi
    "$build/plan_and_preprocess" "$raw" -o "$pre" -j1 "$@"
}
value() { sed -n "s/^ *$1: \([^#]*[^ #]\) *\(#.*\)*$/\1/p" "$2/plans.yaml"; }
planned() { equals "$1" "$(value "$2" "$3")" "$4"; }

# ---- plan_and_preprocess
check "a plan for some minutes" 0 plan a --minutes 0.02
has "says what was chosen, and why" 'training: 0.02 minutes with 1 thread, nnunet; .*batch [0-9]*: [0-9]* iterations of' stderr
planned "the plan has it" recipe "$out/a" time
planned "with the time" minutes "$out/a" 0.02
planned "the network" name "$out/a" nnunet
is "averages" grep -q "weight_averaging: 0\.[0-9]" "$out/a/plans.yaml"
is "and the reasons" grep -q 'reasons: "0.02 minutes with 1 thread' "$out/a/plans.yaml"
cp "$out/a/plans.yaml" "$out/first.yaml"
check "again" 0 plan a --minutes 0.02
is "it is the same plan" cmp "$out/a/plans.yaml" "$out/first.yaml"
lacks "no value is told to differ" "differ from the last run" stderr
has "the times of steps are kept" 'nnunet, features_per_stage \[.*3 classes, patch 32x32, fp32' a/step_times.yaml
cp "$out/a/step_times.yaml" "$out/times.yaml"; echo 'a: [b' >"$out/a/step_times.yaml"
check "broken times" 1 plan a --minutes 0.02
has "are told with what to do" 'overwrite measures them again.*step_times.yaml:' stderr
check "which does it" 0 plan a --minutes 0.02 --overwrite
cp "$out/times.yaml" "$out/a/step_times.yaml"
check "a network that is named" 0 plan b --minutes 0.02 --override "$out/narrow.yaml"
planned "stays" name "$out/b" swin_umamba_d
printf 'configurations: {2d: {batch_size: 3}}\ntraining: {learning_rate: 0.0007, epochs: 2}\n' >"$out/own.yaml"
check "values that are given" 0 plan c --minutes 0.02 --override "$out/own.yaml"
planned "stay: the batch" batch_size "$out/c" 3
planned "the rate" learning_rate "$out/c" 0.0007
planned "the length" epochs "$out/c" 2
planned "with the warm-up of this length" warmup_iterations "$out/c" "$(($(value iterations_per_epoch "$out/c") * 2 / 20))"
sed -i 's/batch_size: 3/batch_size: 5/' "$out/c/plans.yaml"
check "a batch that was edited" 0 plan c --minutes 0.02 --override "$out/own.yaml"
planned "stays, too" batch_size "$out/c" 5
has "and is told" 'kept your edits of .*: configurations.2d.batch_size 5 (planned' stderr
check "a very long time" 0 plan a --minutes 1000000
lacks "the reasons are told once" 'training.reasons' stderr
check "has a plan that can be read" 0 plan a --minutes 0.02
is "and the earlier one is that of its minutes" cmp "$out/a/plans.yaml" "$out/first.yaml"
echo 'training: {minutes: 3}' >"$out/minutes.yaml"
check "minutes for no recipe" 1 plan f --override "$out/minutes.yaml"
has "are told" 'training.minutes: 3 is for training.recipe: time: give --minutes N' stderr
check "nnU-Net's training" 0 plan d --recipe nnunet
planned "is SGD" optimizer "$out/d" sgd
planned "with mirroring" mirroring "$out/d" true
planned "of nnU-Net's network" name "$out/d" nnunet
check "the paper's" 0 plan e --recipe paper -n swin_umamba
planned "is the network's own" learning_rate "$out/e" 0.0001
has "and messages repeat it" "recipe paper" e/cases.yaml
check "time without minutes" 2 plan f --recipe time
has "is told" 'give --minutes N' stderr
check "minutes for another recipe" 2 plan f --recipe paper --minutes 3
has "are told" 'train --minutes' stderr
check "a precision for a time" 0 plan precise --minutes 3 --precision fp32
has "is the plan's" '^  precision: fp32' precise/plans.yaml
has "and messages repeat it" '^options: .*--precision fp32' precise/cases.yaml
echo 'training: {precision: bf16}' >"$out/bf16.yaml"
check "two precisions" 1 plan f --precision fp32 --override "$out/bf16.yaml"
has "are one too many" 'training.precision: bf16, but --precision says fp32: leave out one of them' stderr
check "an unknown recipe" 2 plan f --recipe fast
has "is told" 'expected time, paper or nnunet' stderr
check "a plan that is given" 2 plan f --plans "$out/a/plans.yaml" --minutes 3
has "is taken as it is" 'takes a plan as it is' stderr
check "a GPU elsewhere cannot be timed" 1 plan f --minutes 3 --device-memory 8G
has "which is told" 'leave out --device-memory' stderr

# ---- train
train() { r=$1 p=$2; shift 2; "$build/train" "$out/$p" 0 -o "$out/$r" -j1 --no-validation "$@"; }
check "a training by the plan" 0 train ra a
has "has the plan's length" "$(value epochs "$out/a") epochs of $(value iterations_per_epoch "$out/a") iterations" stderr
check "a plan without a time" 0 plan g --override "$out/narrow.yaml"
planned "has the recipe auto" recipe "$out/g" auto
check "with minutes for train" 0 train rg g --minutes 0.02
has "train tells what it replaces" 'values of the plan that the recipe replaces: .*training.learning_rate: 0.0001, now' stderr
planned "and records it" recipe "$out/rg" time
planned "the network is the plan's" name "$out/rg" swin_umamba_d
check "it is continued by the same command" 0 train rg g --minutes 0.02 --continue
check "the paper's recipe keeps the plan" 0 train rp g --minutes 0.02 --recipe paper --batch-size 2
planned "with its rate" learning_rate "$out/rp" 0.0001
check "another recipe for a run that exists" 1 train rp g --recipe nnunet --continue
has "is refused" 'training.recipe: paper, now nnunet' stderr
check "options win over the recipe" 0 train ro g --minutes 0.02 --batch-size 2 --learning-rate 0.0003
planned "the batch" batch_size "$out/ro" 2
planned "the rate" learning_rate "$out/ro" 0.0003
echo 'training: {recipe: nnunet}' >"$out/renamed.yaml"
check "a recipe's name alone" 1 train rn g --override "$out/renamed.yaml"
has "changes nothing, which is told" 'give --recipe instead' stderr
check "time for train without minutes" 1 train rn g --recipe time
has "is told, too" 'give --minutes N' stderr

# ---- another length, another recipe than the plan's
check "another length than the plan's" 0 train rl a --epochs 4 --iterations-per-epoch 10
planned "has its own warm-up" warmup_iterations "$out/rl" 2
planned "and averaging" weight_averaging "$out/rl" 0.5
is "and the reasons tell it" grep -q 'reasons: .*; changed to 40' "$out/rl/plans.yaml"
check "by the other folds, too" 0 "$build/train" "$out/a" 1 -o "$out/rl" -j1 --no-validation --epochs 4 --iterations-per-epoch 10
lacks "without a difference" 'would differ' stderr
check "a longer run goes on as it began" 0 train rl a --epochs 5 --continue
check "iterations that are timed anew" 0 train rm a --minutes 0.02
count=$(($(value epochs "$out/rm") * $(value iterations_per_epoch "$out/rm")))
planned "have their warm-up" warmup_iterations "$out/rm" $((count / 20))
check "the paper's recipe instead of the plan's" 0 train rq a --recipe paper --epochs 1 --iterations-per-epoch 2
planned "averages nothing" weight_averaging "$out/rq" 0.0
planned "and has no warm-up" warmup_iterations "$out/rq" 0
has "what stays is told" 'patch, batch and width of the network were planned for 0.02 minutes and do not get larger' stderr
check "the next fold" 0 "$build/train" "$out/a" 1 -o "$out/rq" -j1 --no-validation --recipe paper --epochs 1 --iterations-per-epoch 2
lacks "has the same plan" 'would differ' stderr
check "more minutes than the plan's" 0 train rn a --minutes 0.03
has "are chosen for" 'the recipe time: 0.03 minutes with 1 thread, nnunet' stderr
has "within the plan's patch and width" 'plan_and_preprocess with --minutes 0.03 plans them anew' stderr
check "minutes in an override" 1 train ro2 a --override "$out/minutes.yaml"
has "change nothing, which is told" 'give --minutes instead' stderr
