"""For tests of the package swin_umamba, PROGRAM BUILD FOLDER: a case, what predict makes of it, checks that print TAP.

FOLDER has the models volumes (two channels), one (one channel) and pictures, and their datasets NAME-raw."""

import gzip
import pathlib
import struct
import subprocess
import sys
import warnings

import numpy as np

import swin_umamba

build, folder = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
failed = []


def check(is_so, what):
    print("ok" if is_so else "not ok", "-", what, flush=True)
    if not is_so:
        failed.append(what)


def raises(kind, says, function, what):
    """Whether function() raises an exception of that class whose text has these words."""
    try:
        function()
    except kind as error:
        check(says in str(error), what if says in str(error) else f"{what}: {error}")
    except Exception as error:
        check(False, f"{what}: {type(error).__name__} {error}")
    else:
        check(False, f"{what}: nothing was raised")


def importable(name):
    try:
        return __import__(name)
    except ImportError:
        print(f"ok - {name} # SKIP it is not installed")
        return None


# ---- NIfTI, as far as these tests need it ----

TYPES = {2: np.uint8, 4: np.int16, 16: np.float32, 512: np.uint16}


def read_nifti(path):
    """The voxels (Z,Y,X), spacing along z, y, x, and affine (3,4)."""
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    x, y, z = struct.unpack_from("<3h", data, 42)
    kind = TYPES[struct.unpack_from("<h", data, 70)[0]]
    spacing = struct.unpack_from("<3f", data, 80)[::-1]
    start = int(struct.unpack_from("<f", data, 108)[0])
    affine = np.array(struct.unpack_from("<12f", data, 280)).reshape(3, 4)
    shape = max(z, 1), max(y, 1), max(x, 1)
    return np.frombuffer(data, kind, int(np.prod(shape)), start).reshape(shape), spacing, affine


def write_picture(path, voxels):
    """int16 (Y,X), with pixels of 1 mm and without a place."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 2, voxels.shape[1], voxels.shape[0], 1, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352)
    header[344:348] = b"n+1\0"
    path.write_bytes(bytes(header) + voxels.astype("<i2").tobytes())


def predict(images, model, output, *options):
    """What the program predict writes."""
    command = [build / "predict", "-i", *images, "-m", folder / model, "-o", output, "--quiet", "--overwrite", *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return output


# ---- the case ----

files = [folder / f"volumes-raw/imagesTr/phantom_001_000{i}.nii.gz" for i in range(2)]
channels, spacings, affines = zip(*(read_nifti(path) for path in files))
image, spacing, affine = np.stack(channels), spacings[0], affines[0]
expected_file = predict(files, "volumes", folder / "expected.nii.gz")
expected = read_nifti(expected_file)[0]
case = folder / "one-raw/imagesTr/phantom_001_0000.nii.gz"


def run(*tests):
    """Ends the program with the status of its tests, each of which gets the model of two channels."""
    warnings.simplefilter("error", swin_umamba.PredictionWarning)
    # Of arrays without an affine.
    warnings.filterwarnings("ignore", ".*it has no orientation", swin_umamba.PredictionWarning)
    model = swin_umamba.load(folder / "volumes")
    for test in tests:
        test(model)
    sys.exit(bool(failed))
