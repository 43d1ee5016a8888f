#!/bin/sh
# dist BUILD: packages: one version everywhere, the source tarball's bytes, and a folder of programs that needs no other package.
build=$1
. tests/support/tap.sh

# Versions, names and dependencies.
defined() { sed -n "s/^#define $1 \"\([^\"]*\)\".*/\1/p" "$2"; }
version=$(defined PROGRAM_VERSION base/program.h); date=$(defined PROGRAM_DATE base/program.h)
soname=$(sed -n 's/^SONAME := //p' Makefile); number=${soname##*.}
equals "the library's version" "$(defined SWIN_VERSION library/swin_umamba.h)" "$version"
equals "the Debian package's version" "$(sed -n '1s/^swin-umamba-c (\(.*\)) .*/\1/p' debian/changelog)" "$version"
equals "and its date" "$(date -u -d "$(sed -n 's/^ -- .*>  //p' debian/changelog | head -1)" +%F)" "$date"
equals "the library's package has the number of its interface" "$(sed -n 's/^Package: \(libswinumamba[0-9]*\)$/\1/p' debian/control)" "libswinumamba$number"
is "so has its list of files" test -e "debian/libswinumamba$number.install"
equals "and of symbols" "$(sed -n '1p' "debian/libswinumamba$number.symbols")" "$soname libswinumamba$number #MINVER#"
sed -n 's/^ \(swin_[a-z_]*\)@.*/\1/p' "debian/libswinumamba$number.symbols" | sort >"$out/listed"
sed -n '/^SWIN_API/s/.*[ *]\(swin_[a-z_]*\)(.*/\1/p' library/swin_umamba.h | sort >"$out/declared"
check "which are those of the header" 0 cmp "$out/listed" "$out/declared"
sed -n '/^Build-Depends:/,/^Standards-Version:/{/^Standards/d; s/^Build-Depends://; s/[(<,].*//; s/ //g; p;}' debian/control |
    grep -v debhelper | sort >"$out/debian"
sed -n 's/^packages="\(.*\)"$/\1/p' tests/deps | head -1 | tr ' ' '\n' | grep -vE '^(gcc|g\+\+|make|libc6-dev)$' | sort >"$out/deps"
check "it is built from the packages of make deps" 0 diff "$out/deps" "$out/debian"

# The source tarball.
if [ -e .git ] && ! git status --porcelain >/dev/null 2>&1; then echo "ok - source tarball # SKIP git cannot read the clone here"; else
    name=swin-umamba-c-$version
    check "the source tarball" 0 sh -c "tools/source_tarball $name $date >'$out/one.tar'"
    tar -C "$out" -xf "$out/one.tar"
    is "has what is needed" test -s "$out/$name/Makefile" -a -x "$out/$name/tests/run" -a -s "$out/$name/debian/control" -a -s "$out/$name/.ci/run"
    is "and not what was built" test ! -e "$out/$name/build" -a ! -e "$out/$name/.git"
    equals "all in one folder" "$(tar -tf "$out/one.tar" | grep -vc "^$name/")" 0
    mkdir "$out/$name/build"; : >"$out/$name/build/made"; chmod -R go-rwx "$out/$name"
    check "without git" 0 sh -c "'$out/$name/tools/source_tarball' $name $date >'$out/two.tar'"
    is "it has the same bytes" cmp "$out/one.tar" "$out/two.tar"
    equals "make knows the version there" \
        "$(env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -C "$out/$name" -n dist-source B=build VARIANT=release | grep -o "source_tarball $name $date")" \
        "source_tarball $name $date"
fi

# The folder of the binary tarball.
case $build in build | */build) ;; *) echo "ok - portable folder # SKIP it has the release variant"; exit 0 ;; esac
for tool in patchelf dpkg-query; do
    command -v $tool >/dev/null || { echo "ok - portable folder # SKIP there is no $tool"; exit 0; }
done
check "the portable folder" 0 env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make --no-print-directory -s -o all portable B="$build" DIST="$out/dist"
has "it says which C library it needs" 'needs glibc 2\.[0-9]* or later' stdout
mkdir "$out/moved"; mv "$out"/dist/swin-umamba-c-* "$out/moved/here"; folder=$out/moved/here
for file in "$folder"/bin/* "$folder"/lib/libswinumamba.so "$folder"/lib/swin-umamba/*; do
    ldd "$file" | awk -v folder="$folder/" '$2 == "=>" && index($3, folder) != 1 {print $1}' |
        grep -vE '^lib(c|m|mvec|pthread|dl|rt|resolv)\.so\.' && echo "not ok - ${file##*/} needs a library of the system"
done
[ ! -x "$build/convert_dicom" ] || is "it has DCMTK's data dictionary" test -s "$folder/share/swin-umamba-c/dicom.dic"
is "nothing but the C library is the system's" test -e "$folder/lib/swin-umamba/libdnnl.so.2" -o -e "$folder/lib/swin-umamba/libdnnl.so.3"
equals "every library has its licence" \
    "$(for file in "$folder"/lib/swin-umamba/*; do set -- $(grep "^${file##*/} " "$folder/share/doc/swin-umamba-c/libraries/libraries.txt"); test -s "$folder/share/doc/swin-umamba-c/libraries/$2.txt" || echo "$file"; done)" ""
equals "there are no debug symbols" "$(for file in "$folder"/bin/*; do readelf -S "$file" | grep -q debug_ && echo "$file"; done)" ""
mkdir "$out/other"; echo "no library" >"$out/other/libyaml-0.so.2"
check "another library of the same name does no harm" 0 env LD_LIBRARY_PATH="$out/other" "$folder/bin/swin-umamba-predict" --version
mkdir "$out/try"
[ ! -x "$build/make_dicom" ] || "$build/make_dicom" "$out/try/series" "$out/series.nii" syntax=rle
check "the programs run from any place" 0 tests/installed "$folder/bin" "$out/try"
if command -v pkg-config >/dev/null; then
    equals "pkg-config finds the library" "$(PKG_CONFIG_PATH="$folder/lib/pkgconfig" pkg-config --variable=libdir swin-umamba | xargs realpath)" "$(realpath "$folder/lib")"
    check "a program is built with it" 0 env -u MAKEFLAGS -u MAKELEVEL PKG_CONFIG_PATH="$folder/lib/pkgconfig" \
        make -s -C "$folder/share/doc/swin-umamba-c/examples" CFLAGS="-Werror -Wl,-rpath,$folder/lib"
    check "and runs" 1 "$folder/share/doc/swin-umamba-c/examples/segment_array" "$out/none"
    has "up to the library's answer" "$out/none" stderr
else echo "ok - pkg-config # SKIP there is none"; fi
