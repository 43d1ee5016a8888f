#!/bin/sh
# memory_gpu BUILD: a GPU's memory, of an emulated one whose size is set: plans for it, and runs that would not fit.
build=$1 host=${1%/*}
. tests/support/tap.sh
export OMP_NUM_THREADS=1
gpu() { # MEBIBYTES COMMAND…
    mib=$1; shift
    SWIN_UMAMBA_EMULATED_MEMORY=$((mib << 20)) "$@"
}
raw=$out/Dataset708_Memory
"$host/make_phantom" -o "$raw" --cases 6 --size 20x64x64 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
plan() { # MEBIBYTES FOLDER OPTIONS…
    mib=$1 folder=$2; shift 2
    gpu "$mib" "$build/plan_and_preprocess" "$raw" -o "$out/$folder" --override "$out/narrow.yaml" -j1 "$@"
}
batch() { sed -n 's/^ *batch_size: //p' "$out/$1/plans.yaml"; }

# ---- plans
check "a plan for the GPU of this machine" 0 plan 1032 pre --device cuda --explain
has "is by its implementations" '^batch: .* of 1\.00781 GiB by the memory plan of swin_umamba_d, the plan of this machine.s GPU' stdout
has "and recorded" '^planned_gpu_gb: 1\.0078125' pre/plans.yaml
check "for one with more memory" 0 plan 1040 more --device cuda
is "batches are larger" test "$(batch more)" -gt "$(batch pre)"
check "for another GPU" 0 plan 1032 other --device-memory 1040M --explain
has "by this one's implementations" 'the plan of this machine.s GPU' stdout
equals "it is the same batch" "$(batch other)" "$(batch more)"
check "network_info on the GPU" 0 gpu 2048 "$build/network_info" swin_umamba_d -p 64x64 --device cuda --quiet
has "tells its memory" '^cuda has 2\.0 GiB of memory' stdout
check "network_info for a GPU that is not there" 0 "$build/network_info" swin_umamba_d -p 64x64 --device cuda:7 --quiet
has "estimates, and says why" 'memory on cuda:7, an estimate from the CPU.s plan, since this machine has no such GPU' stdout

# ---- training
train() { # MEBIBYTES RESULTS OPTIONS…
    mib=$1 results=$2; shift 2
    gpu "$mib" "$build/train" "$out/pre" 0 -o "$out/$results" --epochs 1 --iterations-per-epoch 1 \
        --validation-iterations 1 --no-validation --device cuda -j1 "$@"
}
check "the GPU that it was planned for holds the plan" 0 train 1032 whole
check "a training that does not fit" 1 train 515 small
has "is refused with its size" 'training swin_umamba_d with a batch of [0-9]* patches of 64x64 in fp32, planned for a GPU of 1\.00781 GiB, needs 0\.5[0-9] GiB of memory on cuda:0 .*, and 0\.50 of 0\.50 GiB are free' stderr
has "and what to do" 'give a smaller batch (--batch-size, now [0-9]*).*, --precision bf16, .*recompute: true' stderr
is "nothing is written" test ! -e "$out/small"
check "with a smaller batch it runs" 0 train 515 small --batch-size 2 --patch-size 32x32
check "on the CPU nothing is refused" 0 "$build/train" "$out/pre" 0 -o "$out/cpu" --epochs 1 --iterations-per-epoch 1 \
    --validation-iterations 1 --no-validation --device cpu -j1 --quiet

# ---- prediction
mkdir "$out/images"; cp "$(ls "$raw"/imagesTr/*_0000.* | head -1)" "$out/images/"
predict() { # MEBIBYTES OPTIONS…
    mib=$1; shift
    gpu "$mib" "$build/predict" -i "$out/images" -o "$out/labels" -m "$out/small" --device cuda -j1 "$@"
}
check "a prediction that does not fit" 1 predict 512
has "is refused with its size" 'swin_umamba_d of 1 fold on 1 tile of 32x32 in fp32 needs 0\.50 GiB of memory on cuda:0' stderr
has "and what to do" 'give --precision bf16, or another --device' stderr
is "nothing is written" test ! -e "$out/labels"
check "where it fits" 0 predict 520
is "there are labels" test -s "$(ls "$out"/labels/*.nii.gz)"
