#!/bin/sh
# readme BUILD: does what README.md says. Its code is in indented blocks, and each block is used:
# - a block that begins with "# NAME" is a file: it is written under this name;
# - a block that begins with "FOLDER/" shows a folder: the made-up dataset must have these files;
# - all others are commands: they are run one after another in an empty folder beside a made-up dataset.
# What is changed in a command stands in run_line, and nowhere else.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
case $build in /*) ;; *) build=$PWD/$build ;; esac
readme=$PWD/README.md work=$out/work
mkdir "$work"

awk -v to="$out/block." '
    /^    / { if (!inside) { n++; inside = 1 } print substr($0, 5) > (to n); next }
    /./ { inside = 0 }
    END { print n > (to "count") }' "$readme"
blocks=$(cat "$out/block.count")
is "there are blocks of code" test "$blocks" -ge 6
is "the README is short" test "$(wc -l <"$readme")" -le 100
is "none is fenced, since they are taken by their indentation" test "$(grep -c '^ *```' "$readme")" -eq 0
equals "the commands that .ci/run and tests/distributions take from it" \
    "$(sed -n 's/^    \(make deps [a-z]*\)$/\1/p' "$readme" | tr '\n' ';')" 'make deps demo;make deps check;'
sed 's/^    .*//' "$readme" | grep -oE '`(build/[a-z_]+|[a-z_]+) +-[^`]*`|`(build/[a-z_]+|make) [^`]*`' | grep -vxF '`make help`' >"$out/inline"
is "no command stands within a line, where it would not be run" test ! -s "$out/inline"
cat "$out/inline"

"$build/make_phantom" -o "$work/Dataset042_Liver" --cases 6 --size 3x40x44 --quiet 2>/dev/null
"$build/make_phantom" -o "$out/new" --cases 2 --size 3x40x44 --seed 7 --quiet 2>/dev/null
mv "$out/new/imagesTr" "$work/Dataset042_Liver/imagesTs"; mv "$out/new/labelsTr" "$work/Dataset042_Liver/labelsTs"
ln -s "$build" "$work/build"

run_line() { # COMMAND
    case $1 in
    "make deps demo" | "make deps check") return ;; # run by .ci/run and by tests/distributions, in a fresh tree
    build/train\ *) set -- "$1 --epochs 2 --iterations-per-epoch 2 --validation-iterations 1" ;; # instead of the hour's
    *--minutes\ *) set -- "$(echo "$1" | sed 's/--minutes [0-9]*/--minutes 0.02/')" ;; # so that a small network is timed
    esac
    check "$1" 0 sh -c "cd '$work' && $1"
}
shown() { # FOLDER, then its files on the lines of stdin, CASE for any case
    while read -r file rest; do
        set -- "$1" $(ls "$work/$1"$(echo "$file" | sed 's/CASE/*/') 2>/dev/null)
        is "$1$file is in the made-up dataset" test $# -gt 1
        set -- "$1"
    done
}
for i in $(seq "$blocks"); do
    block=$out/block.$i first=$(head -n 1 "$out/block.$i")
    case $first in
    "# "*) cp "$block" "$work/${first#"# "}"; echo "ok - a file: ${first#"# "}" ;;
    */) sed 1d "$block" >"$out/files"; shown "$first" <"$out/files" ;;
    *) while read -r line; do run_line "$line"; done <"$block" ;;
    esac
done

# The table's last column: every file that it names has been written.
sed -n 's/^| `[a-z_]*` |.*| \(.*\) |$/\1/p' "$readme" | grep -o '`[^` ]*`' | tr -d '`' >"$out/written"
is "the table names files" test "$(wc -l <"$out/written")" -ge 8
while read -r file; do
    is "$file has been written" sh -c "find '$work' -path '*/$(echo "$file" | sed 's/CASE/*/')' | grep -q ."
done <"$out/written"
is "the second plan has the file's network" grep -q 'name: swin_umamba_d' "$work/preprocessed_d/plans.yaml"
