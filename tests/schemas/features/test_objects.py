"""Cells that list the objects of an image."""

import numpy as np
import pytest
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.features.objects import AnnotationCell, Kept, list_items, parse_annotations


def rejected(call, *given, **named):
    with pytest.raises(Reject) as caught:
        call(*given, **named)
    assert caught.value.stage == "encode"
    return caught.value.reason, caught.value.message


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([[1, 2, 3, 4]], AnnotationCell([[1, 2, 3, 4]])),
        ("[[1, 2, 3, 4]]", AnnotationCell([[1, 2, 3, 4]])),
        (np.array([[1.0, 2, 3, 4]]), AnnotationCell([[1.0, 2.0, 3.0, 4.0]])),
        ([], AnnotationCell([])),
        ({"boxes": []}, AnnotationCell([])),
        (
            {"boxes": [[1, 2, 3, 4]], "format": "xywh", "normalized": False, "size": [640, 480]},
            AnnotationCell([[1, 2, 3, 4]], "xywh", False, (640, 480)),
        ),
        ('{"boxes": [], "size": null}', AnnotationCell([])),
    ],
)
def test_cells(value, expected):
    assert parse_annotations(value, "boxes") == expected


@pytest.mark.parametrize(
    ("value", "reason", "message"),
    [
        (
            None,
            "missing_value",
            "got an empty cell, expected a list of boxes; [] says that there are none",
        ),
        (7, "bad_annotation", "got 7, expected a list of boxes, one for each object"),
        ("{nonsense", "bad_annotation", "got '{nonsense', expected a list of boxes, one for each object"),
        ({"masks": []}, "bad_annotation", "got {'masks': []}, expected a list under 'boxes'"),
        (
            {"boxes": [], "normalized": 1},
            "bad_annotation",
            "got 1, expected true or false under 'normalized'",
        ),
        (
            {"boxes": [], "normalised": True},
            "bad_annotation",
            "got 'normalised', expected one of the keys 'boxes', 'format', 'normalized', 'size'",
        ),
        ({"boxes": [], "format": 1}, "bad_annotation", "got 1, expected text under 'format'"),
        (
            {"boxes": [], "size": [1, 2, 3]},
            "bad_annotation",
            "got [1, 2, 3], expected width and height under 'size'",
        ),
        (
            {"boxes": [], "size": [1, 0]},
            "bad_annotation",
            "got [1, 0], expected a width and height of at least 1 under 'size'",
        ),
    ],
)  # fmt: skip
def test_cells_that_are_none(value, reason, message):
    assert rejected(parse_annotations, value, "boxes") == (reason, message)


def test_schema_and_cell_have_to_agree():
    cell = AnnotationCell([], "xywh", True)
    assert (cell.box_format(None), cell.box_format("xywh")) == ("xywh", "xywh")
    assert (cell.normalization(None), cell.normalization(True)) == (True, True)
    assert AnnotationCell([]).normalization(None) is False
    assert rejected(cell.box_format, "xyxy") == (
        "contradiction",
        "got format 'xywh' in the manifest's cell, expected 'xyxy', which the schema declares as input",
    )
    assert rejected(cell.normalization, False) == (
        "contradiction",
        "got normalized True in the manifest's cell, expected False, which the schema declares as "
        "normalized_input",
    )
    assert rejected(AnnotationCell([[0, 0, 1, 1]]).box_format, None) == (
        "unknown_format",
        "got boxes without a format, expected a setting input, such as input: xyxy",
    )


def test_items_of_the_objects_that_are_kept():
    kept = Kept(3, (0, 2), None)
    assert kept.choose(["a", "b", "c"], "values") == ["a", "c"]
    assert rejected(kept.choose, ["a"], "values") == (
        "misaligned",
        "got 1 values: ['a'], expected 3, one for each box",
    )


def test_lists():
    assert list_items(("a",), "values") == ["a"]
    assert list_items("['a', 'b']", "values") == ["a", "b"]
    assert rejected(list_items, "a,b", "values") == (
        "bad_annotation",
        "got 'a,b', expected a list of values, one for each object",
    )
