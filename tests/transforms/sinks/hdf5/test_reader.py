from __future__ import annotations

import h5py
import numpy as np
import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.sink import CorruptShard
from pixelbeam.schemas.features.base import Steps
from pixelbeam.transforms.sinks.hdf5.reader import HDF5Records, read_records
from pixelbeam.transforms.sinks.hdf5.sink import HDF5Sink

SCHEMA = Schema.from_dict(
    {
        "record": "sequence_example",
        "context": {
            "pixels": {
                "type": "image", "source": "p", "height": 1, "width": 2, "channels": 1,
                "encoding": "raw", "dtype": "uint16",
            },
            "tags": {"type": "class_labels", "source": "l", "num_classes": 9},
            "text": {"type": "string", "source": "t"},
        },
        "steps": {
            "words": {"type": "int64", "source": "w", "shape": [None]},
            "box": {"type": "float32", "source": "b", "shape": [2]},
        },
    }
)  # fmt: skip


def record(number):
    return {
        "pixels": np.array([[[number], [256]]], np.uint16),
        "tags": np.arange(number % 3, dtype=np.int64),
        "text": b"x" * (number % 5),
        "words": Steps(tuple(np.arange(n, dtype=np.int64) for n in range(number % 4))),
        "box": Steps(np.full((number % 2, 2), number, np.float32)),
    }


def plain(values):
    """A record as lists, whose dtypes stand beside them."""

    def one(value):
        return value if isinstance(value, list) else (value.dtype.name, value.tolist())

    return {
        key: Steps(tuple(map(one, value.values))) if isinstance(value, Steps) else one(value)
        for key, value in values.items()
    }


def expected(number):
    return {
        "pixels": [bytes([number % 256, number // 256, 0, 1])],
        "tags": ("int64", list(range(number % 3))),
        "text": [b"x" * (number % 5)],
        "words": Steps(tuple(("int64", list(range(n))) for n in range(number % 4))),
        "box": Steps((("float32", [number, number]),) * (number % 2)),
    }


def write(path, count):
    shard = HDF5Sink().open(path, SCHEMA)
    for number in range(count):
        shard.write(record(number))
    shard.close()
    return path


@pytest.mark.parametrize("count", [0, 1, 64, 65, 300])  # 64 are read at once
def test_all_records_in_order(tmp_path, count):
    found = [plain(values) for values in read_records(write(tmp_path / "a.h5", count), SCHEMA)]
    assert found == [expected(number) for number in range(count)]


@pytest.mark.parametrize(
    "chosen",
    [
        slice(None), slice(2, 5), slice(1, 9, 3), slice(1, 9, 2), slice(5, 2), slice(8, None, -2), slice(-2, 99),
    ],
)  # fmt: skip
def test_slices_are_those_of_a_list(tmp_path, chosen):
    records = HDF5Records(write(tmp_path / "a.h5", 9), SCHEMA)
    assert len(records) == 9
    assert [plain(values) for values in records[chosen]] == list(map(expected, range(9)[chosen]))


def test_records_by_their_number(tmp_path):
    records = HDF5Records(write(tmp_path / "a.h5", 3), SCHEMA)
    found = [plain(records[number]) for number in (0, 2, -1, -3)]
    assert found == [expected(number) for number in (0, 2, 2, 0)]
    for number in (3, -4):
        with pytest.raises(IndexError) as caught:
            records[number]
        assert str(caught.value) == f"got record {number}, expected one of 3"
    records.close()
    with pytest.raises(CorruptShard):
        records[0]


def test_columns_have_one_length(tmp_path):
    with h5py.File(write(tmp_path / "a.h5", 3), "r+") as file:
        offsets = file["tags/offsets"][:]
        del file["tags/offsets"]
        file["tags/offsets"] = np.append(offsets, offsets[-1])
    with pytest.raises(CorruptShard) as caught:
        HDF5Records(tmp_path / "a.h5", SCHEMA)
    assert str(caught.value) == "got columns of [3, 4] records, expected equal numbers"
    assert caught.value.offset is None


def test_a_column_that_is_lost(tmp_path):
    with h5py.File(write(tmp_path / "a.h5", 3), "r+") as file:
        del file["words/step_offsets"]
    with pytest.raises(CorruptShard, match=r"^not readable as HDF5: .*step_offsets"):
        HDF5Records(tmp_path / "a.h5", SCHEMA)


def test_damage_is_found_where_it_is_read(tmp_path):
    with h5py.File(write(tmp_path / "a.h5", 3), "r+") as file:
        pixels = file["pixels"][:]
        del file["pixels"]
        file.create_dataset("pixels", data=pixels, chunks=(1, 1, 2, 1), fletcher32=True)
        at = file["pixels"].id.get_chunk_info(1).byte_offset
    content = bytearray((tmp_path / "a.h5").read_bytes())
    content[at] ^= 1
    (tmp_path / "a.h5").write_bytes(content)
    records = HDF5Records(tmp_path / "a.h5", SCHEMA)
    assert [plain(records[number]) for number in (0, 2)] == [expected(0), expected(2)]
    with pytest.raises(CorruptShard, match=r"^not readable as HDF5: "):
        records[1]


def test_what_is_no_file_of_hdf5(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"no")
    for read in (HDF5Records, lambda *of: list(read_records(*of))):
        with pytest.raises(CorruptShard, match=r"^not readable as HDF5: "):
            read(tmp_path / "a.h5", SCHEMA)
