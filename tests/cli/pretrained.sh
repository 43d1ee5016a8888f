#!/bin/sh
# pretrained BUILD: training from PyTorch's weights, the encoder frozen at first.
build=$1
files=$GOLDEN/swin_umamba/files
[ -d "$files" ] || { echo "ok - pretrained weights # SKIP $files is not here"; exit 0; }
. tests/support/tap.sh
export OMP_NUM_THREADS=2
tensor() { # FILE.safetensors NAME: a sum over the tensor's numbers
    header=$(od -An -tu8 -N8 "$1" | tr -d ' ')
    place=$(head -c $((header + 8)) "$1" | tail -c "$header" |
        sed -n 's/.*"'"$2"'":{[^}]*"data_offsets":\[\([0-9]*\),\([0-9]*\)\].*/\1 \2/p')
    [ "$place" ] || return 1
    tail -c +$((header + 9 + ${place% *})) "$1" | head -c $((${place#* } - ${place% *})) | cksum
}

"$build/make_phantom" -o "$out/raw" --cases 6 --size 6x40x44 --quiet 2>/dev/null
cat >"$out/narrow.yaml" <<END
network: {name: swin_umamba, width: 0.0416666667}
training: {epochs: 3, freeze_encoder_epochs: 2, schedule_epochs: 3}
END
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet 2>/dev/null
"$build/convert_weights" $files/vmamba_narrow.pth "$out/vmamba.safetensors" 2>/dev/null
train() { # RESULTS OPTIONS…
    results=$1; shift
    "$build/train" "$out/pre" 0 -o "$out/$results" --iterations-per-epoch 3 --validation-iterations 1 \
        --batch-size 2 --patch-size 32x32 --no-validation "$@"
}
final() { echo "$out/$1/fold_0/checkpoint_final.safetensors"; }
norm=layers.0.blocks.0.ln_1.weight

check "a run starts from VMamba's weights" 0 train a --epochs 2 --pretrained $files/vmamba_narrow.pth
has "it tells what it took" \
    'vmamba_narrow.pth: 205 of 257 parameters taken from a VMamba classifier, encoder 204 of 204; left out: ' stderr
has "the log tells what it left out and why" 'left out head.weight: it belongs to the classifier' a/fold_0/training_log.txt
has "what starts again" 'stem 4, vssm_encoder 3, ' a/fold_0/training_log.txt
has "that the encoder is frozen" 'warning: the encoder is frozen in the first 2 of 2 epochs: it is never trained' stderr
has "the log has it too" 'left out patch_embed.proj.weight' a/fold_0/training_log.txt
has "the plan remembers the file" 'pretrained: .*vmamba_narrow.pth' a/plans.yaml
is "the frozen encoder is still VMamba's" \
    test "$(tensor "$(final a)" vssm_encoder.$norm)" = "$(tensor "$out/vmamba.safetensors" $norm)"
is "its optimizer has no state for it" test ! "$(tensor "$(final a)" optimizer.exp_avg.vssm_encoder.$norm)"
is "but for the stem, which trains" tensor "$(final a)" optimizer.exp_avg.stem.0.weight

check "a run over the end of the freezing" 0 train b --epochs 3 --pretrained $files/vmamba_narrow.pth
is "trains the encoder then" tensor "$(final b)" optimizer.exp_avg.vssm_encoder.$norm
check "the first run goes on past it" 0 train a --epochs 3 --continue
is "to the same bits" test "$(numbers "$(final a)")" = "$(numbers "$(final b)")"

check "an nnU-Net trainer's checkpoint is taken whole" 0 train c --epochs 1 \
    --pretrained $files/narrow_U_checkpoint_final.pth
has "heads included" '257 of 257 parameters taken' stderr
check "a damaged file ends it" 1 train d --epochs 1 --pretrained $files/badcrc.pth
has "with the reason" 'error: .*badcrc.pth.*CRC' stderr
check "weights of something else too" 1 train e --epochs 1 --pretrained $files/exotic.pth
has "with what was expected" 'none of its .* tensors matches the network' stderr
check "and a file that is not there" 1 train f --epochs 1 --pretrained "$out/none.pth"

predict() { "$build/predict" -i "$out/raw/imagesTr" -o "$out/$1" -m "$out/c" --quiet; }
check "such a checkpoint is converted" 0 \
    "$build/convert_weights" $files/narrow_U_checkpoint_final.pth "$out/u.safetensors"
mv "$out/u.safetensors" "$(final c)"
check "and predicts" 0 predict one
"$build/convert_weights" $files/narrow_D_checkpoint_final.pth "$out/d.safetensors" 2>/dev/null
mv "$out/d.safetensors" "$(final c)"
check "one of another network does not" 1 predict two
has "and it is said why" 'checkpoint_final.safetensors: .*these are weights of another network' stderr
