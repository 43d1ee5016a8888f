"""What can go wrong: an exception for each code of the C library, below one class. Each is also a kind of Python's own
exception where there is one."""

from __future__ import annotations


class Error(Exception):
    """A model could not be opened, or an image not be segmented. The text says what was found, what was expected and
    what to do."""


class OutOfMemoryError(Error, MemoryError):
    """Out of memory, or of what `memory` allows; or no thread could be started."""


class FileError(Error, OSError):
    """A file could not be opened, read or written."""


class FormatError(Error, ValueError):
    """A file's content is not what it must be."""


class InvalidValueError(Error, ValueError):
    """A value is outside its range, or two values contradict; also where there is no model."""


class ShapeError(Error, ValueError):
    """Shapes or numbers of channels do not fit."""


class UnsupportedError(Error):
    """Valid, but not supported."""


class CancelledError(Error):
    """The prediction was cancelled by Model.cancel."""


class PredictionWarning(UserWarning):
    """The result may be wrong: the image is unlike those of the training, or similar."""


OF_CODE: dict[int, type[Error]] = {
    -1: OutOfMemoryError,
    -2: FileError,
    -3: FormatError,
    -4: InvalidValueError,
    -5: ShapeError,
    -6: UnsupportedError,
    -7: CancelledError,
    -8: OutOfMemoryError,
}
CANCELLED = -7
