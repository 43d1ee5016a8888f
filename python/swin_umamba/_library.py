"""The C library: its structures and functions, as swin_umamba.h declares them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
from typing import Any, Iterator

Warn = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)
Progress = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


class Failure(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("text", ctypes.c_char * 1024)]


class Listener(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("context", ctypes.c_void_p), ("warning", Warn), ("progress", Progress)]


class Options(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("folds", ctypes.c_char_p),
        ("checkpoint", ctypes.c_char_p),
        ("device", ctypes.c_char_p),
        ("precision", ctypes.c_char_p),
        ("threads", ctypes.c_int),
        ("mirroring", ctypes.c_int),
        ("step", ctypes.c_double),
        ("memory", ctypes.c_int64),
    ]


class Class(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_int)]


class Info(ctypes.Structure):
    _fields_ = [
        ("network", ctypes.c_char_p),
        ("dataset", ctypes.c_char_p),
        ("file_ending", ctypes.c_char_p),
        ("channel_count", ctypes.c_int),
        ("channel_names", ctypes.POINTER(ctypes.c_char_p)),
        ("class_count", ctypes.c_int),
        ("classes", ctypes.POINTER(Class)),
        ("has_regions", ctypes.c_int),
        ("label_bytes", ctypes.c_int),
        ("fold_count", ctypes.c_int),
        ("patch_yx", ctypes.c_int * 2),
        ("median_spacing_zyx_mm", ctypes.c_double * 3),
        ("threads", ctypes.c_int),
    ]


class Image(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("voxels", ctypes.c_void_p),
        ("type", ctypes.c_int),
        ("channels", ctypes.c_int),
        ("shape_zyx", ctypes.c_int64 * 3),
        ("spacing_zyx_mm", ctypes.c_double * 3),
        ("affine", ctypes.POINTER(ctypes.c_double)),
    ]


# SWIN_FLOAT32 … SWIN_INT64, in their order.
VOXEL_TYPES = ("float32", "float64", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")


def sized(kind: Any, **values: Any) -> Any:
    """A structure that begins with its own size."""
    return kind(size=ctypes.sizeof(kind), **values)


@contextlib.contextmanager
def _short_waits() -> Iterator[None]:
    """How long waiting threads spin, as the programs set it; OpenMP reads it while it is loaded. A user's own setting
    wins, and the environment is afterwards as it was."""
    if "OMP_WAIT_POLICY" in os.environ or "GOMP_SPINCOUNT" in os.environ:
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = "1000"
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def _load() -> ctypes.CDLL:
    """The library of the wheel; without a wheel, that of the system."""
    name = "libswinumamba.so.0"
    carried = pathlib.Path(__file__).parent / "libs" / name
    with _short_waits():
        library = ctypes.CDLL(str(carried) if carried.exists() else name)
    model, failure = ctypes.c_void_p, ctypes.POINTER(Failure)
    listener = ctypes.POINTER(Listener)
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "swin_version": (ctypes.c_char_p, []),
        "swin_open": (model, [ctypes.c_char_p, ctypes.POINTER(Options), listener, failure]),
        "swin_close": (None, [model]),
        "swin_model_info": (ctypes.POINTER(Info), [model]),
        "swin_predict": (
            ctypes.c_int,
            [model, ctypes.POINTER(Image), ctypes.c_void_p, ctypes.c_void_p, listener, failure],
        ),
        "swin_predict_file": (
            ctypes.c_int,
            [model, ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_char_p, listener, failure],
        ),
        "swin_cancel": (None, [model]),
    }
    for function, (result, arguments) in signatures.items():
        getattr(library, function).restype = result
        getattr(library, function).argtypes = arguments
    return library


library = _load()
version: str = library.swin_version().decode()
