import math

import pytest
from feature_cases import Case, check
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas import ClassLabel, Schema
from pixelbeam.schemas.dataset.statistics import merge_all
from pixelbeam.schemas.errors import Reject
from pydantic import ValidationError

ANIMALS = ClassLabel(source="label", vocabulary=["cat", "dog", "7", "true"])
NUMBERED = ClassLabel(source="label", num_classes=10)
MANY = ClassLabel(source="label", vocabulary=[f"class {n}" for n in range(20)])
COLLECTED = ClassLabel(source="label", vocabulary="from_manifest")


def unknown(message):
    return {"rejected": ("unknown_class", message)}


CASES = [
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
    Case(NUMBERED, 0, 0),
    Case(NUMBERED, "9", 9),
    Case(NUMBERED, "9.0", 9),
    Case(NUMBERED, 10, **unknown("got 10, expected a class number from 0 to 9")),
    Case(NUMBERED, -1, **unknown("got -1, expected a class number from 0 to 9")),
    Case(NUMBERED, "cat", **unknown("got 'cat', expected a class number from 0 to 9")),
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
            (NUMBERED, [0, 1, 0], "a class number from 0 to 9"),
            (NUMBERED, [0.0, 1.0, 0.0], "a class number from 0 to 9"),
            (NUMBERED, [False, True, False], "a class number from 0 to 9"),
            (NUMBERED, "[0, 1, 0]", "a class number from 0 to 9"),
            (ANIMALS, [0, 1, 0], "a class name"),
            (ANIMALS, "0 1 0", "one of 'cat', 'dog', '7', 'true'"),
        )
    ),
    Case(NUMBERED, [0, 2], **unknown("got [0, 2], expected a class number from 0 to 9")),
    Case(ANIMALS, None, rejected=("missing_value", "got an empty cell, expected a class")),
    Case(ANIMALS, " ", rejected=("missing_value", "got an empty cell, expected a class")),
    Case(ANIMALS, math.nan, rejected=("missing_value", "got an empty cell, expected a class")),
    Case(ClassLabel(source="label", vocabulary=["cat", "none"], default="none"), "", 1),
    Case(ClassLabel(source="label", num_classes=3, default=0), None, 0),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cases(case):
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
    assert COLLECTED.needs_vocabulary
    filled = COLLECTED.with_vocabulary(found)
    assert not filled.needs_vocabulary
    assert filled.vocabulary == stored
    assert [filled.class_id(name) for name in stored] == list(range(len(stored)))


def test_observes_what_encode_takes():
    seen = [
        COLLECTED.observe(v) for v in (" cat ", 3, 3.0, False, None, "", math.nan, ["x"], "\ud800")
    ]
    assert seen == [("cat",), ("3",), ("3",), ("false",), (), (), (), (), ()]


def test_default_is_among_the_collected_names():
    feature = ClassLabel(source="label", vocabulary="from_manifest", default="other")
    assert feature.with_vocabulary(("zebra", "ant")).vocabulary == ("ant", "other", "zebra")


@given(st.lists(st.text(), unique=True, min_size=1))
def test_every_observed_name_has_a_number(values):
    names = tuple({name for value in values for name in COLLECTED.observe(value)})
    if not names:
        return
    schema = Schema(features={"label": COLLECTED}).with_vocabularies({"label": names})
    label = Schema.from_dict(schema.to_dict()).features["label"]
    for value in values:
        for name in label.observe(value):
            number = int(label.encode("label", value).values["label"])
            assert label.vocabulary[number] == name


def test_statistics_count_by_number():
    summaries = [NUMBERED.encode("label", value).summary for value in (9, 0, "9")]
    statistics = NUMBERED.statistics(merge_all(summaries, NUMBERED.summary_types))
    assert statistics == {"classes": {"0": 1, "9": 2}}
    assert list(statistics["classes"]) == ["0", "9"]


@pytest.mark.parametrize("value", ["2", "2.0", "2.00", "2.", "+2", " 2 ", 2, 2.0, b"2", b"2.0"])
def test_a_whole_number_is_one_class_however_it_is_written(value):
    assert COLLECTED.observe(value) == ("2",)
    for names in (["1", "2", "3"], ["1.0", "2.0", "3.0"], [1, 2, 3], ["+1", "+2", "+3"]):
        assert ClassLabel(source="label", vocabulary=names).class_id(value) == 1


@pytest.mark.parametrize("value", ["007", "00", "2.5", "1e3", "2 0", "-", "+", ".0", "٢"])
def test_what_is_no_whole_number_is_a_name_as_it_stands(value):
    assert COLLECTED.observe(value) == (value,)


def test_zero_has_no_sign():
    assert [COLLECTED.observe(value) for value in ("-0", "0.0", -0.0, "+0")] == [("0",)] * 4


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
    assert COLLECTED.observe(value) == ()
    with pytest.raises(Reject) as caught:
        COLLECTED.with_vocabulary(("p\ufffdte",)).encode("label", value)
    assert str(caught.value) == f"encode: not_utf8: got {value!r}, expected UTF-8 text"


def test_warnings_name_the_feature():
    feature = COLLECTED.with_vocabulary(("Cat", "cat"))
    assert list(feature.warnings("animal", {})) == [
        "animal: got classes that differ only in case: 'Cat' and 'cat'"
    ]
    assert list(COLLECTED.warnings("animal", {})) == []
