"""The harness of the feature kinds: a table of cases, each driven all the way and back."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from pixelbeam.schemas import Feature, Schema, write_description
from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.sinks.examples import serialize_example


@dataclass(frozen=True)
class Case:
    """A manifest value and what becomes of it: a decoded value, or a reject ``(reason, message)``."""

    feature: Feature
    value: Any
    expected: Any = None
    rejected: tuple[str, str] | None = None

    def __str__(self) -> str:
        return f"{self.feature.type}-{self.value!r}"[:60]


def described(schema: Schema) -> ModuleType:
    """The generated module of a schema."""
    module = ModuleType("feature_description")
    exec(compile(write_description(schema), "feature_description.py", "exec"), vars(module))
    return module


def serialize(schema: Schema, row: dict[str, Any]) -> bytes:
    """A row, manifest values by feature name, as a serialized Example."""
    values: dict[str, Any] = {}
    for name, feature in schema.features.items():
        values |= feature.encode(name, row[name]).values
    return serialize_example(values)


def round_trip(schema: Schema, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Encodes rows, and reads them back as one batch with the generated module."""
    module = described(schema)
    batch = tf.constant([serialize(schema, row) for row in rows])
    return module.decode(module.parse_example(batch))


def as_plain(batch: Any) -> list[Any]:
    """A batch as nested lists."""
    return batch.to_list() if isinstance(batch, tf.RaggedTensor) else batch.numpy().tolist()


def decode_with_numpy(feature: Feature, value: Any) -> Any:
    """What ``decode_value`` makes of a manifest value's record values, with text as TensorFlow has it."""
    decoded = feature.decode_value("x", feature.encode("x", value).values)
    if isinstance(decoded, str):
        return decoded.encode()
    return decoded.tolist() if isinstance(decoded, np.ndarray) else decoded


def check(case: Case) -> None:
    """Drives a case: schema, encode, wire, parse, decode; or encode to its reject."""
    schema = Schema.from_dict(Schema(features={"x": case.feature}).to_dict())
    if case.rejected is not None:
        with pytest.raises(Reject) as caught:
            schema.features["x"].encode("x", case.value)
        assert caught.value.stage == "encode"
        assert (caught.value.reason, caught.value.message) == case.rejected
        return
    decoded = as_plain(round_trip(schema, [{"x": case.value}] * 2)["x"])
    assert repr(decoded) == repr([case.expected] * 2)  # repr tells 1 from 1.0, and nan is nan
    assert repr(decode_with_numpy(schema.features["x"], case.value)) == repr(case.expected)
