#!/bin/sh
# failed_allocations BUILD: predict and train where one allocation of at least 4 KiB fails, ensemble and
# find_best_configuration where one of any size does, that of a path too: the program
# fails with an error, or has the same result. oneDNN allocates much of its memory itself.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
skip() { echo "ok - failed allocations # SKIP $1"; exit 0; }
case $build in */asan|*/tsan) skip "a sanitizer has an allocator of its own";; esac
${CC:-cc} -shared -fPIC -O1 tests/cli/allocation_shim.c -o "$out/shim.so" 2>/dev/null || skip "no compiler, or not glibc"

"$build/make_phantom" -o "$out/raw" --cases 5 --size 2x32x32 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet 2>/dev/null

train() { # RESULTS
    "$build/train" "$out/pre" 0 -o "$out/$1" --epochs 1 --iterations-per-epoch 1 --validation-iterations 1 --batch-size 2 \
        --patch-size 32x32 --quiet
}
predict() { # OUTPUT OPTIONS…
    output=$out/$1; shift
    "$build/predict" -i "$out/raw/imagesTr" -o "$output" -m "$out/whole" --quiet "$@"
}
ensemble() { "$build/ensemble" "$out/p" "$out/q" -o "$out/$1" --quiet; }
choose() { "$build/find_best_configuration" "$out/whole" -o "$out/$1" --quiet; }
result_of() { # PROGRAM OUTPUT: a checksum of what it made
    case $1 in
    predict|ensemble) cat "$out/$2"/*.nii.gz | cksum;;
    choose) cksum <"$out/$2";;
    train) numbers "$out/$2/fold_0/checkpoint_final.safetensors"; cat "$out/$2"/fold_0/validation/*.nii.gz | cksum;;
    esac
}
smallest=4096
ulimit -t 60 # Clang's libomp waits for a lock of its own without end where its first allocation fails
failing() { FAIL_MIN=$smallest LD_PRELOAD="$out/shim.so" "$@" >/dev/null 2>"$out/stderr"; } # COMMAND…

# Lets allocations fail one by one, from the first to the last, at most as many as given.
sample() { # PROGRAM COUNT KERNELS
    FAIL_COUNT="$out/count" failing "$1" all || echo "not ok - $1 without a fault: $(cat "$out/stderr")"
    wanted=$(result_of "$1" all)
    last=$(($(cat "$out/count") - 1)); at=0; errors=0; crashes=0; bad=
    while [ $at -lt "$2" ]; do
        number=$((last * at / ($2 - 1))); at=$((at + 1))
        rm -rf "$out/one"
        FAIL_AT=$number failing "$1" one; status=$?
        case $status in
        0) [ "$wanted" = "$(result_of "$1" one)" ] || bad="$bad $number: another result with status 0;";;
        1) errors=$((errors + 1)); grep -qiE 'memory' "$out/stderr" || bad="$bad $number: $(cat "$out/stderr");";;
        *) crashes=$((crashes + 1));; # oneDNN 2 looks at no result of its own `new` while it makes a primitive
        esac
    done
    is "$1: a failed allocation is an error, or harmless ($3; $errors errors, $crashes times oneDNN crashed)" test -z "$bad"
    [ -z "$bad" ] || echo "# $bad"
    is "some were felt" test $errors -gt 0
    rm -rf "$out/one" "$out/all"
}

check "a training to look at" 0 train whole
sample predict 24 "this CPU's kernels"
sample train 12 "this CPU's kernels"
check "a validated fold more" 0 "$build/train" "$out/pre" 1 -o "$out/whole" --quiet
check "probabilities" 0 predict p --save-probabilities; check "and others" 0 predict q --save-probabilities --no-tta
smallest=1
sample ensemble 60 "of any size"
sample choose 60 "of any size"
smallest=4096
export SWIN_UMAMBA_SIMD=avx2
sample predict 32 "AVX2"
sample train 12 "AVX2"
