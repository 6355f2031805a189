"""``tf.train.Example`` and ``SequenceExample`` without TensorFlow: messages in a pool of their own, parsed.

The messages are those of ``tensorflow/core/example/{feature,example}.proto``. A private pool never
clashes with TensorFlow's registration of the same names, in whichever order the two are imported.
"""

from __future__ import annotations

from collections.abc import Container
from functools import cache
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from ..features.base import RecordValue, Steps

__all__ = ["message_class", "parse_record"]

_Field = descriptor_pb2.FieldDescriptorProto


def parse_record(
    data: bytes, record: str, keys: Container[str] | None = None
) -> dict[str, RecordValue]:
    """Parses what ``serialize_record`` made.

    Args:
        data: the wire format.
        record: ``example`` or ``sequence_example``.
        keys: of the values that are wanted, of those that a record has once; all by default.

    Returns:
        By key: lists of bytes, int64 arrays [n] or float32 arrays [n]; ``Steps`` of these.

    Raises:
        ValueError: it is not the wire format, or a value is of no type.
    """
    name = "Example" if record == "example" else "SequenceExample"
    try:
        message = message_class(name).FromString(data)
    except DecodeError as error:
        raise ValueError(f"not a tf.train.{name}: {error}") from None
    once = message.features.feature if record == "example" else message.context.feature
    values: dict[str, RecordValue] = {
        key: _value(key, feature) for key, feature in once.items() if keys is None or key in keys
    }
    if record == "example":
        return values
    for key, steps in message.feature_lists.feature_list.items():
        values[key] = Steps(tuple(_value(key, step) for step in steps.feature))
    return values


def _value(key: str, feature: Any) -> Any:
    match feature.WhichOneof("kind"):
        case "bytes_list":
            return list(feature.bytes_list.value)
        case "int64_list":
            return np.array(feature.int64_list.value, np.int64)
        case "float_list":
            return np.array(feature.float_list.value, np.float32)
    raise ValueError(f"{key!r}: got a value of no type")


@cache
def message_class(name: str) -> type[Any]:
    """The message type ``Example`` or ``SequenceExample`` of the private pool."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file_descriptor())
    found = pool.FindMessageTypeByName(f"tensorflow.{name}")
    message: type[Any] = message_factory.GetMessageClass(found)
    return message


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
