#!/bin/sh
# precision BUILD: training and predicting in bf16, and from one precision to the other.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=2

"$build/make_phantom" -o "$out/raw" --cases 5 --size 4x64x64 --quiet 2>/dev/null
printf 'network: {width: 0.125, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet 2>/dev/null
run= # in the background: exec, so that the process is the program itself
train() { # RESULTS OPTIONS…
    results=$1; shift
    $run "$build/train" "$out/pre" 0 -o "$out/$results" --epochs 3 --iterations-per-epoch 6 --validation-iterations 2 \
        --batch-size 4 --patch-size 64x64 --no-validation "$@"
}
predict() { "$build/predict" -i "$out/raw/imagesTr" "$@"; }

printf 'training: {precision: bf16}\n' >"$out/half.yaml"
check "a precision that is not known" 2 train a --precision fp16
has "is refused with those that are" '--precision fp16: expected fp32 or bf16' stderr
is "before anything is written" test ! -e "$out/a"
check "help names them" 0 "$build/train" --help
has "and the default" "--precision=fp32|bf16 .*(default: the plan" stdout

check "training in fp32" 0 train exact --precision fp32
check "training in bf16" 0 train a --precision bf16
cp "$out/stderr" "$out/first"
if "$build/train" --version | grep -q avx512_bf16; then
    lacks "this CPU has it" 'computing in fp32' first
    has "the log has it" 'started .* bf16$' a/fold_0/training_log.txt
    is "it computes otherwise" test "$(numbers "$out/a/fold_0/checkpoint_final.safetensors")" != \
        "$(numbers "$out/exact/fold_0/checkpoint_final.safetensors")"
else
    is "one line says that this CPU lacks it" test "$(grep -c 'AVX-512 BF16.*computing in fp32' "$out/first")" -eq 1
    has "the log has what was done instead" 'started .* fp32$' a/fold_0/training_log.txt
    is "which is the same" test "$(numbers "$out/a/fold_0/checkpoint_final.safetensors")" = \
        "$(numbers "$out/exact/fold_0/checkpoint_final.safetensors")"
fi
is "both learn alike" awk -F, 'FNR == NR { exact[$1] = $3; next } FNR > 1 && ($3 - exact[$1])^2 > 0.05^2 { exit 1 }' \
    "$out/exact/fold_0/metrics.csv" "$out/a/fold_0/metrics.csv"
check "again, by the plan" 0 train b --override "$out/half.yaml"
is "gives the same bits" test "$(numbers "$out/a/fold_0/checkpoint_final.safetensors")" = \
    "$(numbers "$out/b/fold_0/checkpoint_final.safetensors")"

# Stopped in the first epoch, continued in the other precision: weights and moments are float32 in both.
{ run=exec; train c --precision bf16 --iterations-per-epoch 50 --quiet 2>/dev/null; } & pid=$!
while [ ! -e "$out/c/fold_0/training_log.txt" ] && kill -0 $pid 2>/dev/null; do sleep 0.05; done
kill -INT $pid; wait $pid
is "a run in bf16 is stopped" test -s "$out/c/fold_0/checkpoint_latest.safetensors"
check "and goes on in fp32" 0 train c --precision fp32 --iterations-per-epoch 50 --continue
has "from where it was" 'continued from epoch 0.* fp32$' c/fold_0/training_log.txt
is "and learns" awk -F, 'FNR == 2 { first = $3 } { last = $3 } END { exit !(last < first) }' "$out/c/fold_0/metrics.csv"

check "predicting in fp32" 0 predict -m "$out/a" -o "$out/exact_labels"
check "predicting in bf16" 0 predict -m "$out/a" -o "$out/labels" --precision bf16
check "the two are compared" 0 "$build/evaluate" "$out/exact_labels" "$out/labels" -o "$out/eval" \
    -d "$out/a/dataset.json" --only-overlap --no-report --quiet
is "and nearly the same" awk '/"foreground_mean"/ { inside = 1 } inside && /"Dice"/ { gsub(/[^0-9.e-]/, "", $2); found = $2 }
    END { exit !(found > 0.97) }' "$out/eval/summary.json"
check "a precision that is not known" 2 predict -m "$out/a" -o "$out/none" --precision half
has "is refused here too" '--precision half: expected fp32 or bf16' stderr
