#!/bin/sh
# documents BUILD: links among README.md and docs/*.md lead somewhere: the file exists, and the heading in it. A document that
# is named anywhere in the sources exists. The README has a link to each document, and each picture is shown in one.
. tests/support/tap.sh

# A line "FILE:LINE TARGET" for each link, "FILE#HEADING" for each heading as GitHub names it. Code is passed over.
cat >"$out/parts.awk" <<'A'
BEGIN { for (i = 1; i < 256; i++) code[sprintf("%c", i)] = i }
function anchor(text,  i, c, slug) {
    text = tolower(text)
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (c ~ /[a-z0-9_-]/ || code[c] > 127) slug = slug c
        else if (c == " ") slug = slug "-"
    }
    return slug
}
FNR == 1 { fenced = 0 }
/^```/ { fenced = !fenced; next }
fenced || /^    / { next }
/^#+ / {
    heading = $0; sub(/^#+ +/, "", heading); sub(/ +$/, "", heading)
    while (match(heading, /\]\([^)]*\)/)) heading = substr(heading, 1, RSTART) substr(heading, RSTART + RLENGTH)
    name = FILENAME "#" anchor(heading)
    print name (seen[name] ? "-" seen[name] : "") > headings
    seen[name]++
}
{
    line = $0; gsub(/`[^`]*`/, "", line)
    while (match(line, /\]\([^)]*\)/)) {
        print FILENAME ":" FNR " " substr(line, RSTART + 2, RLENGTH - 3) > links
        line = substr(line, RSTART + RLENGTH)
    }
}
A
parts() { # FOLDER: the links and headings of its documents, into $out/links and $out/headings
    : >"$out/links"; : >"$out/headings"
    (cd "$1" && LC_ALL=C awk -v links="$out/links" -v headings="$out/headings" -f "$out/parts.awk" README.md docs/*.md)
}
dead() { # FOLDER: after parts, the links that lead nowhere
    while read -r place target; do
        from=${place%:*}
        case $target in
        http://* | https://* | mailto:*) continue ;;
        \#*) file=$from ;;
        *) case $from in */*) file=${from%/*}/${target%%#*} ;; *) file=${target%%#*} ;; esac ;;
        esac
        file=$(echo "$file" | sed 's|[^/]*/\.\./||')
        if [ ! -e "$1/$file" ]; then echo "$place: $target: there is no such file"
        else case $target in *\#*) grep -qxF "$file#${target#*\#}" "$out/headings" || echo "$place: $target: there is no such heading" ;; esac
        fi
    done <"$out/links"
}
# Documents that are named in sources, tests and other documents.
named() { grep -rIoE --include='*.[ch]' --include='*.cu' --include='*.sh' --include='*.md' --include='*.py' --include=Makefile \
    --exclude-dir=build --exclude-dir=.git '\bdocs/[a-z_0-9]+\.md' . ; find tests tools bench -type f ! -name '*.*' -exec grep -IoHE '\bdocs/[a-z_0-9]+\.md' {} +; }
none() { # WHAT FILE-IN-$out
    if [ -s "$out/$2" ]; then echo "not ok - $1"; cat "$out/$2"; else echo "ok - $1"; fi
}

# The check itself finds what is dead.
mkdir -p "$out/bad/docs"
printf '# A `b` (c): d\n## Same\n## Same\n[a](docs/x.md) [b](docs/y.md)\n    [code](none.md)\n`[code](none.md)` [c](docs/x.md#one) [d](#a-b-c-d) [e](#same-1)\n' >"$out/bad/README.md"
printf '## Zwei Größen\n[up](../README.md#nothing) [here](#zwei-größen) [web](https://example.org/none) ![p](pictures/none.png)\n' >"$out/bad/docs/x.md"
parts "$out/bad"; dead "$out/bad" >"$out/found"
printf '%s\n' 'README.md:4: docs/y.md: there is no such file' 'README.md:6: docs/x.md#one: there is no such heading' \
    'docs/x.md:2: ../README.md#nothing: there is no such heading' 'docs/x.md:2: pictures/none.png: there is no such file' >"$out/expected"
is "dead links of made-up documents are found, and no others" cmp "$out/found" "$out/expected"

parts .
is "there are links among documents" test "$(grep -vc http "$out/links")" -gt 20
dead . >"$out/dead"; none "every link leads somewhere" dead
named | while IFS=: read -r file name; do
    case $file in tests/cli/documents.sh | ./tests/cli/documents.sh) continue ;; esac
    [ -e "$name" ] || echo "$file: $name"
done >"$out/missing"; none "every document that is named exists" missing
for document in docs/*.md; do
    grep -q "^README.md:[0-9]* $document\(#\|\$\)" "$out/links" || echo "$document"
done >"$out/unlinked"; none "the README has a link to each document" unlinked
for picture in docs/pictures/*; do
    grep -q " \(docs/\)\{0,1\}pictures/${picture##*/}\$" "$out/links" || echo "$picture"
done >"$out/unused"; none "each picture is shown" unused
# In a document a document's name is a link, so that a reader can follow it.
grep -nE 'docs/[a-z_0-9]+\.md' README.md docs/*.md | grep -vE '^[^:]*:[0-9]+:    ' | sed -E 's/\[[^]]*\]\([^)]*\)//g' |
    grep -E '^[^:]*:[0-9]+:.*docs/[a-z_0-9]+\.md' >"$out/plain"; none "documents are named by links" plain
