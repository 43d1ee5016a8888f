#!/bin/sh
# serve_hostile BUILD: clients that are slow, many, silent or ambiguous, and browsers, do not keep others from serve.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=2
if [ ! -x "$build/serve" ]; then echo "ok - serve # SKIP it is not built (libmicrohttpd)"; exit 0; fi
for tool in curl python3; do
    if ! command -v $tool >/dev/null; then echo "ok - serve # SKIP there is no $tool"; exit 0; fi
done
"$build/make_phantom" -o "$out/raw" --cases 5 --size 1x48x52 --ending .png --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet 2>/dev/null
"$build/train" "$out/pre" all -o "$out/model" --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 --batch-size 2 \
    --patch-size 32x32 --no-validation --quiet 2>/dev/null
image=$out/raw/imagesTr/phantom_001_0000.png

listen() { # LOG ADDRESS OPTIONS…: $started, $port
    log=$1 address=$2; shift 2
    : >"$log"
    "$build/serve" -m "$out/model" --listen "$address" "$@" >"$log" 2>&1 & started=$!
    tries=0
    until grep -q 'listening on' "$log" || [ $tries -ge 200 ]; do sleep 0.1; tries=$((tries + 1)); done
    port=$(sed -n 's|.*listening on http://.*:\([0-9]*\)$|\1|p' "$log")
}
client() { python3 tests/support/hostile_client.py "$@"; }
status() { curl -sS --max-time 60 -o "$out/answer" -w '%{http_code}' "$@"; }

# Bodies of a byte now and then: two servers, one is looked at again when the rest is done.
listen "$out/slow" 127.0.0.1:0 --queue 1 --no-tta; slow=$started slow_port=$port pid=$started
client "$slow_port" drip 2 >"$out/drip" & drip=$!
files=$(ulimit -S -n); ulimit -S -n 128
listen "$out/served" 127.0.0.1:0 --no-tta; server=$started; pid="$slow $server"
ulimit -S -n "$files"
url=http://127.0.0.1:$port

# Files.
equals "files of all requests may be open, and others are answered" "$(client "$port" files "$server")" "1088 200"
lacks "no connection failed" 'Too many open files' served
check "a process that may open too few files" 1 sh -c "ulimit -n 128; exec '$build/serve' -m '$out/model' --listen '127.0.0.1:0'"
has "is told how many" '17 requests at a time may need [0-9]* open files, and this process may have 128: ' stderr
tries=0; until [ "$(status --data-binary "@$image" "$url/predict")" = 200 ] || [ $tries -ge 20 ]; do sleep 0.1; tries=$((tries + 1)); done
equals "then there is room again" "$(status --data-binary "@$image" "$url/predict")" 200

# Connections.
equals "200 connections that ask nothing lock nobody out" "$(client "$port" idle 200)" 200
equals "300 requests that end early" "$(client "$port" cut 300)" 200
has "are told" 'closed by remote side' served
has "not each of them" 'more messages about connections are left out' served
is "so that the log stays short" test "$(wc -l <"$out/served")" -lt 40

# Requests that two servers could understand in two ways.
raw() { printf "$1" | client "$port" raw; }
get='GET /health HTTP/1.1\r\nHost: localhost\r\n' post='POST /predict HTTP/1.1\r\nHost: localhost\r\n'
equals "a plain request" "$(raw "$get\r\n")" 200
equals "two lengths" "$(raw "${post}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")" 400
equals "a length and an encoding" "$(raw "${post}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")" 400
equals "two encodings" "$(raw "${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")" 400
equals "an encoding of another name" "$(raw "${post}Transfer-Encoding: gzip\r\n\r\nabc")" 400
equals "a space before the colon" "$(raw "${post}Content-Length : 3\r\n\r\nabc")" 400
equals "two hosts" "$(raw "${get}Host: localhost\r\n\r\n")" 400
equals "no host" "$(raw 'GET /health HTTP/1.1\r\n\r\n')" 400
equals "no host, HTTP/1.0" "$(raw 'GET /health HTTP/1.0\r\n\r\n')" 200
equals "a path with a zero" "$(raw 'GET /health%%00x HTTP/1.1\r\nHost: localhost\r\n\r\n')" 404
equals "a chunked body" "$(status -T - -X POST "$url/predict" <"$image")" 200
form() { printf -- '--%s\r\nContent-Disposition: form-data; name="i"; filename="i.png"\r\n\r\n' "$1"; cat "$image"; printf '\r\n--%s--\r\n' "$1"; }
send_form() { form bb | status --data-binary @- -H "Content-Type: multipart/form-data$1" "$url/predict"; }
equals "a form" "$(send_form '; boundary=bb')" 200
equals "a form without a boundary" "$(send_form '')" 400
has "is told so" 'Content-Type is multipart/form-data: its boundary is missing' answer
equals "a form whose boundary the library does not take" "$(form b | status --data-binary @- -H 'Content-Type: multipart/form-data; boundary=b' "$url/predict")" 400
has "is told what is expected" 'boundary=b: its boundary is missing or cannot be used: expected' answer

# Browsers: their pages may send requests to the loopback.
for host in localhost "localhost:$port" LOCALHOST 127.0.0.1 "127.1.2.3:$port" "[::1]:$port"; do
    equals "Host $host" "$(status -H "Host: $host" "$url/health")" 200
done
for host in evil.example "evil.example:$port" 127.0.0.1.evil.example 127.evil.example localhost.evil.example 10.0.0.1 '[fe80::1]' ''; do
    equals "Host ${host:-of no name}" "$(printf 'GET /model HTTP/1.1\r\nHost: %s\r\n\r\n' "$host" | client "$port" raw)" 403
done
equals "also for a prediction" "$(status -H 'Host: evil.example' --data-binary "@$image" "$url/predict")" 403
has "the message says what is expected" 'Host is evil.example: expected localhost, ' answer
for origin in https://evil.example http://localhost null "http://127.0.0.1:$port.evil.example"; do
    equals "Origin $origin" "$(status -H "Origin: $origin" --data-binary "@$image" "$url/predict")" 403
done
has "the message says what to do" 'a page of another server may not ask' answer
equals "its own origin" "$(status -H "Origin: $url" --data-binary "@$image" "$url/predict")" 200
curl -sS "$url/metrics" >"$out/metrics"
has "refusals are counted" 'answers_total{status="403"} 13$' metrics
kill -TERM "$server"; wait "$server"; equals "SIGTERM ends it" $? 0; pid=$slow
listen "$out/served" 0.0.0.0:0; pid="$slow $started"
equals "where other machines may ask, any name leads here" "$(status -H 'Host: seg.example' "http://127.0.0.1:$port/health")" 200
equals "but not a page of another server" "$(status -H 'Host: seg.example' -H 'Origin: https://evil.example' "http://127.0.0.1:$port/health")" 403
kill -TERM "$started"; wait "$started"; pid=$slow
listen "$out/served" "unix:$out/socket"; pid="$slow $started"
equals "no browser reaches a socket" \
    "$(status --unix-socket "$out/socket" -H 'Host: seg.example' -H 'Origin: https://seg.example' http://seg.example/health)" 200
kill -TERM "$started"; wait "$started"; pid=$slow

# The slow bodies.
wait "$drip"; seconds=$(tail -1 "$out/drip")
is "slow bodies are given up after 20 s ($seconds s)" test "$seconds" -ge 19 -a "$seconds" -le 40
has "this is told" 'a client was too slow' slow
equals "then their places are free" "$(status --data-binary "@$image" "http://127.0.0.1:$slow_port/predict")" 200
client "$slow_port" drip 2 >"$out/drip" & drip=$!
tries=0
until curl -sS "http://127.0.0.1:$slow_port/metrics" | grep -q 'requests_inside 2$' || [ $tries -ge 50 ]; do sleep 0.1; tries=$((tries + 1)); done
equals "as long as they send, there is no place" "$(status --data-binary "@$image" "http://127.0.0.1:$slow_port/predict")" 503
before=$(date +%s)
kill -TERM "$slow"; wait "$slow"; ended=$?; pid=
equals "SIGTERM ends a server with slow bodies" $ended 0
is "within seconds" test $(($(date +%s) - before)) -le 15
wait "$drip"
