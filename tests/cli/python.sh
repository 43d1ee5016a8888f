#!/bin/sh
# python BUILD: the wheel, what is in it, and the package that it installs, compared with the program predict; the blocks of
# docs/python.md. PYTHON is the interpreter (default: python3, or the system's, if they have NumPy).
build=$1
. tests/support/tap.sh
case $build in build | */build) ;; *) echo "ok - the wheel # SKIP it is of the release variant"; exit 0 ;; esac
python=
for name in ${PYTHON:-python3 /usr/bin/python3}; do
    [ -n "$python" ] || ! "$name" -c 'import sys, numpy; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || python=$name
done
[ -n "$python" ] || { echo "ok - the wheel # SKIP no Python 3.9 or later with NumPy (PYTHON=…)"; exit 0; }
for tool in patchelf objdump dpkg-query; do
    command -v $tool >/dev/null || { echo "ok - the wheel # SKIP $tool is not installed"; exit 0; }
done
! ldd "$build/libswinumamba.so" | grep -q libcublas || { echo "ok - the wheel # SKIP it is for CPUs"; exit 0; }
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive

check "without the tools" 1 env PATH=/nonexistent "$(command -v "$("$python" -c 'import sys; print(sys.executable)')")" \
    python/build_wheel.py "$build/libswinumamba.so" 0 "$out/none"
has "the message names the packages" 'apt install .*patchelf' stderr

# The wheel. The library is built already.
check "make wheel" 0 env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -o "$build/libswinumamba.so.$(sed -n 's/^#define SWIN_VERSION "\(.*\)"/\1/p' \
    library/swin_umamba.h)" B="$build" WHEEL_FOLDER="$out/wheel" wheel
wheel=$(tail -1 "$out/stdout")
is "it tells the file" test -s "$wheel"
tag=$(echo "$wheel" | sed -n 's/.*-py3-none-manylinux_2_\([0-9]*\)_[a-z0-9_]*\.whl$/\1/p')
is "which is for every Python 3" test -n "$tag"
if "$python" -m pip --version >/dev/null 2>&1; then
    check "pip installs it" 0 "$python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --target "$out/site" "$wheel"
else
    echo "ok - pip # SKIP it is not installed"
    check "it is unpacked" 0 "$python" -m zipfile -e "$wheel" "$out/site"
fi
libraries=$out/site/swin_umamba/libs
most=$(objdump -T "$libraries"/* | sed -n 's/.*[( ]GLIBC_2\.\([0-9]*\).*/\1/p' | sort -n | tail -1)
is "its name promises no older glibc than its libraries need" test "$most" -le "$tag"
equals "libraries of the system are not in it" "$(find "$libraries" -name 'libc.so*' -o -name 'libm.so*' -o -name 'libstdc++*' -o -name 'libgcc_s*')" ''
equals "the others are, under names of their own" \
    "$(find "$libraries" -type f | grep -vcE '/(libswinumamba\.so\.0|lib[A-Za-z0-9_-]+-[0-9a-f]{8}\.so[.0-9]*)$')" 0
is "with oneDNN and OpenMP" sh -c "ls '$libraries' | grep -q '^libdnnl-' && ls '$libraries' | grep -qE '^lib[gi]?omp'"
# A licence for each package that a library is from; here a package has one or two of them.
licences=$(find "$out"/site/*.dist-info/licenses -name 'lib*' | wc -l)
is "and licences" test "$licences" -gt $(($(find "$libraries" -type f | wc -l) / 2))
check "the record is right" 0 "$python" - "$wheel" <<'PYTHON'
import base64, csv, hashlib, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
name = next(name for name in wheel.namelist() if name.endswith(".dist-info/RECORD"))
rows = {row[0]: row[1:] for row in csv.reader(wheel.read(name).decode().splitlines())}
for file, (digest, size) in rows.items():
    data = wheel.read(file)
    if file != name:
        assert digest == "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode(), file
        assert int(size) == len(data), file
assert set(rows) == set(wheel.namelist())
PYTHON

make_model() { # NAME FOLDS OPTIONS-OF-make_phantom…
    name=$1 folds=$2; shift 2
    "$build/make_phantom" -o "$out/$name-raw" --cases 5 --quiet "$@" 2>/dev/null
    "$build/plan_and_preprocess" "$out/$name-raw" -o "$out/$name-pre" --override "$out/narrow.yaml" --quiet 2>/dev/null
    for fold in $folds; do
        "$build/train" "$out/$name-pre" "$fold" -o "$out/$name" --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 \
            --batch-size 2 --patch-size 32x32 --no-validation --quiet 2>/dev/null
    done
}
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
make_model volumes 0 --size 4x36x40 --channels 2
make_model pictures 0 --size 1x48x52 --ending .png
echo 'orientation: canonical' >>"$out/narrow.yaml"
make_model one '0 1' --size 5x36x40

export PYTHONPATH="$out/site" PYTHONDONTWRITEBYTECODE=1
for part in images calls; do
    "$python" tests/python/$part.py "$build" "$out"
    equals "all tests of $part ran" $? 0
done

equals "without a wheel the system's library is taken" "$(LD_LIBRARY_PATH="$build" PYTHONPATH=python "$python" -c '
import swin_umamba; print(swin_umamba.__version__ in open("/proc/self/maps").read(), swin_umamba.__file__)')" \
    "True $PWD/python/swin_umamba/__init__.py"

document=$PWD/docs/python.md tests=$PWD/tests/python
mkdir "$out/reader"; ln -s ../one "$out/reader/results"
cp "$out/one-raw/imagesTr/phantom_001_0000.nii.gz" "$out/reader/case_0000.nii.gz"
check "predict, for the document" 0 "$build/predict" -i "$out/reader/case_0000.nii.gz" -m "$out/one" -o "$out/document.nii.gz" --quiet
(cd "$out/reader" && "$python" "$tests/document.py" "$document" "$out/document.nii.gz")
equals "all blocks of the document run" $? 0
