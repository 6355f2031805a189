"""How a training job wants its dataset: the arguments of ``load``, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, TypedDict

import tensorflow as tf

from .clip_options import ClipOptions
from .selection import SCALINGS, check_features

__all__ = ["SOURCES", "LoadOptions", "ReadOptions"]

SOURCES = ("tfrecord", "hdf5")
"""The formats that ``load`` reads, the one first that it takes where both are there."""

IMAGE_DTYPES = ("uint8", "uint16", "float16", "bfloat16", "float32")


class LoadOptions(TypedDict, total=False):
    """The keyword arguments of ``load``, for functions that hand them on."""

    batch_size: int | None
    shuffle: bool | int
    seed: int | None
    repeat: bool | int
    drop_remainder: bool
    features: Sequence[str] | None
    targets: Sequence[str] | None
    one_hot: bool
    image_dtype: Any
    scaling: str | None
    channels_first: bool
    source: str | None
    frames: int | None
    sampling: str | None
    pad_to: int | str | None
    buckets: Sequence[int] | None
    mask: bool


@dataclass(frozen=True)
class ReadOptions:
    """The arguments of ``load``, where they are explained.

    Raises:
        ValueError: one of them has a value that it cannot have, or two do not go together.
    """

    batch_size: int | None = None
    shuffle: bool | int = False
    seed: int | None = None
    repeat: bool | int = False
    drop_remainder: bool = False
    features: Sequence[str] | None = None
    targets: Sequence[str] | None = None
    one_hot: bool = False
    image_dtype: Any = None
    scaling: str | None = None
    channels_first: bool = False
    source: str | None = None
    frames: int | None = None
    sampling: str | None = None
    pad_to: int | str | None = None
    buckets: Sequence[int] | None = None
    mask: bool = False

    def __post_init__(self) -> None:
        for name in ("batch_size", "shuffle", "repeat"):
            _check_count(name, getattr(self, name))
        _check_seed(self.seed)
        if self.batch_size is None and self.drop_remainder:
            raise ValueError("drop_remainder: got True without a batch_size, expected both")
        check_features(self.features)
        if isinstance(self.targets, str):
            raise ValueError(f"targets: got {self.targets!r}, expected a list: [{self.targets!r}]")
        if self.scaling not in (None, *SCALINGS):
            expected = ", ".join(map(repr, SCALINGS))
            raise ValueError(f"scaling: got {self.scaling!r}, expected None or one of {expected}")
        if self.source not in (None, *SOURCES):
            expected = " or ".join(map(repr, SOURCES))
            raise ValueError(f"source: got {self.source!r}, expected {expected}")
        self._check_dtype()

    @property
    def clips(self) -> ClipOptions:
        """The options that are for clips alone.

        Raises:
            ValueError: see ``ClipOptions``.
        """
        return ClipOptions(self.frames, self.sampling, self.pad_to, self.buckets, self.mask)

    @property
    def deterministic(self) -> bool:
        """Whether two reads give the same records in the same order."""
        return self.seed is not None or self.shuffle is False

    @property
    def dtype(self) -> Any:
        """The ``tf.DType`` of images, ``None`` for the one that they are stored in."""
        if self.image_dtype is None:
            return None if self.scaling is None else tf.float32
        return tf.as_dtype(self.image_dtype)

    def _check_dtype(self) -> None:
        expected = f"one of {', '.join(IMAGE_DTYPES)}"
        try:
            dtype = self.dtype
        except TypeError:
            raise ValueError(
                f"image_dtype: got {self.image_dtype!r}, expected {expected}"
            ) from None
        if dtype is None:
            return
        if dtype.name not in IMAGE_DTYPES:
            raise ValueError(f"image_dtype: got {dtype.name!r}, expected {expected}")
        if self.scaling is not None and not dtype.is_floating:
            raise ValueError(
                f"image_dtype: got {dtype.name!r} with scaling {self.scaling!r}, "
                "expected a floating-point type"
            )


def _check_count(name: str, value: Any) -> None:
    """A count is at least one; ``False`` and ``None`` stand for none, ``True`` for the usual."""
    if value is None or (isinstance(value, bool) and name != "batch_size"):
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: got {value!r}, expected an integer of at least 1")


def _check_seed(seed: Any) -> None:
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, Integral)):
        raise ValueError(
            f"seed: got {seed!r}, expected an integer, or None for another order each run"
        )
