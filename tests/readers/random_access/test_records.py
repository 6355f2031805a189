from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hdf5_datasets import RECORDS, build_all_kinds
from hypothesis import given, settings
from hypothesis import strategies as st
from pixelbeam.readers import HDF5Records, Records
from pixelbeam.schemas.dataset.tfrecord import IndexedRecords
from pixelbeam.schemas.errors import DatasetError

SHARD = "train-00001-of-00003"


def assert_equal(left, right):
    assert left.keys() == right.keys()
    for name, value in right.items():
        np.testing.assert_array_equal(left[name], value, name)
        assert getattr(left[name], "dtype", None) == getattr(value, "dtype", None)


@pytest.fixture(scope="module")
def expected(all_kinds):
    return list(HDF5Records(all_kinds, "train"))


@pytest.fixture
def damaged(all_kinds, tmp_path):
    """A copy, and the number and address of the third record of its second shard."""
    shutil.copytree(all_kinds, tmp_path / "out")
    number = len(IndexedRecords(all_kinds / "train-00000-of-00003.tfrecord", "example")) + 2
    origin = Records(tmp_path / "out", "train").origin(number)
    assert (origin["shard"], origin["index"]) == (SHARD, 2)
    return tmp_path / "out", number, origin["offset"]


@pytest.mark.parametrize("source", [None, "tfrecord", "hdf5"])
def test_records_are_the_same_in_any_format(all_kinds, expected, source):
    records = Records(all_kinds, "train", source=source)
    assert len(records) == len(expected) == RECORDS
    for number, record in enumerate(expected):
        assert_equal(records[number], record)
        assert_equal(records[number - RECORDS], record)
    with pytest.raises(IndexError, match=f"got record {RECORDS} of {RECORDS}"):
        records[RECORDS]


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(st.integers(0, RECORDS - 1), max_size=40))
def test_any_rows_in_any_order(all_kinds, rows):
    records, others = Records(all_kinds, "train"), HDF5Records(all_kinds, "train")
    for record, other in zip(records.__getitems__(rows), others.__getitems__(rows), strict=True):
        assert_equal(record, other)
    with pytest.raises(IndexError, match=f"got rows {RECORDS} to {RECORDS} of"):
        records.read([RECORDS])
    with pytest.raises(IndexError, match="got rows -1 to 0 of"):
        records.read([0, -1])


def test_features_can_be_chosen(all_kinds, expected):
    records = Records(all_kinds, "train", features=["label", "ragged"])
    assert_equal(records[5], {name: expected[5][name] for name in ("ragged", "label")})
    with pytest.raises(ValueError, match="features: got 'x', expected some of raw, packed"):
        Records(all_kinds, "train", features=["x"])


def test_without_an_index_the_files_are_looked_at(all_kinds, expected, tmp_path):
    shutil.copytree(all_kinds, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "index")
    records = Records(tmp_path / "out", "train")
    assert_equal(records[RECORDS - 1], expected[-1])
    with pytest.raises(DatasetError, match=r"index/train-00000-of-00003\.parquet is missing"):
        records.origin(0)


def test_addresses_that_cannot_be_are_not_followed(all_kinds, damaged, expected):
    out, number, _ = damaged
    index = out / "index" / f"{SHARD}.idx"
    index.write_text("".join(index.read_text().splitlines(keepends=True)[:-1]))
    assert_equal(Records(out, "train")[number], expected[number])
    lines = [
        line.split() for line in (all_kinds / "index" / f"{SHARD}.idx").read_text().splitlines()
    ]
    swapped = [lines[1], lines[0], *lines[2:]]
    shifted = [[offset, str(int(size) + 1)] for offset, size in lines]
    for other in (swapped, shifted, lines[1:], [*lines, lines[-1]], [["no", "number"]], []):
        index.write_text("".join(f"{' '.join(line)}\n" for line in other))
        records = Records(out, "train")
        for row in range(RECORDS):
            assert_equal(records[row], expected[row])


def test_each_record_leads_to_where_it_lies_and_came_from(all_kinds, expected):
    records = Records(all_kinds, "train")
    seen = []
    for number in range(RECORDS):
        origin = records.origin(number)
        shard = IndexedRecords(all_kinds / f"{origin['shard']}.tfrecord", "example")
        assert shard.offsets[origin["index"]] == origin["offset"]
        assert origin["label"] == ("a", "bé")[expected[number]["label"]]
        seen.append((origin["file"], origin["row"]))
        assert records.origin(number - RECORDS) == origin
    assert len(set(seen)) == RECORDS
    for outside in (RECORDS, -RECORDS - 1):
        with pytest.raises(IndexError, match=f"got record {outside} of {RECORDS}"):
            records.origin(outside)


def test_origin_without_an_index(tmp_path):
    out = build_all_kinds(tmp_path, index="none")
    with pytest.raises(DatasetError, match="has no index, since it was built without"):
        Records(out, "train").origin(0)


def test_a_damaged_record_is_named(damaged, expected):
    out, number, offset = damaged
    path = out / f"{SHARD}.tfrecord"
    data = bytearray(path.read_bytes())
    data[offset + 20] ^= 1
    path.write_bytes(data)
    records = Records(out, "train")
    said = rf"{SHARD}\.tfrecord: record 2, at byte {offset}: the checksum of a record's data"
    with pytest.raises(DatasetError, match=said):
        records[number]
    assert_equal(records[number + 1], expected[number + 1])
    with pytest.raises(DatasetError, match=f"at byte {offset}"):
        records.read([0, number])


def test_a_damaged_index_is_named(damaged):
    out, number, _ = damaged
    path = out / "index" / f"{SHARD}.parquet"
    data = path.read_bytes()
    path.write_bytes(data[:-5])
    with pytest.raises(DatasetError, match=f"index/{SHARD}.parquet is damaged: its SHA-256"):
        Records(out, "train").origin(number)
    other = out / "index" / "train-00000-of-00003.parquet"
    path.write_bytes(other.read_bytes())
    with pytest.raises(DatasetError, match="is damaged: its SHA-256 differs"):
        Records(out, "train").origin(number)


def test_pickled_and_read_by_threads(all_kinds, expected):
    records = Records(all_kinds, "train")
    records.origin(0), records[0]
    again = pickle.loads(pickle.dumps(records))
    assert again.origin(3) == records.origin(3)
    with ThreadPoolExecutor(4) as pool:
        for record, other in zip(
            pool.map(again.__getitem__, range(RECORDS)), expected, strict=True
        ):
            assert_equal(record, other)


@pytest.mark.parametrize("number", [1.5, True, "2", None, np.True_])
def test_what_is_no_number(all_kinds, number):
    records = Records(all_kinds, "train")
    for ask in (records.__getitem__, records.origin):
        with pytest.raises(TypeError):
            ask(number)
    assert records.origin(np.int64(2))["index"] == 2


def test_it_says_what_it_is(all_kinds):
    records = Records(all_kinds, "train")
    assert repr(records) == f"Records({str(all_kinds)!r}, 'train'): {RECORDS} records"
    assert (records.split, records.info.rows) == ("train", RECORDS)


def test_neither_tensorflow_nor_h5py_nor_beam_is_imported(all_kinds):
    code = f"""
import sys
import pixelbeam as pb
records = pb.Records({str(all_kinds)!r}, "train")
records[3], records.origin(3)
print({{"tensorflow", "h5py", "apache_beam"}} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_remote_datasets_are_refused():
    with pytest.raises(DatasetError, match="Records cannot read s3://"):
        Records("s3://bucket/out", "train")
