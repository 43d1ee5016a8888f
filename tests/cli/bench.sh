#!/bin/sh
# bench: what it writes and refuses; nothing here looks at a time.
build=$1
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
check() { # WHAT COMMAND…
    what=$1; shift
    if "$@" >"$work/log" 2>&1; then echo "ok - $what"; else echo "not ok - $what"; sed 's/^/# /' "$work/log"; fi
}
status_is() { # STATUS COMMAND…
    expected=$1; shift
    "$@"; [ $? -eq "$expected" ]
}
bench() { "$build/bench" --quick --size 64x64 -j 1 --quiet "$@"; }

check 'parts are measured' bench --ops --networks --pipeline -n swin_umamba_d --json "$work/a.json"
for section in limits ops networks pipeline; do
    check "the file has $section" grep -q "\"$section\"" "$work/a.json"
done
for field in network height width batch precision what seconds fraction_of_peak peak_bytes; do
    check "networks have $field" sh -c "sed -n '/\"networks\"/,/\"pipeline\"/p' '$work/a.json' | grep -q '\"$field\"'"
done
check 'runs are compared' bench --networks -n swin_umamba_d --compare "$work/a.json"
cp "$work/log" "$work/ratios"
check 'with ratios' grep -q 'swin_umamba_d.*forward.*seconds ×' "$work/ratios"
check 'an unknown network is an error' status_is 1 bench --networks -n swin_umamba_e
check 'a size that no network takes is wrong usage' status_is 2 bench --networks --size 64
check 'a missing file to compare with is an error' status_is 1 bench --networks --compare "$work/none.json"
check 'a wrong option is wrong usage' status_is 2 bench --what backward
