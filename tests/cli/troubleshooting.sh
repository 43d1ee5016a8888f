#!/bin/sh
# troubleshooting BUILD: each message of docs/troubleshooting.md is a text of the sources, and some of them are printed here.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
document=docs/troubleshooting.md

# "…" in a message stands for one or several conversions of printf, as in tests/support/literals.awk.
messages() { sed -n 's/^| `\([^`]*\)` |.*/\1/p' "$1"; }
awk -f tests/support/literals.awk */*.[ch] */*.cc */*/*.[ch] >"$out/texts"
# Of Python's texts the prefix f is left out, and {…} is a conversion, too.
sed -E 's/\bf"/"/g; s/\{[^{}]*\}/…/g' python/*/*.py | awk -f tests/support/literals.awk >>"$out/texts"
unknown() { # DOCUMENT: its messages that no source has
    messages "$1" | while IFS= read -r message; do grep -qF -e "$message" "$out/texts" || echo "$message"; done
}
messages $document >"$out/messages"
is "there are messages" test "$(wc -l <"$out/messages")" -ge 50
equals "each row has one" "$(grep -c '^| `' $document)" "$(wc -l <"$out/messages" | tr -d ' ')"
equals "each is in the sources" "$(unknown $document)" ''
equals "none is there twice" "$(sort "$out/messages" | uniq -d)" ''
equals "each has enough words of its own" "$(sed 's/…//g' "$out/messages" | grep -v '.\{16\}')" ''
sed 's/correct the dataset and start again/correct the dataset, and start again/; s/misspelt/spelt/' $document >"$out/changed.md"
equals "a message that was changed is noticed" "$(unknown "$out/changed.md" | wc -l | tr -d ' ')" 1
sed -n 's/.*](#\([a-z-]*\)).*/\1/p' $document >"$out/anchors"
grep -o '](#[a-z-]*)' $document | tr -d ']()#' | while IFS= read -r anchor; do
    sed -n 's/^## //p' $document | tr 'A-Z ' 'a-z-' | tr -d ,: | grep -qx -e "$anchor" || echo "$anchor"
done >"$out/lost"
equals "each link within the page has its heading" "$(cat "$out/lost")" ''

# Some of the situations: what is printed is the document's message.
shows() { # MESSAGE FILE-IN-$out
    if ! grep -qxF -e "$1" "$out/messages"; then echo "not ok - the document has no $1"; return; fi
    pattern=$(printf '%s\n' "$1" | sed 's/[][\\.*^$]/\\&/g; s/…/.*/g')
    has "printed: $1" "$pattern" "$2"
}
small="--cases 6 --size 2x24x24 --quiet"
raw=$out/raw
plan() { "$build/plan_and_preprocess" "$1" -o "$out/pre-$(basename "$1")" --quiet; }
"$build/make_phantom" -o "$raw" $small
cp -r "$raw" "$out/broken"
rm "$out/broken/labelsTr/phantom_001.nii.gz" "$out/broken/imagesTr/phantom_002_0000.nii.gz"
head -c 500 "$raw/imagesTr/phantom_003_0000.nii.gz" >"$out/broken/imagesTr/phantom_003_0000.nii.gz"
cp "$raw/imagesTr/phantom_004_0000.nii.gz" "$out/broken/labelsTr/phantom_004.nii.gz"
"$build/make_phantom" -o "$out/larger" --cases 5 --size 3x24x24 --quiet
cp "$out/larger/labelsTr/phantom_005.nii.gz" "$out/broken/labelsTr/phantom_005.nii.gz"
check "a broken dataset" 1 plan "$out/broken"
shows 'case …: … has no label: expected labelsTr/…' stderr
shows 'case …: …/… has no image: expected imagesTr/…_0000…' stderr
shows '…: cut off: the packed data end in the middle' stderr
shows 'case …: …: label value(s) …: expected those of dataset.json, 0 to …' stderr
shows 'shape … (x,y,z): expected that of …, …' stderr
shows '…: … error… in the dataset: correct the dataset and start again' stderr
cp -r "$raw" "$out/twice"
cp "$raw/imagesTr/phantom_001_0000.nii.gz" "$out/twice/imagesTr/phantom_002_0000.nii.gz"
cp "$raw/labelsTr/phantom_001.nii.gz" "$out/twice/labelsTr/phantom_002.nii.gz"
sed 's/"numTraining": *6/"numTraining": 7/' "$raw/dataset.json" >"$out/twice/dataset.json"
check "two equal images, a wrong number" 1 plan "$out/twice"
shows '…: numTraining is …: expected the number of training cases there, …' stderr
cp "$raw/dataset.json" "$out/twice/dataset.json"
check "two equal images" 0 plan "$out/twice"
shows '…: cases with identical images: …: remove the duplicates, or keep them in one fold (--groups)' stderr
mkdir "$out/empty"
check "no dataset" 1 plan "$out/empty"
shows '…: no dataset.json in it: expected a folder with dataset.json, imagesTr and labelsTr' stderr
check "an unknown network" 2 "$build/plan_and_preprocess" "$raw" -o "$out/pre" --network nnunett
shows 'unknown network …; the networks are …; the nearest name is …' stderr
printf 'training: {epoch: 3}\n' >"$out/keys.yaml"
check "an unknown key" 1 "$build/plan_and_preprocess" "$raw" -o "$out/pre" --override "$out/keys.yaml"
shows 'unknown key …; the nearest known key is …' stderr
check "an unknown option" 2 "$build/train" --epoch-s 3
shows 'there is no option …; --help lists the options' stderr
check "a plan" 0 plan "$raw"
pre=$out/pre-raw
rm "$pre/plans_as_planned.yaml"
check "edits that cannot be told" 1 plan "$raw"
shows '… beside it, so your edits cannot be distinguished: --plans … uses it as it is, --overwrite replaces it by a new plan' stderr
check "the raw dataset" 1 "$build/train" "$raw" 0 -o "$out/results"
shows '…: this is a raw dataset: train needs the folder that plan_and_preprocess makes from it' stderr
check "several GPUs on the CPU" 1 "$build/train" "$pre" 0 -o "$out/results" --num-gpus 2
shows "--num-gpus … needs --device cuda; the CPU's cores train one network by -j" stderr

# Training and prediction.
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
pre=$out/pre results=$out/results
"$build/plan_and_preprocess" "$raw" -o "$pre" --override "$out/narrow.yaml" --quiet
cp "$pre/plans.yaml" "$out/plans.yaml"
options="--iterations-per-epoch 2 --validation-iterations 1 --batch-size 2 --patch-size 32x32 --no-validation --quiet"
train() { fold=$1; shift; "$build/train" "$pre" "$fold" $options "$@"; }
predict() { "$build/predict" -i "$raw/imagesTr" -o "$out/predicted" "$@" --quiet; }
check "a training" 0 train 0 -o "$results" --epochs 2
check "it is there" 1 train 0 -o "$results" --epochs 2
shows '… contains a training run: give --continue to continue it or --overwrite to replace it' stderr
check "fewer epochs than it has" 1 "$build/train" "$pre" 0 -o "$results" --continue --epochs 1 --quiet
shows '… has trained … epochs, but the plan has …: give --epochs …, or more to continue' stderr
check "a fold with another batch" 1 train 1 -o "$results" --epochs 2 --batch-size 3
shows '…/plans.yaml differs from the plan with these options…' stderr
sed 's/weight_decay: .*/weight_decay: 0.01/' "$out/plans.yaml" >"$pre/plans.yaml"
check "an edit between two folds" 1 train 1 -o "$results" --epochs 2
shows '…/plans.yaml was changed since … was made' stderr
sed 's/    spacing: .*/    spacing: [1, 1]/' "$out/plans.yaml" >"$pre/plans.yaml"
check "cases of another plan" 1 train 0 -o "$out/other" --epochs 1
shows "… cases were not made by this run's plan, first … (…): undo the change, or preprocess again" stderr
cp "$out/plans.yaml" "$pre/plans.yaml"
check "a learning rate that is too high" 1 train 0 -o "$out/other" --epochs 10 --learning-rate 100
shows 'epoch …, iteration …: … is not a number, first in … … (…); start again with a lower --learning-rate and --overwrite, or another -o…' stderr
weights=$results/fold_0/checkpoint_final.safetensors
printf 'network: {width: 0.125}\n' >"$out/wide.yaml"
check "weights of another width" 1 train 0 -o "$out/wide" --epochs 1 --override "$out/wide.yaml" --pretrained "$weights"
shows '… match: the encoder of these weights begins with … channels (width …), that of the plan with … (width …)' stderr
printf 'network: {name: segresnet}\n' >"$out/segresnet.yaml"
check "weights of another network" 1 train 0 -o "$out/wide" --epochs 1 --override "$out/segresnet.yaml" --pretrained "$weights"
shows 'none of its … tensors matches the network (…): …' stderr
check "predictions" 0 predict -m "$results"
check "those of other options" 1 predict -m "$results" --step 0.3
shows '… holds predictions that were made by another model or with other options (…): give another folder with -o, or replace them with --overwrite' stderr
cp "$raw/labelsTr/phantom_001.nii.gz" "$out/predicted"
check "one that was edited" 1 predict -m "$results"
shows '… was changed since predict wrote it; if it was corrected by hand, move it to another folder; --overwrite replaces it' stderr
check "too little memory" 1 "$build/predict" -i "$raw/imagesTr" -o "$out/more" -m "$results" --memory 1M
shows 'needs up to … MiB, and may use …: allow more, or use a smaller network, fewer folds or a part of the image' stderr
check "a checkpoint that a finished training has not" 1 "$build/predict" -i "$raw/imagesTr" -o "$out/more" -m "$results" --checkpoint latest
shows ', but checkpoint_…: use it with --checkpoint …' stderr
cp "$weights" "$out/alone.safetensors"
check "weights without a plan" 1 "$build/predict" -i "$raw/imagesTr" -o "$out/more" -m "$out/alone.safetensors"
shows '…: these are only weights: expected a results folder' stderr
mkdir "$out/pictures"
cp "$document" "$out/pictures/a.png"
check "images of another format" 1 "$build/predict" -i "$out/pictures" -o "$out/more" -m "$results"
shows '…: there is no image with the ending …, which the model was trained on, but … …' stderr

# Evaluation and the machine.
cp -r "$raw/labelsTr" "$out/others"
for file in "$out/others/"*; do mv "$file" "$out/others/x$(basename "$file")"; done
check "predictions of other names" 1 "$build/evaluate" "$raw/labelsTr" "$out/others" -o "$out/scores"
shows 'no case of … is in …: a prediction must have the name of its reference' stderr
if [ -e /dev/full ]; then
    full() { "$build/network_info" nnunet -p 64x64 --quiet >/dev/full; }
    check "a full disk behind standard output" 1 full
    shows 'standard output: not all could be written…' stderr
else echo "ok - a full disk # SKIP there is no /dev/full"; fi
if "$build/train" --version | grep -q 'GPU: not in this build'; then
    check "a build without CUDA" 1 "$build/predict" -i "$raw/imagesTr" -o "$out/predicted" -m "$out" --device cuda
    shows 'device …: this build has no CUDA (make CUDA=1 makes one that has); use cpu' stderr
else echo "ok - a build without CUDA # SKIP this one has it"; fi
