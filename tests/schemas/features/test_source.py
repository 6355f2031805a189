import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import Reject, SchemaError
from pixelbeam.schemas.features.source import check_source, fill_source, is_column, source_columns


@pytest.mark.parametrize(
    ("source", "columns"),
    [
        ("path", ("path",)),
        ("a b", ("a b",)),
        ("{", ("{",)),  # a strange column, but no pattern
        ("{clip}.jpg", ("clip",)),
        ("a.h5::/{clip}/{frame}/{clip}", ("clip", "frame")),
        ("a.h5::/x", ()),
        ("a.npy::[{the row}]", ("the row",)),
    ],
)
def test_columns(source, columns):
    assert source_columns(source) == columns
    assert is_column(source) == (columns == (source,))
    assert check_source(source) == source


@pytest.mark.parametrize("source", ["{clip}}", "{{clip}", "a.h5::{", "{a}{}"])
def test_a_brace_too_many(source):
    with pytest.raises(SchemaError) as caught:
        Schema.from_dict({"features": {"x": {"type": "int64", "source": source}}})
    expected = (
        f"features.x.source: got {source!r}, expected each column's name in one pair of braces"
    )
    assert str(caught.value) == expected


def test_filling_in():
    cells = {"clip": "a/{frame}", "frame": 3.0, "row": 7, "list": [1], "none": None, "empty": ""}
    assert fill_source("row", cells) == 7
    assert fill_source("list", cells) == [1]
    assert fill_source("a.h5::/{clip}/{frame}[{row}]", cells) == "a.h5::/a/{frame}/3[7]"
    for column, reason in (
        ("none", "missing_value"),
        ("empty", "missing_value"),
        ("list", "bad_path"),
    ):
        with pytest.raises(Reject) as caught:
            fill_source("x/{" + column + "}", cells)
        assert (caught.value.stage, caught.value.reason) == ("load", reason)
    assert caught.value.message == (
        "column 'list': got [1], expected text or a number for 'x/{list}'"
    )


@pytest.mark.parametrize(
    ("value", "filled"), [(0, "0"), (-3.0, "-3"), ("07", "07"), (True, "True"), (" ", " ")]
)
def test_cells_that_fill_a_pattern(value, filled):
    assert fill_source("x/{a}", {"a": value}) == f"x/{filled}"


@pytest.mark.parametrize("value", [2.5, float("nan"), b"a", {"a": 1}])
def test_cells_that_fill_none(value):
    with pytest.raises(Reject) as caught:
        fill_source("x/{a}", {"a": value})
    assert str(caught.value) == (
        f"load: bad_path: column 'a': got {value!r}, expected text or a number for 'x/{{a}}'"
    )
