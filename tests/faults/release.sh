# Sourced by tests/cli/faults.sh: its part for a build without sanitizers.
echo 'int main(void) { return 0; }' >"$out/empty.c"
${CC:-cc} "$out/empty.c" -o "$out/empty" 2>/dev/null || skip "no compiler"
disturb "$build" --most 4
export SWIN_UMAMBA_SIMD=avx2
disturb "$build" --kind libraries --case train --case predict --most 10
unset SWIN_UMAMBA_SIMD

# A crash ends with a line, status 1 and no temporary.
for signal in SEGV ABRT; do
    rm -rf "$out/raw"
    "$build/make_phantom" -o "$out/raw" --cases 500 --quiet 2>"$out/stderr" & pid=$!
    until [ -e "$out/raw/imagesTr/phantom_001_0000.nii.gz" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
    kill -$signal $pid; wait $pid; equals "SIG$signal ends with status 1" $? 1; pid=
    has "and says so" "make_phantom: error: the program has crashed (SIG$signal).*finished files are kept" stderr
    equals "with nothing left over" "$(find "$out/raw" -name '*.tmp-*')" ""
done

# A program that loses something is noticed.
mkdir "$out/bad"; for file in "$build"/*; do [ -d "$file" ] || [ -e "$out/bad/${file##*/}" ] || ln -s "$(realpath "$file")" "$out/bad/${file##*/}"; done
rm "$out/bad/convert_weights"; cat >"$out/bad/convert_weights" <<END
#!/bin/sh
"$(realpath "$build")/convert_weights" "\$@"; status=\$?
[ \$status -eq 0 ] || : >"\$2"
exit \$status
END
chmod +x "$out/bad/convert_weights"
check "a file that is not complete is noticed" 1 disturb "$out/bad" --kind size --case import_weights --most 3
has "and named" 'w.safetensors is neither the earlier nor the new one' stdout
