#!/bin/sh
# format BUILD: all sources are formatted as .clang-format says. Other versions of clang-format break lines elsewhere.
. tests/support/tap.sh
version=$(clang-format --version 2>/dev/null | sed 's/.*version \([0-9]*\).*/\1/')
if [ "$version" != 14 ]; then
    echo "ok - sources are formatted # SKIP needs clang-format 14, found ${version:-none}"
else
    find . \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cc' \) ! -path './build/*' ! -path './.*/*' | sort >"$out/files"
    check "sources are formatted (clang-format -i FILE)" 0 xargs clang-format --dry-run --Werror <"$out/files"
    printf 'int  main(void){return 0;}\n' >"$out/bad.c"
    check "a source that is not would be seen" 1 clang-format --style=file:.clang-format --dry-run --Werror "$out/bad.c"
fi
