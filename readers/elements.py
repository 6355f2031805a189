"""What becomes of decoded features on their way into a model: one plan, for TensorFlow and for NumPy.

Which features are targets, and what is done to each feature's values, is decided here. The arithmetic is done by
``tf_data/inputs_targets.py`` and, for ``HDF5Dataset``, by ``convert_array``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..schemas import Schema

__all__ = [
    "SCALINGS",
    "Conversion",
    "arrange",
    "check_applicable",
    "check_scaling",
    "convert_array",
    "plan_conversions",
]

SCALINGS = ("[0,1]", "standardize")
"""How pixels may be scaled, by ``load`` and by ``HDF5Dataset``."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What is done to the values of one feature, in this order.

    Attributes:
        classes: class numbers become float32 ``[classes]``, of which one is 1; ``None`` leaves them.
        white: pixels are divided by this level, as float32; ``None`` leaves them.
        moments: scale and offset ``[channels]``, by which pixels from 0 to 1 are then multiplied and shifted.
        channels_first: ``[…, height, width, channels]`` becomes ``[…, channels, height, width]``.
    """

    classes: int | None = None
    white: int | None = None
    moments: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
    channels_first: bool = False


def plan_conversions(
    schema: Schema,
    *,
    scaling: str | None,
    one_hot: bool,
    channels_first: bool,
    moments: Callable[[str], tuple[Any, Any]],
) -> dict[str, Conversion]:
    """What is done to each feature of a schema.

    Args:
        schema: the features that are read.
        scaling: one of ``SCALINGS``, or ``None``.
        one_hot: class labels as zeros and a one.
        channels_first: where the channels of images are to be.
        moments: gives mean and standard deviation ``[channels]`` of an image feature, for ``standardize``.
    """
    plan = {}
    for name, feature in schema.features.items():
        if not feature.is_image:
            plan[name] = Conversion(classes=feature.one_hot_classes if one_hot else None)
            continue
        shift = None
        if scaling == "standardize":
            mean, std = moments(name)
            shift = np.float32(1) / std, -mean / std  # (x - mean) / std
        white = int(np.iinfo(feature.decoded.dtype).max) if scaling is not None else None
        plan[name] = Conversion(None, white, shift, channels_first)
    return plan


def convert_array(conversion: Conversion, values: Any) -> Any:
    """The values of a batch as a model takes them.

    Args:
        conversion: what is to be done.
        values: an array ``[batch, …]``; a list where values have no common shape, which stays as it is.
    """
    if conversion.classes is not None:
        return np.eye(conversion.classes, dtype=np.float32)[values]
    if conversion.white is not None:
        values = values.astype(np.float32)
        values /= np.float32(conversion.white)
        if conversion.moments is not None:
            scale, offset = conversion.moments
            values *= scale
            values += offset
    if conversion.channels_first:
        values = np.ascontiguousarray(np.moveaxis(values, -1, -3))
    return values


def arrange(features: Mapping[str, Any], targets: Sequence[str]) -> Any:
    """A batch, or one element, as ``(inputs, targets)``; the inputs alone where there is no target.

    A single input or target is given as it is, several are a dict by feature name.
    """
    inputs = {name: value for name, value in features.items() if name not in targets}
    if not targets:
        return _unwrap(inputs)
    return _unwrap(inputs), _unwrap({name: features[name] for name in targets})


def check_applicable(schema: Schema, options: Mapping[str, Any]) -> None:
    """Checks that a dataset has a feature for each option that is for some features alone.

    Args:
        schema: the features that are read.
        options: arguments of a reader by name; those that are ``None`` or ``False`` are not asked for.

    Raises:
        ValueError: it has none, so that the option would do nothing.
    """
    features = schema.features.values()
    images = any(feature.is_image for feature in features)
    # Lists of classes are zeros and ones already, as one_hot promises.
    classes = any(
        feature.one_hot_classes is not None or "class" in feature.decoded.axes
        for feature in features
    )
    objects = any(feature.decoded.axes[:1] == ("object",) for feature in features)
    found = {
        "max_boxes": (objects, "boxes"),
        "keras_boxes": (objects, "boxes"),
        "scaling": (images, "an image"),
        "image_dtype": (images, "an image"),
        "channels_first": (images, "an image"),
        "one_hot": (classes, "a class label"),
    }
    for option, (applies, expected) in found.items():
        if not applies and options.get(option) not in (None, False):
            names = ", ".join(schema.features)
            raise ValueError(
                f"{option}: got it for a dataset of {names}, expected one with {expected}"
            )


def check_scaling(scaling: str | None) -> None:
    """Checks an argument ``scaling``.

    Raises:
        ValueError: it is none of ``SCALINGS``.
    """
    if scaling not in (None, *SCALINGS):
        expected = ", ".join(map(repr, SCALINGS))
        raise ValueError(f"scaling: got {scaling!r}, expected None or one of {expected}")


def _unwrap(features: dict[str, Any]) -> Any:
    return next(iter(features.values())) if len(features) == 1 else features
