#!/bin/sh
# gpu_ranks BUILD: processes that mpirun has started, each with a GPU. BUILD/train and predict run on emulated GPUs, which NCCL's double
# connects; the other programs are in the folder above.
build=$1 host=${1%/*}
. tests/support/tap.sh
. tests/support/ranks.sh
expect_mpi "$host"
export OMP_NUM_THREADS=1 SWIN_UMAMBA_EMULATED_GPUS=2

"$host/make_phantom" -o "$out/raw" --cases 6 --size 2x36x40 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
check "the phantom is preprocessed" 0 "$host/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet
train() { # RANKS RESULTS FOLDS OPTIONS…
    count=$1 results=$2 folds=$3; shift 3
    set -- "$build/train" "$out/pre" "$folds" -o "$results" --epochs 2 --iterations-per-epoch 2 --validation-iterations 1 \
        --batch-size 3 --patch-size 32x32 --no-validation --json-log --device cuda "$@"
    if [ "$count" = alone ]; then "$@"; else ranks "$count" "$@"; fi
}
curve() { grep -oE '"(train_loss|val_loss|pseudo_dice)": [-0-9.]+' "$1" | sed 's/.*: //'; }
check "two epochs on one GPU" 0 train alone "$out/one" 0; curve "$out/stdout" >"$out/a"
check "in two processes, each with a GPU" 0 train 2 "$out/two" 0; curve "$out/stdout" >"$out/b"
has "are announced" 'batch 3 in 2 processes' stderr
is "have the same curves" sh -c 'paste "$1" "$2" | awk "
    {d = \$1 / \$2 - 1; if (d < 0) d = -d; if (!(d <= 1e-6)) bad = 1} END {exit bad || NR != 6}"' - "$out/a" "$out/b"
check "two folds, each on a GPU" 0 train 2 "$out/folds" 0,1
is "are those of one GPU" test "$(numbers "$out/folds/fold_0/checkpoint_final.safetensors")" = "$(numbers "$out/one/fold_0/checkpoint_final.safetensors")"
SWIN_UMAMBA_EMULATED_GPUS=1
check "two folds and one GPU" 1 train 2 "$out/folds1" 0,1
has "so the second fold has none" 'error: process 2 of 2, on .*: fold 1: device cuda:1: this machine has only cuda:0' stderr
SWIN_UMAMBA_EMULATED_GPUS=2
check "a third process" 1 train 3 "$out/three" 0
has "has no GPU" 'error: process 3 of 3, on .*: device cuda:2: this machine has 2 GPUs, the last is cuda:1' stderr
check "--num-gpus" 1 train 2 "$out/more" 0 --num-gpus 2
has "is told what it is" 'error: --num-gpus 2: each of the 2 processes has one GPU; omit it' stderr
check "the cases are predicted by one GPU" 0 "$build/predict" -i "$out/raw/imagesTr" -m "$out/one" -o "$out/labels1" --device cuda --quiet
check "and by two" 0 ranks 2 "$build/predict" -i "$out/raw/imagesTr" -m "$out/one" -o "$out/labels2" --device cuda --quiet
is "to the same files" diff -r "$out/labels1" "$out/labels2"
