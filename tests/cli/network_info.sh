#!/bin/sh
# network_info: the paper's counts to the last printed digit, and its outputs.
build=$1
. tests/support/tap.sh
count() { # NETWORK HxW CHANNELS CLASSES RULE PARAMETERS MULTIPLY_ADDS
    found=$("$build/network_info" "$1" -p "$2" -c "$3" -n "$4" --scan-rule "$5" --quiet | tail -2 | tr '\n' ' ')
    want="parameters: $6 multiply_adds: $7 G "
    [ "$found" = "$want" ] && echo "ok - $1 $2 $5" || echo "not ok - $1 $2 $5: $found, expected $want"
}
count swin_umamba_d 320x320 1 14 paper 27497720 15.02
count swin_umamba_d 384x640 3 8 paper 27496160 35.94
count swin_umamba_d 512x512 3 3 paper 27492300 38.20
count swin_umamba_paper 320x320 1 14 paper 40425176 58.42
count swin_umamba_paper 384x640 3 8 paper 40426496 140.60
count swin_umamba_paper 512x512 3 3 paper 40422876 149.85
count swin_umamba 320x320 1 14 paper 59889368 65.62
count swin_umamba 384x640 3 8 paper 59890688 157.88
count swin_umamba 512x512 3 3 paper 59887068 168.28
count swin_umamba 320x320 1 14 later 59889368 68.00
count swin_umamba 384x640 3 8 later 59890688 163.59
count swin_umamba 512x512 3 3 later 59887068 174.37
count nnunet 320x320 1 14 paper 33489940 23.28
count nnunet 384x640 3 8 paper 33481456 55.91
count nnunet 512x512 3 3 paper 46327157 60.10
count umamba_bot 320x320 1 14 paper 63344180 45.69
count umamba_bot 384x640 3 8 paper 63335696 109.69
count umamba_bot 512x512 3 3 paper 86150037 117.83
count umamba_enc 320x320 1 14 paper 67333428 47.92
count umamba_enc 384x640 3 8 paper 67324944 115.06
count umamba_enc 512x512 3 3 paper 91835029 123.62
count segresnet 320x320 1 14 paper 6298926 24.49
count segresnet 384x640 3 8 paper 6299304 58.88
count segresnet 512x512 3 3 paper 6299139 62.76
count unetr 320x320 1 14 paper 87426190 42.13
count unetr 384x640 3 8 paper 88249704 111.46
count unetr 512x512 3 3 paper 88298771 120.08
count swinunetr 320x320 1 14 paper 25138568 27.88
count swinunetr 384x640 3 8 paper 25139618 67.12
count swinunetr 512x512 3 3 paper 25139373 71.74
count nnformer 320x320 1 14 paper 114194514 50.14
count nnformer 384x640 3 8 paper 114067200 124.09
count nnformer 512x512 3 3 paper 113959665 136.28

"$build/network_info" swin_umamba_d --width 0.25 -p 64x64 --svg "$out/net.svg" --yaml --quiet > "$out/net.yaml"
equals "draws an SVG" "$(head -c 4 "$out/net.svg")" "<svg"
equals "YAML lists the layers" "$(grep -c 'name: vssm_encoder.layers.2.blocks.8.self_attention.in_proj' "$out/net.yaml")" 1
bytes() { sed -n "s/^$1_bytes: //p" "$out/net.yaml"; }
equals "recomputation takes less memory" "$(($(bytes training_recompute) < $(bytes training)))" 1
equals "parameters are counted" "$(($(bytes inference) - $(bytes inference_arena)))" "$(bytes inference_parameter)"
equals "in inference only once" "$(($(bytes inference_parameter) < 5 * 4 * $(sed -n 's/^parameters: //p' "$out/net.yaml") / 4))" 1

# A plan has no memory for values: neither for activations nor for packed parameters.
case $build in */asan|*/tsan) why="a sanitizer has an allocator of its own";; *) why="no compiler, or not glibc";; esac
if case $build in */asan|*/tsan) false;; esac &&
    ${CC:-cc} -shared -fPIC -O1 tests/faults/allocation_shim.c -o "$out/shim.so" 2>/dev/null; then
    FAIL_MIN=300000 FAIL_COUNT="$out/count" LD_PRELOAD="$out/shim.so" \
        "$build/network_info" swin_umamba -p 320x320 -b 4 --quiet >/dev/null
    equals "no allocation of 300 KB" "$(cat "$out/count")" 0
else echo "ok - no allocation of 300 KB # SKIP $why"; fi


# ---- the estimate of times
roofline() { # BATCH: the milliseconds on the first GPU, forward and training step
    "$build/network_info" segresnet -p 320x320 -n 14 -b "$1" --roofline --quiet >"$out/times"
    sed -n 's/^A100 80 GB  [a-z ]* *[0-9]*  *\([0-9.]*\) .*/\1/p' "$out/times" | tr '\n' ' '
}
one=$(roofline 1) eight=$(roofline 8)
has "is called one" 'an estimate from published peaks, not measured' times
equals "for three GPUs, forward and training" "$(grep -cE '^(A100 80 GB|H100 SXM|RTX 4090) ' "$out/times")" 6
# 24.49 G multiply-adds of all heads at 19.5 TFLOPS in float32 are 2.51 ms; three times that in training
is "a convolutional network takes at least its products" \
    sh -c 'echo "$1" | awk "{exit !(\$1 > 2.4 && \$1 < 4 && \$2 > 2.7 * \$1 && \$2 < 3.5 * \$1)}"' - "$one"
is "and eight images eight times one" \
    sh -c 'echo "$1 $2" | awk "{exit !(\$3 / \$1 > 7.5 && \$3 / \$1 < 8.1 && \$4 / \$2 > 7 && \$4 / \$2 < 8.1)}"' - "$one" "$eight"
"$build/network_info" segresnet -p 320x320 -n 14 --roofline --yaml --quiet >"$out/net.yaml"
equals "also as YAML" "$(grep -c '  - {gpu: .*, what: .*, batch: 1, milliseconds: [0-9.]*, ' "$out/net.yaml")" 6

"$build/network_info" swin_umamba_d -p 48x64 > /dev/null 2> "$out/err"; status=$?
equals "refuses sizes that are no multiples of 32" "$status $(grep -c 'multiples of 32' "$out/err")" "1 1"
equals "help has each network on one line" \
    "$("$build/network_info" --help | sed '1,/^Networks:/d; /^$/,$d' | grep -vc '^  [a-z_]*  *[^ ]')" 0
"$build/network_info" swin_umamba_x > /dev/null 2> "$out/err"; status=$?
equals "names the networks that there are" "$status $(grep -c 'swin_umamba_paper' "$out/err")" "1 1"
"$build/network_info" > /dev/null 2> "$out/err"; status=$?
equals "wrong usage is exit status 2" "$status" 2

refuses() { # WHAT TEXT ARGUMENT...
    what=$1 text=$2
    shift 2
    "$build/network_info" "$@" --quiet >"$out/refused" 2>&1
    equals "$what" "$? $(grep -c -e "$text" "$out/refused")" "1 1"
}
refuses "a width of a network without one" '--width: .*unknown key network.width; the nearest known key is' unetr --width 0.5
refuses "also of a U-Net, which has no keys" '--width: .*unknown key network.width; there is no key here' nnunet --width 0.5
refuses "an image that is too small for a U-Net" 'images of 7x7 are too small for a U-Net' nnunet -p 7x7
