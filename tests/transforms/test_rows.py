from __future__ import annotations

from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.rows import (
    InlineBytes,
    ManifestRow,
    RejectedRow,
    RowFormat,
    Window,
    reject_row,
)

WINDOW = Window("v1", 16, 32)


def test_key_of_a_row():
    row = ManifestRow(
        "m.csv", 5, ("a.jpg", 7, None, InlineBytes(0, 0, 0, "in.jpg"), InlineBytes(0, 0, 0))
    )
    keys = {
        c: RowFormat(("path", "id", "none", "inline", "bare"), c).key(row)
        for c in ("path", "id", "none", "inline", "bare")
    }
    assert keys == {
        "path": "a.jpg",
        "id": "7",
        "none": "m.csv:5",
        "inline": "in.jpg",
        "bare": "m.csv:5",
    }
    assert RowFormat(("path",), None).key(row) == "m.csv:5"


def test_a_window_names_its_row_whatever_its_cells_are():
    row = ManifestRow("m.csv", 5, ("./a.jpg",), WINDOW)
    assert [RowFormat(("path",), column, True).key(row) for column in ("path", None)] == [
        "v1[16:32]",
        "v1[16:32]",
    ]
    assert len(WINDOW) == 16


def test_a_reject_keeps_the_window_and_the_cells():
    row = ManifestRow("m.csv", 5, ("a.jpg", None), WINDOW)
    reject = Reject("load", "file_not_found", "no such file", feature="frames", path="a.jpg")
    assert reject_row(RowFormat(("path", "label"), "path"), row, reject) == RejectedRow(
        "m.csv",
        5,
        "v1[16:32]",
        Reject("load", "file_not_found", "no such file", feature="frames", path="a.jpg"),
        values=(("path", "a.jpg"), ("label", None)),
        window=WINDOW,
    )
