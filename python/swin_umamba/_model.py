"""A trained model, and its predictions."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import functools
import os
import queue
import re
import threading
import warnings
import weakref
from typing import Any, Callable, Iterator, Literal, Optional, Sequence, Union, overload

import numpy as np
import numpy.typing as npt

from . import _errors, _images, _library
from ._library import library, sized

ProgressFunction = Callable[[int, int], object]
Path = Union[str, "os.PathLike[str]"]


@dataclasses.dataclass(frozen=True)
class Info:
    """What a model is, and what it wants."""

    network: str
    """Name of the network, as in the plan: "swin_umamba_d"."""
    dataset: str
    """Name of the dataset that it was trained on."""
    file_ending: str
    """Of the training images: ".nii.gz"."""
    channels: tuple[str, ...]
    """Names of the channels, in the order in which images have them."""
    labels: dict[str, int]
    """Values in label images by the names of the classes, in the order of the probabilities."""
    has_regions: bool
    """Whether the classes are regions (unions of labels), which overlap."""
    folds: int
    """Number of networks whose mean is predicted."""
    patch: tuple[int, int]
    """Pixels of the sliding window, along y and x."""
    spacing: tuple[float, float, float]
    """Median of the training images along z, y and x, in mm; 0: not known."""
    threads: int
    """Threads that a prediction uses."""


def _info_of(handle: int) -> Info:
    info = library.swin_model_info(handle).contents
    classes = [info.classes[i] for i in range(info.class_count)]
    patch, spacing = info.patch_yx, info.median_spacing_zyx_mm
    return Info(
        network=info.network.decode(),
        dataset=info.dataset.decode(),
        file_ending=info.file_ending.decode(),
        channels=tuple(info.channel_names[i].decode() for i in range(info.channel_count)),
        labels={c.name.decode() or f"class {i}": c.value for i, c in enumerate(classes)},
        has_regions=bool(info.has_regions),
        folds=info.fold_count,
        patch=(patch[0], patch[1]),
        spacing=(spacing[0], spacing[1], spacing[2]),
        threads=info.threads,
    )


def _raise(failure: _library.Failure) -> None:
    if failure.code:
        raise _errors.OF_CODE.get(failure.code, _errors.Error)(failure.text.decode(errors="replace"))


def _bytes_of(memory: Union[int, str, None]) -> int:
    """1 << 30, or "1G" as the programs' --memory has it."""
    if memory is None or isinstance(memory, int):
        return memory or 0
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT])(?:i?B)?", memory, re.IGNORECASE)
    if not found:
        raise _errors.InvalidValueError(
            f"memory is {memory!r}: expected a number of bytes, or a text such as 8G or 800M"
        )
    return int(float(found[1]) * 1024 ** (1 + "KMGT".index(found[2].upper())))


def _folds_of(folds: Union[int, str, Sequence[int], None]) -> Optional[bytes]:
    if folds is None or isinstance(folds, (int, str)):
        return None if folds is None else str(folds).encode()
    return ",".join(str(fold) for fold in folds).encode()


def _encoded(text: Optional[str]) -> Optional[bytes]:
    return None if text is None else text.encode()


class _Call:
    """A prediction, from its beginning to its end. What it has to tell comes through `events`: functions, then None."""

    def __init__(self, progress: Optional[ProgressFunction]) -> None:
        self.events: queue.SimpleQueue[Optional[Callable[[], object]]] = queue.SimpleQueue()
        self.is_stopped = False
        self.process = os.getpid()
        self.failure = _library.Failure()
        self._progress = progress
        # These are called on a thread of the library.
        self._functions = _library.Warn(self._hear_warning), _library.Progress(self._hear_progress)
        self.listener = sized(_library.Listener, warning=self._functions[0], progress=self._functions[1])

    def _hear_warning(self, _context: object, text: bytes) -> None:
        message = text.decode(errors="replace")
        # The line that is shown is the one that called predict: three frames up from where events are followed.
        self.events.put(functools.partial(warnings.warn, message, _errors.PredictionWarning, stacklevel=3))

    def _hear_progress(self, _context: object, done: int, parts: int) -> int:
        if self._progress is not None:
            self.events.put(functools.partial(self._progress, done, parts))
        return int(self.is_stopped)


class Model:
    """A trained model; load() opens one.

    It may be used by several threads: their predictions run one after another. As a context manager it is closed at the
    end; else when it is no longer used."""

    def __init__(self, handle: int) -> None:
        self.info: Info = _info_of(handle)
        """What the model is, and what it wants."""
        self._handle = handle
        info = library.swin_model_info(handle).contents
        self._label_type = np.uint8 if info.label_bytes == 1 else np.uint16
        self._class_count = info.class_count  # info.labels has fewer if two classes have one name
        self._close = weakref.finalize(self, library.swin_close, handle)
        self._close.atexit = False
        self._changed = threading.Condition()  # protects what follows
        self._calls: list[_Call] = []  # the first one runs, the others wait

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError("a swin_umamba.Model cannot be pickled: load it in each process")

    def __repr__(self) -> str:
        state = "" if self._close.alive else ", closed"
        return f"<swin_umamba.Model {self.info.network} of {self.info.dataset}{state}>"

    @overload
    def predict(
        self,
        image: Union[npt.NDArray[Any], Sequence[npt.NDArray[Any]]],
        spacing: Optional[Sequence[float]] = None,
        affine: Optional[npt.ArrayLike] = None,
        probabilities: Literal[False] = False,
        progress: Optional[ProgressFunction] = None,
    ) -> npt.NDArray[Any]: ...

    @overload
    def predict(
        self,
        image: Union[npt.NDArray[Any], Sequence[npt.NDArray[Any]]],
        spacing: Optional[Sequence[float]] = None,
        affine: Optional[npt.ArrayLike] = None,
        *,
        probabilities: Literal[True],
        progress: Optional[ProgressFunction] = None,
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]: ...

    @overload
    def predict(
        self,
        image: Any,
        spacing: Optional[Sequence[float]] = None,
        affine: Optional[npt.ArrayLike] = None,
        probabilities: bool = False,
        progress: Optional[ProgressFunction] = None,
    ) -> Any: ...

    def predict(
        self,
        image: Any,
        spacing: Optional[Sequence[float]] = None,
        affine: Optional[npt.ArrayLike] = None,
        probabilities: bool = False,
        progress: Optional[ProgressFunction] = None,
    ) -> Any:
        """Segments an image.

        image: an array (Z,Y,X) or (channels,Z,Y,X), or (Y,X) or (channels,Y,X) for a slice or picture; an image of
            nibabel or SimpleITK; or a list of any of these, one for each channel.
        spacing: of an array, in mm along its axes (z,y,x) or (y,x). Only arrays of pictures may go without.
        affine: of an array: the matrix (4,4) or (3,4) from a voxel (x,y,z,1) to mm to the right, to the front and up,
            as nibabel has it. spacing then follows from it.
        probabilities: whether to return (labels, probabilities).
        progress: called as progress(done, parts) on the calling thread; an exception of it ends the prediction.

        Returns the labels, uint8 (uint16 if the model has many): an array with the axes of the image without channels,
        or an image of the same kind with the same geometry. Probabilities are float32, with the classes as the first
        axis of an array, the last of nibabel's images, the components of SimpleITK's.

        Raises Error and its subclasses; KeyboardInterrupt ends the prediction at the next piece of the sliding window.
        Warns with PredictionWarning."""
        volume = _images.take(image, spacing, affine, len(self.info.channels), self.info.spacing)
        shape = volume.voxels.shape[1:]
        labels = np.empty(shape, self._label_type)
        values = np.empty((*shape, self._class_count), np.float32) if probabilities else None
        matrix = None if volume.affine is None else (ctypes.c_double * 12)(*volume.affine.ravel())
        described = sized(
            _library.Image,
            voxels=volume.voxels.ctypes.data,
            type=_library.VOXEL_TYPES.index(volume.voxels.dtype.name),
            channels=volume.voxels.shape[0],
            shape_zyx=shape,
            spacing_zyx_mm=volume.spacing,
            affine=matrix,
        )
        to = labels.ctypes.data, None if values is None else values.ctypes.data
        # The thread may outlive this call: it keeps what it works on.
        self._run(library.swin_predict, (ctypes.byref(described), *to), (volume, labels, values, matrix), progress)
        if values is None:
            return volume.give_labels(labels)
        return volume.give_labels(labels), volume.give_probabilities(values)

    def predict_file(
        self, images: Union[Path, Sequence[Path]], output: Path, progress: Optional[ProgressFunction] = None
    ) -> None:
        """Segments the image files of one case, one per channel or one with all channels. The labels are written to
        output, whose ending names the format: the file that the program predict writes. An existing file is replaced.
        """
        paths = [images] if isinstance(images, (str, os.PathLike)) else list(images)
        names = (ctypes.c_char_p * len(paths))(*(os.fsencode(path) for path in paths))
        self._run(library.swin_predict_file, (names, len(paths), os.fsencode(output)), names, progress)

    def cancel(self) -> None:
        """Ends the predictions that run or wait now, from any thread: they raise CancelledError."""
        with self._changed:
            for call in self._calls:
                self._stop(call)

    def close(self) -> None:
        """Frees the memory, after the predictions that run or wait. Closing twice is fine."""
        with self._changed:
            self._changed.wait_for(lambda: not self._calls or self._was_forked())
            self._close()

    # ---- inside ----

    def _expect_open(self) -> None:
        if not self._close.alive:
            raise _errors.InvalidValueError("the model is closed: load it again")
        if self._was_forked():
            raise _errors.InvalidValueError(
                "the process was forked while another thread was predicting with this model: load it again"
            )

    def _was_forked(self) -> bool:
        """Whether a call began in the parent of this process: it never ends here."""
        return bool(self._calls) and self._calls[0].process != os.getpid()

    def _stop(self, call: _Call) -> None:
        """Ends a call; self._changed is held."""
        call.is_stopped = True
        if self._calls[:1] == [call]:  # the library has no other call than this
            library.swin_cancel(self._handle)
        self._changed.notify_all()

    @contextlib.contextmanager
    def _turn(self, call: _Call) -> Iterator[bool]:
        """Waits until the calls before this one have ended. Yields whether it may run: false if it was stopped."""
        with self._changed:
            self._changed.wait_for(lambda: call.is_stopped or self._calls[0] is call)
        try:
            yield not call.is_stopped
        finally:
            self._forget(call)

    def _forget(self, call: _Call) -> None:
        with self._changed:
            if call in self._calls:
                self._calls.remove(call)
            self._changed.notify_all()

    def _work(self, call: _Call, function: Any, arguments: tuple[Any, ...], _kept: object) -> None:
        try:
            with self._turn(call) as may_run:
                if may_run:
                    function(self._handle, *arguments, ctypes.byref(call.listener), ctypes.byref(call.failure))
                else:
                    call.failure.code, call.failure.text = _errors.CANCELLED, b"the prediction was cancelled"
        finally:
            call.events.put(None)

    def _run(
        self, function: Any, arguments: tuple[Any, ...], kept: object, progress: Optional[ProgressFunction]
    ) -> None:
        """Runs a function of the library on a thread, and waits here: Ctrl-C, warnings, progress are the caller's."""
        call = _Call(progress)
        thread = threading.Thread(target=self._work, args=(call, function, arguments, kept), name="swin_umamba")
        try:
            with self._changed:
                self._expect_open()
                self._calls.append(call)
            thread.start()
            while (event := call.events.get()) is not None:
                event()
        except BaseException:
            with self._changed:
                self._stop(call)
            raise
        finally:
            if thread.ident is None:  # it was not started
                self._forget(call)
            else:
                thread.join()
        _raise(call.failure)


def load(
    path: Path,
    *,
    threads: Optional[int] = None,
    memory: Union[int, str, None] = None,
    device: str = "cpu",
    folds: Union[int, str, Sequence[int], None] = None,
    checkpoint: Optional[str] = None,
    precision: Optional[str] = None,
    mirroring: Optional[bool] = None,
    step: Optional[float] = None,
) -> Model:
    """Opens a trained model. The weights are read by the first prediction.

    path: a results folder of train or of an nnU-Net trainer, or an inference.yaml with one model.
    threads: by default OMP_NUM_THREADS, else the processors that the process may use.
    memory: the most that one prediction may use beside the arrays, in bytes or such as "8G"; by default without limit.
    device: "cpu"; "cuda" or "cuda:1" if the library was built for it.
    folds: 0, [0, 1, 2], "0-4" or "all"; by default all numbered folds. The mean of several is predicted.
    checkpoint: "final" (default), "best" or "latest".
    precision: "fp32" (default) or "bf16".
    mirroring: whether to average over mirrored images; by default as the plan says.
    step: of the sliding window, as a part of the patch; by default the plan's, 0.5.

    Raises Error and its subclasses; warns with PredictionWarning."""
    heard: list[str] = []
    failure = _library.Failure()
    hear = _library.Warn(lambda _context, text: heard.append(text.decode(errors="replace")))
    listener = sized(_library.Listener, warning=hear)
    options = sized(
        _library.Options,
        folds=_folds_of(folds),
        checkpoint=_encoded(checkpoint),
        device=_encoded(device),
        precision=_encoded(precision),
        threads=threads or 0,
        mirroring=0 if mirroring is None else 1 if mirroring else -1,
        step=step or 0.0,
        memory=_bytes_of(memory),
    )
    handle = library.swin_open(os.fsencode(path), ctypes.byref(options), ctypes.byref(listener), ctypes.byref(failure))
    for text in heard:
        warnings.warn(text, _errors.PredictionWarning, stacklevel=2)
    _raise(failure)
    return Model(handle)
