#!/bin/sh
# recipes BUILD: bench/recipes trains by two recipes, prints a table, and says what is wrong.
build=$1
. tests/support/tap.sh
case $build in */asan | */tsan) echo "ok - recipes # SKIP the programs that it runs have tests of their own: for VARIANT=release"; exit 0 ;; esac
command -v python3 >/dev/null || { echo "ok - recipes # SKIP python3 is absent"; exit 0; }
export OMP_NUM_THREADS=2

"$build/make_phantom" -o "$out/raw" --cases 5 --size 2x32x32 --quiet 2>/dev/null
recipes() { python3 bench/recipes "$build" "$out/raw" -o "$out/work" --minutes 0.01 "$@"; }
narrow="width=0.125 iterations=1 validation=1"
check "recipes are compared" 0 recipes "$narrow" "$narrow training.precision=bf16 average=0.5" "$narrow average=2"
has "with the first" "average=0.5 | [0-9]* | 0\.[0-9]* .*[-+]0\.[0-9]*" stdout
home="work/raw/0.01_minutes"
has "a key by its path is the plan's" 'precision: bf16' "$home/$narrow training.precision=bf16 average=0.5/seed_0/results/plans.yaml"
has "what failed is told where" 'average=2 | not finished: .*/seed_0/log' stdout
has "and why" 'weight_averaging: found 2' "$home/$narrow average=2/seed_0/log"
half="$narrow labels=0.5 pretraining=0.5" few="labels=0.01 epochs=1 iterations=1"
check "a share of the labels, and pretraining" 0 recipes --minutes 0.04 "$half" "$few"
trained() { # RECIPE: the number of cases that it trained on
    sed -n '/train:/,/val:/p' "$out/work/raw/0.04_minutes/$1/seed_0/results/fold_0/split.yaml" | grep -c phantom
}
is "half of the fold's four cases are trained on" test "$(trained "$half")" = 2
is "one case at least" test "$(trained "$few")" = 1
has "the encoder is taken" 'encoder [1-9][0-9]* of [0-9]*' "work/raw/0.04_minutes/$half/seed_0/results/fold_0/training_log.txt"
check "no recipe" 2 recipes
has "is told" 'which recipes?' stderr
check "a key without a value" 1 recipes "network"
has "is told" 'network has no value: expected KEY=VALUE' stderr
check "a folder without the programs" 2 python3 bench/recipes "$out" "$out/raw" -o "$out/work" ""
has "is told" 'there is no program train in it' stderr
check "nnU-Net in PyTorch beside it" 0 python3 bench/beside_nnunet.py --help
has "says what it needs" 'Needs nnunetv2' stdout
