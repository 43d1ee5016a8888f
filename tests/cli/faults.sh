#!/bin/sh
# faults BUILD: a sample of make faults. The programs are disturbed, and nothing may be lost (tests/faults/run).
build=$1
. tests/support/tap.sh
skip() { echo "ok - faults # SKIP $1"; exit 0; }
command -v python3 >/dev/null || skip "python3 is absent"
disturb() { python3 -B tests/faults/run "$@"; }
case $build in
*/asan) disturb "$build" --most 4;;
*/tsan | */debug) skip "it is for the release build, and for asan";;
*) . tests/faults/release.sh;;
esac
