#!/bin/sh
# make_phantom: options, exit statuses, the same files for any number of threads.
program=$1/make_phantom
. tests/support/tap.sh
small="--cases 3 --size 4x32x24 --channels 2 --seed 9 --quiet"
check "writes a dataset" 0 "$program" -o "$out/a" $small -j 1
check "writes it again with three threads" 0 "$program" -o "$out/b" $small -j 3
check "the number of threads changes nothing" 0 diff -r "$out/a" "$out/b"
count=$(find "$out/a" -name '*.nii.gz' | wc -l)
check "two images and a label per case" 0 test "$count" -eq 9
check "does not replace a dataset" 1 "$program" -o "$out/a" $small
cp "$out/stderr" "$out/said"
check "says how to" 0 grep -q -e '--overwrite' "$out/said"
check "--overwrite replaces it" 0 "$program" -o "$out/a" --cases 2 --size 4x32x24 --overwrite
count=$(find "$out/a" -name '*.nii.gz' | wc -l)
check "and leaves nothing of the old one" 0 test "$count" -eq 4
check "-o is required" 2 "$program" --cases 2
check "a bad size is wrong usage" 2 "$program" -o "$out/c" --size 4x32
check "no cases are wrong usage" 2 "$program" -o "$out/c" --cases 0
check "an argument is wrong usage" 2 "$program" -o "$out/c" more
touch "$out/file"
check "a file in the place of the folder" 1 "$program" -o "$out/file/x" $small
check "volumes in a format of one slice" 2 "$program" -o "$out/c" --cases 2 --size 4x32x24 --ending .png
check "nothing is made" 1 test -e "$out/c"
(trap '' XFSZ; ulimit -f 1; "$program" -o "$out/full" --cases 2 2>&1) | cat >"$out/said" # no file may be larger
check "what could not be made is not counted as done" 0 grep -q ': 0 done, [0-9]* failed' "$out/said"
if perl -e 1 2>/dev/null; then # the kernel counts a program's peak memory from before it was started: as that of the program that starts it
    check "started by a large program" 0 perl -e '$x = "x" x 3e8; exit(system(@ARGV) >> 8)' "$program" -o "$out/d" --cases 1 --size 4x32x24
    is "the peak memory is its own" awk '/peak memory/ {own = $(NF - 1)} END {exit !(own > 1 && own < 200)}' "$out/stderr"
else echo "ok - peak memory # SKIP there is no perl"
fi
touch "$out/a/imagesTr/phantom_x.nii.gz"
check "--overwrite removes phantoms" 0 "$program" -o "$out/a" --cases 1 --size 4x32x24 --overwrite
check "and nothing else" 0 test -e "$out/a/imagesTr/phantom_x.nii.gz"
