"""Which class a manifest value names, and where a vocabulary comes from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import Reject, SchemaError
from pixelbeam.schemas.features.base import Domain
from pixelbeam.schemas.features.class_labels import ClassLabel
from pixelbeam.schemas.features.class_names import class_name, flags_hint, is_nan, observed_name


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (" cat ", "cat"),
        ("2.0", "2"),
        ("+2", "2"),
        ("007", "007"),
        ("2.5", "2.5"),
        (2, "2"),
        (2.0, "2"),
        (-0.0, "0"),
        (2.5, "2.5"),
        (True, "true"),
        (False, "false"),
        (b" 2. ", "2"),
        ("né".encode(), "né"),
    ],
)
def test_a_value_names_a_class_by_its_text(value, name):
    assert class_name(value) == name


@pytest.mark.parametrize(
    ("value", "reason", "message"),
    [
        (b"\xff", "not_utf8", "got b'\\xff', expected UTF-8 text"),
        (["a"], "unknown_class", "got ['a'], expected a class name"),
        (None, "unknown_class", "got None, expected a class name"),
        (
            [0, 1, 0],
            "unknown_class",
            "got [0, 1, 0], expected a class name; a row of zeros and ones, one for each class, is "
            "type: float32 with shape: [3] and target: true",
        ),
    ],
)
def test_what_names_none(value, reason, message):
    with pytest.raises(Reject) as caught:
        class_name(value)
    found = (caught.value.stage, caught.value.reason, caught.value.message)
    assert found == ("encode", reason, message)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (" x ", "x"),
        (0, "0"),
        (None, None),
        ("  ", None),
        (math.nan, None),
        (["a"], None),
        (b"\xff", None),
        (b"", None),
        ("\ud800", None),
        ("a\udfff", None),
        ("\ue000", "\ue000"),
    ],
)
def test_names_are_collected_from_what_has_one(value, name):
    assert observed_name(value) == name


@pytest.mark.parametrize("value", [[0, 1], "0,1", "[1, 0]", "1 0", [0.0, True], np.array([1, 0])])
def test_rows_of_flags_are_recognised(value):
    assert flags_hint(value) == (
        "; a row of zeros and ones, one for each class, is "
        "type: float32 with shape: [2] and target: true"
    )


@pytest.mark.parametrize("value", ["1", [1], [0, 2], [0, -1], "a,0", [], None, np.array(1)])
def test_other_values_are_no_flags(value):
    assert flags_hint(value) == ""


def test_nan():
    assert is_nan(math.nan)
    assert not any(map(is_nan, [0.0, math.inf, "nan", None]))


def feature(**settings):
    return ClassLabel(source="label", **settings)


def test_class_numbers_where_classes_have_no_names():
    numbered = feature(num_classes=3)
    assert [numbered.class_id(value) for value in (0, "1", 2.0, True)] == [0, 1, 2, 1]
    for value in (3, -1, "x", 1.5):
        with pytest.raises(Reject) as caught:
            numbered.class_id(value)
        assert caught.value.message == f"got {value!r}, expected a class number from 0 to 2"
    assert (numbered.class_names, numbered.class_count, numbered.needs_vocabulary) == (
        None,
        3,
        False,
    )
    assert feature(num_classes=1).class_id(0) == 0


def test_class_numbers_by_name():
    named = feature(vocabulary=["dog", "2", "cat"])
    assert [named.class_id(value) for value in ("dog", 2.0, " cat ")] == [0, 1, 2]
    assert (named.class_names, named.class_count) == (("dog", "2", "cat"), 3)
    with pytest.raises(Reject) as caught:
        named.class_id("cot")
    assert caught.value.message == "got 'cot', expected one of 'dog', '2', 'cat'"


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (10, "one of 'name 0', 'name 1', "),
        (11, "one of the 11 names of the vocabulary, such as 'name 1', "),
        (1000, "one of the 1000 names of the vocabulary, such as 'name 1', "),
        (1001, "one of the 1001 names of the vocabulary"),
    ],
)
def test_close_names_are_suggested(count, expected):
    named = feature(vocabulary=[f"name {n}" for n in range(count)])
    with pytest.raises(Reject) as caught:
        named.class_id("name_1")
    said = caught.value.message
    assert said.startswith(f"got 'name_1', expected {expected}")
    assert (said == f"got 'name_1', expected {expected}") == (count == 1001)


def test_while_names_are_being_collected():
    pending = feature(vocabulary="from_manifest")
    assert (pending.needs_vocabulary, pending.class_count, pending.class_names) == (True, 0, None)
    assert [pending.class_id(value) for value in ("a", 7)] == [0, 0]
    for value in (None, "", ["a"]):
        with pytest.raises(Reject, match="expected a class name"):
            pending.class_id(value)
    filled = pending.with_vocabulary(("10", "9", "9"))
    assert (filled.vocabulary, filled.needs_vocabulary) == (("9", "10"), False)
    assert feature(vocabulary="from_manifest", default="b").with_vocabulary(
        ("c", "a")
    ).vocabulary == ("a", "b", "c")


def test_check_and_statistics():
    named = feature(vocabulary=["a", "b"])
    for number in (0, 1):
        named.check(np.array(number))
    for number in (-1, 2):
        with pytest.raises(ValueError, match=f"^got class {number}, expected 0 to 1$"):
            named.check(np.array([0, number]))
    counts = {"count": 3, "classes": {"10": 1, "9": 2}}
    assert list(named.statistics(counts)["classes"].items()) == [("9", 2), ("10", 1)]


def refusal(**settings):
    declared = {"label": {"type": "class_label", "source": "label", **settings}}
    with pytest.raises(SchemaError) as caught:
        Schema.from_dict({"features": declared})
    return str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vocabulary": ["a", " a "]}, "vocabulary: got 'a' twice, expected each name once"),
        ({"vocabulary": ["2", "2.0"]}, "vocabulary: got '2' and '2.0', expected each name once"),
        ({"vocabulary": [True]}, "vocabulary: got True, expected a class name; put it in quotes"),
        ({"vocabulary": [1.5]}, "vocabulary: got 1.5, expected a class name; put it in quotes"),
        ({"vocabulary": ["a", " "]}, "vocabulary: got ' ', expected a class name"),
        ({"vocabulary": []}, "vocabulary: got no names, expected at least one"),
        (
            {"vocabulary": 7},
            "vocabulary: got 7, expected a list of names, a file, or from_manifest",
        ),
        (
            {"vocabulary": ["a", "b"], "num_classes": 3},
            "num_classes: got 3, expected 2, the length of the vocabulary",
        ),
        (
            {},
            "vocabulary: missing, expected a list of names, a file, or from_manifest; "
            "or num_classes where the classes are numbers",
        ),
    ],
)
def test_vocabularies_that_cannot_be(settings, message):
    assert refusal(**settings) == f"features.label.{message}"


def test_a_vocabulary_from_a_file(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes("\ufeffdog\r\n cat\n7\n\n \n".encode())
    assert feature(vocabulary=str(path)).class_names == ("dog", "cat", "7")
    assert feature(vocabulary=path, num_classes=3).class_count == 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\n\nb\n", " line 2: got an empty line, expected a class name"),
        (b"\na\n", " line 1: got an empty line, expected a class name"),
        (b"\xff\xfe", " is not UTF-8 text: invalid start byte"),
        (b"", None),
    ],
)
def test_files_that_are_no_vocabulary(tmp_path, data, message):
    path = tmp_path / "names.txt"
    path.write_bytes(data)
    expected = f"{str(path)!r}{message}" if message else "got no names, expected at least one"
    assert refusal(vocabulary=str(path)) == f"features.label.vocabulary: {expected}"


def test_a_file_that_is_not_there(tmp_path):
    path = str(tmp_path / "none.txt")
    assert refusal(vocabulary=path) == (
        f"features.label.vocabulary: cannot read {path!r}: No such file or directory"
    )


def test_names_that_are_seldom_meant_are_warned_of():
    assert list(feature(vocabulary=["Cat", "cat"]).warnings("label", {})) == [
        "label: got classes that differ only in case: 'Cat' and 'cat'"
    ]
    assert list(feature(vocabulary="from_manifest").warnings("label", {})) == []
    assert list(feature(num_classes=2).warnings("label", {})) == []


def test_what_classes_are_declared_by():
    """Also to editors, which read the JSON Schema."""
    assert feature(num_classes=1).is_target
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        feature(num_classes=0)
    listed, *others = ClassLabel.model_json_schema()["properties"]["vocabulary"]["anyOf"]
    assert listed == {"type": "array", "minItems": 1, "items": {"type": ["string", "integer"]}}
    assert [other.get("type", other.get("const")) for other in others] == [
        "from_manifest", "string", "null",
    ]  # fmt: skip


def test_domains_of_classes():
    assert feature(num_classes=3).domain == Domain(num_classes=3)
    assert feature(vocabulary=["a"]).domain == Domain(num_classes=1, class_names=("a",))
    assert feature(vocabulary="from_manifest").domain is None


def test_numbers_of_the_source_go_with_the_names():
    label = ClassLabel(source="c", vocabulary=["a", "b"], source_ids=[3, 90])
    assert label.source_ids == (3, 90)
    assert label.model_dump()["source_ids"] == (3, 90)
    assert "source_ids" not in ClassLabel(source="c", vocabulary=["a", "b"]).model_dump()
    with pytest.raises(ValueError, match="got 1 numbers, expected one for each of 2 classes"):
        ClassLabel(source="c", vocabulary=["a", "b"], source_ids=[3])
