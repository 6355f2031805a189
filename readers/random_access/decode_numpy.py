"""From what HDF5 files hold to what a model takes: arrays of pixels, numbers and text, in NumPy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from ...schemas import Feature, Schema
from ...schemas.features.base import ValueSpec
from ..record_table import Ragged, Values

__all__ = ["Decoder"]


class Decoder:
    """Decodes batches of a schema's record values, as each feature's ``decode_value`` does.

    Encoded images become pixels, lists of classes zeros and ones, UTF-8 text ``str``. Values with one
    shape are an array ``[rows, …]``; others, and those that are no arrays, a list with an item a row.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._decoded = {name: feature.decoded for name, feature in schema.features.items()}

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
            if self._schema.specs[name].keys() <= values.keys()
        }

    def _decode(
        self, name: str, feature: Feature, values: Mapping[str, Values], pool: ThreadPoolExecutor
    ) -> Any:
        stored, decoded = self._schema.specs[name], self._decoded[name]
        of_feature = {key: values[key] for key in stored}
        if name not in self._schema.steps:
            return _decode_rows(name, feature, stored.get(name), decoded, of_feature, pool)
        steps, lengths = {}, None
        for key, value in of_feature.items():
            assert isinstance(value, Ragged)
            steps[key], lengths = value.values, value.lengths
        assert lengths is not None
        every = _decode_rows(name, feature, stored.get(name), decoded, steps, pool)
        stops = np.cumsum(lengths)
        return [every[stop - n : stop] for stop, n in zip(stops, lengths, strict=True)]


def _decode_rows(
    name: str,
    feature: Feature,
    stored: ValueSpec | None,
    decoded: ValueSpec,
    values: Mapping[str, Values],
    pool: ThreadPoolExecutor,
) -> Any:
    is_array = decoded.is_numeric and not decoded.is_ragged
    if is_array and decoded == stored:  # nothing to decode, however many rows there are
        return values[name]
    each = zip(*map(_rows, values.values()), strict=True)
    rows = [dict(zip(values, row, strict=True)) for row in each]
    decode = partial(feature.decode_value, name)
    # Pillow lets other threads run while it decodes; anything else is done sooner than handed over.
    is_image = stored is not None and stored.encoding not in ("", "raw")
    found = list(pool.map(decode, rows) if is_image else map(decode, rows))
    if not is_array:
        return found
    return (
        np.stack(found)
        if found
        else np.empty((0, *(size or 0 for size in decoded.shape)), decoded.dtype)
    )


def _rows(values: Values) -> Iterable[Any]:
    return values.split() if isinstance(values, Ragged) else values
