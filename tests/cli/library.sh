#!/bin/sh
# library BUILD: the library for other programs: its interface, what it exports, and programs that are built against the
# installed copy.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive # a library cannot choose how threads wait (docs/library.md)
case $build in */asan) variant=asan ;; */tsan) variant=tsan ;; */debug) variant=debug ;; *) variant=release ;; esac

"$build/make_phantom" -o "$out/raw" --cases 6 --size 6x40x44 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet 2>/dev/null
for fold in 0 1; do
    "$build/train" "$out/pre" $fold -o "$out/model" --epochs 1 --iterations-per-epoch 4 --validation-iterations 1 \
        --batch-size 3 --patch-size 32x32 --no-validation --quiet 2>/dev/null
done
image=$(find "$out/raw/imagesTr" -name '*_0000.nii.gz' | sort | head -1); case=$(basename "$image" _0000.nii.gz)
check "the program predicts" 0 "$build/predict" -i "$image" -m "$out/model" -o "$out/predicted" --quiet
check "and saves probabilities" 0 "$build/predict" -i "$image" -m "$out/model" -o "$out/saved" --save-probabilities --quiet
is "the prediction is not empty" sh -c "gzip -dc '$out/predicted/$case.nii.gz' | tail -c +353 | tr -d '\000' | grep -q ."

# The interface, with the sanitizers of the build.
"$build/use_library" "$out/model" "$image" "$out/predicted/$case.nii.gz" "$out/saved/$case.npy" >"$out/uses" 2>"$out/stderr"
equals "it is used as a program would" $? 0
cat "$out/uses"
equals "the library prints nothing" "$(cat "$out/stderr")" ""

# What it exports: what its header declares, and nothing else.
nm -D --defined-only "$build/libswinumamba.so" | awk '$2 == "T" {sub(/@.*/, "", $3); print $3}' | sort >"$out/exported"
sed -n '/^SWIN_API/s/.*[ *]\(swin_[a-z_]*\)(.*/\1/p' library/swin_umamba.h | sort >"$out/declared"
is "the header declares functions" test "$(wc -l <"$out/declared")" -ge 7
check "the library exports what its header declares" 0 cmp "$out/exported" "$out/declared"
equals "and no data" "$(nm -D --defined-only "$build/libswinumamba.so" | grep -vc -e ' T ' -e ' A ')" 0
# What other libraries have, but for the weak names of the compiler's run time.
nm -D --undefined-only "$build/libswinumamba.so" | awk '$1 == "w" && $2 !~ /^(_ITM_|__gmon_start__|__cxa_)/ {print $2}' >"$out/weak"
equals "no name is taken from whatever library has it" "$(cat "$out/weak")" ""

if [ $variant != release ]; then echo "ok - installed copy # SKIP needs VARIANT=release"; exit 0; fi

# The installed copy. `all` is built already.
install_to() { env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -o all "$@"; }
check "it is installed" 0 install_to install prefix="$out/root"
for file in include/swin_umamba.h lib/libswinumamba.so lib/libswinumamba.so.0 lib/pkgconfig/swin-umamba.pc \
    lib/cmake/SwinUmamba/SwinUmambaConfig.cmake share/doc/swin-umamba-c/docs/library.md bin/swin-umamba-predict; do
    is "$file" test -s "$out/root/$file"
done
check "for a package" 0 install_to install DESTDIR="$out/stage" PREFIX=/usr libdir=/usr/lib/some-linux
has "its paths are those after unpacking" '^libdir=/usr/lib/some-linux$' stage/usr/lib/some-linux/pkgconfig/swin-umamba.pc
has "also from there to the header" 'CMAKE_CURRENT_LIST_DIR}/../../../../include"' \
    stage/usr/lib/some-linux/cmake/SwinUmamba/SwinUmambaConfig.cmake
check "it is uninstalled" 0 install_to uninstall DESTDIR="$out/stage" PREFIX=/usr libdir=/usr/lib/some-linux
equals "and nothing is left" "$(find "$out/stage" ! -type d)" ""

export PKG_CONFIG_PATH="$out/root/lib/pkgconfig" LD_LIBRARY_PATH="$out/root/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
cc=${CC:-cc}
cp -r "$out/root/share/doc/swin-umamba-c/examples" "$out/examples"
check "the examples are built by pkg-config" 0 env -u MAKEFLAGS -u MAKELEVEL -u CFLAGS make -s -C "$out/examples" CC="$cc" CFLAGS=-Werror
check "one segments a file" 0 "$out/examples/segment_file" "$out/model" "$out/labels.nii.gz" "$image"
has "it shows the progress" '100 %' stderr
check "the labels are those of predict, byte by byte" 0 cmp "$out/labels.nii.gz" "$out/predicted/$case.nii.gz"
check "the other a volume in memory" 0 "$out/examples/segment_array" "$out/model"
has "it says what the model wants" '^channel 0: ' stdout
has "and the labels" '^class 1: .*, label 1$' stdout
has "with probabilities" 'sum of its probabilities: 1.000$' stdout
check "a folder without a model" 1 "$out/examples/segment_file" "$out/raw" "$out/none.nii.gz" "$image"
has "the message says what it is" "$out/raw" stderr
is "nothing was written" test ! -e "$out/none.nii.gz"

printf '#include <swin_umamba.h>\nint main(void) { return !swin_version(); }\n' >"$out/strict.c"
check "the header is plain C99" 0 $cc -std=c99 -pedantic -Wall -Wextra -Werror "$out/strict.c" -o "$out/strict" $(pkg-config --cflags --libs swin-umamba)
printf '#include <cstdio>\n#include <swin_umamba.h>\nint main() { swin_error e; if (!swin_open("/none", nullptr, nullptr, &e)) std::puts(e.text); return e.code != SWIN_VALUE; }\n' >"$out/cpp.cc"
if command -v "${CXX:-g++}" >/dev/null; then
    check "and C++" 0 ${CXX:-g++} -Wall -Wextra -Werror "$out/cpp.cc" -o "$out/cpp" $(pkg-config --cflags --libs swin-umamba)
    check "a program in C++ runs" 0 "$out/cpp"
else echo "ok - C++ # SKIP there is no ${CXX:-g++}"; fi
if command -v cmake >/dev/null; then
    check "CMake finds it" 0 cmake -S "$out/examples" -B "$out/cmake" -DCMAKE_PREFIX_PATH="$out/root" -DCMAKE_C_COMPILER="${cc##* }"
    check "and builds the examples" 0 cmake --build "$out/cmake"
    mv "$out/root" "$out/moved"; export LD_LIBRARY_PATH="$out/moved/lib"
    check "a moved tree" 0 cmake -S "$out/examples" -B "$out/again" -DCMAKE_PREFIX_PATH="$out/moved" -DCMAKE_C_COMPILER="${cc##* }"
    check "is found as well" 0 cmake --build "$out/again"
    check "its example segments" 0 "$out/again/segment_file" "$out/model" "$out/again.nii.gz" "$image"
    is "to the same bytes" cmp "$out/again.nii.gz" "$out/predicted/$case.nii.gz"
else echo "ok - CMake # SKIP there is no cmake"; fi
