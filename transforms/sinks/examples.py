"""Records as ``tf.train.Example`` and ``SequenceExample``, without TensorFlow.

The messages, and parsing them, are in ``schemas/dataset/examples.py``, for readers have no need of this half.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...schemas.dataset.examples import message_class
from ...schemas.features.base import FeatureValue, RecordValue, Steps

__all__ = ["serialize_example", "serialize_record", "serialize_sequence_example"]


def serialize_record(values: Mapping[str, RecordValue], record: str) -> bytes:
    """Serializes a record as the schema's ``record`` says: ``example`` or ``sequence_example``."""
    if record == "sequence_example":
        return serialize_sequence_example(values)
    return serialize_example(values)  # type: ignore[arg-type]  # only sequences have steps


def serialize_example(values: Mapping[str, FeatureValue]) -> bytes:
    """Serializes a record as a ``tf.train.Example``.

    Args:
        values: the record's values by key. Bytes, lists of bytes and raw pixels become a
            ``BytesList`` (pixels as one little-endian string in C order), int64 an ``Int64List``,
            float32 a ``FloatList``, in C order.

    Returns:
        The wire format; equal values give equal bytes, keys in sorted order.

    Raises:
        TypeError: a value is of none of these types.
    """
    example = message_class("Example")()
    example.features.SetInParent()
    feature = example.features.feature
    for key, value in values.items():
        _fill(feature[key], key, value)
    return bytes(example.SerializeToString(deterministic=True))


def serialize_sequence_example(values: Mapping[str, RecordValue]) -> bytes:
    """Serializes a record as a ``tf.train.SequenceExample``.

    Args:
        values: the record's values by key; ``Steps`` become a ``FeatureList`` with a ``Feature`` for
            each step, anything else is context. The types are those of ``serialize_example``.

    Returns:
        The wire format; equal values give equal bytes, keys in sorted order.

    Raises:
        TypeError: a value is of none of these types.
    """
    example = message_class("SequenceExample")()
    example.context.SetInParent()
    example.feature_lists.SetInParent()
    for key, value in values.items():
        if isinstance(value, Steps):
            steps = example.feature_lists.feature_list[key]
            if isinstance(value.values, np.ndarray) and value.values.dtype == np.float32:
                steps.MergeFromString(_float_steps(value.values))
                continue
            for step in value.values:
                _fill(steps.feature.add(), key, step)
        else:
            _fill(example.context.feature[key], key, value)
    return bytes(example.SerializeToString(deterministic=True))


def _fill(feature: Any, key: str, value: FeatureValue) -> None:
    if isinstance(value, bytes):
        feature.bytes_list.value.append(value)
    elif isinstance(value, list):
        # An empty list still says of what type it is.
        feature.bytes_list.SetInParent()
        feature.bytes_list.value.extend(value)
    elif value.dtype == np.int64:
        feature.int64_list.SetInParent()
        feature.int64_list.value.extend(value.ravel().tolist())
    elif value.dtype == np.float32:
        feature.float_list.SetInParent()
        feature.float_list.value.extend(value.ravel().tolist())
    elif value.dtype in (np.uint8, np.uint16):
        feature.bytes_list.value.append(value.astype(value.dtype.newbyteorder("<")).tobytes())
    else:
        raise TypeError(
            f"record value {key!r}: got dtype {value.dtype}, expected int64, float32, uint8 or uint16"
        )


def _float_steps(steps: NDArray[Any]) -> bytes:
    """A ``FeatureList`` of as many floats in each step, on the wire.

    All steps have the same tags and lengths before their floats, so the whole is one array of bytes. To
    fill the message a float at a time takes four times as long, and Python's lock.
    """
    floats = steps.reshape(len(steps), math.prod(steps.shape[1:])).astype("<f4")
    size = floats.shape[1] * floats.itemsize
    packed = _delimit(1, size) if size else b""
    of_list = _delimit(2, len(packed) + size) + packed
    head = _delimit(1, len(of_list) + size) + of_list
    wire = np.empty((len(floats), len(head) + size), np.uint8)
    wire[:, : len(head)] = np.frombuffer(head, np.uint8)
    wire[:, len(head) :] = floats.view(np.uint8)
    return wire.tobytes()


def _delimit(field: int, length: int) -> bytes:
    """The tag of a field whose value is ``length`` bytes, and that length."""
    data = bytearray([field << 3 | 2])
    while length > 0x7F:
        data.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*data, length])
