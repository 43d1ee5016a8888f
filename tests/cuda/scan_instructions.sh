#!/bin/sh
# scan_instructions BUILD: the instructions of the scan for one update of a state, counted in the machine code, with the loops over
# the rank at rank 6: forward at most 12, backward at most 30. Not counted: what is done once for a chunk, and the joining of pieces.
#
# An update has an exponential, and a multiply-add for each value of dt serves the 16 states of a channel: 3 in backward (delta, and
# the gradients of dt and of its weights). So loops are known by what is in them, and an instruction counts by the updates that share
# it. Loops with exponentials: many are those of states (a multiple of 64, and some of softplus; in backward there are two, forward
# again from the saved states, then back), few beside many multiply-adds are backward's of delta. Innermost loops with multiply-adds
# only are those over the rank; with 256 they do four values at a time.
. tests/support/tap.sh
toolkit=${CUDA_PATH:-/usr/local/cuda}
disassembler=$(PATH="$toolkit/bin:$PATH" command -v nvdisasm)
# A line "KERNEL TYPE ARCHITECTURE INSTRUCTIONS ONE_OF_RANK LOOPS" for each kernel of a file.
count() { # FILE ARCHITECTURE
    "$toolkit/bin/nvcc" -std=c++20 -O3 -I. -arch="sm_$2" -cubin -o "$out/kernel.cubin" "$1" && "$disassembler" -c "$out/kernel.cubin" |
        awk -v arch="sm_$2" -v rank=6 '
        function report(    i, j, k, inner, own, nested, exponentials, products, all, one, found) {
            for (i = 1; i <= loops; i++) {
                for (k = from[i]; k <= to[i]; k++) inner[k] = 0
                nested = own = exponentials = products = 0
                for (j = 1; j <= loops; j++)
                    if (j != i && from[j] >= from[i] && to[j] <= to[i]) for (k = from[j]; k <= to[j]; k++) nested = inner[k] = 1
                for (k = from[i]; k <= to[i]; k++) {
                    if (inner[k]) continue
                    own++
                    exponentials += code[k] ~ /MUFU\.EX2/
                    products += code[k] ~ /FFMA/
                }
                if (exponentials >= 64) all += own / (64 * int(exponentials / 64))
                else if (exponentials && products >= 8 * exponentials) all += own / exponentials / 16
                else if (!exponentials && !nested && products >= 16) {
                    all += own / products / 16 * (products < 256 ? rank : 4 * int((rank + 3) / 4))
                    one += own / products / 16
                } else continue
                found++
            }
            if (name) printf "%s %s %s %.1f %.2f %d\n", name ~ /forward/ ? "forward" : "backward", name ~ /bfloat16/ ? "bf16" : "fp32", arch, all, one, found
        }
        /\.section[ \t]+\.text\./ {report(); name = $0; n = loops = 0; split("", label)}
        /^\.L_x_[0-9]+:/ {sub(/:.*/, ""); label[$0] = n + 1}
        /\/\*[0-9a-f][0-9a-f][0-9a-f][0-9a-f]+\*\// {
            code[++n] = $0
            if (/ BRA / && match($0, /\.L_x_[0-9]+/) && (substr($0, RSTART, RLENGTH) in label)) {
                from[++loops] = label[substr($0, RSTART, RLENGTH)]
                to[loops] = n
            }
        }
        END {report()}'
}
above() { # FORWARD BACKWARD
    awk -v forward="$1" -v backward="$2" '
        $4 > ($1 == "forward" ? forward : backward) || $6 != ($1 == "forward" ? 2 : 6) {print; bad = 1}
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
    check "more instructions would be seen" 1 above 8 30
fi
