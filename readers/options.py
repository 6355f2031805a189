"""How a training job wants its dataset: the arguments of ``load``, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import tensorflow as tf

from ..schemas import Schema
from .draws import check_draw
from .elements import check_scaling
from .objects import check_max_boxes
from .selection import check_features, check_seed

__all__ = ["IMAGE_DTYPES", "MASK", "LoadOptions", "ReadOptions", "even_steps"]

IMAGE_DTYPES = ("uint8", "uint16", "float16", "bfloat16", "float32")

MASK = "mask"
"""What the mask of clips is called among the inputs."""

_SAMPLINGS = ("random", "uniform", "head", "window")
_FOR_CLIPS = ("frames", "sampling", "pad_to", "buckets", "mask")


class LoadOptions(TypedDict, total=False):
    """The fields of ``ReadOptions`` as keyword arguments, for functions that hand them on to ``load``."""

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
    draw: Mapping[str, int] | None
    fewer: str | None
    frames: int | None
    sampling: str | None
    pad_to: int | str | None
    buckets: Sequence[int] | None
    mask: bool
    max_boxes: int | None
    keras_boxes: bool
    keys: bool


@dataclass(frozen=True)
class ReadOptions:
    """The arguments of ``load``, where they are explained: the one list of them.

    Neither a signature that editors show nor a ``TypedDict`` can be derived from it: a test holds those of
    ``load`` and ``LoadOptions`` to it.

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
    draw: Mapping[str, int] | None = None
    fewer: str | None = None
    frames: int | None = None
    sampling: str | None = None
    pad_to: int | str | None = None
    buckets: Sequence[int] | None = None
    mask: bool = False
    max_boxes: int | None = None
    keras_boxes: bool = False
    keys: bool = False

    def __post_init__(self) -> None:
        # ``False`` and ``None`` stand for none, ``True`` for the usual.
        _check_count("batch_size", self.batch_size)
        for name in ("shuffle", "repeat"):
            if not isinstance(getattr(self, name), bool):
                _check_count(name, getattr(self, name))
        check_seed(self.seed)
        if self.batch_size is None and self.drop_remainder:
            raise ValueError("drop_remainder: got True without a batch_size, expected both")
        check_features(self.features)
        if isinstance(self.targets, str):
            raise ValueError(f"targets: got {self.targets!r}, expected a list: [{self.targets!r}]")
        check_scaling(self.scaling)
        check_draw(self.draw, self.fewer)
        check_max_boxes(self.max_boxes)
        self._check_dtype()

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

    @property
    def is_dense(self) -> bool:
        """Whether steps of clips come as dense tensors rather than ragged ones."""
        return self.frames is not None or self.pad_to is not None

    @property
    def length(self) -> int | None:
        """The steps of a dense batch of clips, where it is known."""
        return self.frames or (self.pad_to if isinstance(self.pad_to, int) else None)

    def check_clips(self, schema: Schema) -> None:
        """Checks the options that are for clips alone, once it is known whether there are clips.

        Not before: what is wrong with them is of no use to who reads examples.

        Raises:
            ValueError: they have values that they cannot have, or do not fit the dataset.
        """
        values = {name: getattr(self, name) for name in _FOR_CLIPS}
        if self.max_boxes is not None and schema.record == "example":
            del values["mask"]  # it is of the boxes
        given = [name for name, v in values.items() if v is not None and v is not False]
        if not given:
            return
        if schema.record != "sequence_example":
            also = ", or max_boxes beside it" if given[0] == "mask" else ""
            got = f"{given[0]}: got it for a dataset of examples"
            raise ValueError(f"{got}, expected one of clips{also}")
        self._check_steps()
        if (self.frames or self.mask or self.buckets) and not even_steps(schema):
            raise ValueError(
                "frames: every step feature of the dataset is ragged, expected one that is not"
            )
        if self.mask and MASK in schema.features:
            raise ValueError(f"mask: the dataset has a feature {MASK!r} already")
        if self.buckets and self.batch_size is None:
            raise ValueError("buckets: got them without a batch_size, expected both")

    def _check_steps(self) -> None:
        _check_count("frames", self.frames)
        if self.pad_to != "longest":
            _check_count("pad_to", self.pad_to, " or 'longest'")
        if self.sampling is not None and self.sampling not in _SAMPLINGS:
            expected = ", ".join(map(repr, _SAMPLINGS))
            raise ValueError(f"sampling: got {self.sampling!r}, expected one of {expected}")
        if self.frames is None and self.sampling is not None:
            raise ValueError(f"sampling: got {self.sampling!r} without frames, expected both")
        if self.frames is not None and self.pad_to is not None:
            raise ValueError(f"pad_to: got {self.pad_to!r} beside frames, expected one of the two")
        if self.mask and self.frames is None and self.pad_to is None:
            raise ValueError(
                "mask: got True for ragged batches, expected frames or pad_to beside it"
            )
        if self.buckets is not None:
            bounds = list(self.buckets)
            if not bounds or sorted(set(bounds)) != bounds or bounds[0] < 1:
                raise ValueError(
                    f"buckets: got {bounds}, expected rising numbers of steps, such as [16, 64]"
                )

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


def even_steps(schema: Schema) -> list[str]:
    """The step features of which every clip has as many values as of the others."""
    return [name for name, feature in schema.steps.items() if not feature.ragged]


def _check_count(name: str, value: object, also: str = "") -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError(f"{name}: got {value!r}, expected an integer of at least 1{also}")
