from __future__ import annotations

import pytest
from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.path_keys import PathRoot
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


ROOTS = {"": PathRoot(("/data/",), "/data"), "train": PathRoot(("/train/",), "/train")}


@pytest.mark.parametrize(
    ("in_split", "path", "key", "relative"),
    [
        (False, "./x.jpg", "x.jpg", "./x.jpg"),
        (False, "/data/a/x.jpg", "a/x.jpg", "a/x.jpg"),
        (False, "/train/x.jpg", "/train/x.jpg", "/train/x.jpg"),
        (False, "../data/x.jpg", "x.jpg", "x.jpg"),
        (False, "../x.jpg", "../x.jpg", "../x.jpg"),
        (False, "a/../x.jpg", "x.jpg", "a/../x.jpg"),
        (True, "/train/x.jpg", "train/x.jpg", "x.jpg"),
        (True, "/data/x.jpg", "train//data/x.jpg", "/data/x.jpg"),
        (True, "a//x.jpg", "train/a/x.jpg", "a//x.jpg"),
    ],
)
def test_paths_are_relative_to_the_folder_of_their_manifest(in_split, path, key, relative):
    row_format = RowFormat(("path",), "path", True, in_split, ROOTS)
    row = ManifestRow("train/m.csv", 5, (path,))
    assert row_format.key(row) == row_format.path_key(row, path) == key
    assert row_format.relative(row, path) == relative
    bare = RowFormat(("path",), "path", True, in_split)
    assert bare.relative(row, path) == path


def test_a_key_that_is_no_path_is_left_as_it_is():
    row = ManifestRow("m.csv", 5, ("./x.jpg", 2.5, "", True))
    row_format = RowFormat(("path", "number", "empty", "yes"), "path")
    assert (row_format.key_is_path, row_format.key_in_split) == (False, False)
    columns = row_format.columns
    keys = [RowFormat(columns, column).key(row) for column in columns]
    assert keys == ["./x.jpg", "m.csv:5", "m.csv:5", "True"]
    assert [row_format.cell(row, column) for column in columns] == ["./x.jpg", 2.5, "", True]
    with pytest.raises(ValueError, match=r"zip\(\)"):
        reject_row(RowFormat(("path",), "path"), row, Reject("load", "x", "y"))
