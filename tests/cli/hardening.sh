#!/bin/sh
# hardening BUILD: what the linker and the compiler had to do for the programs and the library (docs/security.md, Build), and which
# functions of the system they call themselves.
build=$1
. tests/support/tap.sh
case $build in */asan | */tsan | */debug) echo "ok - hardening # SKIP it is of VARIANT=release"; exit 0 ;; esac
command -v readelf >/dev/null || { echo "ok - hardening # SKIP there is no readelf"; exit 0; }

# Faults of an ELF file, a line each: "FILE: FAULT".
faults() { # FILE
    readelf -hW "$1" >"$out/header"; readelf -lW "$1" >"$out/segments"; readelf -dW "$1" >"$out/dynamic"
    readelf -W --dyn-syms "$1" | awk '$7 == "UND" {sub(/@.*/, "", $8); print $8}' >"$out/symbols"
    fault() { echo "${1##*/}: $2"; }
    grep -q 'Type: *DYN' "$out/header" || fault "$1" "its place in memory is fixed (no PIE)"
    case $1 in *.so*) ;; *) grep -q 'FLAGS_1.*PIE' "$out/dynamic" || fault "$1" "no PIE" ;; esac
    grep -q 'BIND_NOW\|FLAGS_1.*NOW' "$out/dynamic" || fault "$1" "functions are bound late (no -z now)"
    grep -q GNU_RELRO "$out/segments" || fault "$1" "its tables can be written (no RELRO)"
    grep -q 'GNU_STACK.* RW ' "$out/segments" || fault "$1" "its stack can be executed"
    ! grep -q ' RWE ' "$out/segments" || fault "$1" "memory can be written and executed"
    ! grep -q TEXTREL "$out/dynamic" || fault "$1" "its code is changed when it is loaded (TEXTREL)"
    grep -q 'NEEDED.*libcudnn' "$out/dynamic" || ! grep -q '(R.*PATH)' "$out/dynamic" || fault "$1" "it has a path of libraries (RPATH)"
    grep -qx __stack_chk_fail "$out/symbols" || fault "$1" "no stack protector"
    [ ! "$fortified" ] || grep -q '^__[a-z]*_chk$' "$out/symbols" || fault "$1" "no function of _FORTIFY_SOURCE"
}
# Functions that a file takes from other libraries and that match a pattern: "FILE: NAME".
calls() { # FILE PATTERN
    readelf -W --dyn-syms "$1" | awk -v file="${1##*/}" -v names="^($2)$" \
        '$7 == "UND" {sub(/@.*/, "", $8); if ($8 ~ names) print file ": " $8}'
}
none() { # WHAT FILE-IN-$out
    if [ -s "$out/$2" ]; then echo "not ok - $1"; cat "$out/$2"; else echo "ok - $1"; fi
}
if grep -q -e '-D_FORTIFY_SOURCE' "$build/flags"; then fortified=yes; else fortified=; fi

# The check itself finds what is missing.
echo 'int main(void) { return 0; }' >"$out/bare.c"
if cc -no-pie -fno-stack-protector -Wl,-z,norelro -Wl,-z,lazy -Wl,-z,execstack -Wl,-rpath,/tmp "$out/bare.c" -o "$out/bare" 2>/dev/null; then
    equals "all is found that a bare program lacks" "$(faults "$out/bare" | wc -l | tr -d ' ')" "$((${#fortified} ? 9 : 8))"
else echo "ok - a bare program # SKIP the compiler makes none"; fi

programs=; count=0
for file in "$build"/* "$build/libswinumamba.so"; do
    { [ -f "$file" ] && [ -x "$file" ] && [ "$(head -c 4 "$file" | tail -c 3)" = ELF ]; } || continue
    programs="$programs $file"; count=$((count + 1))
done
is "there are programs" test $count -ge 15
for file in $programs; do faults "$file"; done >"$out/faults"; none "programs and library are hardened" faults

# Libraries of a CUDA or MPI build have their own reasons, and so have the programs that are not installed.
own=
for file in $programs; do
    case ${file##*/} in bench | compare_networks | slow_link | sums | golden | turn | paint | use_library | make_dicom) continue ;; esac
    readelf -dW "$file" | grep -q 'NEEDED.*lib\(cudnn\|mpi\)' || own="$own $file"
done
case $own in *predict*) ;; *) echo "ok - functions of the system # SKIP a build for GPUs or MPI"; exit 0 ;; esac
each() { # PATTERN, for each program that is not among the names $but
    for file in $own; do
        case " $but " in *" ${file##*/} "*) continue ;; esac
        calls "$file" "$1"
    done
}
library=$(basename "$(readlink -f "$build/libswinumamba.so")")
but=serve
each 'socket|socketpair|connect|bind|listen|accept4?|getaddrinfo|gethostbyname|send(to|msg)?|recv(from|msg)?' >"$out/network"
none "only serve uses the network" network
equals "as the check would tell" "$(calls "$build/serve" 'listen' | wc -l | tr -d ' ')" "$([ -e "$build/serve" ] && echo 1 || echo 0)"
if [ -e "$build/convert_dicom" ]; then # dicom/uid.c
    is "DCMTK does not look up the host's name" sh -c "nm -D '$build/convert_dicom' | grep -q ' T gethostid$'"
fi
starts='system|popen|vfork|exec[lv]p?e?|execvpe|fexecve|posix_spawnp?'
but="predict serve convert_dicom" # convert_dicom has base/tool.c, by which predict runs it
each "$starts" >"$out/starts"
none "only predict and serve start programs" starts
for program in predict serve convert_dicom; do
    [ ! -e "$build/$program" ] || calls "$build/$program" "$starts" | grep -v ': posix_spawn$'
done >"$out/shell"
none "without a shell, and by their paths" shell
but=
each 'mkstemps?|mkdtemp|mkostemps?|tmpfile|tmpnam|tempnam|mktemp' >"$out/temporary"; none "no temporary files elsewhere" temporary
but="libswinumamba.so $library"
each 'dl(m?open|sym)' >"$out/loads"; none "no code is loaded by its name" loads
each 'gets|mprotect' >"$out/others"; none "no memory is made executable" others
