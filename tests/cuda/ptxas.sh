#!/bin/sh
# ptxas BUILD: the kernels of each file need no more registers, and spill no more bytes, than ptxas.txt says (the most of any
# kernel of the file). PTXAS_TABLE=FILE writes the present table there: to be looked at, and then kept.
. tests/support/tap.sh
toolkit=${CUDA_PATH:-/usr/local/cuda} kept=tests/cuda/ptxas.txt
# A line "FILE ARCHITECTURE REGISTERS SPILLED" for each architecture; none for a file without kernels.
usage() { # FILE OBJECT
    "$toolkit/bin/nvcc" -std=c++20 -O3 -I. -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=sm_90 \
        -Xptxas -v -c "$1" -o "$2" 2>&1 | awk -v file="$1" '
        / error/ {print >"/dev/stderr"}
        /Compiling entry function/ {match($0, /sm_[0-9]+/); a = substr($0, RSTART, RLENGTH)}
        /spill stores/ {match($0, /[0-9]+ bytes spill/); n = substr($0, RSTART) + 0; if (n > spilled[a]) spilled[a] = n}
        /Used [0-9]+ registers/ {match($0, /Used [0-9]+/); n = substr($0, RSTART + 5) + 0; if (n > most[a]) most[a] = n}
        END {for (a in most) print file, a, most[a], spilled[a] + 0}' | sort
}
# Prints the lines of $out/found that are above those of a table, or not in it.
above() { # TABLE
    awk 'NR == FNR {registers[$1, $2] = $3; spilled[$1, $2] = $4; next}
        !(($1, $2) in registers) || $3 > registers[$1, $2] || $4 > spilled[$1, $2] {print; bad = 1}
        END {exit bad}' "$1" "$out/found" >&2
}
release=$("$toolkit/bin/nvcc" --version 2>/dev/null | sed -n 's/.*release \([0-9.]*\).*/\1/p')
if [ -z "$release" ]; then
    echo "ok - registers and spills of the kernels # SKIP needs $toolkit/bin/nvcc"
elif [ -z "${PTXAS_TABLE:-}" ] && ! grep -qx "# CUDA $release" $kept; then
    echo "ok - registers and spills of the kernels # SKIP the table is not of CUDA $release"
else
    started=0 files=$(ls network/*/*.cu)
    for file in $files; do
        usage "$file" "$out/$started.o" >"$out/$started.txt" &
        started=$((started + 1))
        [ $((started % 2)) -eq 1 ] || wait
    done
    wait
    equals "the files compile" "$(ls "$out"/*.o | wc -l)" "$(echo "$files" | wc -l)"
    { echo "# CUDA $release"; cat "$out"/*.txt | sort; } >"$out/found"
    [ -z "${PTXAS_TABLE:-}" ] || cp "$out/found" "$PTXAS_TABLE"
    grep -v '^#' "$out/found" >"$out/lines"; mv "$out/lines" "$out/found"
    check "registers and spills are not above $kept" 0 above $kept
    awk '{if (NR == 2) $3 = 1; print}' $kept >"$out/low"
    check "more registers would be seen" 1 above "$out/low"
fi
