#!/bin/sh
# make_phantom: options, exit statuses, the same files for any number of threads.
set -u
program=$1/make_phantom
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
check() { # WHAT STATUS-WANTED COMMAND…
    what=$1; wanted=$2; shift 2
    "$@" >"$work/out" 2>&1; status=$?
    if [ $status -eq "$wanted" ]; then echo "ok - $what"; else echo "not ok - $what (exit status $status)"; fi
}
small="--cases 3 --size 4x32x24 --channels 2 --seed 9 --quiet"
check "writes a dataset" 0 "$program" -o "$work/a" $small -j 1
check "writes it again with three threads" 0 "$program" -o "$work/b" $small -j 3
check "the number of threads changes nothing" 0 diff -r "$work/a" "$work/b"
count=$(find "$work/a" -name '*.nii.gz' | wc -l)
check "two images and a label per case" 0 test "$count" -eq 9
check "does not replace a dataset" 1 "$program" -o "$work/a" $small
cp "$work/out" "$work/said"
check "says how to" 0 grep -q -e '--overwrite' "$work/said"
check "--overwrite replaces it" 0 "$program" -o "$work/a" --cases 2 --size 4x32x24 --overwrite
count=$(find "$work/a" -name '*.nii.gz' | wc -l)
check "and leaves nothing of the old one" 0 test "$count" -eq 4
check "-o is required" 2 "$program" --cases 2
check "a bad size is wrong usage" 2 "$program" -o "$work/c" --size 4x32
check "no cases are wrong usage" 2 "$program" -o "$work/c" --cases 0
check "an argument is wrong usage" 2 "$program" -o "$work/c" more
touch "$work/file"
check "a file in the place of the folder" 1 "$program" -o "$work/file/x" $small
check "volumes in a format of one slice" 2 "$program" -o "$work/c" --cases 2 --size 4x32x24 --ending .png
check "nothing is made" 1 test -e "$work/c"
"$program" -o "$work/file" --cases 2 2>"$work/said"
check "what could not be made is not counted as done" 0 grep -q ': 0 done, [0-9]* failed' "$work/said"
touch "$work/a/imagesTr/phantom_x.nii.gz"
check "--overwrite removes phantoms" 0 "$program" -o "$work/a" --cases 1 --size 4x32x24 --overwrite
check "and nothing else" 0 test -e "$work/a/imagesTr/phantom_x.nii.gz"
