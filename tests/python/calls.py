"""calls.py BUILD FOLDER: errors, warnings, progress, the end of calls, threads, processes, the import."""

import contextlib
import importlib.metadata
import multiprocessing
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np

import swin_umamba
from case import affine, check, expected, files, folder, image, raises, run, spacing


def test_errors(model):
    nothing = folder / "nothing"
    raises(
        swin_umamba.InvalidValueError, str(nothing), lambda: swin_umamba.load(nothing), "a folder that does not exist"
    )
    raises(
        swin_umamba.InvalidValueError,
        "fold",
        lambda: swin_umamba.load(folder / "volumes", folds=[0, 7]),
        "a fold that does not exist",
    )
    raises(
        swin_umamba.InvalidValueError,
        "fp8",
        lambda: swin_umamba.load(folder / "volumes", precision="fp8"),
        "an unknown precision",
    )
    raises(
        swin_umamba.InvalidValueError,
        "800M",
        lambda: swin_umamba.load(folder / "volumes", memory="much"),
        "an amount of memory",
    )
    raises(ValueError, "spacing", lambda: model.predict(image), "an array without spacing")
    raises(ValueError, "z, y, x", lambda: model.predict(image, (1, 1)), "too few numbers")
    raises(ValueError, "contradicts", lambda: model.predict(image, (9, 9, 9), affine), "spacing against affine")
    raises(
        swin_umamba.ShapeError,
        "2 channels",
        lambda: swin_umamba.load(folder / "one").predict(image, spacing),
        "too many channels",
    )
    raises(swin_umamba.ShapeError, "trained on 2", lambda: model.predict(image[:1], spacing), "too few channels")
    raises(swin_umamba.ShapeError, "(Y,X)", lambda: model.predict(np.zeros(5), spacing), "one axis")
    raises(
        swin_umamba.ShapeError, "(4, 4)", lambda: model.predict(image, affine=np.eye(3)), "an affine without a place"
    )
    raises(swin_umamba.ShapeError, "0x36x40", lambda: model.predict(image[:, :0], spacing), "an empty array")
    raises(swin_umamba.ShapeError, "no image", lambda: model.predict([], spacing), "an empty list")
    raises(
        swin_umamba.ShapeError,
        "same grid",
        lambda: model.predict([image[0], image[1, :2]], spacing),
        "channels of two sizes",
    )
    raises(
        swin_umamba.UnsupportedError,
        "complex128",
        lambda: model.predict(image.astype(complex), spacing),
        "complex numbers",
    )
    bad = image.astype(np.float32)
    bad[1, 0, 0, 3] = np.nan
    raises(swin_umamba.InvalidValueError, "x 3, y 0, z 0", lambda: model.predict(bad, spacing), "NaN, with its place")
    little = swin_umamba.load(folder / "volumes", memory=1 << 20)
    raises(swin_umamba.OutOfMemoryError, "may use 1", lambda: little.predict(image, spacing), "too little memory")
    raises(MemoryError, "", lambda: little.predict(image, spacing), "is a MemoryError")
    check(
        np.array_equal(swin_umamba.load(folder / "volumes", memory="1.5G").predict(image, spacing), expected),
        "enough memory",
    )
    raises(
        OSError,
        "none.nii.gz",
        lambda: model.predict_file(["/none.nii.gz", files[1]], folder / "x.nii.gz"),
        "a file that is not there",
    )
    raises(
        swin_umamba.InvalidValueError,
        ".jpg",
        lambda: model.predict_file(files, folder / "x.jpg"),
        "a format that is not written",
    )
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
        raises(
            swin_umamba.PredictionWarning,
            "spacing",
            lambda: model.predict(image, affine=far),
            "as an error it ends the prediction",
        )
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


@contextlib.contextmanager
def occupied(model):
    """The model has a call, which ends with the block: predictions in it wait."""
    call = swin_umamba._model._Call(None)
    with model._changed:
        model._calls.append(call)
    try:
        yield
    finally:
        model._forget(call)


def wait_for_calls(model, count):
    while len(model._calls) < count:
        time.sleep(0.01)


def cancelled_running(model):
    """What a prediction gives that is cancelled after its first piece. On a busy machine that may come too late."""
    for _ in range(10):
        begun = threading.Event()
        running = in_thread(lambda: model.predict(image, spacing, progress=lambda done, parts: begun.set()))
        begun.wait(60)
        model.cancel()
        running.join()
        if isinstance(running.result, Exception):
            break
    return running.result


def test_cancel(_model):
    model = swin_umamba.load(folder / "volumes", step=LONG)
    result = cancelled_running(model)
    check(isinstance(result, swin_umamba.CancelledError), "another thread cancels what runs")
    with occupied(model):
        waiting = in_thread(lambda: model.predict(image, spacing))
        wait_for_calls(model, 2)
        model.cancel()
        waiting.join()
    check(isinstance(waiting.result, swin_umamba.CancelledError), "and what waits")
    check(isinstance(model.predict(image, spacing), np.ndarray), "later predictions are not affected")


def interrupt(model, is_ready):
    """Sends Ctrl-C when is_ready(calls of progress). Returns these calls if it ended the prediction, None if it came
    too late."""
    calls = []

    def send():
        while not is_ready(calls):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    sender = in_thread(send)
    try:
        model.predict(image, spacing, progress=lambda done, parts: calls.append((done, parts)))
    except KeyboardInterrupt:
        sender.join()
        return calls
    try:
        sender.join()
    except KeyboardInterrupt:
        pass
    return None


def interrupted(model):
    """Whether Ctrl-C ends a prediction of this thread before its last piece. On a busy machine it may come too late."""
    for _ in range(10):
        calls = interrupt(model, lambda calls: calls)
        if calls is not None:
            return not calls or calls[-1][0] < calls[-1][1]
    return False


def test_interrupt(_model):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let programs in the background ignore it
    model = swin_umamba.load(folder / "volumes", step=LONG)
    check(interrupted(model), "Ctrl-C ends a prediction that runs")
    with occupied(model):
        other = in_thread(lambda: model.predict(image, spacing))
        wait_for_calls(model, 2)
        check(interrupt(model, lambda calls: len(model._calls) == 3) == [], "and one that waits")
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


def fail_in_child(model, answers):
    try:
        model.predict(image, spacing)
    except swin_umamba.InvalidValueError as error:
        model.close()
        answers.put(str(error))
    else:
        answers.put("predicted")


def test_fork(model):
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=predict_in_child, args=(model, answers))
    child.start()
    child.join(120)
    check(child.exitcode == 0 and answers.get(), "a child of fork uses its parent's model")
    with occupied(model):
        child = context.Process(target=fail_in_child, args=(model, answers))
        child.start()
        child.join(120)
    check(child.exitcode == 0 and "was forked" in answers.get(), "unless it was in use: then an error says so")
    raises(TypeError, "load it in each process", lambda: pickle.dumps(model), "a model is not pickled")


def imported(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    return done.stdout + done.stderr


def test_import(_model):
    check(swin_umamba.__version__ == importlib.metadata.version("swin-umamba"), "library and wheel have one version")
    environment = {name: value for name, value in os.environ.items() if name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    for name in environment:
        del os.environ[name]
    shown = imported(
        "import os, sys, swin_umamba; print('GOMP_SPINCOUNT' in os.environ, 'nibabel' in sys.modules)",
        OMP_DISPLAY_ENV="verbose",
    )
    check("False False" in shown, "the import leaves the environment as it was, and imports no other package")
    if "GOMP_SPINCOUNT" not in shown:
        print("ok - how long threads spin # SKIP this OpenMP is not libgomp")
    else:
        check("GOMP_SPINCOUNT = '1000'" in shown, "threads spin for microseconds")
        shown = imported("import swin_umamba", OMP_DISPLAY_ENV="verbose", OMP_WAIT_POLICY="passive")
        check("GOMP_SPINCOUNT = '0'" in shown, "unless the user says otherwise")
    os.environ.update(environment)


def test_carried(_model):
    """Libraries that the wheel carries are not taken from the system."""
    package = str(pathlib.Path(swin_umamba.__file__).parent)
    mapped = {line.split()[-1] for line in pathlib.Path("/proc/self/maps").read_text().splitlines() if ".so" in line}
    ours = [
        path for path in mapped if any(name in path for name in ("/libswinumamba", "/libdnnl", "/libtiff", "/libyaml"))
    ]
    check(len(ours) == 4 and all(path.startswith(package) for path in ours), "its libraries are its own")


if __name__ == "__main__":
    run(
        test_import,
        test_carried,
        test_errors,
        test_warnings,
        test_progress,
        test_cancel,
        test_interrupt,
        test_threads,
        test_fork,
    )
