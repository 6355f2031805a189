from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas.features.class_spelling import (
    describe_names,
    name_warnings,
    plain_name,
    sort_names,
)


@given(st.integers(), st.sampled_from(["{}", "{}.0", "{}.", "{:+d}", " {:+d}.000\t"]))
def test_every_spelling_of_a_whole_number_is_its_digits(number, spelling):
    assert plain_name(spelling.format(number)) == str(number)


@given(st.text())
def test_a_plain_name_is_its_own(text):
    assert plain_name(plain_name(text)) == plain_name(text)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["10", "9", "-1"], ["-1", "9", "10"]),
        (["10.5", "9.25", "2"], ["2", "9.25", "10.5"]),
        (["10", "007", "7", "01"], ["01", "007", "7", "10"]),
        (["10", "9", "x"], ["10", "9", "x"]),
        (["b", "B", "a"], ["B", "a", "b"]),
    ],
)
def test_sorting(names, expected):
    assert sort_names(names) == expected


def test_describing_few_and_many():
    assert describe_names(["cat", "dog"]) == "cat=0, dog=1"
    assert describe_names([f"n{n}" for n in range(1000)]) == (
        "n0=0, n1=1, n2=2, …, n997=997, n998=998, n999=999 (1,000 classes)"
    )
    ten = [f"n{n}" for n in range(10)]
    assert describe_names(ten) == ", ".join(f"n{n}={n}" for n in range(10))
    assert describe_names([*ten, "m"]) == "n0=0, n1=1, n2=2, …, n8=8, n9=9, m=10 (11 classes)"
    assert describe_names(["x" * 40]) == "x" * 40 + "=0"
    assert describe_names(["x" * 41]) == "x" * 39 + "…=0"
    assert describe_names(["x" * 99]) == "x" * 39 + "…=0"


MEANT = [
    ["cat", "dog", "hot dog"],
    ["0", "1", "2"],
    ["00", "01"],
    ["007", "7"],
    ["0", "1", "background"],
    ["5", "ball", "cat", "dog"],
    ["7", "x", "10"],  # in an order that was declared
    ["false", "true"],
    ["a"],
    [],
]


@pytest.mark.parametrize("names", MEANT, ids=str)
def test_what_is_usual_is_not_warned_of(names):
    assert list(name_warnings(names)) == []


@pytest.mark.parametrize(
    ("names", "warning"),
    [
        (
            ["3", "5", "7"],
            "the class names are numbers, but not those of their classes: "
            "class 3 is 0, 5 is 1, 7 is 2; to keep them, declare num_classes: 8",
        ),
        (
            ["-1", "1"],
            "the class names are numbers, but not those of their classes: class -1 is 0",
        ),
        (
            [str(n) for n in range(1, 6)],
            "the class names are numbers, but not those of their classes: "
            "class 1 is 0, 2 is 1, 3 is 2, …; to keep them, declare num_classes: 6",
        ),
        (
            ["3", "100000000000000000000"],
            "the class names are numbers, but not those of their classes: "
            "class 3 is 0, 100000000000000000000 is 1",
        ),
        (
            ["0", "00", "10", "1e1", "2", "3"],
            "5 of 6 class names are numbers; '1e1' is not, so all are sorted as text: "
            "class 10 is 2, 2 is 4, 3 is 5",
        ),
        (
            ["2", "a", "false", "true"],
            "1 of 4 class names are numbers; 'a', 'false', 'true' are not, so all are sorted as "
            "text: class 2 is 0",
        ),
        (
            ["0", "1", "false", "true"],
            "2 of 4 class names are numbers; 'false', 'true' are not, so all are sorted as text",
        ),
        (["Cat", "cat"], "got classes that differ only in case: 'Cat' and 'cat'"),
        (
            ["A", "B", "a", "b"],
            "got classes that differ only in case: 'A' and 'a' (and 1 more)",
        ),
        (
            ["hot  dog", "hot dog"],
            "got classes that differ only in blanks: 'hot  dog' and 'hot dog'",
        ),
        (["cat", "cat\u200b"], "got classes that differ only in blanks: 'cat' and 'cat\\u200b'"),
        (["Hot dog", "hotdog"], "got classes that differ only in case: 'Hot dog' and 'hotdog'"),
        (
            [unicodedata.normalize("NFD", "né"), "né"],
            r"got classes that differ only in Unicode form: 'ne\u0301' and 'n\xe9'",
        ),
        (
            ["Train", "val"],
            "got 'Train', 'val' among the classes, which splits are called; "
            "if they are splits, name their column with --split_column",
        ),
    ],
)
def test_what_is_seldom_meant_is_said(names, warning):
    assert list(name_warnings(names)) == [warning]
