"""What ``load`` does with decoded features, in NumPy for ``HDF5Dataset``: scaled, one-hot, laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...schemas import ClassLabel, Image
from ..applicable import check_applicable
from ..dataset_file import read_moments
from ..random_access.hdf5_records import HDF5Records
from ..selection import SCALINGS

__all__ = ["ArrayElements", "ElementOptions"]


@dataclass(frozen=True, slots=True)
class ElementOptions:
    """Arguments of ``HDF5Dataset``, where they are explained.

    Raises:
        ValueError: one of them has a value that it cannot have.
    """

    scaling: str | None = None
    one_hot: bool = False
    channels_first: bool = False

    def __post_init__(self) -> None:
        if self.scaling not in (None, *SCALINGS):
            expected = ", ".join(map(repr, SCALINGS))
            raise ValueError(f"scaling: got {self.scaling!r}, expected None or one of {expected}")


class ArrayElements:
    """Scales, one-hot encodes and lays out batches of decoded features.

    In files of others, images are the inputs of type uint8 or uint16 whose rows have two or three axes.

    Raises:
        ValueError: the options do not fit the features.
        DatasetError: the dataset lacks the statistics that it is to be scaled with.
    """

    def __init__(
        self, records: HDF5Records, targets: Sequence[str], options: ElementOptions
    ) -> None:
        self._options = options
        if records.schema is not None:
            check_applicable(records.schema, asdict(options))
        self._images = _find_images(records, targets)
        self._classes = {}
        if options.one_hot:
            self._classes = _count_classes(records)
        if options.scaling is not None and not self._images and records.schema is None:
            raise ValueError(
                f"scaling: got {options.scaling!r}, but no input is an image, expected one of type uint8 "
                "or uint16 with [height, width] or [height, width, channels]"
            )
        self._moments: dict[str, Any] = {}
        if options.scaling == "standardize":
            self._moments = {name: _read_scale(records, name) for name in self._images}

    def convert(self, name: str, values: Any) -> Any:
        """One feature of a batch as a model takes it."""
        if name in self._classes:
            return np.eye(self._classes[name], dtype=np.float32)[values]
        if name not in self._images:
            return values
        if self._options.scaling is not None:
            values = self._scale(name, values)
        if self._options.channels_first and values.ndim == 4:
            values = np.ascontiguousarray(np.moveaxis(values, -1, 1))
        return values

    def _scale(self, name: str, pixels: NDArray[Any]) -> NDArray[np.float32]:
        scaled = pixels.astype(np.float32)
        scaled /= np.float32(np.iinfo(pixels.dtype).max)
        if name in self._moments:
            scale, offset = self._moments[name]
            scaled *= scale
            scaled += offset
        return scaled


def _find_images(records: HDF5Records, targets: Sequence[str]) -> list[str]:
    if records.schema is not None:
        return [name for name, f in records.schema.features.items() if isinstance(f, Image)]
    return [
        name
        for name, array in records.arrays().items()
        if name not in targets
        and array.dtype in (np.uint8, np.uint16)
        and len(array.row_shape or ()) in (2, 3)
    ]


def _count_classes(records: HDF5Records) -> dict[str, int]:
    if records.schema is None:
        raise ValueError(
            "one_hot: got True for files that do not say how many classes there are, expected those of "
            "a dataset that pixelbeam built; transform= can do it for others"
        )
    features = records.schema.features.items()
    return {name: f.class_count for name, f in features if isinstance(f, ClassLabel)}


def _read_scale(records: HDF5Records, name: str) -> tuple[Any, Any]:
    """Scale and offset ``[channels]`` that standardise an image of [0, 1]: (x - mean) / std."""
    if records.info is None or records.split is None:
        raise ValueError(
            "scaling: got 'standardize' for files without a dataset.json, which has mean and std; "
            "expected '[0,1]', or transform="
        )
    mean, std = read_moments(records.info, records.split, name, records.folder)
    return np.float32(1) / std, -mean / std
