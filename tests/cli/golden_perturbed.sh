#!/bin/sh
# golden_perturbed BUILD: the golden runner fails, and names the entry, if a reference has a small error.
build=$1
family=$GOLDEN/swin_umamba
[ -d "$family" ] || { echo "ok - perturbed references # SKIP $family is not here"; exit 0; }
. tests/support/tap.sh
export OMP_NUM_THREADS=2
mkdir "$out/set"
for folder in full train ops files; do
    mkdir "$out/set/$folder"
    ln -s "$(cd "$family/$folder" && pwd)"/* "$out/set/$folder/"
done
cp "$family"/manifest_*.json "$out/set/"

golden() { # STATUS PART…
    want=$1; shift
    "$build/golden" "$out/set" "$@" >"$out/log" 2>&1
    [ $? -eq "$want" ]
}

# FILE OFFSET FIRST COUNT FACTOR: multiplies COUNT of the float32 numbers that begin OFFSET bytes into a file,
# from number FIRST on (below 0: the largest one alone); the link to the original becomes a changed copy.
scale() {
    file=$out/set/$1
    cp --remove-destination "$(readlink -f "$file")" "$file" && chmod u+w "$file"
    od -An -v -tf4 -w4 -j "$2" "$file" | awk -v first="$3" -v count="$4" -v factor="$5" '
        function byte(b) { return sprintf("\\%03o", b) }
        function bytes(x,  sign, e, m) { # IEEE 754 single precision, little-endian
            sign = x < 0 ? 128 : 0; if (x < 0) x = -x
            if (x == 0) return byte(0) byte(0) byte(0) byte(sign)
            for (e = 127; x >= 2; e++) x /= 2
            for (; x < 1; e--) x *= 2
            m = int((x - 1) * 8388608 + 0.5)
            return byte(m % 256) byte(int(m / 256) % 256) byte(int(m / 65536) + e % 2 * 128) \
                   byte(int(e / 2) + sign)
        }
        { x[NR - 1] = $1; if ($1 * $1 > x[largest + 0] ^ 2) largest = NR - 1 }
        END {
            if (first < 0) { first = largest; count = 1 }
            printf "%d ", first
            for (i = first; i < first + count; i++) printf "%s", bytes(x[i] * factor)
        }' >"$out/bytes"
    read -r first text <"$out/bytes" || true
    printf "$text" | dd of="$file" bs=1 seek=$(($2 + 4 * first)) conv=notrunc 2>/dev/null
}

# PART FILE OFFSET FIRST COUNT FACTOR WHAT: the part passes; with the file changed, it fails.
try() {
    part=$1; shift
    if golden 0 "$part"; then echo "ok - $part passes"
    else echo "not ok - $part passes"; sed 's/^/# /' "$out/log"; fi
    scale "$1" "$2" "$3" "$4" "$5"
    if golden 1 "$part" && grep -q "^FAILED $part" "$out/log"; then echo "ok - not with $6"
    else echo "not ok - not with $6"; sed 's/^/# /' "$out/log"; fi
}

header=128 # of an .npy file
case=D_1x1x64x64
try full/$case full/${case}_head0.npy $header -1 1 1.001 'the largest value of a head off by a thousandth'
try grad/$case full/${case}_grad.npy $header $((64 * 100)) 64 1.02 'the gradient of a parameter off by 2 %'
record=$(head -c 200 "$family/ops/patchexpand_d12.gold" | head -n 1 | wc -c)
try ops/patchexpand_d12 ops/patchexpand_d12.gold "$record" 0 1 1.01 'one input off by 1 %'
part=files/vmamba_narrow_legacy
bytes=$(wc -c <"$family/$part.pth")
try $part $part.pth $((bytes - 8)) 0 1 1.001 'one number of a file changed'

# ---- the networks of other authors: a head, and the norm of one parameter's gradient
zoo=$GOLDEN/zoo/segresnet
if [ -d "$zoo" ]; then
    mkdir -p "$out/zoo/segresnet" && cp "$zoo"/* "$out/zoo/segresnet/" && chmod -R u+w "$out/zoo"
    golden() { # STATUS PART…
        want=$1; shift
        "$build/golden" "$out/zoo" "$@" >"$out/log" 2>&1
        [ $? -eq "$want" ]
    }
    ln -sf "$out/zoo/segresnet" "$out/set/segresnet"
    set -- segresnet/head0.npy $header -1 1 1.001 'the largest value of a head off by a thousandth'
    cp "$out/zoo/segresnet/head0.npy" "$out/head0.npy"
    rm "$out/zoo/segresnet/head0.npy" && ln -s "$out/head0.npy" "$out/zoo/segresnet/head0.npy"
    try segresnet "$@"
    cp --remove-destination "$out/head0.npy" "$out/zoo/segresnet/head0.npy"
    awk -F': ' '/"norm":/ && !done { sub(/"norm": [^,]*/, "\"norm\": " $2 * 1.001); done = 1 } { print }' \
        "$zoo/grad.json" >"$out/zoo/segresnet/grad.json"
    if golden 1 segresnet && grep -q "^FAILED segresnet" "$out/log"; then echo "ok - not with a gradient off by 0.1 %"
    else echo "not ok - not with a gradient off by 0.1 %"; sed 's/^/# /' "$out/log"; fi
else
    echo "ok - perturbed networks of other authors # SKIP $zoo is not here"
fi
