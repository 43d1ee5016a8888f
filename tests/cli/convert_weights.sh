#!/bin/sh
# convert_weights BUILD: both ways, and what it must refuse.
build=$1
in=tests/golden/pth
. tests/support/tap.sh
convert() { "$build/convert_weights" "$@"; }
same() { if cmp -s "$2" "$3"; then echo "ok - $1"; else echo "not ok - $1"; fi; }

check ".pth to .safetensors" 0 convert $in/exotic.pth "$out/a.safetensors"
has "it says what it wrote" 'a.safetensors: 12 tensors' stderr
check "the legacy format" 0 convert $in/exotic_legacy.pth "$out/b.safetensors"
same "both formats hold the same" "$out/a.safetensors" "$out/b.safetensors"
check ".safetensors to .pth" 0 convert "$out/a.safetensors" "$out/c.pth"
check "and back" 0 convert "$out/c.pth" "$out/d.safetensors" --quiet
same "nothing is lost on the way" "$out/a.safetensors" "$out/d.safetensors"
if [ -s "$out/stderr" ]; then echo "not ok - --quiet says nothing"; else echo "ok - --quiet says nothing"; fi

check "an output that exists is kept" 1 convert $in/exotic.pth "$out/c.pth"
has "with the way out" 'exists already; --overwrite replaces it' stderr
check "--overwrite replaces it" 0 convert --overwrite $in/exotic.pth "$out/c.pth"
cp "$out/a.safetensors" "$out/same.safetensors"; ln -s same.safetensors "$out/link.safetensors"
check "a file onto itself is refused" 1 convert "$out/link.safetensors" "$out/same.safetensors" --overwrite
has "for its optimizer's state would be lost" 'are the same file: give OUT another name' stderr
same "and stands" "$out/a.safetensors" "$out/same.safetensors"
check "a hostile file is refused" 1 convert $in/evil_reduce.pth "$out/evil.safetensors"
has "with the call it asks for" 'evil_reduce.pth: .*posix.system' stderr
if [ -e "$out/evil.safetensors" ] || [ -e PWNED ]; then echo "not ok - nothing is left of it"; else
    echo "ok - nothing is left of it"; fi
check "a missing file" 1 convert "$out/none.pth" "$out/e.safetensors"
has "is named" 'none.pth: cannot open' stderr
check "a missing folder" 2 convert "$out/none" "$out/e"
has "is named as such" 'none: unknown ending; expected .safetensors, .pth or .pt, or a results folder, which this is not' stderr
check "an unknown ending is wrong usage" 2 convert $in/exotic.pth "$out/a.onnx"
has "with the known ones" 'expected .safetensors, .pth or .pt' stderr
check "one argument is wrong usage" 2 convert $in/exotic.pth
check "three arguments are wrong usage" 2 convert $in/exotic.pth "$out/f.pth" "$out/g.pth"

for python in ${PYTHON:-python3}; do
    if ! "$python" -c 'import torch' 2>/dev/null; then
        echo "ok - PyTorch opens what we write # SKIP no Python with PyTorch (PYTHON=…)"
    elif "$python" - "$PWD/$in/exotic.pth" "$out/c.pth" <<'PYTHON'
import sys, torch
a, b = (torch.load(name, weights_only=True) for name in sys.argv[1:])
assert list(a) == list(b)
assert all(a[k].dtype == b[k].dtype and a[k].shape == b[k].shape and torch.equal(a[k], b[k]) for k in a)
PYTHON
    then echo "ok - PyTorch opens what we write"; else echo "not ok - PyTorch opens what we write"; fi
done
