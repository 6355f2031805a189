"""Rows that are read from one chunk of an array file lie together; all others as if there were none."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from pixelbeam.schemas import Schema
from pixelbeam.transforms.path_keys import PathRoot
from pixelbeam.transforms.row_order import order_of
from pixelbeam.transforms.rows import ManifestRow, RowFormat
from pixelbeam.transforms.storage.input_files import InputFiles
from pixelbeam.transforms.values.array_order import ArrayOrder
from pixelbeam.transforms.values.arrays.array_files import ArrayBlock

SHAPE = (30, 64, 1024)  # rows of 64 KiB
CHUNK = 10 << 16
IMAGE = {"type": "image", "source": "path", "resize": "none"}


@pytest.fixture
def folder(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        zeros = np.zeros(SHAPE, np.uint8)
        file.create_dataset("x", data=zeros, chunks=(10, 64, 1024), compression="gzip")
        file.create_dataset("few", data=zeros, chunks=(2, 64, 1024), compression="gzip")
        file.create_dataset("uncompressed", data=zeros, chunks=(10, 64, 1024))
        file.create_dataset("small", data=zeros[:, :1], chunks=(10, 1, 1024), compression="gzip")
        file["plain"], file["ids"] = zeros, [f"k{row % 25}" for row in range(30)]
    np.save(tmp_path / "a.npy", np.zeros(SHAPE, np.uint8))
    return tmp_path


def finder(folder, *columns, **features):
    schema = Schema.from_dict({"features": features or {"image": IMAGE}})
    row_format = RowFormat(columns or ("path",), None, roots={"": PathRoot.find(str(folder))})
    order = ArrayOrder(tuple(schema.features.values()), row_format, InputFiles(str(folder)))
    find = order.open().find
    return lambda *cells: find(ManifestRow("m.csv", 2, cells))


@pytest.mark.parametrize(
    ("cell", "block"),
    [
        ("a.h5::x[0]", ("x", 0, CHUNK)),
        ("./a.h5::x[9]", ("x", 0, CHUNK)),
        ("a.h5::x[10]", ("x", 1, CHUNK)),
        ("a.h5::x[-1]", ("x", 2, CHUNK)),
        ("a.h5::x[12:25]", ("x", 1, CHUNK)),
        ("a.h5::x[ids=k24]", ("x", 2, CHUNK)),
        ("a.h5::x[ids=k3]", ("x", 0, CHUNK)),
        (["a.h5::x[20]", "a.h5::x[5]"], ("x", 2, CHUNK)),
        ("a.h5::x[30]", None),
        ("a.h5::x[-31]", None),
        ("a.h5::x[ids=none]", None),
        ("a.h5::x[30:]", None),
        ("a.h5::x", None),
        ("a.h5::uncompressed[3]", None),
        ("a.h5::small[3]", None),
        ("a.h5::plain[3]", None),
        ("a.h5::none[3]", None),
        ("b.h5::x[3]", None),
        ("../a.h5::x[3]", None),
        ("a.npy::[3]", None),
        ("a/b.jpg", None),
        (b"bytes", None),
        (None, None),
        ([], None),
    ],
)
def test_the_block_of_a_cell(folder, cell, block):
    expected = block and ArrayBlock("a.h5", block[0], block[1], 0, block[2])
    assert finder(folder)(cell) == expected


@pytest.mark.parametrize("spelling", ["{root}/a.h5::x[12]", "../{root.name}/a.h5::x[12]"])
def test_a_block_does_not_depend_on_where_the_folder_lies(folder, spelling):
    assert finder(folder)(spelling.format(root=folder)) == ArrayBlock("a.h5", "x", 1, 0, CHUNK)


def test_patterns_and_numbers_name_arrays_too(folder):
    audio = {"type": "float32", "source": "a.h5::x[{row}]", "shape": [64, 1024]}
    find = finder(folder, "row", audio=audio)
    assert find("11") == ArrayBlock("a.h5", "x", 1, 0, CHUNK)
    assert find(None) is None


def test_of_two_the_one_that_costs_more(folder):
    other = {"type": "image", "source": "other", "resize": "none"}
    find = finder(folder, "path", "other", image=IMAGE, other=other)
    assert find("a.h5::few[7]", "a.h5::x[7]") == ArrayBlock("a.h5", "x", 0, 0, CHUNK)
    assert find("a.h5::x[27]", "a.h5::x[7]") == ArrayBlock("a.h5", "x", 2, 0, CHUNK)


def test_a_file_is_opened_once(folder):
    find = finder(folder)
    assert find("b.h5::x[0]") is None
    find("a.h5::x[0]")
    (folder / "a.h5").rename(folder / "b.h5")
    assert find("a.h5::x[29]") == ArrayBlock("a.h5", "x", 2, 0, CHUNK)
    assert find("b.h5::x[0]") is None  # that it is not there is remembered too


def test_what_cannot_name_an_array_is_not_looked_at(folder):
    label = {"type": "class_label", "source": "label", "num_classes": 2}
    assert finder(folder, "label", label=label)("a.h5::x[0]") is None


def test_rows_of_a_chunk_lie_together_in_an_order_of_their_own():
    rows = [ManifestRow("m.csv", row, ()) for row in range(60)]
    blocks = [ArrayBlock("a.h5", "x", row // 20, row // 10 % 2, 1) for row in range(60)]
    orders = [order_of(3, f"k{row.row}", row, b) for row, b in zip(rows, blocks, strict=True)]
    lying = [blocks[index] for index in sorted(range(60), key=orders.__getitem__)]
    runs = [block for index, block in enumerate(lying) if index == 0 or lying[index - 1] != block]
    assert len(runs) == 6  # each batch in one piece
    assert [block.batch for block in runs] == [
        0,
        1,
    ] * 3  # and those of a chunk one after the other
    assert len({order[:8] for order in orders}) == 3  # a chunk goes to one shard
    first = sorted(range(10), key=orders.__getitem__)
    assert first != sorted(first)
    assert order_of(3, "k0", rows[0], blocks[0]) != order_of(4, "k0", rows[0], blocks[0])
    assert order_of(3, "k0", rows[0], None) == order_of(3, "k0", rows[0])
