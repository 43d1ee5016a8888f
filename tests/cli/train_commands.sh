#!/bin/sh
# train_commands BUILD: commands in train's messages can be pasted into a shell, whatever the folders are called.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
case $build in /*) ;; *) build=$PWD/$build ;; esac
PATH=$build:$PATH

mkdir "$out/Peter's work"
cd "$out/Peter's work" || exit 1
make_phantom -o "Dataset900_My Organ" --cases 5 --size 2x32x32 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"a narrow one.yaml"
check "a dataset in a folder with blanks is preprocessed" 0 \
    plan_and_preprocess "Dataset900_My Organ" -o "my pre" --override "a narrow one.yaml" --quiet
train_one() { # OPTIONS…
    train "my pre" 0 -o "my results" --epochs 1 --iterations-per-epoch 1 --validation-iterations 1 --batch-size 2 \
        --patch-size 32x32 --quiet "$@"
}
typed() { # what the last message says to type
    sed -n 's/.*type:* \(plan_and_preprocess .*\)/\1/p' "$out/stderr" | head -n 1
}
paste() { # WHAT: does what the last message says
    command=$(typed)
    check "$1: it is typed" 0 sh -c "$command"
}

rm "my pre/2d/phantom_002.yaml"
check "a case that is not finished" 1 train_one
paste "an unfinished case"
is "and the options of the last time are typed too" grep -q 'width: 0.0625' "my pre/plans.yaml"
check "and trains" 0 train_one --no-validation
cp "my pre/cases.yaml" kept; sed -i 's/^options: .*/options: "--recipe paper; touch stolen"/' "my pre/cases.yaml"
check "options that are no arguments alone" 1 train_one --overwrite
has "are refused" 'cases.yaml:[0-9:]* options: not as plan_and_preprocess writes them' stderr
is "and not typed" test -z "$(typed)"
mv kept "my pre/cases.yaml"
printf 'configurations: {2d: {spacing: [2.0, 2.0]}}\n' >"other spacing.yaml"
check "an override that preprocessing must know" 1 train_one --override "other spacing.yaml" --overwrite
paste "an override"
check "then the first run cannot go on" 1 train_one --continue
has "the command has the run's plan" "type: plan_and_preprocess '/.*My Organ' -o 'my pre' --plans 'my results/plans_preprocessed.yaml'\$" stderr
paste "the run's plan"
check "and it goes on" 0 train_one --continue --no-validation

mv "Dataset900_My Organ" moved
rm "my pre/2d/phantom_002.yaml"
check "where the dataset is no more" 1 train_one --overwrite
has "that is said, and where it was" \
    "type: plan_and_preprocess DATASET -o 'my pre' --plans '/.*my results/plans_preprocessed.yaml' (DATASET: the folder of the raw dataset Dataset900_My Organ, which was /.*My Organ)" stderr
check "a raw dataset for a preprocessed one" 1 train moved 0 -o x
mv moved "my raw"
check "one with a blank" 1 train "my raw" 0 -o x
paste "a raw dataset"
is "and preprocessed" test -e PREPROCESSED/cases.yaml
