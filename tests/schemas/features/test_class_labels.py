import math

import numpy as np
import pytest
import tensorflow as tf
from feature_cases import Case, check, round_trip
from pixelbeam.schemas import ClassLabels, Schema
from pixelbeam.schemas.dataset.statistics import merge_all

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
