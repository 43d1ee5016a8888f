#!/bin/sh
# pretrained_folds BUILD: the folds of a results folder start from the same weights, by content, not by path.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

"$build/make_phantom" -o "$out/raw" --cases 6 --size 2x32x32 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 2, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet 2>/dev/null
train() { # RESULTS FOLD OPTIONS…
    results=$1; fold=$2; shift 2
    "$build/train" "$out/pre" "$fold" -o "$out/$results" --iterations-per-epoch 1 --validation-iterations 1 --batch-size 2 \
        --patch-size 32x32 --no-validation --quiet "$@"
}
final() { echo "$out/$1/fold_0/checkpoint_final.safetensors"; }

check "weights to start from" 0 train one 0 --epochs 1
check "and others" 0 train two 0 --epochs 1 --seed 7
cp "$(final one)" "$out/start.safetensors"
check "a fold starts from a file" 0 train r 0 --epochs 1 --pretrained "$out/start.safetensors"
has "the plan has its hash" 'pretrained_content: "*[0-9a-f]\{32\}' r/plans.yaml
mv "$out/start.safetensors" "$out/moved.safetensors"
check "without it, a fold names what is missing" 1 train r 1
has "and what to type" 'start.safetensors.*give --pretrained FILE\|give --pretrained FILE.*start.safetensors' stderr
check "the same weights under another path are fine" 0 train r 1 --epochs 1 --pretrained "$out/moved.safetensors"
check "a finished fold goes on without the file" 0 train r 1 --continue --epochs 2

cp "$(final two)" "$out/start.safetensors"
check "other weights under the same path are refused" 1 train r 2
has "with both contents and what to type" \
    'start.safetensors: this is another file than .*/r/plans.yaml (content [0-9a-f]*…, now [0-9a-f]*…): give the earlier file with --pretrained FILE' \
    stderr
is "no file of the refused fold is left" test ! -e "$out/r/fold_2"
check "also where the option names them" 1 train r 2 --epochs 1 --pretrained "$out/start.safetensors"
check "and other weights under another path" 1 train r 2 --epochs 1 --pretrained "$(final two)"
has "are told in the same way" 'this is another file than' stderr
check "a run that goes on does not take them either" 1 train r 0 --continue --epochs 2 --pretrained "$out/start.safetensors"
check "the moved ones it does" 0 train r 0 --continue --epochs 2 --pretrained "$out/moved.safetensors"
check "a run that replaces them all may start from them" 0 train s 0 --epochs 1 --overwrite --pretrained "$out/start.safetensors"

printf 'training: {pretrained: "%s", pretrained_content: "0123456789abcdef0123456789abcdef"}\n' "$out/start.safetensors" >"$out/known.yaml"
check "a plan that knows another content is refused" 1 train t 0 --epochs 1 --override "$out/known.yaml"
has "with what to change" 'now [0-9a-f]*…): .*pretrained_content' stderr
