#!/bin/sh
# scan_instructions BUILD: the instructions of the scan for one update of a state, counted in the machine code: forward at most 12,
# backward at most 30 (both loops: forward again from the saved states, then backward). The loops are known by their exponentials:
# one for each update. Not counted: loops over the rank, and what is done once for a chunk.
. tests/support/tap.sh
toolkit=${CUDA_PATH:-/usr/local/cuda}
disassembler=$(PATH="$toolkit/bin:$PATH" command -v nvdisasm)
# A line "KERNEL TYPE ARCHITECTURE INSTRUCTIONS LOOPS" for each kernel of a file.
count() { # FILE ARCHITECTURE
    "$toolkit/bin/nvcc" -std=c++20 -O3 -I. -arch="sm_$2" -cubin -o "$out/kernel.cubin" "$1" && "$disassembler" -c "$out/kernel.cubin" |
        awk -v arch="sm_$2" '
        function report(    i, j, k, inner, all, found, own, updates) {
            for (i = 1; i <= loops; i++) {
                for (k = from[i]; k <= to[i]; k++) inner[k] = 0
                for (j = 1; j <= loops; j++)
                    if (j != i && from[j] >= from[i] && to[j] <= to[i]) for (k = from[j]; k <= to[j]; k++) inner[k] = 1
                own = updates = 0
                for (k = from[i]; k <= to[i]; k++) {
                    own += !inner[k]
                    updates += !inner[k] && exponential[k]
                }
                if (name ~ /forward/) updates *= 16 / 17 # one of 17 is that of softplus
                if (updates >= 32) {all += own / updates; found++}
            }
            if (name) printf "%s %s %s %.1f %d\n", name ~ /forward/ ? "forward" : "backward", name ~ /bfloat16/ ? "bf16" : "fp32", arch, all, found
        }
        /\.section[ \t]+\.text\./ {report(); name = $0; n = loops = 0; split("", label)}
        /^\.L_x_[0-9]+:/ {sub(/:.*/, ""); label[$0] = n + 1}
        /\/\*[0-9a-f][0-9a-f][0-9a-f][0-9a-f]+\*\// {
            n++
            exponential[n] = /MUFU\.EX2/
            if (/ BRA / && match($0, /\.L_x_[0-9]+/) && (substr($0, RSTART, RLENGTH) in label)) {
                from[++loops] = label[substr($0, RSTART, RLENGTH)]
                to[loops] = n
            }
        }
        END {report()}'
}
above() { # FORWARD BACKWARD
    awk -v forward="$1" -v backward="$2" '
        $4 > ($1 == "forward" ? forward : backward) || $5 != ($1 == "forward" ? 1 : 2) {print; bad = 1}
        END {exit bad}' "$out/found" >&2
}
if [ ! -x "$toolkit/bin/nvcc" ] || [ -z "$disassembler" ]; then
    echo "ok - instructions of the scan # SKIP needs nvcc and nvdisasm"
else
    for arch in 80 90; do
        count network/ops/scan_forward.cu $arch
        count network/ops/scan_backward.cu $arch
    done >"$out/found"
    sed 's/^/# /' "$out/found"
    equals "kernels were found" "$(wc -l <"$out/found")" 8
    check "12 instructions forward, 30 backward" 0 above 12 30
    check "more instructions would be seen" 1 above 10 30
fi
