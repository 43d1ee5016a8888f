#!/bin/sh
# cuda_headers BUILD: the constants in the headers of the GPU's doubles (tests/cuda/include) are those of NVIDIA's headers.
. tests/support/tap.sh
toolkit=${CUDA_PATH:-/usr/local/cuda}/include
# Writes a C file that compiles if each constant "NAME = NUMBER" of the double's header has that value.
asserts() { # HEADER
    echo "#include <$1>"
    grep -oE '\b(cuda|CUDA|CUBLAS|CUDNN|nccl|NCCL)[A-Za-z0-9_]* = [0-9]+' "tests/cuda/include/$1" |
        sed 's/\(.*\) = \(.*\)/_Static_assert((long long)\1 == \2, "\1");/'
}
for header in cuda_runtime_api.h cublasLt.h cudnn.h nccl.h; do
    if [ ! -e "$toolkit/$header" ]; then
        echo "ok - constants of $header # SKIP needs $toolkit/$header"
        continue
    fi
    asserts $header >"$out/$header.c"
    is "constants of $header are found" [ "$(wc -l <"$out/$header.c")" -gt 10 ]
    check "constants of $header" 0 ${CC:-cc} -std=c11 -w -fsyntax-only -I"$toolkit" "$out/$header.c"
    sed '2s/==/!=/' "$out/$header.c" >"$out/wrong.c"
    check "another value in $header would be seen" 1 ${CC:-cc} -std=c11 -w -fsyntax-only -I"$toolkit" "$out/wrong.c"
done
