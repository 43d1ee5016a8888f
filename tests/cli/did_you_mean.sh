#!/bin/sh
# did_you_mean BUILD: misspelt options, words, networks, plan keys, and files that are not there.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
"$build/make_phantom" -o "$out/Dataset001_Phantom" --cases 5 --size 4x40x44 --quiet 2>/dev/null

says() { # STATUS PATTERN COMMAND…
    want=$1 pattern=$2; shift 2
    "$@" >"$out/stdout" 2>"$out/stderr"; status=$?
    equals "$(basename "$1") … $(eval echo "\${$#}" | tail -c 40): status" "$status" "$want"
    has "and a hint" "$pattern" stderr
}
train="$build/train"
says 2 'there is no option --epoochs; did you mean --epochs; --help lists' "$train" a 0 -o b --epoochs 3
says 2 'no option --epoochs; did you mean --epochs' "$train" a 0 -o b --epoochs=3
says 2 'no option -epoochs; did you mean --epochs' "$train" a 0 -o b -epoochs 3
says 2 'there is no option --xyzzy; --help lists the options' "$train" a 0 -o b --xyzzy
says 2 'there is no option -X; --help' "$train" a 0 -o b -X
says 2 "option '--c.*' is ambiguous" "$train" a 0 -o b --co
says 2 '--recipe papr: expected time, paper or nnunet; did you mean paper?' "$train" a 0 -o b --recipe papr
says 2 '--precision fp16: expected fp32 or bf16' "$train" a 0 -o b --precision fp16
says 2 '--checkpoint: \|--checkpoint beste: expected final, best or latest; did you mean best?' "$build/predict" -i a -o b -m c --checkpoint beste
says 2 'the nearest name is swin_umamba' "$build/plan_and_preprocess" a -o b --network swin_unamba
says 2 'the nearest name is nnUNetPlannerResEncL' "$build/plan_and_preprocess" a -o b --planner nnUNetPlannerResEnc_L
says 2 'did you mean all' "$train" a al -o b

printf 'training: {epocs: 3}\n' >"$out/override.yaml"
raw="$out/Dataset001_Phantom"
says 1 'unknown key training.epocs; the nearest known .* epochs' "$build/plan_and_preprocess" "$raw" -o "$out/pre" --override "$out/override.yaml"
says 1 'override.yml: .*did you mean .*/override.yaml?' "$build/plan_and_preprocess" "$raw" -o "$out/pre" --override "$out/override.yml"
says 1 'Dataset001_Phantm: does not exist.*did you mean .*/Dataset001_Phantom?' "$build/plan_and_preprocess" "$out/Dataset001_Phantm" -o "$out/pre"
says 1 'no such folder.*did you mean .*/Dataset001_Phantom?' "$train" "$out/Dataset001-Phantom" 0 -o "$out/x"
says 1 'does not exist; give two.*did you mean .*/labelsTr?' "$build/evaluate" "$raw/labelTr" "$raw/labelsTr" -o "$out/x"
says 1 'labelsTr?' "$build/evaluate" "$raw/labelsTr" "$raw/lablesTr" -o "$out/x"
mkdir -p "$out/results"; : >"$out/results/dataset.json"
says 1 'reslts does not exist.*did you mean .*/results?' "$build/predict" -i "$raw/imagesTr" -o "$out/x" -m "$out/reslts"
says 1 'did you mean .*/results?' "$build/ensemble" "$out/reslts" -o "$out/x"

# nnU-Net's number of a dataset.
number='a number is not accepted$'
says 1 "42: does not exist: .*; give the path of the folder, $number" "$build/plan_and_preprocess" -o "$out/pr" -d 42
says 1 "42: no such folder.*$number" "$train" -o "$out/x" 42 2d 0
says 1 "42/dataset.json does not exist.*$number" "$build/compare_networks" 42 --epochs 1 -o "$out/x"
"$build/plan_and_preprocess" "$out/42" -o "$out/pr" >"$out/stdout" 2>"$out/stderr"
has "of a path with a number" '42: does not exist: expected the folder of a dataset, with dataset.json in it$' stderr

# A name that differs in its number is another case.
says 1 'phantom_009.nii.gz: does not exist' "$build/evaluate" "$raw/labelsTr/phantom_009.nii.gz" "$raw/labelsTr/phantom_001.nii.gz" -o "$out/x"
lacks "it is not said to be meant" 'did you mean' stderr

# What takes a value may have any, also one that looks as an option; what follows -- is none.
says 1 '/-x: does not exist\|-x: does not exist' "$build/plan_and_preprocess" -o "$out/pre" -- -x
check "an option as a value" 2 "$train" a 0 -o -epochs --epochs x
has "is one" '--epochs x: expected a whole number' stderr
check "-j4 in one word" 1 "$train" "$out/none" 0 -o "$out/x" -j4
check "an abbreviation" 1 "$train" "$out/none" 0 -o "$out/x" --iter 2 --epo=3
check "an abbreviation with its word" 2 "$train" a 0 -o b --rec papr
has "is checked" 'did you mean paper' stderr
