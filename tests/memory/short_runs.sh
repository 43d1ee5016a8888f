#!/bin/sh
# short_runs BUILD: a short run of each program under valgrind: no access outside of what is allocated, no decision by memory that
# was never written, no memory that is lost. (The address sanitizer sees neither the second, nor what the libraries' own code
# does.) Valgrind has no AVX-512. tests/memory/valgrind.supp: what libraries do. With the build of the thread sanitizer: the same
# runs under that instead, with one OpenMP thread, since OpenMP's library is not instrumented.
build=$1
. tests/support/tap.sh
. tests/support/decathlon.sh
skip() { echo "ok - short runs # SKIP $1"; exit 0; }
export OMP_NUM_THREADS=1 SWIN_UMAMBA_SIMD=avx2
valgrind="valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite
    --trace-children=yes --suppressions=tests/memory/valgrind.supp --log-file=$out/reports/%p"
mkdir "$out/reports"
case $build in
*/asan) skip "not with the address sanitizer";;
*/tsan) valgrind=;;
*)
    command -v valgrind >/dev/null || skip "valgrind is not installed"
    export SWIN_UMAMBA_SANDBOX=off # valgrind does not know its system calls, and reports them
    ;;
esac
clean() { # WHAT: no process has reported
    found=$(find "$out/reports" -type f -size +0)
    if [ -z "$found" ]; then echo "ok - $1: nothing is reported"
    else echo "not ok - $1: valgrind reports"; cat $found; fi
    rm -f "$out"/reports/*
}
watched() { # STATUS PROGRAM OPTION…
    want=$1 program=$2; shift 2
    check "$program" "$want" $valgrind "$build/$program" "$@"
    clean "$program"
}
raw=$out/raw
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1]}\n' >"$out/encoder.yaml"
tiny="--epochs 1 --iterations-per-epoch 2 --batch-size 2 --patch-size 32x32 --quiet"

watched 0 make_phantom -o "$raw" --cases 5 --size 2x32x32
watched 0 plan_and_preprocess "$raw" -o "$out/pre" --override "$out/narrow.yaml" --verify
watched 0 train "$out/pre" 0,1 -o "$out/r" $tiny --validation-iterations 1 --save-probabilities
watched 0 predict -i "$raw/imagesTr" -o "$out/p" -m "$out/r" --save-probabilities --overlay "$out/pictures"
watched 0 predict -i "$raw/imagesTr" -o "$out/q" -m "$out/r" -f 1 --save-probabilities
watched 0 evaluate "$raw/labelsTr" "$out/p" -o "$out/e"
watched 0 evaluate --compare "$out/e" "$out/e/summary.json"
watched 0 ensemble "$out/p" "$out/q" -o "$out/m" --quiet
watched 0 find_best_configuration "$out/r" -f 0,1 -o "$out/best.yaml"
cp -r "$out/r" "$out/longer"
watched 0 train "$out/pre" 0 -o "$out/longer" --continue --epochs 2 --no-validation --quiet
watched 0 convert_weights "$out/r/fold_0/checkpoint_final.safetensors" "$out/w.pth"
watched 0 convert_weights "$out/w.pth" "$out/w.safetensors"
watched 0 pretrain "$raw/imagesTr" -o "$out/encoder.safetensors" $tiny --override "$out/encoder.yaml"
watched 0 network_info swin_umamba_d -p 32x32 -c 1 -n 2
decathlon "$raw" 2 "$out/Task01_P"
watched 0 convert_dataset msd "$out/Task01_P" "$out/converted"
watched 1 convert_dataset msd "$raw" "$out/none"
watched 1 predict -i "$raw/none" -o "$out/none" -m "$out/r"
watched 1 train "$out/none" 0 -o "$out/none" $tiny
"$build/make_phantom" -o "$out/larger" --cases 1 --size 6x40x44 --quiet 2>/dev/null # with as many tiles as its checks need
"$build/predict" -i "$out/larger/imagesTr" -o "$out/l" -m "$out/r" --save-probabilities --quiet
check "the library" 0 $valgrind "$build/use_library" "$out/r" "$out/larger/imagesTr/phantom_001_0000.nii.gz" \
    "$out/l/phantom_001.nii.gz" "$out/l/phantom_001.npy"
grep '^not ok' "$out/stdout"
clean "the library"
if [ -x "$build/convert_dicom" ]; then
    "$build/make_dicom" "$out/ct" "$out/ct.nii" size=32x32x2 spacing=1,1 step=0,0,3
    watched 0 convert_dicom "$out/ct" -o "$out/ct.nii.gz"
    watched 0 predict -i "$out/ct" -m "$out/r" -o "$out/ct.dcm"
else echo "ok - convert_dicom # SKIP it is not built"; fi
if [ -x "$build/serve" ] && command -v curl >/dev/null; then
    $valgrind "$build/serve" -m "$out/r" --listen "unix:$out/socket" 2>"$out/served" & pid=$!
    until grep -q 'listening on' "$out/served" || ! kill -0 $pid 2>/dev/null; do sleep 0.1; done
    ask() { curl -sS --unix-socket "$out/socket" --max-time 300 -o "$out/answer" -w '%{http_code}' "$@"; }
    equals "serve predicts" "$(ask -F "image=@$raw/imagesTr/phantom_001_0000.nii.gz" http://localhost/predict)" 200
    is "what predict does" cmp "$out/answer" "$out/p/phantom_001.nii.gz"
    equals "refuses" "$(ask --data-binary @Makefile http://localhost/predict)" 415
    kill -TERM $pid; wait $pid; equals "serve ends" $? 0; pid=
    clean serve
else echo "ok - serve # SKIP it is not built, or there is no curl"; fi
