from __future__ import annotations

import numpy as np
import pytest
from installed import install, plugin_caches
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.sink import Sink, flatten_record, flatten_value, offered_sinks
from pixelbeam.schemas.errors import PluginError
from pixelbeam.schemas.features.base import Steps

SCHEMA = Schema.from_dict({"features": {"n": {"type": "int64", "source": "n"}}})


class Lines(Sink):
    name, suffix = "lines", "txt"

    def open(self, path, schema):
        raise NotImplementedError

    def read(self, path, schema):
        for line in path.read_text().splitlines():
            yield None, {"n": np.array([int(line)])}


def test_a_sink_is_a_name_a_suffix_and_two_methods(tmp_path):
    (tmp_path / "a.txt").write_text("3\n4\n")
    lines = Lines()
    assert lines.records(tmp_path / "a.txt", SCHEMA) == [{"n": np.array([3])}, {"n": np.array([4])}]
    assert lines.versions(SCHEMA) == {}
    assert not lines.join(tmp_path / "b", "train", SCHEMA, ["a.txt"], lambda name: None)
    lines.check(SCHEMA)
    lines.check_record({"n": np.array(3)}, SCHEMA)


def test_one_that_lacks_a_method_cannot_be_made():
    with pytest.raises(TypeError, match="open"):
        type("Half", (Sink,), {"read": Lines.read})()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"ab", [b"ab"]),
        ([b"a", b""], [b"a", b""]),
        (np.array([[258]], np.uint16), [b"\x02\x01"]),
        (np.array([[258]], ">u2"), [b"\x02\x01"]),
        (np.array([[1, 2]], np.uint8), [b"\x01\x02"]),
        (np.array([[1, 2], [3, 4]], np.int64), np.array([1, 2, 3, 4], np.int64)),
        (np.float32(1.5), np.array([1.5], np.float32)),
    ],
)
def test_values_have_one_form_once_they_are_read_back(value, expected):
    flat = flatten_value(value)
    np.testing.assert_equal(flat, expected)
    assert type(flat) is type(expected)
    assert getattr(flat, "dtype", None) == getattr(expected, "dtype", None)


def test_steps_are_flattened_one_by_one():
    steps = Steps(np.arange(4).reshape(2, 2, 1))
    found = flatten_record({"a": steps, "b": Steps((b"x", b"y")), "c": b"z"})
    expected = {"a": [[0, 1], [2, 3]], "b": [[b"x"], [b"y"]], "c": [b"z"]}
    assert {key: [*getattr(v, "values", v)] for key, v in found.items()}.keys() == expected.keys()
    np.testing.assert_equal([*found["a"].values], expected["a"])
    assert found["b"] == Steps(([b"x"], [b"y"]))
    assert found["c"] == [b"z"]


CODE = """
from pixelbeam.schemas.dataset.sink import Sink

class Odd(Sink):
    name, suffix = {name!r}, {suffix!r}

    def open(self, path, schema):
        ...

    {read}
"""


def offered(tmp_path, monkeypatch, name="odd", suffix="o", read="read = open"):
    code = CODE.format(name=name, suffix=suffix, read=read)
    points = {"pixelbeam.sinks": {"odd": "odd_sink:Odd"}}
    install(tmp_path, "pixelbeam-odd", "0.1", {"odd_sink.py": code}, points)
    monkeypatch.syspath_prepend(tmp_path)
    with plugin_caches():
        return offered_sinks(("tfrecord", "hdf5"))


def test_sinks_of_other_packages_are_found_by_name(tmp_path, monkeypatch):
    found = offered(tmp_path, monkeypatch)
    assert [*found] == ["odd"]
    made, plugin = found["odd"]
    assert (made.name, made.suffix, type(made)) == ("odd", "o", plugin.offered)
    assert (plugin.package, plugin.version) == ("pixelbeam-odd", "0.1")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            {"name": "even"},
            "got a sink with the name 'even', expected 'odd', that of its entry point",
        ),
        ({"suffix": ""}, "sink 'odd': got the suffix '', expected letters, digits, _ and -,"),
        ({"read": ""}, "sink 'odd': TypeError: Can't instantiate abstract class Odd with"),
    ],
)
def test_sinks_that_are_none_are_named_with_their_package(tmp_path, monkeypatch, said, message):
    with pytest.raises(PluginError, match=f"^pixelbeam-odd 0.1: {message}"):
        offered(tmp_path, monkeypatch, **said)
