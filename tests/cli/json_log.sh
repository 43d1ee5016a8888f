#!/bin/sh
# json_log BUILD: --json-log writes one JSON object per line to stdout, in every program; bars are drawn
# on a terminal only.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
if command -v python3 >/dev/null; then
    well_formed() { python3 -c 'import json,sys
for line in open(sys.argv[1]):
    d = json.loads(line); assert d["event"] in ("message", "progress", "epoch", "request", "table", "end") and d["time"].endswith("Z"), line' "$1"; }
else
    well_formed() { ! grep -qv '^{"time": "[^"]*Z", "event": "[a-z]*".*}$' "$1"; }
fi
logs() { # WHAT STATUS COMMAND…
    who=$1 status_wanted=$2; shift 2
    check "$who" "$status_wanted" "$@" --json-log
    is "$who: every line is an object" well_formed "$out/stdout"
    equals "$who: the end comes last, and once" "$(grep -c '"event": "end"' "$out/stdout") \
$(tail -1 "$out/stdout" | sed 's/.*"event": "end", "status": \([0-9]*\).*/\1/')" "1 $status_wanted"
}
logs make_phantom 0 "$build/make_phantom" -o "$out/raw" --cases 5 --size 4x40x44
has "tells of each case" '"event": "progress", "task": "phantoms", "done": 5, "total": 5, "failed": 0' stdout
logs plan_and_preprocess 0 "$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --explain
has "names each case" '"task": "preprocess", .*"item": "phantom_00[1-5]"' stdout
has "puts tables into it" '"event": "table", "text": ".*patch' stdout
has "and messages" '"event": "message", "level": "note", "text": "plan: ' stdout
set -- --epochs 2 --iterations-per-epoch 2 --validation-iterations 1 --batch-size 2 --patch-size 32x32
run_train() { "$build/train" "$out/pre" 0 -o "$out/results" --save-probabilities "$@"; }
check "train" 0 run_train "$@" --json-log
is "train: every line is an object" well_formed "$out/stdout"
equals "train: an epoch each" "$(grep -c '"event": "epoch"' "$out/stdout")" 2
has "train: names the validation's cases" '"task": "validation: cases", "done": 1, .*"item": "phantom_00[1-5]"' stdout
lacks "train: finished ones only" '"item": null' stdout
logs predict 0 "$build/predict" -i "$out/raw/imagesTr" -o "$out/pred" -m "$out/results"
equals "predict: a line for each case" "$(grep -c '"event": "progress".*"item": "phantom_' "$out/stdout")" 5
logs evaluate 0 "$build/evaluate" "$out/raw/labelsTr" "$out/pred" -o "$out/scores" --quiet
has "evaluate: the table" '"event": "table", "text": ".*Dice' stdout
logs find_best_configuration 0 "$build/find_best_configuration" "$out/results" -o "$out/inference.yaml" -f 0 --quiet
has "find_best_configuration: the table" '"event": "table", "text": ".*Dice' stdout
"$build/predict" -i "$out/raw/imagesTr" -o "$out/probable" -m "$out/results" --save-probabilities --quiet
logs ensemble 0 "$build/ensemble" "$out/probable" -o "$out/mean" -d "$out/raw/dataset.json" --quiet
logs "pretrain, which fails" 1 "$build/pretrain" "$out/none" -o "$out/e.safetensors" --epochs 1 --quiet
has "it tells why" '"event": "message", "level": "error", "text": ".*none' stdout
logs convert_weights 0 "$build/convert_weights" "$out/results/fold_0/checkpoint_final.safetensors" "$out/w.pth"
cp -r "$out/raw/imagesTr" "$out/broken"; echo x >"$out/broken/phantom_001_0000.nii.gz"
logs "predict with a broken case" 1 "$build/predict" -i "$out/broken" -o "$out/pred2" -m "$out/results"
has "counts it as failed" '"failed": 1, "item": "phantom_001"' stdout
equals "without --json-log stdout has none" "$("$build/predict" -i "$out/raw/imagesTr" -o "$out/pred" -m "$out/results" --overwrite 2>/dev/null)" ''

logs network_info 0 "$build/network_info" nnunet -p 64x64 -c 1 -n 2
has "network_info: the table" '"event": "table", "text": "layer .*parameters: [0-9]' stdout
check "network_info without it" 0 "$build/network_info" nnunet -p 64x64 -c 1 -n 2
has "prints the table" '^parameters: [0-9]' stdout
logs "network_info, which fails" 1 "$build/network_info" nnun -p 64x64
logs bench 0 "$build/bench" --quick --networks --network swin_umamba_d --size 32x32 --batch-size 1 --json "$out/bench.json"
has "bench: rows of a table" '"event": "table", "text": ".*networks' stdout
if [ -x "$build/serve" ] && command -v curl >/dev/null; then
    "$build/serve" -m "$out/results" --listen "unix:$out/socket" --json-log >"$out/stdout" 2>"$out/stderr" & pid=$!
    tries=0
    until grep -q 'listening on' "$out/stdout" || [ $tries -ge 200 ]; do sleep 0.1; tries=$((tries + 1)); done
    image=$out/raw/imagesTr/phantom_001_0000.nii.gz
    curl -sS --unix-socket "$out/socket" --data-binary "@$image" -o "$out/served.nii.gz" http://localhost/predict
    curl -sS --unix-socket "$out/socket" --data-binary @Makefile -o "$out/refused" http://localhost/predict
    kill -TERM $pid; wait $pid; status=$?; pid=
    equals "serve ends" $status 0
    is "serve: every line is an object" well_formed "$out/stdout"
    has "a prediction" "\"event\": \"request\", \"status\": 200, \"bytes\": $(wc -c <"$image"), \"waited\": [0-9]" stdout
    has "one that is refused" '"event": "request", "status": 4[0-9][0-9], .*"error": "' stdout
    has "the end's status is that of the process" '"event": "end", "status": 0' stdout
else echo "ok - serve # SKIP it is not built (libmicrohttpd), or there is no curl"; fi

# No program lacks it.
for program in $(sed -n '/^PROGRAMS/,/[^\\]$/p' Makefile | tr ' ' '\n' | sed -n 's|^[a-z]*/\([a-z_]*\)$|\1|p'); do
    if [ -x "$build/$program" ] && "$build/$program" --version 2>/dev/null | grep -q 'Swin-UMamba in C'; then
        "$build/$program" --help-all >"$out/help" 2>&1
        has "$program has the option" '--json-log' help
    fi
done

# Bars and codes of the terminal: only on one, and not with NO_COLOR.
command="$build/make_phantom -o $out/bar --cases 3 --overwrite"
if script -qec true /dev/null >/dev/null 2>&1; then
    bar() { env TERM="$1" NO_COLOR="$2" script -qec "$command" /dev/null </dev/null | tr -d '\r' | grep -c "$(printf '\033')"; }
    is "a terminal gets a bar" test "$(bar xterm '')" -gt 0
    equals "not with NO_COLOR" "$(bar xterm 1)" 0
    equals "not if it is dumb" "$(bar dumb '')" 0
else echo "ok - bars on a terminal # SKIP there is no script(1)"; fi
$command 2>"$out/err"
lacks "a file gets none" "$(printf '\033')" err
