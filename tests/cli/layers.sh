#!/bin/sh
# layers BUILD: the sources follow the layers of docs/design.md; tests/layers detects violations in made-up trees.
. tests/support/tap.sh

if faults=$(tests/layers . "$1"); then echo "ok - the sources keep to the table of layers"; else
    echo "not ok - the sources keep to the table of layers"; echo "$faults" | sed 's/^/    /'; fi

tree() { # a made-up project of two folders, low and high, in $out/tree
    rm -rf "$out/tree"; mkdir -p "$out/tree/docs" "$out/tree/low" "$out/tree/high"
    printf '# Design\n\n## 3. Layers\n\n| folder | may include | what |\n|---|---|---|\n| `low` | | |\n| `high` | `low` | uses `low` |\n' >"$out/tree/docs/design.md"
    printf 'int low_one(void);\n' >"$out/tree/low/one.h"
    printf '#include "low/one.h"\nint low_one(void) { return 1; }\n' >"$out/tree/low/one.c"
    printf '#include "low/one.h"\nint high_two(void) { return low_one(); }\n' >"$out/tree/high/two.c"
}
compile() {
    for file in "$out"/tree/*/*.c; do
        object=$out/tree/build/obj/${file#"$out/tree/"}; mkdir -p "$(dirname "$object")"
        ${CC:-cc} -I"$out/tree" -c "$file" -o "${object%.c}.o" || return
    done
}
faulty() { # WHAT PATTERN: tests/layers must fail, and say so
    compile; tests/layers "$out/tree" "$out/tree/build" >"$out/said"; status=$?
    if [ $status -eq 1 ] && grep -q -e "$2" "$out/said"; then echo "ok - $1"; else
        echo "not ok - $1 (status $status)"; sed 's/^/    /' "$out/said"; fi
}

tree; compile
check "a sound tree has no fault" 0 tests/layers "$out/tree" "$out/tree/build"
printf 'int high_two(void);\n' >"$out/tree/high/two.h"
printf '#include "high/two.h"\nint low_three(void) { return high_two(); }\n' >"$out/tree/low/three.c"
faulty "an arrow that is not in the table is named" 'low/three.c: includes "high/two.h".*from `low` to `high`'
tree
sed 's/| `low` | | |/| `low` | `high` | |/' "$out/tree/docs/design.md" >"$out/design" && mv "$out/design" "$out/tree/docs/design.md"
faulty "so is a table with a circle" '`low` may include `high`'
tree; mkdir "$out/tree/other"; printf '#include "low/one.h"\nint other;\n' >"$out/tree/other/four.c"
faulty "and a folder without a row" 'other/four.c: .*no row'
tree
printf '#include "low/five.h"\n' >"$out/tree/low/six.h"; printf '#include "low/six.h"\n' >"$out/tree/low/five.h"
faulty "headers that include each other are named" 'include circle: low/[a-z]*.h low/[a-z]*.h'
tree
printf 'int low_eight(int);\nint low_seven(int n) { return n ? low_eight(n - 1) : 0; }\n' >"$out/tree/low/seven.c"
printf 'int low_seven(int);\nint low_eight(int n) { return n ? low_seven(n - 1) : 0; }\n' >"$out/tree/low/eight.c"
faulty "files that call each other are named" 'call circle: low/[a-z]* low/[a-z]*'
tree; sed '/^|/d' "$out/tree/docs/design.md" >"$out/design" && mv "$out/design" "$out/tree/docs/design.md"
faulty "a project without the table is not sound" 'no table'
