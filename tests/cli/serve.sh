#!/bin/sh
# serve BUILD: a model behind HTTP: answers, errors, load, clients that go, overload, the end.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=2
if [ ! -x "$build/serve" ]; then echo "ok - serve # SKIP it is not built (libmicrohttpd)"; exit 0; fi
if ! command -v curl >/dev/null; then echo "ok - serve # SKIP there is no curl"; exit 0; fi

make_model() { # NAME OPTIONS-OF-make_phantom…
    name=$1; shift
    "$build/make_phantom" -o "$out/$name-raw" --cases 5 --quiet "$@" 2>/dev/null
    printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
    "$build/plan_and_preprocess" "$out/$name-raw" -o "$out/$name-pre" --override "$out/narrow.yaml" --quiet 2>/dev/null
    "$build/train" "$out/$name-pre" all -o "$out/$name" --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 \
        --batch-size 2 --patch-size 32x32 --no-validation --quiet 2>/dev/null
}
make_model volumes --size 4x36x40 --channels 2
make_model pictures --size 1x48x52 --ending .png
make_model pages --size 3x36x40 --ending .tif
image=$out/volumes-raw/imagesTr/phantom_001
form="-F image=@${image}_0000.nii.gz -F image=@${image}_0001.nii.gz"

url=http://localhost
start() { # MODEL OPTIONS…: a server on a unix socket, $pid
    model=$1; shift
    : >"$out/served" # the shell of a program in the background may be late
    "$build/serve" -m "$out/$model" --listen "unix:$out/socket" "$@" >"$out/served" 2>&1 & pid=$!
    tries=0
    until grep -q 'listening on' "$out/served" || [ $tries -ge 200 ]; do sleep 0.1; tries=$((tries + 1)); done
}
stop() { kill -TERM $pid; wait $pid; ended=$?; pid=; }
ask() { curl -sS -D "$out/headers" --unix-socket "$out/socket" --max-time 120 "$@"; }
status() { ask -o "$out/answer" -w '%{http_code}' "$@"; }
metric() { ask "$url/metrics" | sed -n "s/^swin_umamba_$1 //p"; }

# Answers.
check "predict makes the labels" 0 "$build/predict" -i "$out/volumes-raw/imagesTr" -m "$out/volumes" -o "$out/predicted" --quiet
start volumes
has "it tells where it listens" "listening on unix:$out/socket" served
warm=$(metric network_seconds_total)
is "the networks have run before it listens" test "$warm" != 0.000000
equals "only this user may use the socket" "$(stat -c %a "$out/socket")" 600
equals "health" "$(ask $url/health)" '{"status": "ok"}'
check "the model" 0 ask $url/model
has "its channels" '"channels": \["MRI", "' stdout
has "its classes" '{"name": "bright_organ", "label": 1}' stdout
equals "two channels are predicted" "$(status $form $url/predict)" 200
is "to the bytes of predict" cmp "$out/answer" "$out/predicted/phantom_001.nii.gz"
has "as a file" 'filename="labels.nii.gz"' headers
equals "one channel is too few" "$(status --data-binary "@${image}_0000.nii.gz" $url/predict)" 400
has "the message says which is missing" 'channel 1, ' answer
equals "a field that is no file" "$(status -F a=b $url/predict)" 400
has "is named" 'the field a is no file' answer
equals "an empty body" "$(status --data-binary '' $url/predict)" 400
has "the message says what to send" 'curl -F image=' answer
equals "what is no image" "$(status --data-binary @Makefile $url/predict)" 415
head -c 300 "${image}_0000.nii.gz" >"$out/cut.nii.gz"
equals "a file that is cut off" "$(status -F "i=@$out/cut.nii.gz" -F "i=@${image}_0001.nii.gz" $url/predict)" 400
has "is named as the client does" 'cut.nii.gz: cut off' answer
# A header that names another file: the answer tells nothing of that file, not even whether it exists.
meta='ObjectType = Image\nNDims = 3\nDimSize = 1 1 1\nElementType = MET_UCHAR\nBinaryData = False\nElementDataFile = '
nrrd='NRRD0004\ntype: uint8\ndimension: 3\nsizes: 1 1 1\nencoding: ascii\ndata file: '
printf 'secret-content' >"$out/secret"
for name in "$out/secret" "$out/absent" LIST "s%d 1 1 1"; do
    printf "$meta%s\n" "$name" >"$out/named.mha"; printf "$nrrd%s\n" "$name" >"$out/named.nrrd"
    if [ "$name" = LIST ]; then echo "$out/secret" | tee -a "$out/named.mha" >>"$out/named.nrrd"; fi
    for kind in mha nrrd; do
        equals "$kind that names the file ${name##*/}" "$(status --data-binary "@$out/named.$kind" $url/predict)" 415
        has "the message for $kind says what to send, not ${name##*/}" 'send one file with header and voxels (.mha, .nrrd, .nii or .nii.gz)' answer
        lacks "and nothing of the file, $kind, ${name##*/}" 'secret\|absent\|cut off\|exist\|No such' answer
    done
done
gzip -dc "${image}_0000.nii.gz" | head -c 344 >"$out/named.hdr"; printf 'ni1\0' >>"$out/named.hdr"
equals "the header of a NIfTI pair" "$(status -F "i=@$out/named.hdr" -F "i=@${image}_0001.nii.gz" $url/predict)" 415
has "the message says what to send instead of a pair" 'named.hdr: .*send one file with header and voxels' answer
lacks "and looks for no other file" 'exist' answer
odd=$(printf 'caf\351\033[31m.nii.gz')
equals "so is one with an odd name" "$(status -F "i=@$out/cut.nii.gz;filename=$odd" -F "i=@${image}_0001.nii.gz" $url/predict)" 400
has "in valid JSON" 'caf??\[31m.nii.gz: cut off' answer
lacks "without a code for the terminal" "$(printf '\033')" served
equals "what failed is counted" "$(metric 'answers_total{status="400"}')" 5
# A client that goes away after the headers. Its request has no end: the shell writes nothing.
for question in health predict other; do
    sleep 0.5 | curl -s --unix-socket "$out/socket" --max-time 0.3 -H 'Expect:' -X POST -T - -o "$out/unanswered" $url/$question
    equals "a client that goes within its body, to /$question, leaves a server that answers" "$(ask $url/health)" '{"status": "ok"}'
done
# A form whose pieces end within the first bytes of a part.
part() { printf -- '--bb\r\nContent-Disposition: form-data; name="image"; filename="%s"\r\n\r\n' "$1"; }
pieces() {
    for channel in 0 1; do
        part phantom_000$channel.nii.gz; sleep 0.2
        head -c 2 "${image}_000$channel.nii.gz"; sleep 0.2
        tail -c +3 "${image}_000$channel.nii.gz"; printf '\r\n'
    done
    printf -- '--bb--\r\n'
}
send_form() { status -X POST -T - -H 'Expect:' -H 'Content-Type: multipart/form-data; boundary=bb' $url/predict; }
equals "a form in pieces" "$(pieces | send_form)" 200
is "is the same form" cmp "$out/answer" "$out/predicted/phantom_001.nii.gz"
equals "a wrong method" "$(status $url/predict)" 405
equals "another place" "$(status $url/other)" 404
has "the message lists what there is" 'POST /predict, GET /health' answer
is "the network's time is a part of the prediction's" awk -v a="$(metric network_seconds_total)" -v b="$(metric prediction_seconds_sum)" \
    -v warm="$warm" 'BEGIN { exit !(a > warm && a - warm < b) }'
equals "what was done is counted" "$(metric 'predictions_total{end="done"}')" 2
equals "and what was not supported" "$(metric 'answers_total{status="415"}')" 10
stop
equals "SIGTERM ends it" $ended 0
has "after all requests" 'SIGTERM: stopping after the requests that it has; once more stops at once' served
is "the socket is removed" test ! -e "$out/socket"

# Other formats: the answer has the image's.
for kind in pictures:png pages:tif; do
    model=${kind%:*} ending=${kind#*:}; first=$out/$model-raw/imagesTr/phantom_001_0000.$ending
    check "predict of $ending" 0 "$build/predict" -i "$first" -m "$out/$model" -o "$out/one.$ending" --quiet --overwrite
    start "$model" --quiet
    equals "$ending is predicted" "$(status --data-binary "@$first" $url/predict)" 200
    is "to the bytes of predict" cmp "$out/answer" "$out/one.$ending"
    stop
done

# Load: 4 clients, 200 requests, and some that go away; memory stays as it is.
start volumes --no-tta --quiet
client() { # NUMBER COUNT
    i=0; good=0
    while [ $i -lt "$2" ]; do
        curl -sS --unix-socket "$out/socket" --max-time 60 -o "$out/load-$1" $form $url/predict 2>/dev/null &&
            cmp -s "$out/load-$1" "$out/load" && good=$((good + 1))
        i=$((i + 1))
    done
    echo "$good" >"$out/good-$1"
}
equals "a first one" "$(status $form $url/predict)" 200; cp "$out/answer" "$out/load"
load() { client 1 "$1" & a=$!; client 2 "$1" & b=$!; client 3 "$1" & c=$!; client 4 "$1" & d=$!; wait $a $b $c $d; cat "$out"/good-? | tr '\n' ' '; }
equals "4 clients are served" "$(load 15)" "15 15 15 15 "
before=$(metric resident_memory_bytes)
for i in 1 2 3; do curl -s --unix-socket "$out/socket" --max-time 0.03 -o /dev/null $form $url/predict; done
equals "also when others go away" "$(load 35)" "35 35 35 35 "
after=$(metric resident_memory_bytes)
memory="memory is as it was (${before%.*}, ${after%.*} bytes)"
case $build in
*/asan|*/tsan) echo "ok - $memory # SKIP a sanitizer keeps what was freed" ;;
*) is "$memory" test $((after - before)) -lt $((4 << 20)) ;;
esac
tries=0
until [ "$(metric requests_inside)" = 0 ] || [ $tries -ge 100 ]; do sleep 0.1; tries=$((tries + 1)); done
equals "nobody is left inside" "$(metric requests_inside)" 0
equals "files in memory are closed" "$(ls -l /proc/$pid/fd | grep -c memfd)" 0
stop

# Overload: one is predicted, one waits, the third is sent away. Large images, so that it takes long.
"$build/make_phantom" -o "$out/large" --cases 1 --size 64x160x160 --channels 2 --quiet 2>/dev/null
large="-F image=@$out/large/imagesTr/phantom_001_0000.nii.gz -F image=@$out/large/imagesTr/phantom_001_0001.nii.gz"
start volumes --queue 1 --max-body 20M
curl -s --unix-socket "$out/socket" -o "$out/first" $large $url/predict & first=$!
until [ "$(metric requests_working)" = 1 ]; do sleep 0.1; done
curl -s --unix-socket "$out/socket" -o "$out/second" $form $url/predict & second=$!
until [ "$(metric requests_inside)" = 2 ]; do sleep 0.1; done
equals "more than may wait are sent away" "$(status $form $url/predict)" 503
has "with the time to try again" '^Retry-After: [1-9]' headers
equals "also a client that asks first" "$(status -H 'Expect: 100-continue' $form $url/predict)" 503
kill $first; wait $first 2>/dev/null
check "the one that waited is served when the first goes away" 0 wait $second
is "to the bytes of predict" cmp "$out/second" "$out/predicted/phantom_001.nii.gz"
has "the server notices" 'the client is gone' served
head -c 22000000 /dev/zero >"$out/long"
equals "a body that is too long" "$(status --data-binary "@$out/long" $url/predict)" 413
has "with the limit" '20971520 bytes (--max-body)' answer
is "also of unknown length" sh -c "! curl -s --unix-socket '$out/socket' -T - $url/predict -X POST <'$out/long' -o '$out/chunked' -f"
endless() { printf -- '--bb\r\nContent-Disposition: form-data; name="a"\r\n\r\nno file\r\n'; part a.nii; cat "$out/long"; }
equals "also behind what was refused" "$(endless | send_form 2>/dev/null)" 000
equals "it still serves" "$(status $form $url/predict)" 200

# The end: what is inside is finished, new ones are not taken.
curl -s --unix-socket "$out/socket" -o "$out/last" -w '%{http_code}' $large $url/predict >"$out/last-status" & last=$!
until [ "$(metric requests_working)" = 1 ]; do sleep 0.1; done
kill -TERM $pid
sleep 0.3
is "no new connection is taken" sh -c "! curl -s --unix-socket '$out/socket' $url/health"
wait $last; wait $pid; ended=$?; pid=
equals "the last one is answered" "$(cat "$out/last-status")" 200
equals "then it ends" $ended 0

# Memory, starting.
start volumes --memory 1M
equals "too little memory" "$(status $form $url/predict)" 413
has "with what is needed" 'needs up to' answer
kill -KILL $pid; wait $pid 2>/dev/null; pid=
start volumes --parallel 2 -j 2
equals "a socket of a killed server is no obstacle" "$(ask $url/health)" '{"status": "ok"}'
equals "two models" "$(ask $url/model | grep -c '"parallel": 2, "threads": 1')" 1
check "another server on it is refused" 1 "$build/serve" -m "$out/volumes" --listen "unix:$out/socket"
has "with the reason" 'another server listens there' stderr
stop
start volumes
many=; for i in 1 2 3; do many="$many -F i=@${image}_0000.nii.gz"; done
equals "more files than channels" "$(status $many $url/predict)" 400
has "are told" 'more than 2 files: a request has one file, or one for each channel' answer
if command -v prlimit >/dev/null; then
    limit=0 room=2 # a connection, and the first of two files
    while [ $room -gt 0 ]; do [ -L "/proc/$pid/fd/$limit" ] || room=$((room - 1)); limit=$((limit + 1)); done
    prlimit --pid $pid --nofile=$limit
    equals "no room for more files is no fault of the request" "$(status $form $url/predict)" 503
    has "the message tells why" 'no file in memory could be made: Too many open files' answer
else echo "ok - no room for more files # SKIP there is no prlimit"; fi
stop
if command -v python3 >/dev/null; then
    python3 -c 'import socket, sys, time; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); time.sleep(60)' \
        "$out/datagrams" & pid=$!
    until [ -S "$out/datagrams" ]; do sleep 0.1; done
    check "a socket of another kind" 1 "$build/serve" -m "$out/volumes" --listen "unix:$out/datagrams"
    has "is not taken for that of a killed server" 'another program may use this socket' stderr
    is "and stays" test -S "$out/datagrams"
    kill $pid; wait $pid 2>/dev/null; pid=
else echo "ok - a socket of another kind # SKIP there is no python3"; fi
check "no model" 2 "$build/serve"
check "a folder without a model" 1 "$build/serve" -m "$out/volumes-raw"
check "a file in the way" 1 "$build/serve" -m "$out/volumes" --listen "unix:$out/long"
has "stays" 'there is a file of this name' stderr
check "an address without a port" 1 "$build/serve" -m "$out/volumes" --listen localhost
: >"$out/served"; "$build/serve" -m "$out/volumes" --listen 127.0.0.1:0 >"$out/served" 2>&1 & pid=$!
until grep -q 'listening on' "$out/served"; do sleep 0.1; done
port=$(sed -n 's|.*listening on http://127.0.0.1:||p' "$out/served")
equals "a port of the loopback" "$(curl -s "http://127.0.0.1:$port/health")" '{"status": "ok"}'
lacks "is no reason to warn" 'other machines' served
stop
: >"$out/served"; "$build/serve" -m "$out/volumes" --listen 0.0.0.0:0 >"$out/served" 2>&1 & pid=$!
until grep -q 'listening on' "$out/served"; do sleep 0.1; done
has "any other address is" 'can be reached from other machines' served
stop

# The tool that measures it.
if command -v python3 >/dev/null; then
    check "bench/serve_latency" 0 bench/serve_latency "$build" --size 1x40x40 --width 0.0625 --patch 32x32 --repeat 1 --mirroring no --markdown
    equals "measures each format by each socket" "$(grep -c '^| 1x40x40 | .nii' "$out/stdout")" 4
else echo "ok - bench/serve_latency # SKIP there is no python3"; fi
