from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pixelbeam.transforms.manifests.embedded_bytes import attach_inline, has_inline
from pixelbeam.transforms.manifests.formats import parquet
from pixelbeam.transforms.rows import InlineBytes, ManifestRow
from pixelbeam.transforms.storage.split_roots import SplitRoots

COLUMNS = ("label", "image", "mask")


def value(file, column, row):
    return f"{file}/{column}/{row}".encode().ljust(1000)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Two files of two row groups of six rows, of which a batch has two."""
    monkeypatch.setattr(parquet, "BATCH_BYTES", 5000)
    for file in ("a", "b"):
        table = pa.table(
            {
                column: [value(file, column, row) for row in range(12)]
                for column in ("image", "mask")
            }
        )
        pq.write_table(
            table, tmp_path / file, row_group_size=6, use_dictionary=False, write_statistics=False
        )
    batches = parquet.read_batches(str(tmp_path / "a"), 1, "image")
    assert [len(batch) for batch in batches] == [2, 2, 2]
    return tmp_path


def row(file, number, *columns):
    place = (number // 6, number % 6 // 2, number % 2)
    cells = (InlineBytes(*place) if column in columns else number for column in COLUMNS)
    return ManifestRow(file, number, tuple(cells))


@pytest.mark.parametrize(
    "numbers",
    [
        list(range(12)),
        [0, 5, 6, 11],
        [5, 0, 3, 2, 1, 4],  # back to batches that were read
        [2, 3, 3, 2],
        [8, 2, 8],
        [11],
    ],
)
def test_each_row_has_its_own_bytes(root, numbers):
    rows = [row(file, number, "image", "mask") for number in numbers for file in ("a", "b")]
    expected = [
        (row, {column: value(row.file, column, row.row) for column in ("image", "mask")})
        for row in rows
    ]
    assert list(attach_inline(rows, COLUMNS, str(root))) == expected


def test_cells_that_are_no_bytes_stay_what_they_are(root):
    rows = [row("a", 1), row("a", 3, "mask"), row("a", 4, "image")]
    expected = [{}, {"mask": value("a", "mask", 3)}, {"image": value("a", "image", 4)}]
    assert list(attach_inline(rows, COLUMNS, str(root))) == list(zip(rows, expected, strict=True))
    assert list(map(has_inline, rows)) == [False, True, True]


def test_files_of_several_folders(root, tmp_path):
    roots = SplitRoots((("train", str(root)), ("val", str(tmp_path / "none"))))
    found = row("train/b", 7, "image")
    assert list(attach_inline([found], COLUMNS, roots)) == [
        (found, {"image": value("b", "image", 7)})
    ]


def test_rows_in_order_read_a_row_group_once(root, monkeypatch):
    read, opened = parquet.read_batches, []
    monkeypatch.setattr(
        "pixelbeam.transforms.manifests.embedded_bytes.read_batches",
        lambda *given: opened.append(given) or read(*given),
    )
    list(attach_inline([row("a", number, "image") for number in range(12)], COLUMNS, str(root)))
    assert opened == [(str(root / "a"), group, "image") for group in (0, 1)]
