from __future__ import annotations

import numpy as np
import pytest
from pixelbeam.readers.random_access.tfrecord_table import open_table
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.tfrecord import frame_record
from pixelbeam.schemas.errors import DatasetError
from pixelbeam.transforms.sinks.examples import serialize_example

SCHEMA = Schema.from_dict({"features": {"n": {"type": "int64", "source": "n"}}})
COUNTS = (3, 0, 2)


@pytest.fixture
def files(tmp_path):
    """Shards of the numbers from 0 to 4, without an index."""
    paths, number = [], 0
    for shard, count in enumerate(COUNTS):
        path = tmp_path / f"train-0000{shard}-of-00003.tfrecord"
        frames = []
        for _ in range(count):
            frames += frame_record(serialize_example({"n": np.array(number)}))
            number += 1
        path.write_bytes(b"".join(frames))
        paths.append(str(path))
    return paths


def test_rows_of_any_shard_in_any_order(files):
    table = open_table(files, COUNTS, SCHEMA)
    assert len(table) == 5
    np.testing.assert_array_equal(table.read([4, 0, 3, 3, 2])["n"], [4, 0, 3, 3, 2])
    assert table.read([])["n"].shape == (0,)
    for rows in ([5], [-1, 0]):
        with pytest.raises(IndexError, match=f"got rows {min(rows)} to {max(rows)} of 5"):
            table.read(rows)


@pytest.mark.parametrize(
    ("lines", "is_followed"),
    [
        ([(0, 0), (1, 0), (2, 0)], True),
        ([(1, 0), (0, 0), (2, 0)], False),
        ([(0, 0), (1, 0)], False),
        ([(0, 0), (1, 0), (2, 1)], False),
    ],
    ids=["whole", "swapped", "too few", "too long"],
)
def test_a_chain_of_addresses_is_followed_and_nothing_else(
    files, tmp_path, monkeypatch, lines, is_followed
):
    table, scanned = open_table(files, COUNTS, SCHEMA), []
    addresses = table._scan(0)
    (tmp_path / "index").mkdir()
    text = "".join(f"{addresses[row, 0]} {addresses[row, 1] + more}\n" for row, more in lines)
    (tmp_path / "index" / "train-00000-of-00003.idx").write_text(text)

    def scan(shard):
        scanned.append(shard)
        return addresses

    monkeypatch.setattr(table, "_scan", scan)
    np.testing.assert_array_equal(table.read([2, 0, 1])["n"], [2, 0, 1])
    assert scanned == ([] if is_followed else [0])


def test_what_is_missing_or_damaged_is_named(files, tmp_path):
    table = open_table(files, COUNTS, SCHEMA)
    path = tmp_path / "train-00002-of-00003.tfrecord"
    data = bytearray(path.read_bytes())
    data[-6] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        DatasetError, match=r"00002-of-00003\.tfrecord: record 1, at byte \d+: the ch"
    ):
        table.read([4])
    assert table.read([3])["n"].tolist() == [3]
    path.unlink()
    for fresh in (table, open_table(files, COUNTS, SCHEMA)):
        with pytest.raises(DatasetError, match="cannot be read: No such file"):
            fresh.read([3])
