"""``class_label`` first, then ``class_labels``."""

import math

import numpy as np
import pytest
import tensorflow as tf
from feature_cases import Case, check, round_trip
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas import ClassLabel, ClassLabels, Schema
from pixelbeam.schemas.dataset.statistics import merge_all
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.features.base import Domain, ValueSpec
from pydantic import ValidationError

ANIMALS = ClassLabel(source="label", vocabulary=["cat", "dog", "7", "true"])
NUMBERS = ClassLabel(source="label", num_classes=10)
MANY = ClassLabel(source="label", vocabulary=[f"class {n}" for n in range(20)])
COLLECTED_LABEL = ClassLabel(source="label", vocabulary="from_manifest")


def unknown(message):
    return {"rejected": ("unknown_class", message)}


LABEL_CASES = [
    Case(ANIMALS, "cat", 0),
    Case(ANIMALS, " dog\n", 1),
    Case(ANIMALS, 7, 2),
    Case(ANIMALS, 7.0, 2),
    Case(ANIMALS, True, 3),
    Case(ANIMALS, b"dog", 1),
    Case(ANIMALS, "Cat", **unknown("got 'Cat', expected one of 'cat', 'dog', '7', 'true'")),
    Case(ANIMALS, ["cat"], **unknown("got ['cat'], expected a class name")),
    Case(ANIMALS, 7.5, **unknown("got 7.5, expected one of 'cat', 'dog', '7', 'true'")),
    Case(
        MANY,
        "clas 7",
        **unknown(
            "got 'clas 7', expected one of the 20 names of the vocabulary, "
            "such as 'class 7', 'class 17', 'class 9'"
        ),
    ),
    Case(MANY, "?", **unknown("got '?', expected one of the 20 names of the vocabulary")),
    Case(NUMBERS, 0, 0),
    Case(NUMBERS, "9", 9),
    Case(NUMBERS, "9.0", 9),
    Case(NUMBERS, 10, **unknown("got 10, expected a class number from 0 to 9")),
    Case(NUMBERS, -1, **unknown("got -1, expected a class number from 0 to 9")),
    Case(NUMBERS, "cat", **unknown("got 'cat', expected a class number from 0 to 9")),
    *(
        Case(
            feature,
            flags,
            **unknown(
                f"got {flags!r}, expected {expected}; a row of zeros and ones, one for each class, is "
                "type: float32 with shape: [3] and target: true"
            ),
        )
        for feature, flags, expected in (
            (NUMBERS, [0, 1, 0], "a class number from 0 to 9"),
            (NUMBERS, [0.0, 1.0, 0.0], "a class number from 0 to 9"),
            (NUMBERS, [False, True, False], "a class number from 0 to 9"),
            (NUMBERS, "[0, 1, 0]", "a class number from 0 to 9"),
            (ANIMALS, [0, 1, 0], "a class name"),
            (ANIMALS, "0 1 0", "one of 'cat', 'dog', '7', 'true'"),
        )
    ),
    Case(NUMBERS, [0, 2], **unknown("got [0, 2], expected a class number from 0 to 9")),
    Case(ANIMALS, None, rejected=("missing_value", "got an empty cell, expected a class")),
    Case(ANIMALS, " ", rejected=("missing_value", "got an empty cell, expected a class")),
    Case(ANIMALS, math.nan, rejected=("missing_value", "got an empty cell, expected a class")),
    Case(ClassLabel(source="label", vocabulary=["cat", "none"], default="none"), "", 1),
    Case(ClassLabel(source="label", num_classes=3, default=0), None, 0),
]


@pytest.mark.parametrize("case", LABEL_CASES, ids=str)
def test_cases_of_one_class(case):
    check(case)


def test_is_a_target_unless_told_otherwise():
    assert ANIMALS.is_target
    assert not ClassLabel(source="label", num_classes=2, target=False).is_target


@pytest.mark.parametrize(
    ("found", "stored"),
    [
        (("b", "a", "B"), ("B", "a", "b")),
        (("10", "9", "-1"), ("-1", "9", "10")),
        (("10", "9", "x"), ("10", "9", "x")),
        (("é", "z"), ("z", "é")),
    ],
)
def test_collected_names_are_sorted_and_stored(found, stored):
    assert COLLECTED_LABEL.needs_vocabulary
    filled = COLLECTED_LABEL.with_vocabulary(found)
    assert not filled.needs_vocabulary
    assert filled.vocabulary == stored
    assert [filled.class_id(name) for name in stored] == list(range(len(stored)))


def test_observes_what_encode_takes():
    seen = [
        COLLECTED_LABEL.observe(v)
        for v in (" cat ", 3, 3.0, False, None, "", math.nan, ["x"], "\ud800")
    ]
    assert seen == [("cat",), ("3",), ("3",), ("false",), (), (), (), (), ()]


def test_default_is_among_the_collected_names():
    feature = ClassLabel(source="label", vocabulary="from_manifest", default="other")
    assert feature.with_vocabulary(("zebra", "ant")).vocabulary == ("ant", "other", "zebra")


@given(st.lists(st.text(), unique=True, min_size=1))
def test_every_observed_name_has_a_number(values):
    names = tuple({name for value in values for name in COLLECTED_LABEL.observe(value)})
    if not names:
        return
    schema = Schema(features={"label": COLLECTED_LABEL}).with_vocabularies({"label": names})
    label = Schema.from_dict(schema.to_dict()).features["label"]
    for value in values:
        for name in label.observe(value):
            number = int(label.encode("label", value).values["label"])
            assert label.vocabulary[number] == name


def test_statistics_count_by_number():
    summaries = [NUMBERS.encode("label", value).summary for value in (9, 0, "9")]
    statistics = NUMBERS.statistics(merge_all(summaries, NUMBERS.summary_types))
    assert statistics == {"classes": {"0": 1, "9": 2}}
    assert list(statistics["classes"]) == ["0", "9"]


@pytest.mark.parametrize("value", ["2", "2.0", "2.00", "2.", "+2", " 2 ", 2, 2.0, b"2", b"2.0"])
def test_a_whole_number_is_one_class_however_it_is_written(value):
    assert COLLECTED_LABEL.observe(value) == ("2",)
    for names in (["1", "2", "3"], ["1.0", "2.0", "3.0"], [1, 2, 3], ["+1", "+2", "+3"]):
        assert ClassLabel(source="label", vocabulary=names).class_id(value) == 1


@pytest.mark.parametrize("value", ["007", "00", "2.5", "1e3", "2 0", "-", "+", ".0", "٢"])
def test_what_is_no_whole_number_is_a_name_as_it_stands(value):
    assert COLLECTED_LABEL.observe(value) == (value,)


def test_zero_has_no_sign():
    assert [COLLECTED_LABEL.observe(value) for value in ("-0", "0.0", -0.0, "+0")] == [("0",)] * 4


def test_declared_names_stay_as_they_are_written():
    feature = ClassLabel(source="label", vocabulary=["1.0", "007"])
    assert feature.vocabulary == ("1.0", "007")
    with pytest.raises(Reject) as caught:
        feature.class_id("7")
    assert str(caught.value) == "encode: unknown_class: got '7', expected one of '1.0', '007'"


def test_a_number_twice_in_a_declared_vocabulary():
    with pytest.raises(ValidationError, match=r"got .2\.0. and .2., expected each name once"):
        ClassLabel(source="label", vocabulary=["2.0", "1", "2"])


@pytest.mark.parametrize("value", [b"p\xe2te", b"p\xeate", b"p\xf4te"])
def test_bytes_that_are_no_text_are_rejects_and_no_class(value):
    assert COLLECTED_LABEL.observe(value) == ()
    with pytest.raises(Reject) as caught:
        COLLECTED_LABEL.with_vocabulary(("p\ufffdte",)).encode("label", value)
    assert str(caught.value) == f"encode: not_utf8: got {value!r}, expected UTF-8 text"


def test_warnings_name_the_feature():
    feature = COLLECTED_LABEL.with_vocabulary(("Cat", "cat"))
    assert list(feature.warnings("animal", {})) == [
        "animal: got classes that differ only in case: 'Cat' and 'cat'"
    ]
    assert list(COLLECTED_LABEL.warnings("animal", {})) == []


TAGS = ClassLabels(source="tags", vocabulary=["sea", "sand", "blue sky"])
SPACED = ClassLabels(source="tags", vocabulary=["haze", "primary"], separator=" ")
NUMBERED = ClassLabels(source="tags", num_classes=4)
ZERO_ONE = ClassLabels(source="tags", vocabulary=["0", "1"])
FLAGS = "; a row of zeros and ones, one for each class, is type: float32 with shape: [4] and target: true"
COLLECTED = ClassLabels(source="tags", vocabulary="from_manifest")

CASES = [
    Case(TAGS, ["sea", "blue sky"], [1.0, 0.0, 1.0]),
    Case(TAGS, "sea;blue sky", [1.0, 0.0, 1.0]),
    Case(TAGS, "sea, sand", [1.0, 1.0, 0.0]),
    Case(TAGS, "sea|sand|", [1.0, 1.0, 0.0]),
    Case(TAGS, '["sea", "sand"]', [1.0, 1.0, 0.0]),
    Case(TAGS, "['sea', 'blue sky']", [1.0, 0.0, 1.0]),
    Case(TAGS, "[sea, blue sky]", [1.0, 0.0, 1.0]),
    Case(TAGS, [], [0.0, 0.0, 0.0]),
    Case(TAGS, "[]", [0.0, 0.0, 0.0]),
    Case(SPACED, "haze  primary", [1.0, 1.0]),
    Case(NUMBERED, "0 3", [1.0, 0.0, 0.0, 1.0]),
    Case(NUMBERED, "0,3", [1.0, 0.0, 0.0, 1.0]),
    Case(NUMBERED, 2, [0.0, 0.0, 1.0, 0.0]),
    Case(ClassLabels(source="tags", num_classes=2, default=[]), None, [0.0, 0.0]),
    Case(ClassLabels(source="tags", vocabulary=["a", "b"], default=["b"]), "", [0.0, 1.0]),
    Case(TAGS, "", rejected=("missing_value", "got an empty cell, expected classes")),
    Case(TAGS, math.nan, rejected=("missing_value", "got an empty cell, expected classes")),
    Case(
        TAGS,
        "sea;see",
        rejected=("unknown_class", "got 'see', expected one of 'sea', 'sand', 'blue sky'"),
    ),
    Case(NUMBERED, [4], rejected=("unknown_class", "got 4, expected a class number from 0 to 3")),
    Case(TAGS, [None], rejected=("unknown_class", "got None, expected a class name")),
    Case(TAGS, "sea;sand;sea", [1.0, 1.0, 0.0]),
    Case(NUMBERED, [3, 0, 3], [1.0, 0.0, 0.0, 1.0]),
    *(
        Case(
            feature,
            flags,
            rejected=(
                "duplicate_class",
                f"got {flags!r}, expected each class once{FLAGS}",
            ),
        )
        for feature, flags in (
            (NUMBERED, [0, 1, 0, 1]),
            (NUMBERED, [0.0, 1.0, 0.0, 0.0]),
            (NUMBERED, [0, 0, 0, 0]),
            (NUMBERED, [1, 1, 1, 1]),
            (NUMBERED, "[0, 1, 0, 1]"),
            (NUMBERED, "0 1 0 1"),
            (ZERO_ONE, [0, 1, 0, 1]),
        )
    ),
    *(
        Case(
            NUMBERED,
            flags,
            rejected=(
                "unknown_class",
                f"got {flags!r}, expected class numbers from 0 to 3, not booleans{hint}",
            ),
        )
        for flags, hint in (
            ([True, False, True, False], FLAGS),
            ("[false, true, false, true]", FLAGS),
            ("False,True,False,True", FLAGS),
            ([True], ""),
            (True, ""),
        )
    ),
    Case(
        NUMBERED,
        np.array([0, 1, 0, 1]),
        rejected=(
            "unknown_class",
            f"got array([0, 1, 0, 1]), expected a class number from 0 to 3{FLAGS}",
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cases(case):
    check(case)


def test_stores_sorted_numbers():
    assert TAGS.encode("tags", "blue sky;sea").values["tags"].tolist() == [0, 2]


def test_batches_know_their_width():
    schema = Schema(features={"tags": TAGS})
    rows = [{"tags": []}, {"tags": "sea;sand"}]
    batch = round_trip(schema, rows)["tags"]
    assert batch.shape == (2, 3)
    assert batch.dtype == tf.float32


def test_observes_every_name():
    assert COLLECTED.observe("b; a;b") == ("b", "a", "b")
    assert COLLECTED.observe(None) == ()
    assert COLLECTED.with_vocabulary(("b", "a")).vocabulary == ("a", "b")


def test_statistics_count_records_and_labels():
    summaries = [TAGS.encode("tags", value).summary for value in ("sea;sand", [], "sand")]
    assert TAGS.statistics(merge_all(summaries, TAGS.summary_types)) == {
        "count": 3,
        "labels": 3,
        "classes": {"0": 1, "1": 2},
    }


@pytest.mark.parametrize(
    ("kind", "default", "expected"),
    [
        (ClassLabel, True, "expected a class name; put it in quotes"),
        (ClassLabel, 1.0, "expected a class name; put it in quotes"),
        (ClassLabel, ["a"], "expected a class name; put it in quotes"),
        (ClassLabel, "c", "expected one of 'a', 'b'"),
        (ClassLabels, "a", "expected a list of class names"),
        (ClassLabels, ["a", True], "expected a list of class names"),
        (ClassLabels, ["a", 1.0], "expected a list of class names"),
        (ClassLabels, ["a", "c"], "expected one of 'a', 'b'"),
    ],
)
def test_defaults_that_name_no_class(kind, default, expected):
    with pytest.raises(ValidationError, match=expected):
        kind(source="x", vocabulary=["a", "b"], default=default)


def test_defaults_that_are_still_to_be_collected():
    assert ClassLabel(source="x", vocabulary="from_manifest", default="c").default == "c"
    labels = ClassLabels(source="x", vocabulary="from_manifest", default=("c", 1))
    assert labels.default == ("c", 1)
    assert labels.with_vocabulary(("a",)).vocabulary == ("1", "a", "c")
    assert ClassLabels(source="x", num_classes=2, default=None).default is None


def test_what_readers_are_told_of_classes():
    assert (ANIMALS.one_hot_classes, NUMBERS.one_hot_classes, TAGS.one_hot_classes) == (4, 10, None)
    assert TAGS.decoded == ValueSpec("float32", (3,), ("class",), domain=Domain(0, 1))
    assert ANIMALS.decoded == ValueSpec("int64", domain=ANIMALS.domain)
    for feature in (ANIMALS, TAGS):
        assert (feature.is_target, feature.describes, feature.reads_files) == (True, False, False)


@pytest.mark.parametrize(
    ("settings", "text", "names"),
    [
        ({}, "a b, c;d|e", ("a b", "c", "d", "e")),
        ({"separator": ";"}, "a b, c;d|e", ("a b, c", "d|e")),
        ({"separator": "\t"}, "a b, c;d|e", ("a", "b,", "c;d|e")),
        ({}, "[a, b", ("[a", "b")),
        ({}, "a, b]", ("a", "b]")),
        ({}, " [a, b] ", ("a", "b")),
        ({}, ("a", "b"), ("a", "b")),
    ],
)
def test_names_are_split_at_separators(settings, text, names):
    assert ClassLabels(source="x", vocabulary="from_manifest", **settings).observe(text) == names
    with pytest.raises(ValidationError, match="at least 1 character"):
        ClassLabels(source="x", num_classes=2, separator="")
