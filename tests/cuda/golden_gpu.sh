#!/bin/sh
# golden_gpu BUILD: the official networks at full width on the GPU: blocks' outputs and heads beside their references.
build=$1
golden=$GOLDEN/swin_umamba
[ -d "$golden" ] || { echo "ok - golden on the GPU # SKIP $golden is not here"; exit 0; }
. tests/support/tap.sh
export SWIN_UMAMBA_TEST_DEVICE=cuda

for case in D_1x1x64x64 P_1x1x64x64 U_1x1x64x64; do
    check "$case" 0 "$build/golden" "$golden" "full/$case"
    has "passes" '^1 passed, 0 failed$' stdout
done
