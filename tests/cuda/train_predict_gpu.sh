#!/bin/sh
# train_predict_gpu BUILD: train and predict with --device cuda beside the CPU. Where BUILD has the emulated GPU, it has only
# these two programs; the others are in the folder above.
build=$1 host=$1
[ -x "$host/make_phantom" ] || host=${1%/*}
. tests/support/tap.sh
export OMP_NUM_THREADS=1

"$host/make_phantom" -o "$out/raw" --cases 6 --size 2x36x40 --quiet 2>/dev/null
printf '%s\n' 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}' \
    'training: {weight_averaging: 0.5, schedule_step: iteration, warmup_iterations: 2}' >"$out/narrow.yaml"
check "the phantom is preprocessed" 0 "$host/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" \
    --quiet
run= # in the background: exec, so that the process is the program itself
train() { # PROGRAM RESULTS OPTIONS…
    program=$1; results=$2; shift 2
    $run "$program/train" "$out/pre" 0 -o "$results" --epochs 3 --iterations-per-epoch 1 --validation-iterations 1 \
        --batch-size 2 --patch-size 32x32 --no-validation --json-log -j1 "$@"
}
losses() { grep -oE '"(train|val)_loss": [0-9.]+' "$1" | sed 's/.*: //'; }
near() { # NAME FILE FILE BOUND: the losses are equal to a relative error
    losses "$2" >"$out/one"; losses "$3" >"$out/other"
    is "$1" sh -c 'paste "$1" "$2" | awk -v bound="$3" "
        {d = \$1 / \$2 - 1; if (d < 0) d = -d; if (d > bound) bad = 1} END {exit bad || NR != 6}"' - "$out/one" "$out/other" "$4"
}

check "three steps on the CPU" 0 train "$host" "$out/cpu"; cp "$out/stdout" "$out/cpu.json"
check "three steps on the GPU" 0 train "$build" "$out/gpu" --device cuda; cp "$out/stdout" "$out/gpu.json"
near "have the same losses" "$out/cpu.json" "$out/gpu.json" 1e-5
check "three steps on the GPU in bfloat16" 0 train "$build" "$out/half" --device cuda --precision bf16
cp "$out/stdout" "$out/half.json"
near "have nearly the same losses" "$out/half.json" "$out/gpu.json" 5e-3
is "but not the same" sh -c '! cmp -s "$1" "$2"' - "$out/half.json" "$out/gpu.json"
check "once more on the GPU" 0 train "$build" "$out/again" --device cuda
weights=fold_0/checkpoint_final.safetensors
is "gives the same bits" test "$(numbers "$out/gpu/$weights")" = "$(numbers "$out/again/$weights")"

# ---- a run that is killed and continued
run=exec; train "$build" "$out/stopped" --device cuda 2>/dev/null >/dev/null & pid=$!; run=
while kill -0 $pid 2>/dev/null && [ ! -s "$out/stopped/fold_0/checkpoint_latest.safetensors" ]; do sleep 0.1; done
kill -KILL $pid 2>/dev/null; wait $pid 2>/dev/null
is "a run is killed on its way" test ! -e "$out/stopped/$weights"
check "and continued on the GPU" 0 train "$build" "$out/stopped" --device cuda --continue
is "to the same bits" test "$(numbers "$out/gpu/$weights")" = "$(numbers "$out/stopped/$weights")"

# ---- prediction
mkdir "$out/images"; cp "$(ls "$out"/raw/imagesTr/*_0000.* | head -1)" "$out/images/"
for device in cpu cuda; do
    program=$host; [ $device = cpu ] || program=$build
    check "prediction, $device" 0 "$program/predict" -i "$out/images" -o "$out/by_$device" -m "$out/gpu" --device $device -j1
done
label=$(basename "$(ls "$out"/by_cpu/*.nii.gz)")
is "gives the same labels" cmp "$out/by_cpu/$label" "$out/by_cuda/$label"
