from __future__ import annotations

import h5py
import numpy as np
import pytest
from pixelbeam.schemas.errors import BuildError, ManifestError
from pixelbeam.transforms.manifests.formats import hdf5_table
from pixelbeam.transforms.manifests.open_manifest import open_manifest

IMAGES = np.zeros((5, 4, 4, 3), np.uint8)


def test_a_row_is_an_index(tmp_path, outcomes, monkeypatch):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["images"], file["labels"] = IMAGES, np.arange(5) % 3
        file["names"], file["scores"] = ["a", "é", "", "d", "e"], np.linspace(0, 1, 5)
        file["boxes"], file["vectors"] = np.arange(20).reshape(5, 2, 2), np.zeros((5, 65))
        file["columns"], file["flags"] = np.arange(5)[:, None], np.array([True, False] * 2 + [True])
        file["class_names"], file["version"] = ["cat", "dog", "cow"], 3
        file["files"] = np.array([b"\xff\xd8a"] * 5, "S3")
        file["paths"] = np.array([b"a.jpg"] * 5)
        file["table"] = np.zeros(5, [("x", "i4")])
        file["far"] = h5py.ExternalLink("b.h5", "/x")
        file.create_group("more")["x"] = np.arange(9)
    assert open_manifest(str(path)).columns == (
        "boxes", "columns", "files", "flags", "images", "labels", "names", "paths", "scores", "vectors",
    )  # fmt: skip
    columns = (
        "labels",
        "images",
        "names",
        "scores",
        "boxes",
        "vectors",
        "columns",
        "flags",
        "files",
        "paths",
    )
    options = {"columns": columns, "file_columns": ("images", "files", "paths")}
    expected = [
        (row + 1, (row % 3, f"a.h5::/images[{row}]", name, row / 4,
                   [[4 * row, 4 * row + 1], [4 * row + 2, 4 * row + 3]], f"a.h5::/vectors[{row}]",
                   row, row % 2 == 0, f"a.h5::/files[{row}]", "a.jpg"))
        for row, name in enumerate(["a", "é", None, "d", "e"])
    ]  # fmt: skip
    assert outcomes(path, **options) == expected
    monkeypatch.setattr(hdf5_table, "_PART_ROWS", 2)
    monkeypatch.setattr(hdf5_table, "_ROWS_AT_ONCE", 1)
    assert outcomes(path, **options) == expected


def test_a_row_is_a_group(tmp_path, outcomes, monkeypatch):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for number, label in enumerate(["cat", "dog", "cat"]):
            group = file.create_group(f"s{number}")
            group["frames"], group["label"] = IMAGES, label
            group["tags"], group.attrs["age"] = np.arange(number + 2), number * 10
        del file["s1/label"]
    manifest = open_manifest(str(path))
    assert manifest.columns == ("group", "frames", "label", "tags", "age")
    options = {"columns": ("group", "frames", "label", "age", "tags"), "file_columns": ("frames",)}
    expected = [
        (1, ("s0", "a.h5::/s0/frames", "cat", 0, [0, 1])),
        (2, ("s1", "a.h5::/s1/frames", None, 10, [0, 1, 2])),
        (3, ("s2", "a.h5::/s2/frames", "cat", 20, [0, 1, 2, 3])),
    ]
    assert outcomes(path, **options) == expected
    monkeypatch.setattr(hdf5_table, "_PART_GROUPS", 2)
    assert outcomes(path, **options) == expected


def test_a_row_that_cannot_be_read_costs_itself(tmp_path, outcomes):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["names"] = np.array([b"a", b"p\xe2te", b"c"])
    assert outcomes(tmp_path / "a.h5") == [
        (1, ("a",)),
        (2, ("not_utf8", "column 'names': got byte 0xe2, expected UTF-8 text")),
        (3, ("c",)),
    ]
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["s0/label"], file["s1/label/deeper"] = "cat", "dog"
    label = {"columns": ("label",)}
    path = tmp_path / "b.h5"
    said = f"{path}::/s1/label: expected an array, got the group '/s1/label', which holds 'deeper'"
    assert outcomes(path, **label) == [(1, ("cat",)), (2, ("no_such_array", said))]


def test_what_is_no_table(tmp_path, outcomes):
    path = tmp_path / "a.h5"
    path.write_text("no")
    with pytest.raises(ManifestError, match=r"a\.h5 cannot be opened, expected an HDF5 file"):
        open_manifest(str(path))
    with h5py.File(path, "w") as file:
        file["version"] = 3
    with pytest.raises(ManifestError) as caught:
        open_manifest(str(path))
    assert str(caught.value) == (
        f"{path}: neither datasets with a first axis at its top nor groups, expected a row an index "
        "or a row a group"
    )
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "x", data=np.arange(9000), chunks=(9000,), compression="gzip", fletcher32=True
        )
        offset = file["x"].id.get_chunk_info(0).byte_offset
    with open(path, "r+b") as raw:
        raw.seek(offset + 9)
        raw.write(b"\xff\xff\xff")
    with pytest.raises(BuildError, match=r"a\.h5: not readable as HDF5: "):
        outcomes(path)
