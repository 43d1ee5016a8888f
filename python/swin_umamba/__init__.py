"""Segments medical images with trained Swin-UMamba and nnU-Net models.

import swin_umamba
model = swin_umamba.load("results")
labels = model.predict(array, spacing=(3.0, 0.8, 0.8))
"""

from ._errors import (
    CancelledError,
    Error,
    FileError,
    FormatError,
    InvalidValueError,
    OutOfMemoryError,
    PredictionWarning,
    ShapeError,
    UnsupportedError,
)
from ._library import version as __version__
from ._model import Info, Model, load

__all__ = [
    "CancelledError",
    "Error",
    "FileError",
    "FormatError",
    "Info",
    "InvalidValueError",
    "Model",
    "OutOfMemoryError",
    "PredictionWarning",
    "ShapeError",
    "UnsupportedError",
    "__version__",
    "load",
]
