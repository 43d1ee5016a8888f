#!/bin/sh
# tutorial BUILD: does what docs/tutorial.md does, and compares what is printed. A block of code that has lines "$ COMMAND"
# is a transcript: its commands are run one after another, block after block in one folder. Each of its other lines must be
# among what they print, where any number stands for any other and "…" for any text. A block of Python is run if there are
# NumPy and nibabel, with the package of this tree.
# What is changed in the commands is in `shortened`.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=2
case $build in /*) ;; *) build=$PWD/$build ;; esac
tutorial=$PWD/docs/tutorial.md package=$PWD/python work=$out/work
mkdir "$work"; ln -s "$build" "$work/build"

awk -v to="$out/block." '
    /^    / { if (!inside) { n++; inside = 1 } print substr($0, 5) > (to n); next }
    /./ { inside = 0 }
    END { print n > (to "count") }' "$tutorial"

# Smaller volumes, fewer cases, a shorter training; the server is reached by a socket, so that no port is taken.
shortened() {
    sed -e '/make_phantom/s/--cases [0-9]*/--cases 5 --size 3x40x44/' -e 's/--minutes [0-9]*/--minutes 0.02/' \
        -e '/build\/train/s/$/ --epochs 20 --iterations-per-epoch 1 --validation-iterations 1/' \
        -e 's|^build/serve .*[^ &]|& --listen unix:socket|' -e 's|^curl |curl --unix-socket socket |' \
        -e '/^build\/serve/a\
until [ -S socket ]; do sleep 0.1; done'
}
# With N for each number, also one that is not there ("-"), "epoch" for "epochs", the same precision and address, and one blank
# for several.
plain() {
    sed -E -e 's|http://127.0.0.1:[0-9]+|unix:socket|; s/bf16/fp32/; s/(epoch|iteration)s/\1/g' \
        -e 's/-?[0-9]+([.:][0-9]+)*(e-?[0-9]+)?/N/g' \
        -e ':next' -e 's/ - / N /; t next' -e 's/ +/ /g' -e 's/ $//'
}
found() { # LINE: is it printed, in $out/printed?
    pattern=$(printf '%s\n' "$1" | sed -e 's/[][\.*^$]/\\&/g' -e 's/…/.*/g')
    grep -q -e "$pattern" "$out/printed"
}
python_block() { # FILE
    case $build in *san) echo "ok - the tutorial's Python # SKIP Python cannot load a library with a sanitizer"; return ;; esac
    if ! python3 -c 'import numpy, nibabel' 2>/dev/null; then
        echo "ok - the tutorial's Python # SKIP python3 has no NumPy or nibabel"; return
    fi
    check "its Python" 0 env -C "$work" PYTHONPATH="$package" LD_LIBRARY_PATH="$build" PYTHONDONTWRITEBYTECODE=1 python3 "$1"
    check "its labels are those of predict" 0 python3 -c 'import nibabel, numpy, sys
a, b = (numpy.asarray(nibabel.load(file).dataobj) for file in sys.argv[1:])
sys.exit(not numpy.array_equal(a, b))' "$work/labels_python.nii.gz" "$work/predictions/phantom_001.nii.gz"
}
transcripts=0
for i in $(seq "$(cat "$out/block.count")"); do
    block=$out/block.$i
    case $(head -n 1 "$block") in
    "import "*) python_block "$block" ;;
    root@*) continue ;; # make deps demo in a bare system: tests/distributions does it
    esac
    grep -q '^\$ ' "$block" || continue
    transcripts=$((transcripts + 1))
    if grep -q '^\$ build/serve' "$block" && { [ ! -x "$build/serve" ] || ! command -v curl >/dev/null; }; then
        echo "ok - the server of the tutorial # SKIP there is no curl, or no serve (libmicrohttpd)"; continue
    fi
    sed -n 's/^\$ //p' "$block" | shortened >"$out/commands"
    check "$(sed -n '/^\$ /{s/^\$ //;p;q;}' "$block")" 0 sh -ec "cd '$work'; . '$out/commands'"
    cat "$out/stdout" "$out/stderr" | plain >"$out/printed"
    grep -v '^\$ \|^…$' "$block" | plain >"$out/lines"
    while read -r line; do
        if found "$line"; then echo "ok - it prints: $line"; else echo "not ok - it prints: $line"; cat "$out/printed"; fi
    done <"$out/lines"
done
is "there are transcripts" test $transcripts -ge 6
