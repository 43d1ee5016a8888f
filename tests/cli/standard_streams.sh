#!/bin/sh
# standard_streams BUILD: streams that are closed or full; names and threads, which every program shares.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

# A closed stream's number is free for the first file that a program opens: its messages must not be written to it. train
# holds its lock file open while it prints.
"$build/make_phantom" -o "$out/raw" --cases 5 --size 8x40x44 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet 2>/dev/null
for closed in '2>&-' '>&- 2>&-' '<&- >&- 2>&-'; do
    rm -rf "$out/results"
    is "train with $closed" sh -c "'$build/train' '$out/pre' 0 -o '$out/results' --epochs 1 --iterations-per-epoch 2 \
        --validation-iterations 1 --batch-size 2 --patch-size 32x32 $closed"
    is "with $closed messages do not go into its lock" test -e "$out/results/fold_0/.lock" -a ! -s "$out/results/fold_0/.lock"
done

# A full standard output is an error, also where a program flushes before its end, and for --help and --version.
if [ -e /dev/full ]; then
    full() { # WHAT COMMAND…
        who=$1; shift
        "$@" >/dev/full 2>"$out/stderr"; status=$?
        is "$who to a full standard output fails" test $status -eq 1
        has "$who says so" 'standard output: not all could be written' stderr
        is "$who says so once" test "$(grep -c 'standard output' "$out/stderr")" -eq 1
    }
    full "network_info" "$build/network_info" swin_umamba_d
    full "train --json-log" "$build/train" "$out/pre" 0 -o "$out/results" --overwrite --json-log --quiet --epochs 2 \
        --iterations-per-epoch 2 --validation-iterations 1 --batch-size 2 --patch-size 32x32
    full "predict --explain" "$build/predict" -i "$out/raw/imagesTr" -m "$out/results" --explain
    full "plan_and_preprocess --explain" "$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --explain
    full "evaluate" "$build/evaluate" "$out/raw/labelsTr" "$out/raw/labelsTr" -o "$out/eval"
    for program in train convert_weights ensemble; do
        full "$program --help" "$build/$program" --help
        full "$program --version" "$build/$program" --version
    done
else
    echo "ok - a full standard output # SKIP there is no /dev/full"
fi

# A program is called as its user called it.
ln -s "$(realpath "$build/train")" "$out/swin-umamba-train"
check "a program under another name" 1 "$out/swin-umamba-train" "$out/none" 0 -o "$out/results"
has "has that name in messages" '^swin-umamba-train: error: ' stderr
check "its version" 0 "$out/swin-umamba-train" --version
has "names it, too" '^swin-umamba-train (Swin-UMamba in C) [0-9]' stdout
has "and the licence" '^License: Apache-2.0$' stdout
check "its help" 0 "$out/swin-umamba-train" --help
has "names it" 'Usage: swin-umamba-train ' stdout

# An empty path, as from an unset variable of a script.
for program in plan_and_preprocess "train $out/pre 0" "evaluate a b" make_phantom find_best_configuration ensemble; do
    set -- $program
    check "$1 -o '' is wrong usage" 2 "$build/$@" -o ''
    has "$1 says what is empty" "-o '': the path is empty" stderr
done

# Fewer threads than asked for: a team must have the requested size, otherwise a barrier waits forever.
unset OMP_NUM_THREADS
small() { timeout 60 "$build/train" "$out/pre" 0 -o "$out/results" --overwrite --quiet --epochs 1 --iterations-per-epoch 2 \
    --validation-iterations 1 --batch-size 4 --patch-size 32x32 --no-validation "$@"; }
limit() { OMP_THREAD_LIMIT=1 small "$@"; }
dynamic() { OMP_DYNAMIC=true small "$@"; }
levels() { OMP_MAX_ACTIVE_LEVELS=0 small "$@"; }
check "OMP_THREAD_LIMIT=1 trains" 0 limit
check "with -j 4, too" 0 limit -j 4
has "and it is reported" 'warning: -j requests 4 threads, 1 are used: OpenMP grants no more' stderr
check "OMP_DYNAMIC=true trains" 0 dynamic
check "OMP_MAX_ACTIVE_LEVELS=0 trains" 0 levels
check "-j 4096 is bounded" 0 small -j 4096
has "and it is reported" 'warning: -j requests 4096 threads, [0-9]* are used: more than four threads per processor' stderr
