#!/bin/sh
# simd_level BUILD: vector instructions limited by SWIN_UMAMBA_SIMD, which oneDNN follows.
. tests/support/tap.sh
build=$1
case $(uname -m) in
x86_64) levels="portable avx2" names="portable, avx2, avx512 or avx512_bf16" ;;
aarch64) levels="portable neon" names="portable or neon" ;;
*) levels=portable names=portable ;;
esac

for level in $levels; do
    export SWIN_UMAMBA_SIMD=$level
    check "train --version at $level" 0 "$build/train" --version
    has "it names the level, and the version of oneDNN" "^SIMD level $level, oneDNN [0-9]" stdout
    for test in test_executor test_precision test_parameters test_fold_networks; do
        if tests/run --simd $level "$build" $test >"$out/log" 2>&1; then echo "ok - $test at $level"; else
            echo "not ok - $test at $level"; tail -20 "$out/log"; fi
    done
    # What oneDNN makes says which of its kernels it is.
    export ONEDNN_VERBOSE=1 DNNL_VERBOSE=1
    check "bench at $level" 0 "$build/bench" --simd $level --networks --quick -n swin_umamba_d --size 64x64 -b 1 -j 1 --what forward
    unset ONEDNN_VERBOSE DNNL_VERBOSE
    has "bench names the level" "SIMD level $level" stdout
    has "oneDNN says what it runs" '_verbose.*,exec,' stdout
    lacks "oneDNN uses no AVX-512" '^\(onednn_verbose\|dnnl_verbose\).*,exec.*avx512' stdout
done
unset SWIN_UMAMBA_SIMD
check "an unknown level is refused" 2 env SWIN_UMAMBA_SIMD=sse9 "$build/network_info" swin_umamba_d -p 64x64 -c 1 -n 2
has "with those of this architecture" "SWIN_UMAMBA_SIMD=sse9: expected $names\$" stderr
check "by bench too" 2 "$build/bench" --simd sse9 --quick
