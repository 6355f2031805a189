"""From what HDF5 files hold to what a model takes: arrays of pixels, numbers and text, in NumPy."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import PIL.Image

from ...schemas import ClassLabels, Image, Schema, String
from ...schemas.features.base import Feature
from ..record_table import Ragged, Values

__all__ = ["Decoder"]

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class Decoder:
    """Decodes batches of a schema's record values.

    Encoded images become pixels, lists of classes zeros and ones, UTF-8 text ``str``. Values with one
    shape are an array ``[rows, …]``; others, and those that are no arrays, a list with an item a row.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def decode(self, values: Mapping[str, Values], pool: ThreadPoolExecutor) -> dict[str, Any]:
        """Decodes rows.

        Args:
            values: what was read, by Example key.
            pool: threads that decode images.

        Returns:
            By feature name.
        """
        return {
            name: self._decode(name, feature, values, pool)
            for name, feature in self._schema.features.items()
            if name in values
        }

    def _decode(
        self, name: str, feature: Feature, values: Mapping[str, Values], pool: ThreadPoolExecutor
    ) -> Any:
        value = values[name]
        shapes = values.get(f"{name}/shape") if isinstance(feature, Image) else None
        if name not in self._schema.steps:
            return _decode_rows(feature, value, shapes, pool)
        assert isinstance(value, Ragged)
        inner = shapes.values if isinstance(shapes, Ragged) else None
        steps = _decode_rows(feature, value.values, inner, pool)
        stops = np.cumsum(value.lengths)
        return [steps[stop - n : stop] for stop, n in zip(stops, value.lengths, strict=True)]


def _decode_rows(feature: Feature, value: Values, shapes: Any, pool: ThreadPoolExecutor) -> Any:
    if isinstance(feature, ClassLabels):
        assert isinstance(value, Ragged)
        return _multi_hot(value, feature.class_count)
    if isinstance(feature, Image) and feature.encoding != "raw":
        assert not isinstance(value, Ragged)
        decoded = list(pool.map(lambda data: _decode_image(data, feature), value))
        return _stack(decoded, feature)
    if isinstance(value, Ragged):
        rows = value.split()
        if shapes is None:
            return rows
        return [row.reshape(shape) for row, shape in zip(rows, shapes, strict=True)]
    if value.dtype.hasobject:
        return _decode_objects(value, isinstance(feature, String))
    return value


def _decode_objects(value: Iterable[Any], is_text: bool) -> list[Any]:
    return [item.decode() if is_text else bytes(item) for item in value]


def _decode_image(data: Any, feature: Image) -> Any:
    with PIL.Image.open(io.BytesIO(data)) as image:
        mode = "I;16" if feature.dtype == "uint16" else _MODES[feature.channels]
        pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return pixels.reshape(*pixels.shape[:2], feature.channels).astype(feature.dtype, copy=False)


def _stack(images: list[Any], feature: Image) -> Any:
    if feature.fixed_size is None:
        return images
    width, height = feature.fixed_size
    shape = (len(images), height, width, feature.channels)
    return np.stack(images) if images else np.empty(shape, feature.dtype)


def _multi_hot(value: Ragged, num_classes: int) -> Any:
    hot = np.zeros((len(value.lengths), num_classes), np.float32)
    assert not isinstance(value.values, Ragged)
    hot[np.repeat(np.arange(len(value.lengths)), value.lengths), value.values] = 1
    return hot
