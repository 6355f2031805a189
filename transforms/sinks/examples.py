"""``tf.train.Example`` and ``SequenceExample`` without TensorFlow: messages in a pool of their own.

The messages are those of ``tensorflow/core/example/{feature,example}.proto``. A private pool never
clashes with TensorFlow's registration of the same names, in whichever order the two are imported.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from numpy.typing import NDArray

from ...schemas.features.base import FeatureValue, RecordValue, Steps

__all__ = ["message_class", "serialize_example", "serialize_record", "serialize_sequence_example"]

_Field = descriptor_pb2.FieldDescriptorProto


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


@cache
def message_class(name: str) -> type[Any]:
    """The message type ``Example`` or ``SequenceExample`` of the private pool."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file_descriptor())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tensorflow.{name}"))


def _file_descriptor() -> descriptor_pb2.FileDescriptorProto:
    """``feature.proto`` and ``example.proto`` in one file."""
    file = descriptor_pb2.FileDescriptorProto(
        name="pixelbeam/example.proto", package="tensorflow", syntax="proto3"
    )
    for name, type_, packed in (
        ("BytesList", _Field.TYPE_BYTES, False),
        ("FloatList", _Field.TYPE_FLOAT, True),
        ("Int64List", _Field.TYPE_INT64, True),
    ):
        value = file.message_type.add(name=name).field.add(
            name="value", number=1, type=type_, label=_Field.LABEL_REPEATED
        )
        if packed:
            value.options.packed = True
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(("bytes_list", "float_list", "int64_list"), start=1):
        type_name = ".tensorflow." + "".join(part.capitalize() for part in name.split("_"))
        feature.field.add(
            name=name, number=number, type=_Field.TYPE_MESSAGE, type_name=type_name,
            label=_Field.LABEL_OPTIONAL, oneof_index=0,
        )  # fmt: skip
    _add_map(file.message_type.add(name="Features"), "feature", ".tensorflow.Feature")
    _add_message(file.message_type.add(name="Example"), "features", 1, ".tensorflow.Features")
    steps = file.message_type.add(name="FeatureList")
    _add_message(steps, "feature", 1, ".tensorflow.Feature", repeated=True)
    lists = file.message_type.add(name="FeatureLists")
    _add_map(lists, "feature_list", ".tensorflow.FeatureList")
    sequence = file.message_type.add(name="SequenceExample")
    _add_message(sequence, "context", 1, ".tensorflow.Features")
    _add_message(sequence, "feature_lists", 2, ".tensorflow.FeatureLists")
    return file


def _add_message(
    message: descriptor_pb2.DescriptorProto,
    name: str,
    number: int,
    type_name: str,
    repeated: bool = False,
) -> None:
    message.field.add(
        name=name,
        number=number,
        type=_Field.TYPE_MESSAGE,
        type_name=type_name,
        label=_Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL,
    )


def _add_map(message: descriptor_pb2.DescriptorProto, name: str, type_name: str) -> None:
    """A ``map<string, …>``: to protobuf, a repeated nested message that is marked as an entry."""
    camel_case = "".join(word.capitalize() for word in name.split("_"))
    entry = message.nested_type.add(name=f"{camel_case}Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=_Field.TYPE_STRING, label=_Field.LABEL_OPTIONAL)
    _add_message(entry, "value", 2, type_name)
    message.field.add(
        name=name, number=1, type=_Field.TYPE_MESSAGE, label=_Field.LABEL_REPEATED,
        type_name=f".tensorflow.{message.name}.{entry.name}",
    )  # fmt: skip
