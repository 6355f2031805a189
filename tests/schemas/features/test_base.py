from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pytest
from pixelbeam.schemas.errors import SchemaError
from pixelbeam.schemas.features.base import (
    Encoded,
    Feature,
    OwnedFeature,
    SettingError,
    ValueSpec,
    shorten,
)
from pixelbeam.schemas.features.python_source import DecodeSource
from pixelbeam.schemas.schema import Schema
from pydantic import ValidationError


class Plain(Feature):
    type: Literal["plain"] = "plain"
    dtype: Literal["int64", "float32", "text", "bytes"] = "int64"

    def encode(self, name, value):
        return Encoded({name: np.array(value)})

    def specs(self, name):
        return {name: ValueSpec(self.dtype)}


class Owned(OwnedFeature):
    type: Literal["owned"] = "owned"

    def encode(self, name, value, owner=None):
        return Encoded({name: np.array(value)}, became=owner)

    def specs(self, name):
        return {name: ValueSpec("int64")}


def test_what_is_not_said_of_a_value():
    assert Encoded({}) == Encoded({}, {}, None)
    assert Encoded({}).indexed() == {}


def test_what_a_kind_is_unless_it_says_so():
    plain = Plain(source="c")
    flags = (
        plain.reads_files, plain.reads_arrays, plain.encodes_steps, plain.is_target, plain.is_image,
        plain.describes, plain.takes_rows, plain.needs_vocabulary, plain.ragged,
    )  # fmt: skip
    assert flags == (False,) * 9
    nothing = (plain.becomes, plain.takes, plain.owner, plain.pixel_limit, plain.one_hot_classes)
    assert nothing == (None,) * 5
    assert (plain.storage, plain.target, plain.rows_advice) == ("contiguous", None, "")
    assert (plain.warnings("n", {"a": 1}), plain.observe("a")) == ((), ())
    assert (plain.statistics({"a": 1}), dict(plain.summary_types)) == ({"a": 1}, {})
    assert plain.decoded == ValueSpec("int64")
    assert plain.decode_source("n") == DecodeSource()
    assert plain.decode_value("n", {"n": 5, "m": 6}) == 5
    assert plain.encode_after("n", 7, {}) == plain.encode("n", 7)
    assert plain.encode_steps("n", np.zeros(3)) is None
    assert plain.check([b"a"]) is None


@pytest.mark.parametrize("said", [None, False, True])
def test_what_a_schema_says_of_targets_comes_first(said):
    class Target(Plain):
        target_by_default = True

    assert Plain(source="c", target=said).is_target is bool(said)
    assert Target(source="c", target=said).is_target is (said is not False)


def test_columns_are_those_of_the_source():
    assert Plain(source="c").columns == ("c",)
    assert Plain(source="frames/{clip}/{frame}.jpg").columns == ("clip", "frame")
    with pytest.raises(ValidationError):
        Plain(source="")


@pytest.mark.parametrize("storage", ["lzf", "gzip", "zstd", "blosc2"])
def test_numbers_alone_are_compressed(storage):
    for dtype in ("int64", "float32"):
        assert Plain(source="c", dtype=dtype, storage=storage).storage == storage
    for dtype in ("text", "bytes"):
        with pytest.raises(ValidationError) as caught:
            Plain(source="c", dtype=dtype, storage=storage)
        (error,) = caught.value.errors()
        said = f"got {storage!r} for values that HDF5 does not compress, expected contiguous"
        assert (error["ctx"]["error"].setting, error["ctx"]["error"].message) == ("storage", said)
        assert Plain(source="c", dtype=dtype).storage == "contiguous"


def test_a_feature_does_not_change_and_has_no_other_settings():
    with pytest.raises(ValidationError):
        Plain(source="c").source = "d"
    with pytest.raises(ValidationError):
        Plain(source="c", other=1)


def test_what_every_kind_has_to_say():
    class Empty(Feature):
        type: Literal["empty"] = "empty"

    empty = Empty(source="c")
    for call in (
        lambda: empty.encode("n", 1),
        lambda: empty.specs("n"),
        lambda: empty.with_vocabulary(("a",)),
        lambda: OwnedFeature(type="t", source="c", of="i").encode("n", 1),
    ):
        with pytest.raises(NotImplementedError):
            call()


def test_what_is_owned_is_encoded_with_what_its_owner_became():
    owned = Owned(source="c", of="image")
    assert owned.owner == "image"
    encoded = owned.encode_after("n", 3, {"other": 1, "image": "turned"})
    assert encoded == Encoded({"n": np.array(3)}, became="turned")
    with pytest.raises(ValidationError):
        Owned(source="c", of="")


def test_the_setting_at_fault():
    error = SettingError("min", "got 2")
    assert (str(error), error.setting, error.message) == ("min: got 2", "min", "got 2")
    assert error.args == ("min", "got 2")
    declared = {"type": "string", "source": "c", "storage": "gzip"}
    with pytest.raises(SchemaError, match=r"^features\.s\.storage: got 'gzip' for values"):
        Schema.from_dict({"features": {"s": declared}})


@pytest.mark.parametrize(
    ("value", "limit", "shown"),
    [
        ("a" * 78, 80, repr("a" * 78)),
        ("a" * 79, 80, "'" + "a" * 78 + "…"),
        ("a" * 80, 80, "'" + "a" * 78 + "…"),
        ("a" * 81, 80, "'" + "a" * 78 + "…"),
        (b"ab", 5, "b'ab'"),
        (b"abc", 5, "b'ab…"),
        ([1, 2], 6, "[1, 2]"),
        ([1, 2], 5, "[1, …"),
        ((1,) * 99, 5, "(1, …"),
        (12345, 5, "12345"),
        (123456, 5, "1234…"),
        ({"a": 1}, 80, "{'a': 1}"),
    ],
)
def test_values_in_messages(value, limit, shown):
    assert shorten(value, limit) == shown
    if limit == 80:
        assert shorten(value) == shown


def test_megabytes_are_not_written_out():
    class Item:
        shown = 0

        def __repr__(self):
            Item.shown += 1
            return "x"

    assert shorten([Item()] * 1000) == "[" + "x, " * 26 + "…"
    assert Item.shown == 80


def test_a_kind_may_declare_what_its_classes_have():
    """Annotations are text here; ``type`` in one of them is not the kind's own field."""

    class Owned(OwnedFeature):
        takes: ClassVar[type | None] = int
        becomes: ClassVar[type | None] = None
        type: Literal["owned"] = "owned"
        more: int = 3

        def specs(self, name):
            return {name: ValueSpec("int64")}

    owned = Owned(source="x", of="y", more=4)
    assert (Owned.takes, owned.type, owned.more) == (int, "owned", 4)
    assert set(Owned.model_fields) == {*OwnedFeature.model_fields, "more"}
