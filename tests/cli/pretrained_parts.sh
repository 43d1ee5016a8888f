#!/bin/sh
# pretrained_parts BUILD: weights that fit partly, barely, or not at all.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
raw() { # NAME CHANNELS
    "$build/make_phantom" -o "$out/raw_$1" --cases 5 --channels "$2" --size 2x32x32 --quiet 2>/dev/null
    "$build/plan_and_preprocess" "$out/raw_$1" -o "$out/pre_$1" --override "$out/narrow.yaml" --quiet 2>/dev/null
}
train() { # PREPROCESSED RESULTS OPTIONS…
    pre=$1; results=$2; shift 2
    "$build/train" "$out/pre_$pre" 0 -o "$out/$results" --iterations-per-epoch 1 --validation-iterations 1 --batch-size 2 \
        --patch-size 32x32 --no-validation "$@"
}
weights=$out/source/fold_0/checkpoint_final.safetensors
moment() { # RESULTS PARAMETER: whether the optimizer has moved it
    grep -aq "\"optimizer.exp_avg.$2\"" "$out/$1/fold_0/checkpoint_final.safetensors"
}
block=vssm_encoder.layers.2.blocks
printf 'network: {width: 0.0625, depths: [1, 1, 2, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
raw one 1
raw two 2
check "weights to start from" 0 train one source --epochs 1
lacks "a run from random weights tells nothing of others" "taken from" stderr

check "images of other channels" 0 train two channels --epochs 1 --pretrained "$weights"
has "all but the patch embedding is taken, in one line" \
    "checkpoint_final.safetensors: [0-9]* of [0-9]* parameters taken from a network's weights, encoder \([0-9]*\) of \1; left out: 1 of another shape" stderr
is "one" test "$(grep -c 'safetensors' "$out/stderr")" -eq 1
has "the log has the list" 'left out vssm_encoder.patch_embed.proj.weight: it has the shape' channels/fold_0/training_log.txt
is "the encoder is frozen" test ! "$(moment channels $block.0.ln_1.weight && echo moved)"
is "not its patch embedding" moment channels vssm_encoder.patch_embed.proj.weight

printf 'network: {depths: [1, 1, 4, 1]}\n' >"$out/deep.yaml"
check "a deeper network" 0 train one deep --epochs 2 --override "$out/deep.yaml" --pretrained "$weights" --quiet
has "a warning, though quiet, tells what starts anew" "warning: .* of [0-9]* parameters of the encoder do not fit" stderr
has "the log too" "warning: .* of [0-9]* parameters of the encoder do not fit" deep/fold_0/training_log.txt
is "what was taken is frozen" test ! "$(moment deep $block.1.ln_1.weight && echo moved)"
is "what was not is trained" moment deep $block.3.ln_1.weight
check "half of it" 0 train one half --epochs 1 --override "$out/deep.yaml" --pretrained "$weights" --quiet
check "goes on" 0 train one half --epochs 2 --continue --quiet
is "to the same bits" test "$(numbers "$out/half/fold_0/checkpoint_final.safetensors")" = \
    "$(numbers "$out/deep/fold_0/checkpoint_final.safetensors")"

printf 'network: {width: 0.125}\n' >"$out/wide.yaml"
check "another width ends it" 1 train one wide --epochs 1 --override "$out/wide.yaml" --pretrained "$weights" --quiet
has "with both widths" '0 of [0-9]* parameters of the encoder match.*6 channels (width 0.0625), that of the plan with 12 (width 0.125)' stderr
has "and what to type" '.--override FILE, and in FILE: .network: {width: 0.0625}' stderr
is "nothing is written" test ! -e "$out/wide/fold_0/training_log.txt"
printf 'network: {width: 0.0625}\n' >"$out/typed.yaml"
check "which works" 0 train one wide --epochs 1 --override "$out/typed.yaml" --pretrained "$weights" --quiet

"$build/plan_and_preprocess" "$out/raw_one" -o "$out/pre_unet" --network nnunet --quiet 2>/dev/null
small='features_per_stage: [4, 4, 4, 4]'
printf 'configurations: {2d: {architecture: {arch_kwargs: {%s}}}}\n' "$small" >"$out/unet.yaml"
printf 'training: {freeze_encoder_epochs: 1}\n' | cat "$out/unet.yaml" - >"$out/freezes.yaml"
check "a U-Net" 0 train unet unet --epochs 1 --override "$out/unet.yaml" --quiet
check "its weights" 0 train unet next --epochs 1 --override "$out/freezes.yaml" \
    --pretrained "$out/unet/fold_0/checkpoint_final.safetensors"
has "are told without an encoder" "parameters taken from a network's weights (training_log" stderr
has "of which none is frozen" 'warning: training.freeze_encoder_epochs is 1, but nnunet has no pretrained encoder' stderr
check "those of a Swin-UMamba" 1 train unet none --epochs 1 --override "$out/unet.yaml" --pretrained "$weights"
has "do not fit it" '0 of [0-9]* parameters besides the heads match .*: expected names like those of the network, and' stderr

check "a folder is no weights" 1 train one none --pretrained "$out/source"
has "it says what to give" 'source: is a folder; expected a file of weights.*checkpoint_final' stderr
check "nor is a file that is not there" 1 train one none --pretrained "$out/none.bin"
has "it is named" 'none.bin: cannot open: No such file' stderr
check "nor is a plan" 1 train one none --pretrained "$out/narrow.yaml"
has "it says which endings are" 'narrow.yaml: unknown ending; expected .safetensors, .pth or .pt' stderr
