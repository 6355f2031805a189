from __future__ import annotations

import h5py
import numpy as np
import pytest
from pixelbeam.schemas.errors import BuildError, ManifestError
from pixelbeam.transforms.manifests.formats import hdf5_table
from pixelbeam.transforms.manifests.formats.base import Malformed, Part, Projection
from pixelbeam.transforms.manifests.formats.hdf5_table import HDF5Table
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


@pytest.mark.parametrize("start", [0, *(1 << power for power in range(9, 21))])
def test_the_signature_may_stand_behind_a_user_block(start):
    signature = b"\x89HDF\r\n\x1a\n"
    assert HDF5Table().recognizes(bytes(start) + signature + b"x")
    assert not HDF5Table().recognizes(bytes(start + 1) + signature)


@pytest.mark.parametrize("start", [1 << 8, 1 << 21, 1536])
def test_the_signature_stands_nowhere_else(start):
    assert not HDF5Table().recognizes(bytes(start) + b"\x89HDF\r\n\x1a\n")


def test_parts_have_each_row_once(tmp_path, monkeypatch):
    path = str(tmp_path / "a.h5")
    monkeypatch.setattr(hdf5_table, "_PART_ROWS", 2)
    monkeypatch.setattr(hdf5_table, "_PART_GROUPS", 3)
    for content, step in (("x", 2), ("s{}/x", 3)):
        with h5py.File(path, "w") as file:
            for number in range(5 if "{" in content else 1):
                file[content.format(number)] = np.arange(5)
        parts = HDF5Table().parts(Part("a.h5", path), 0, 1)
        starts = range(0, 5, step)
        assert parts == [Part("a.h5", path, s + 1, s, min(s + step, 5)) for s in starts]
        for part in parts:
            rows = list(range(part.start + 1, part.stop + 1))
            records = list(HDF5Table().records(part, Projection(())))
            assert records == [(row, ()) for row in rows]


def test_the_greater_of_two_common_lengths_is_that_of_the_rows(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name, length in {"a": 3, "b": 5, "c": 3, "d": 5, "e": 9, "f": 9}.items():
            file[name] = np.arange(length)
        file["g"] = file["a"].ref
        file.create_dataset("h", (9,), h5py.ref_dtype)
        file["i"] = np.zeros(9, [("x", "i4")])
    assert HDF5Table().columns(str(path)) == ("e", "f")
    with h5py.File(path, "a") as file:
        file["j"] = np.arange(3)
    assert HDF5Table().columns(str(path)) == ("a", "c", "j")


def test_a_file_is_opened_once(tmp_path, monkeypatch):
    path, opened = str(tmp_path / "a.h5"), []
    with h5py.File(path, "w") as file:
        file["x"], file["y"] = np.arange(2), np.arange(2)
    real = hdf5_table.open_hdf5
    monkeypatch.setattr(hdf5_table, "open_hdf5", lambda *a: opened.append(a) or real(*a))
    records = HDF5Table().records(Part("a.h5", path, 1, 0, 2), Projection(("y", "x")))
    assert list(records) == [(1, (0, 0)), (2, (1, 1))]
    assert opened == [(path, path)]


def test_rows_of_datasets_that_lie_in_files_beside(tmp_path, outcomes):
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x"] = np.arange(3)
    layout = h5py.VirtualLayout((3,), "i8")
    layout[:] = h5py.VirtualSource("b.h5", "x", (3,))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("x", layout)
    assert outcomes(tmp_path / "a.h5") == [(1, (0,)), (2, (1,)), (3, (2,))]


def test_few_values_are_cells_and_more_are_left_where_they_are(tmp_path, outcomes):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["few"], file["many"] = np.ones((1, 64)), np.ones((1, 65))
        file["bits"] = np.zeros((1, 2), np.complex64)
        file["texts"], file["words"] = [["a"] * 64], [["a"] * 65]
    row = ([1.0] * 64, "a.h5::/many[0]", "a.h5::/bits[0]", ["a"] * 64, "a.h5::/words[0]")
    columns = ("few", "many", "bits", "texts", "words")
    assert outcomes(path, columns=columns) == [(1, row)]
    refers = tuple(f"a.h5::/{name}[0]" for name in ("few", "many", "bits"))
    found = outcomes(path, columns=columns, file_columns=columns)
    assert found == [(1, (*refers, ["a"] * 64, "a.h5::/words[0]"))]
    with h5py.File(path, "w") as file:
        file["s/few"], file["s/many"], file["s/one"] = np.ones(64), np.ones(65), [7]
        file["s/texts"] = ["a", "b"]
    row = ([1.0] * 64, "a.h5::/s/many", 7, ["a", "b"])
    assert outcomes(path, columns=("few", "many", "one", "texts")) == [(1, row)]


@pytest.mark.parametrize(
    ("values", "inline"),
    [
        (np.array([b"a" * 4096]), True),
        (np.array([b"a" * 4097]), False),
        (["a" * 4096], True),
        (["a" * 4097], False),
        (["é" * 2049], False),
        (np.array([b"a\0b"]), False),
        (np.array([b"\xffb"]), False),
        (["a", "b" * 5000], True),  # the first says what they are
    ],
)
def test_text_of_file_columns_is_a_path_unless_it_is_a_file(tmp_path, outcomes, values, inline):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = values
    first = outcomes(tmp_path / "a.h5", file_columns=("x",))[0]
    text = values[0].decode() if inline and isinstance(values[0], bytes) else values[0]
    assert first == (1, (text if inline else "a.h5::/x[0]",))


def test_no_text_is_no_path(tmp_path, outcomes):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("s/x", (0,), h5py.string_dtype())
    found = outcomes(tmp_path / "a.h5", columns=("x",), file_columns=("x",))
    assert found == [(1, ("a.h5::/s/x",))]


def test_cells_of_a_group(tmp_path, outcomes):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["s0/group"], file["s0/bad"] = "mine", np.bytes_(b"\xe9")
        file["s1/name"] = "b"
        file["s0"].attrs.update(one=1.5, several=[1, 2], name="a")
        file["s0/soft"] = h5py.SoftLink("/s1/name")
        file["s1"].attrs["bad"] = "fine"
    assert HDF5Table().columns(str(path)) == ("bad", "group", "name", "one")
    rows = [(1, ("a", 1.5, "mine")), (2, ("b", None, "s1"))]
    assert outcomes(path, columns=("name", "one", "group")) == rows
    message = "column 'bad': got byte 0xe9, expected UTF-8 text"
    found = outcomes(path, columns=("bad", "name"))
    assert found == [(1, ("not_utf8", message)), (2, ("fine", "b"))]


BAD = Malformed("not_utf8", "column 'c': got byte 0xff, expected UTF-8 text")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (np.array([[7]]), 7),
        (np.array([1, 2]), [1, 2]),
        (np.array([[True], [False]]), [[True], [False]]),
        (np.array([b"a"], object), "a"),
        (np.array([["a", b"b"]], object), ["a", "b"]),
        (np.array([b"a", b"\xff"], object), BAD),
        (np.float32(0.5), 0.5),
        (np.bytes_(b"a"), "a"),
        (b"", None),
        ("a", "a"),
        (b"a\xff", BAD),
    ],
)
def test_what_a_value_is_as_a_cell(value, cell):
    found = hdf5_table._cell(value, "c")
    assert (found, type(found)) == (cell, type(cell))
