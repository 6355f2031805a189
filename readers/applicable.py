"""Options that would do nothing with what a dataset holds, which are refused. Loads no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..schemas import ClassLabel, ClassLabels, Image, Schema

__all__ = ["check_applicable"]

_KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "scaling": (Image, "an image"),
    "image_dtype": (Image, "an image"),
    "channels_first": (Image, "an image"),
    # Lists of classes are zeros and ones already, as the option promises.
    "one_hot": ((ClassLabel, ClassLabels), "a class label"),
}


def check_applicable(schema: Schema, options: Mapping[str, Any]) -> None:
    """Checks that a dataset has a feature for each option that is for one kind of them.

    Args:
        schema: the features that are read.
        options: arguments of a reader by name; those that are ``None`` or ``False`` are not asked for.

    Raises:
        ValueError: it has none.
    """
    for option, (kind, expected) in _KINDS.items():
        if options.get(option) in (None, False):
            continue
        if not any(isinstance(feature, kind) for feature in schema.features.values()):
            names = ", ".join(schema.features)
            raise ValueError(
                f"{option}: got it for a dataset of {names}, expected one with {expected}"
            )
