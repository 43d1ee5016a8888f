#!/bin/sh
# interrupt BUILD: signals end every program with one clear line, its status is 128+n, and no incomplete file is left.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

# Starts COMMAND… in the background, sends it SIGNAL once FILE is there (-: it has printed a message) and its handler of SIGTERM too, and
# waits: its status is in $status.
stop() { # SIGNAL FILE COMMAND…
    signal=$1 file=$2; shift 2
    "$@" >"$out/stdout" 2>"$out/stderr" & pid=$!
    until if [ "$file" = - ]; then [ -s "$out/stderr" ]; else ls $file >/dev/null 2>&1; fi && grep -q 'SigCgt:.*[4567cdef]...$' /proc/$pid/status || ! kill -0 $pid 2>/dev/null; do sleep 0.02; done
    kill -"$signal" $pid; wait $pid; status=$?; pid=
}
ended() { # WHAT STATUS LINE: as stop left it
    is "$1 ends with $2" test "$status" -eq "$2"
    has "$1 says what stands" "^$3" stderr
    is "$1 leaves no temporaries" sh -c "! find '$out' -name '*.tmp-*' | grep ."
}

stop INT "$out/long/imagesTr/*20*.gz" "$build/make_phantom" -o "$out/long" --cases 900 --size 8x40x44 --quiet
ended "make_phantom" 130 'make_phantom: interrupted; .*the same command'
has "make_phantom says so at once" '^make_phantom: Ctrl-C: stopping after the present step; once more stops at once$' stderr
is "make_phantom leaves no dataset.json" test ! -e "$out/long/dataset.json"

"$build/make_phantom" -o "$out/raw" --cases 5 --size 40x192x192 --quiet 2>/dev/null
printf 'network: {width: 0.125, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
stop TERM "$out/pre/2d/*" "$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml"
ended "plan_and_preprocess" 143 'plan_and_preprocess: interrupted by SIGTERM; finished cases are kept: the same command continues'
check "and it goes on" 0 "$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml"

train() { "$build/train" "$out/pre" 0 -o "$out/results" --iterations-per-epoch 2 --epochs 1 --batch-size 2 \
    --patch-size 32x32 --validation-iterations 1 --no-validation "$@"; }
train >/dev/null 2>&1
# The tests themselves may run under nohup.
stop HUP "$out/predictions" env --default-signal=HUP "$build/predict" -i "$out/raw/imagesTr" -o "$out/predictions" -m "$out/results" --quiet
ended "predict" 129 'predict: interrupted by SIGHUP; finished cases are kept: the same command continues with the others'

one=$out/raw/imagesTr/phantom_001_0000.nii.gz
stop INT - "$build/predict" -i "$one" -o "$out/single.nii.gz" -m "$out/results"
ended "predict of one image" 130 'predict: interrupted by Ctrl-C; no labels were written: the same command starts from the beginning'

# nohup: a program that was started with SIGHUP ignored outlives the terminal.
stop HUP "$out/kept/imagesTr/*20*.gz" sh -c "trap '' HUP; exec '$build/make_phantom' -o '$out/kept' --cases 40 --size 8x40x44"
is "under nohup SIGHUP does nothing" test $status -eq 0 -a -e "$out/kept/dataset.json"

# A program that blocks on a full pipe without a reader.
mkfifo "$out/pipe"; timeout 60 yes <>"$out/pipe" >"$out/pipe" & holder=$!
stop TERM "$out/results/fold_0/checkpoint_final.safetensors" \
    sh -c "exec '$build/network_info' swin_umamba -p 512x512 --yaml >'$out/pipe'"
kill $holder
ended "network_info" 143 'network_info: interrupted by SIGTERM; '

# On a terminal: a bar that is redrawn, and none if escape codes are disabled.
if command -v script >/dev/null; then
    escape=$(printf '\033')
    on_terminal() { TERM=$1 NO_COLOR=$2 script -qec "'$build/make_phantom' -o '$out/$3' --cases 60 --size 8x64x64" "$out/$3.log" >/dev/null 2>&1; }
    on_terminal xterm '' xterm; has "a terminal has a bar" "$escape" xterm.log
    on_terminal dumb '' dumb; lacks "a dumb one has none" "$escape" dumb.log
    has "but the message" 'phantoms: 60 done' dumb.log
    on_terminal xterm 1 plain; lacks "with NO_COLOR there is none" "$escape" plain.log
else
    echo "ok - bars on a terminal # SKIP there is no program 'script'"
fi
