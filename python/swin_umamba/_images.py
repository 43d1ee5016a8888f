"""Images of other packages to arrays for the library, and its results back to the kind and geometry of the image.

nibabel and SimpleITK are never imported here: an image of theirs can only be there if the caller has imported them."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from typing import Any, Callable, Optional, Sequence

import numpy as np

from ._errors import InvalidValueError, ShapeError, UnsupportedError
from ._library import VOXEL_TYPES

Array = Any  # a NumPy array; its type is only known at run time
Spacing = tuple[float, float, float]


@dataclasses.dataclass
class Volume:
    """An image as the library takes it."""

    voxels: Array  # (channels, Z, Y, X), dense, of a type in VOXEL_TYPES
    spacing: Spacing  # along Z, Y, X, in mm
    affine: Optional[Array]  # (3, 4): voxel (x, y, z, 1) to mm to the right, to the front and up
    # From labels (Z, Y, X), and probabilities (Z, Y, X, classes), to the caller's kind of image.
    give_labels: Callable[[Array], Any]
    give_probabilities: Callable[[Array], Any]


def dense(values: Any) -> Array:
    """An array in the order of C, of a type that the library knows."""
    array = np.asarray(values)
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    elif array.dtype == np.float16:
        array = array.astype(np.float32)
    elif not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.name not in VOXEL_TYPES:
        raise UnsupportedError(
            f"the image has voxels of the type {array.dtype}: expected whole or floating-point numbers"
        )
    return np.ascontiguousarray(array)


# ---- arrays ----


def _numbers(values: Any, count: int, axes: str) -> list[float]:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (count,):
        raise InvalidValueError(f"spacing is {values!r}: expected {count} numbers in mm, along {axes}")
    return [float(number) for number in numbers]


def _plane_spacing(spacing: Any, trained: Spacing) -> Spacing:
    if spacing is not None:
        y, x = _numbers(spacing, 2, "y, x")
        return 1.0, y, x
    if trained[1:] != (1.0, 1.0):
        raise InvalidValueError(
            "the spacing of the array is not known: give spacing=(y, x) in mm (the model was trained on "
            f"{trained[1]:g}, {trained[2]:g})"
        )
    return 1.0, 1.0, 1.0  # the model was trained on pictures


def _volume_spacing(spacing: Any, affine: Optional[Array], trained: Spacing) -> Spacing:
    if spacing is None and affine is None:
        raise InvalidValueError(
            "the spacing of the array is not known: give spacing=(z, y, x) in mm, or affine (the model was trained on "
            + ", ".join(f"{number:g}" for number in trained)
            + ")"
        )
    if affine is None:
        z, y, x = _numbers(spacing, 3, "z, y, x")
        return z, y, x
    x, y, z = (float(length) for length in np.linalg.norm(affine[:, :3], axis=0))
    if spacing is not None and not np.allclose(_numbers(spacing, 3, "z, y, x"), (z, y, x), rtol=1e-3):
        raise InvalidValueError(
            f"spacing {tuple(spacing)} contradicts affine, which has {z:g}, {y:g}, {x:g} along z, y, x"
        )
    return z, y, x


def _matrix(affine: Any) -> Array:
    matrix = np.asarray(affine, dtype=np.float64)
    if matrix.shape not in ((3, 4), (4, 4)):
        raise ShapeError(f"affine has the shape {matrix.shape}: expected (4, 4) or (3, 4)")
    return matrix[:3]


def _of_array(image: Any, spacing: Any, affine: Any, channels: int, trained: Spacing) -> Volume:
    array = dense(image)
    is_plane = array.ndim == 2 or (array.ndim == 3 and channels > 1 and array.shape[0] == channels)
    if not 2 <= array.ndim <= 4:
        raise ShapeError(f"the array has the shape {array.shape}: expected (Y,X), (Z,Y,X) or (channels,Z,Y,X)")
    if is_plane:
        if affine is not None:
            raise InvalidValueError("an affine is that of a volume: give the slice as (Z,Y,X) with Z = 1")
        return Volume(
            array[None, None] if array.ndim == 2 else array[:, None],
            _plane_spacing(spacing, trained),
            None,
            lambda labels: labels[0],
            lambda values: np.moveaxis(values[0], -1, 0),
        )
    matrix = None if affine is None else _matrix(affine)
    return Volume(
        array[None] if array.ndim == 3 else array,
        _volume_spacing(spacing, matrix, trained),
        matrix,
        lambda labels: labels,
        lambda values: np.moveaxis(values, -1, 0),
    )


# ---- nibabel ----


def _millimetres(header: Any) -> float:
    """Of a NIfTI header's unit; other formats have millimetres."""
    units = header.get_xyzt_units()[0] if hasattr(header, "get_xyzt_units") else "mm"
    return {"meter": 1000.0, "micron": 0.001}.get(units, 1.0)


def _place(image: Any) -> Optional[Array]:
    """The affine of a volume; none where a NIfTI header has neither sform nor qform."""
    header = image.header
    is_placeless = hasattr(header, "get_sform") and not header["sform_code"] and not header["qform_code"]
    if is_placeless or image.affine is None or len(image.shape) == 2:
        return None
    return np.asarray(image.affine, dtype=np.float64)[:3] * _millimetres(header)


def _like_nibabel(image: Any, voxels: Array) -> Any:
    header = image.header.copy()
    header.set_data_dtype(voxels.dtype)
    if hasattr(header, "get_sform"):  # the image's display range is not that of labels
        header["cal_min"] = header["cal_max"] = 0
    return type(image)(voxels, image.affine, header)


def _of_nibabel(image: Any) -> Volume:
    if not 2 <= len(image.shape) <= 4:
        raise ShapeError(f"the image has the shape {image.shape}: expected (X,Y), (X,Y,Z) or (X,Y,Z,channels)")
    voxels = dense(np.asanyarray(image.dataobj).T)
    is_plane = voxels.ndim == 2
    zooms = [float(zoom) * _millimetres(image.header) for zoom in image.header.get_zooms()[:3]] + [1.0]
    return Volume(
        voxels[None, None] if is_plane else voxels[None] if voxels.ndim == 3 else voxels,
        (zooms[2], zooms[1], zooms[0]),
        _place(image),
        lambda labels: _like_nibabel(image, labels[0].T if is_plane else labels.T),
        lambda values: _like_nibabel(image, values.transpose(2, 1, 0, 3)),
    )


# ---- SimpleITK ----


def _of_simpleitk(image: Any, sitk: Any) -> Volume:
    dimensions = image.GetDimension()
    if dimensions not in (2, 3):
        raise ShapeError(
            f"the image has {dimensions} dimensions: expected 2 or 3; give several channels as a list of images"
        )
    voxels = sitk.GetArrayViewFromImage(image)
    voxels = np.moveaxis(voxels, -1, 0) if image.GetNumberOfComponentsPerPixel() > 1 else voxels[None]
    spacing = [float(number) for number in image.GetSpacing()] + [1.0]
    affine = None
    if dimensions == 3:
        to_ras = np.diag([-1.0, -1.0, 1.0])  # ITK's axes point to the left and to the back
        columns = np.reshape(image.GetDirection(), (3, 3)) * spacing[:3]
        affine = to_ras @ np.column_stack([columns, image.GetOrigin()])

    def give(values: Array, is_vector: bool) -> Any:
        result = sitk.GetImageFromArray(values if dimensions == 3 else values[0], isVector=is_vector)
        result.CopyInformation(image)
        return result

    return Volume(
        dense(voxels if dimensions == 3 else voxels[:, None]),
        (spacing[2], spacing[1], spacing[0]),
        affine,
        lambda labels: give(labels, False),
        lambda values: give(values, True),
    )


# ---- any of them ----


def _distance(a: Volume, b: Volume) -> float:
    """The most that a corner of one grid is away from the other's, in mm; 0 where one has no place."""
    if a.affine is None or b.affine is None:
        return 0.0
    ends = [(0, length - 1) for length in reversed(a.voxels.shape[1:])]
    return max(float(np.linalg.norm((a.affine - b.affine) @ (*corner, 1))) for corner in itertools.product(*ends))


def _join(parts: Sequence[Volume]) -> Volume:
    """Channels of one image, which must have the first one's grid."""
    first = parts[0]
    for i, part in enumerate(parts[1:], 1):
        shapes = part.voxels.shape[1:], first.voxels.shape[1:]
        if shapes[0] != shapes[1]:
            raise ShapeError(
                f"image {i} has {shapes[0]} voxels (z,y,x), image 0 has {shapes[1]}: expected the same grid"
            )
        is_same = np.allclose(part.spacing, first.spacing, rtol=1e-3)
        if not is_same or _distance(part, first) > 0.1 * min(first.spacing):
            raise InvalidValueError(f"image {i} lies elsewhere than image 0: resample it to the grid of image 0")
    return dataclasses.replace(first, voxels=np.concatenate([part.voxels for part in parts]))


def take(image: Any, spacing: Any, affine: Any, channels: int, trained: Spacing) -> Volume:
    """An array, an image of nibabel or SimpleITK, or a list of them with one or more channels each.

    trained: the spacing of the training images."""
    if isinstance(image, (list, tuple)):
        if not image:
            raise ShapeError("there is no image in the list: give one for each channel")
        return _join([take(part, spacing, affine, 1, trained) for part in image])
    nibabel, sitk = sys.modules.get("nibabel.spatialimages"), sys.modules.get("SimpleITK")
    is_nibabel = nibabel is not None and isinstance(image, nibabel.SpatialImage)
    is_sitk = sitk is not None and isinstance(image, sitk.Image)
    if not is_nibabel and not is_sitk:
        return _of_array(image, spacing, affine, channels, trained)
    if spacing is not None or affine is not None:
        raise InvalidValueError("spacing and affine are those of the image itself: give them with arrays only")
    return _of_nibabel(image) if is_nibabel else _of_simpleitk(image, sitk)
