#!/bin/sh
# wait_policy BUILD: how long waiting threads spin, unless the user says otherwise (base/wait_policy.h).
build=$1
. tests/support/tap.sh
unset OMP_WAIT_POLICY GOMP_SPINCOUNT
spins() { OMP_DISPLAY_ENV=verbose "$@" --version 2>&1 >/dev/null | sed -n "s/.*GOMP_SPINCOUNT = '\([0-9]*\)'.*/\1/p"; } # COMMAND…
default=$(spins env -i OMP_DISPLAY_ENV=verbose "$build/train")
[ "$default" ] || { echo "ok - how long threads spin # SKIP this OpenMP is not libgomp"; exit 0; }
for program in train predict plan_and_preprocess evaluate ensemble find_best_configuration make_phantom network_info \
    convert_weights bench; do
    is "$program spins for microseconds" test "$(spins "$build/$program")" -eq 1000
done
is "the user's policy wins" test "$(spins env OMP_WAIT_POLICY=passive "$build/predict")" -eq 0
is "so does the user's number" test "$(spins env GOMP_SPINCOUNT=77 "$build/predict")" -eq 77
is "one variable is enough to make room" \
    test "$(spins env -i HOME=/ OMP_DISPLAY_ENV=verbose "$build/predict")" -eq 1000
is "none is no harm" test "$default" -gt 1000
