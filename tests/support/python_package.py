"""python_package.py BUILD FOLDER: the installed package swin_umamba against the program predict; prints TAP.

FOLDER has the models volumes (two channels), one (one channel) and pictures, and their datasets NAME-raw."""

import gzip
import multiprocessing
import os
import pathlib
import signal
import struct
import subprocess
import sys
import threading
import time
import warnings

import numpy as np

import swin_umamba

build, folder = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
failures = 0


def check(is_so, what):
    global failures
    print("ok" if is_so else "not ok", "-", what, flush=True)
    failures += not is_so


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
    return np.frombuffer(data, kind, max(x, 1) * max(y, 1) * max(z, 1), start).reshape(max(z, 1), max(y, 1), max(x, 1)), spacing, affine


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


# ---- results ----

files = [folder / f"volumes-raw/imagesTr/phantom_001_000{i}.nii.gz" for i in range(2)]
channels, spacings, affines = zip(*(read_nifti(path) for path in files))
image, spacing, affine = np.stack(channels), spacings[0], affines[0]
expected_file = predict(files, "volumes", folder / "expected.nii.gz")
expected = read_nifti(expected_file)[0]
case = folder / "one-raw/imagesTr/phantom_001_0000.nii.gz"


def test_arrays(model):
    labels = model.predict(image, spacing)
    check(labels.dtype == expected.dtype and np.array_equal(labels, expected), "an array gets the labels of predict")
    check(len(np.unique(labels)) > 1, "which are not empty")
    check(np.array_equal(model.predict(image, affine=affine), expected), "also with the affine instead of the spacing")
    full = np.vstack([affine, [0, 0, 0, 1]])
    check(np.array_equal(model.predict(image, spacing, full), expected), "and with both, the affine being (4,4)")
    check(np.array_equal(model.predict(list(image), spacing), expected), "a list of channels")
    wide = np.asfortranarray(image.astype(">f8"))
    check(np.array_equal(model.predict(wide, spacing), expected), "another order of axes in memory and of bytes")
    turned = image[:, ::-1]
    check(np.array_equal(model.predict(turned, spacing)[::-1], expected), "a view with a negative step")


def test_probabilities(model):
    predict([folder / "volumes-raw/imagesTr"], "volumes", folder / "saved", "--save-probabilities")
    saved = np.load(folder / "saved/phantom_001.npy")
    labels, values = model.predict(image, spacing, probabilities=True)
    check(values.dtype == np.float32 and values.shape == (len(model.info.labels), *labels.shape), "probabilities have the classes first")
    check(np.array_equal(np.moveaxis(values, 0, -1), saved), "they are those of --save-probabilities, to the bit")
    check(np.array_equal(labels, read_nifti(folder / "saved/phantom_001.nii.gz")[0]), "and so are the labels")


def test_pictures():
    with swin_umamba.load(folder / "pictures") as model:
        picture = np.random.default_rng(1).integers(0, 255, (50, 45)).astype(np.int16)
        picture[10:30, 12:30] += 200
        write_picture(folder / "picture.nii", picture)
        predict([folder / "picture.nii"], "pictures", folder / "picture_labels.nii.gz")
        wanted = read_nifti(folder / "picture_labels.nii.gz")[0][0]
        labels, values = model.predict(picture, probabilities=True)
        check(labels.shape == picture.shape and np.array_equal(labels, wanted), "a picture needs no spacing")
        check(values.shape == (len(model.info.labels), *picture.shape), "its probabilities")
        check(np.array_equal(model.predict(picture, (1, 1)), wanted), "it may have one")
        check(np.array_equal(model.predict(picture[None], (5, 1, 1))[0], wanted), "a volume of one slice")
        raises(swin_umamba.InvalidValueError, "volume", lambda: model.predict(picture, affine=np.eye(4)), "an affine of a picture")
    with swin_umamba.load(folder / "volumes") as model:
        check(model.predict(image[:, 0], spacing[1:]).shape == image.shape[2:], "a slice of two channels")
        raises(ValueError, "spacing=(y, x)", lambda: model.predict(image[:, 0]), "a slice without spacing")


def test_files(model):
    output = folder / "from_python.nii.gz"
    model.predict_file(files, output)
    check(output.read_bytes() == expected_file.read_bytes(), "files become the file of predict, byte by byte")
    output.unlink()
    model.predict_file([str(path) for path in files], str(output))
    check(output.read_bytes() == expected_file.read_bytes(), "paths may be text")
    with swin_umamba.load(folder / "one") as one:
        one.predict_file(case, output)
        check(output.read_bytes() == predict([case], "one", folder / "one.nii.gz").read_bytes(), "one file, without a list")


# ---- images of other packages ----


def test_nibabel(model):
    nibabel = importable("nibabel")
    if not nibabel:
        return
    images = [nibabel.load(path) for path in files]
    labels, values = model.predict(images, probabilities=True)
    check(type(labels) is type(images[0]), "nibabel: an image is returned")
    check(np.array_equal(np.asarray(labels.dataobj).T, expected), "nibabel: with the labels of predict")
    check(labels.get_data_dtype() == np.uint8, "nibabel: of the labels' type")
    nibabel.save(labels, folder / "nibabel.nii.gz")
    again, wanted = nibabel.load(folder / "nibabel.nii.gz"), nibabel.load(expected_file)
    check(np.array_equal(np.asarray(again.dataobj), np.asarray(wanted.dataobj)), "nibabel: also in a file")
    check(np.allclose(again.affine, wanted.affine) and again.header.get_zooms() == wanted.header.get_zooms(), "nibabel: at the same place")
    check(np.array_equal(values.shape, (*images[0].shape, len(model.info.labels))), "nibabel: probabilities are a fourth axis")
    joined = nibabel.Nifti1Image(np.stack([np.asarray(i.dataobj) for i in images], -1), images[0].affine, images[0].header)
    four = model.predict(joined)
    check(four.ndim == 3 and np.array_equal(np.asarray(four.dataobj).T, expected), "nibabel: channels in one image")
    scale = np.diag([0.001, 0.001, 0.001, 1])
    header = images[0].header.copy()
    header.set_zooms([zoom * 0.001 for zoom in header.get_zooms()])
    header.set_xyzt_units("meter")
    metres = [nibabel.Nifti1Image(np.asarray(i.dataobj), scale @ i.affine, header) for i in images]
    check(np.array_equal(np.asarray(model.predict(metres).dataobj).T, expected), "nibabel: lengths in metres")
    moved = nibabel.Nifti1Image(np.asarray(images[1].dataobj), images[1].affine + np.eye(4, k=3), images[1].header)
    raises(swin_umamba.InvalidValueError, "image 1 lies elsewhere", lambda: model.predict([images[0], moved]), "nibabel: channels of two places")
    raises(swin_umamba.InvalidValueError, "arrays only", lambda: model.predict(images, spacing), "nibabel: a spacing beside the image's")
    raises(swin_umamba.ShapeError, "shape", lambda: model.predict(nibabel.Nifti1Image(np.zeros((2, 2, 2, 1, 2), np.int16), None)), "nibabel: five axes")
    one = swin_umamba.load(folder / "one")
    labels = one.predict(nibabel.load(case))
    wanted = read_nifti(predict([case], "one", folder / "one.nii.gz"))[0]
    check(np.array_equal(np.asarray(labels.dataobj).T, wanted), "nibabel: one image, without a list")
    plain = nibabel.Nifti1Image(np.asarray(nibabel.load(case).dataobj), None)
    plain.header.set_zooms(nibabel.load(case).header.get_zooms())
    nibabel.save(plain, folder / "placeless.nii")
    wanted = read_nifti(predict([folder / "placeless.nii"], "one", folder / "placeless_labels.nii.gz"))[0]
    check(np.array_equal(np.asarray(one.predict(nibabel.load(folder / "placeless.nii")).dataobj).T, wanted), "nibabel: an image without a place")


def test_simpleitk(model):
    sitk = importable("SimpleITK")
    if not sitk:
        return
    images = [sitk.ReadImage(str(path)) for path in files]
    labels, values = model.predict(images, probabilities=True)
    check(isinstance(labels, sitk.Image) and np.array_equal(sitk.GetArrayFromImage(labels), expected), "SimpleITK: the labels of predict")
    check(labels.GetPixelID() == sitk.sitkUInt8, "SimpleITK: of the labels' type")
    for what in ("Spacing", "Origin", "Direction"):
        check(getattr(labels, f"Get{what}")() == getattr(images[0], f"Get{what}")(), f"SimpleITK: the image's {what.lower()}")
    check(values.GetNumberOfComponentsPerPixel() == len(model.info.labels), "SimpleITK: probabilities are components")
    joined = model.predict(sitk.Compose(images))
    check(np.array_equal(sitk.GetArrayFromImage(joined), expected), "SimpleITK: channels as components")
    flat = sitk.ReadImage(str(folder / "picture.nii"))
    with swin_umamba.load(folder / "pictures") as pictures:
        labels = pictures.predict(flat)
    wanted = read_nifti(folder / "picture_labels.nii.gz")[0][0]
    check(labels.GetDimension() == 2 and np.array_equal(sitk.GetArrayFromImage(labels), wanted), "SimpleITK: two dimensions")
    images[1].SetOrigin((0, 0, 77))
    raises(swin_umamba.InvalidValueError, "image 1 lies elsewhere", lambda: model.predict(images), "SimpleITK: channels of two places")


# ---- what is wrong ----


def test_errors(model):
    nothing = folder / "nothing"
    raises(swin_umamba.InvalidValueError, str(nothing), lambda: swin_umamba.load(nothing), "a folder that does not exist")
    raises(swin_umamba.InvalidValueError, "fold", lambda: swin_umamba.load(folder / "volumes", folds=[0, 7]), "a fold that does not exist")
    raises(swin_umamba.InvalidValueError, "fp8", lambda: swin_umamba.load(folder / "volumes", precision="fp8"), "an unknown precision")
    raises(swin_umamba.InvalidValueError, "800M", lambda: swin_umamba.load(folder / "volumes", memory="much"), "an amount of memory")
    raises(ValueError, "spacing", lambda: model.predict(image), "an array without spacing")
    raises(ValueError, "z, y, x", lambda: model.predict(image, (1, 1)), "too few numbers")
    raises(ValueError, "contradicts", lambda: model.predict(image, (9, 9, 9), affine), "spacing against affine")
    raises(swin_umamba.ShapeError, "2 channels", lambda: swin_umamba.load(folder / "one").predict(image, spacing), "too many channels")
    raises(swin_umamba.ShapeError, "trained on 2", lambda: model.predict(image[:1], spacing), "too few channels")
    raises(swin_umamba.ShapeError, "(Y,X)", lambda: model.predict(np.zeros(5), spacing), "one axis")
    raises(swin_umamba.ShapeError, "(4, 4)", lambda: model.predict(image, affine=np.eye(3)), "an affine without a place")
    raises(swin_umamba.ShapeError, "no image", lambda: model.predict([], spacing), "an empty list")
    raises(swin_umamba.ShapeError, "same grid", lambda: model.predict([image[0], image[1, :2]], spacing), "channels of two sizes")
    raises(swin_umamba.UnsupportedError, "complex128", lambda: model.predict(image.astype(complex), spacing), "complex numbers")
    bad = image.astype(np.float32)
    bad[1, 0, 0, 3] = np.nan
    raises(swin_umamba.InvalidValueError, "x 3, y 0, z 0", lambda: model.predict(bad, spacing), "NaN, with its place")
    little = swin_umamba.load(folder / "volumes", memory=1 << 20)
    raises(swin_umamba.OutOfMemoryError, "may use 1", lambda: little.predict(image, spacing), "too little memory")
    raises(MemoryError, "", lambda: little.predict(image, spacing), "is a MemoryError")
    check(np.array_equal(swin_umamba.load(folder / "volumes", memory="1.5G").predict(image, spacing), expected), "enough memory")
    raises(OSError, "none.nii.gz", lambda: model.predict_file(["/none.nii.gz", files[1]], folder / "x.nii.gz"), "a file that is not there")
    raises(swin_umamba.InvalidValueError, ".jpg", lambda: model.predict_file(files, folder / "x.jpg"), "a format that is not written")
    check(not list(folder.glob("x.*")), "no file was written")
    check(np.array_equal(model.predict(image, spacing), expected), "after all these the model works")
    with swin_umamba.load(folder / "volumes") as other:
        other.close()
    raises(swin_umamba.Error, "closed", lambda: other.predict(image, spacing), "a closed model")
    check("closed" in repr(other) and "closed" not in repr(model), "which its text tells")


def test_warnings(model):
    far = affine @ np.diag([7, 7, 7, 1])  # spacing seven times as large
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        model.predict(image, affine=far)
    check(len(heard) == 1 and heard[0].category is swin_umamba.PredictionWarning, "an unusual spacing is a warning")
    check(bool(heard) and heard[0].filename == __file__, "at the line that predicts")
    with warnings.catch_warnings():
        warnings.simplefilter("error", swin_umamba.PredictionWarning)
        raises(swin_umamba.PredictionWarning, "spacing", lambda: model.predict(image, affine=far), "as an error it ends the prediction")
    check(np.array_equal(model.predict(image, spacing), expected), "and the model works")


# ---- progress, threads, the end ----

LONG = 0.05  # a step that makes a prediction long


def test_progress(model):
    calls, threads = [], set()

    def progress(done, parts):
        calls.append((done, parts))
        threads.add(threading.current_thread())

    model.predict(image, spacing, progress=progress)
    check(calls and calls == sorted(calls) and calls[-1][0] == calls[-1][1], "progress goes from few to all")
    check(threads == {threading.current_thread()}, "on the calling thread")

    def refuse(done, parts):
        raise KeyError("refused")

    raises(KeyError, "refused", lambda: model.predict(image, spacing, progress=refuse), "its exception goes on")
    check(np.array_equal(model.predict(image, spacing), expected), "and the model works afterwards")


def in_thread(function):
    """A thread that keeps in `result` what function() returns or raises."""

    def work():
        try:
            thread.result = function()
        except BaseException as error:
            thread.result = error

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_cancel():
    model, begun = swin_umamba.load(folder / "volumes", step=LONG), threading.Event()
    running = in_thread(lambda: model.predict(image, spacing, progress=lambda done, parts: begun.set()))
    begun.wait()
    waiting = in_thread(lambda: model.predict(image, spacing))
    while len(model._calls) < 2:
        time.sleep(0.01)
    model.cancel()
    running.join()
    waiting.join()
    check(isinstance(running.result, swin_umamba.CancelledError), "another thread cancels what runs")
    check(isinstance(waiting.result, swin_umamba.CancelledError), "and what waits")
    check(isinstance(model.predict(image, spacing), np.ndarray), "later predictions are not affected")


def interrupted(model, is_ready):
    """Whether Ctrl-C, sent when is_ready(calls of progress), ends a prediction of this thread before its last piece."""
    calls = []

    def send():
        while not is_ready(calls):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    sender = in_thread(send)
    try:
        model.predict(image, spacing, progress=lambda done, parts: calls.append((done, parts)))
    except KeyboardInterrupt:
        return not calls or calls[-1][0] < calls[-1][1]
    finally:
        sender.join()
    return False


def test_interrupt():
    model, begun = swin_umamba.load(folder / "volumes", step=LONG), threading.Event()
    check(interrupted(model, lambda calls: calls), "Ctrl-C ends a prediction that runs")
    other = in_thread(lambda: model.predict(image, spacing, progress=lambda done, parts: begun.set()))
    begun.wait()
    check(interrupted(model, lambda calls: len(model._calls) == 2), "and one that waits")
    check(other.is_alive(), "at once")
    other.join()
    check(isinstance(other.result, np.ndarray), "the prediction of another thread goes on")


def test_threads(model):
    def often():
        return all(np.array_equal(model.predict(image, spacing), expected) for _ in range(2))

    threads = [in_thread(often) for _ in range(4)]
    [thread.join() for thread in threads]
    check(all(thread.result is True for thread in threads), "four threads with one model")
    single = swin_umamba.load(folder / "volumes", threads=1)
    threads = [in_thread(lambda m=m: np.array_equal(m.predict(image, spacing), expected)) for m in (model, single)]
    [thread.join() for thread in threads]
    check(single.info.threads == 1 and all(thread.result is True for thread in threads), "two models at the same time")
    ticks, finished = [], threading.Event()

    def tick():
        while not finished.wait(0.001):
            ticks.append(time.monotonic())

    other = in_thread(tick)
    start = time.monotonic()
    swin_umamba.load(folder / "volumes", step=LONG).predict(image, spacing)
    end = time.monotonic()
    finished.set()
    other.join()
    check(any(start < at < end for at in ticks), "Python goes on during a prediction")


def predict_in_child(model, answers):
    answers.put(np.array_equal(model.predict(image, spacing), expected))


def test_fork(model):
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=predict_in_child, args=(model, answers))
    child.start()
    child.join(120)
    check(child.exitcode == 0 and answers.get(), "a child of fork uses its parent's model")


def imported(code, **environment):
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    return done.stdout + done.stderr


def test_import():
    environment = {name: value for name, value in os.environ.items() if name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    for name in environment:
        del os.environ[name]
    shown = imported("import os, sys, swin_umamba; print('GOMP_SPINCOUNT' in os.environ, 'nibabel' in sys.modules)", OMP_DISPLAY_ENV="verbose")
    check("False False" in shown, "the import leaves the environment as it was, and imports no other package")
    if "GOMP_SPINCOUNT" not in shown:
        print("ok - how long threads spin # SKIP this OpenMP is not libgomp")
    else:
        check("GOMP_SPINCOUNT = '1000'" in shown, "threads spin for microseconds")
        shown = imported("import swin_umamba", OMP_DISPLAY_ENV="verbose", OMP_WAIT_POLICY="passive")
        check("GOMP_SPINCOUNT = '0'" in shown, "unless the user says otherwise")
    os.environ.update(environment)


def test_carried():
    """Libraries that the wheel carries are not taken from the system."""
    package = str(pathlib.Path(swin_umamba.__file__).parent)
    mapped = {line.split()[-1] for line in pathlib.Path("/proc/self/maps").read_text().splitlines() if ".so" in line}
    ours = [path for path in mapped if any(name in path for name in ("/libswinumamba", "/libdnnl", "/libtiff", "/libyaml"))]
    check(len(ours) == 4 and all(path.startswith(package) for path in ours), "its libraries are its own")


def test_info(model):
    info = model.info
    check(swin_umamba.__version__ == imported("import swin_umamba; print(swin_umamba.__version__)").strip(), "it tells its version")
    check(info.network == "swin_umamba_d" and info.file_ending == ".nii.gz" and info.folds == 1, "it tells network and folds")
    check(len(info.channels) == 2 and info.labels["background"] == 0 and len(info.labels) > 1, "channels and labels")
    check(info.patch == (32, 32) and np.allclose(info.spacing, spacing, rtol=0.5), "patch and spacing")
    check(not info.has_regions and info.threads >= 1, "regions and threads")
    counts = [swin_umamba.load(folder / "one", folds=folds).info.folds for folds in (None, 1, [0, 1], "0-1", "1")]
    check(counts == [2, 1, 2, 2, 1], "folds may be chosen")


def main():
    warnings.simplefilter("error", swin_umamba.PredictionWarning)
    warnings.filterwarnings("ignore", ".*it has no orientation", swin_umamba.PredictionWarning)  # of arrays without affine
    model = swin_umamba.load(folder / "volumes")
    for test in (test_info, test_arrays, test_probabilities, test_files, test_nibabel, test_errors, test_warnings, test_progress, test_threads, test_fork):
        test(model)
    for test in (test_carried, test_pictures, test_cancel, test_interrupt, test_import):
        test()
    test_simpleitk(model)
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
