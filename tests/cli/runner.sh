#!/bin/sh
# runner BUILD: tests/run and tests/count, with tests that are made to fail in every way: none may count as passed.
. tests/support/tap.sh
mkdir -p "$out/tests/cli" "$out/build/tests" "$out/logs"
cp tests/run tests/count "$out/tests/"

program() { # NAME: its lines come from stdin
    { echo '#!/bin/sh'; cat; } >"$out/build/tests/$1"; chmod +x "$out/build/tests/$1"; : >"$out/tests/$1.c"
}
script() { cat >"$out/tests/cli/$1.sh"; }
runs() { # [--jobs N] NAME…
    (cd "$out" && if [ "$1" = --jobs ]; then jobs=$2; shift 2; tests/run --jobs "$jobs" build "$@"; else tests/run build "$@"; fi)
}
counts() { # WHAT STATUS LAST-LINE NAME…
    what=$1 want=$2 last=$3; shift 3
    runs "$@" >"$out/log" 2>&1; status=$?
    if [ $status -eq "$want" ] && [ "$(tail -1 "$out/log")" = "$last" ]; then echo "ok - $what"; else
        echo "not ok - $what (status $status)"; sed 's/^/    /' "$out/log"; fi
}

program test_good <<'T'
echo 1..2; echo ok 1 - a; echo "ok 2 - b # SKIP not here"
T
script good <<'T'
echo ok - a; echo ok - b
T
counts "what passes counts" 0 "3 passed, 0 failed, 1 skipped" test_good good

script own_words <<'T'
set -- some words of its own; echo ok - a
T
counts "a script may set its words" 0 "1 passed, 0 failed" own_words

program test_crash <<'T'
echo 1..2; echo ok 1 - a; echo "ok 2 - b # SKIP not here"; kill -SEGV $$
T
counts "a crash after a skip fails" 1 "1 passed, 1 failed, 1 skipped" test_crash
program test_status <<'T'
echo 1..2; echo ok 1 - a; echo "ok 2 - b # SKIP not here"; exit 23
T
counts "so does an exit status" 1 "1 passed, 1 failed, 1 skipped" test_status
program test_short <<'T'
echo 1..3; echo ok 1 - a; echo ok 2 - b
T
counts "fewer results than planned fail" 1 "2 passed, 1 failed" test_short
program test_planless <<'T'
echo ok 1 - a
T
counts "a program without a plan fails" 1 "1 passed, 1 failed" test_planless
program test_silent <<'T'
exit 0
T
counts "a program without a result fails" 1 "0 passed, 2 failed" test_silent
program test_notok <<'T'
echo 1..2; echo not ok 1 - a; echo ok 2 - b
T
counts "a failure fails with status 0, too" 1 "1 passed, 1 failed" test_notok
program test_bail <<'T'
echo 1..1; echo ok 1 - a; echo "Bail out! no more"
T
counts "one that bails out fails" 1 "1 passed, 1 failed" test_bail
script killer <<'T'
kill -KILL $(ps -o ppid= $PPID)
T
counts "one that ends the shell above it fails, and what then did not run" 1 "0 passed, 2 failed" --jobs 1 killer good
script endless <<'T'
echo ok - a; sleep 8
T
LONGEST=1; export LONGEST
counts "one that does not end fails" 1 "1 passed, 3 failed" endless
unset LONGEST
MEETING=$out/meeting; export MEETING; mkdir "$MEETING"
script meets <<'T'
: >"$MEETING/$$"; tries=0
until [ "$(ls "$MEETING" | wc -l)" -eq 2 ] || [ $tries -eq 100 ]; do sleep 0.1; tries=$((tries + 1)); done
if [ $tries -lt 100 ]; then echo "ok - another one runs"; else echo "not ok - alone"; fi
T
counts "two tests run at a time" 0 "2 passed, 0 failed" meets meets
script early <<'T'
echo ok - a
exit 0
echo ok - b
T
counts "a script that ends early fails" 1 "1 passed, 1 failed" early
script dies <<'T'
set -e
echo ok - a
false
echo ok - b
T
counts "a script that dies fails" 1 "1 passed, 2 failed" dies
script skips <<'T'
echo "ok - nothing here # SKIP no data"; exit 0
T
counts "a script may skip and end" 0 "0 passed, 0 failed, 1 skipped" skips
script skips_and_fails <<'T'
echo "ok - nothing here # SKIP no data"; exit 3
T
counts "but not with a failure" 1 "0 passed, 2 failed, 1 skipped" skips_and_fails
script misspelt <<'T'
echo ok - a
chekc "this check is never made" 0 true
echo ok - b
T
counts "a command that is not there fails" 1 "2 passed, 1 failed" misspelt
script syntax <<'T'
echo ok - a
if true; then echo ok - b
T
counts "a script that cannot be read fails" 1 "1 passed, 3 failed" syntax
script empty <<'T'
# nothing
T
counts "an empty script fails" 1 "0 passed, 1 failed" empty
counts "a test that is not there fails" 1 "0 passed, 1 failed" test_nowhere
: >"$out/tests/test_unbuilt.c"
runs >"$out/log" 2>&1
has "a test that was not built fails" '^test_unbuilt: there is no such test' log
rm -rf "$out/tests"/test_* "$out/tests/cli"; counts "no test at all fails" 1 "0 passed, 2 failed"

# A sanitizer's report fails a test, also where the program was expected to fail and its output went elsewhere.
mkdir "$out/tests/cli"
cat >"$out/bad.c" <<'T'
#include <stdlib.h>
int main(int argc, char **argv)
{
    volatile int most = 0x7fffffff;
    char *volatile block = malloc(argc);
    (void)argv;
    if (argc > 1) most += argc;
    block = NULL;
    return 1;
}
T
if ${CC:-cc} -fsanitize=address,undefined -fno-sanitize-recover=undefined "$out/bad.c" -o "$out/bad" 2>/dev/null; then
    script leak <<'T'
if ./bad >/dev/null 2>&1; then echo not ok - it fails as expected; else echo ok - it fails as expected; fi
T
    counts "a report of a leak fails" 1 "1 passed, 1 failed" leak
    has "and is shown" 'LeakSanitizer: detected memory leaks' log
    script overflow <<'T'
./bad overflow 2>&1; status=$?; if [ $status -eq 1 ]; then echo ok - it fails as expected; else echo not ok - status $status; fi
T
    counts "undefined behaviour fails" 1 "0 passed, 1 failed" overflow
    has "its status is no program's" 'not ok - status 99' log
    has "and it is shown" 'runtime error: signed integer overflow' log
else
    echo "ok - a sanitizer's report # SKIP the compiler has no sanitizers here"
fi

# The sum over several runs.
sums() { # WHAT STATUS LINE FAILED-STEPS LOG…
    what=$1 want=$2 line=$3 steps=$4; shift 4
    printf '%s\n' "$@" >"$out/steps"
    found=$(tests/count "$out/steps" "$steps"); status=$?
    is "$what" test "$status $found" = "$want $line"
}
sums "counts are added" 0 "5 passed, 0 failed, 1 skipped" 0 "2 passed, 0 failed" "3 passed, 0 failed, 1 skipped"
sums "failures of any make the sum fail" 1 "2 passed, 1 failed, 0 skipped" 1 "1 passed, 0 failed" "1 passed, 1 failed"
sums "a step that failed without a count fails" 1 "2 passed, 1 failed, 0 skipped" 1 "2 passed, 0 failed"
sums "a step that failed after a good count fails" 1 "4 passed, 1 failed, 0 skipped" 1 "2 passed, 0 failed" "2 passed, 0 failed"
sums "nothing counted fails" 1 "0 passed, 1 failed, 0 skipped" 0 "make: nothing to be done"
