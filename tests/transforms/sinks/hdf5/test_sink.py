from __future__ import annotations

import sys
from importlib.metadata import version

import h5py
import numpy as np
import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.sink import CorruptShard, flatten_record
from pixelbeam.schemas.errors import OptionError, Reject, SchemaError
from pixelbeam.schemas.features.base import Steps
from pixelbeam.transforms.sinks.hdf5.sink import HDF5Sink

FEATURES = {
    "sizes": {"type": "image", "source": "p", "resize": "none", "encoding": "raw"},
    "label": {"type": "class_label", "source": "l", "vocabulary": ["a", "bé"]},
    "tags": {"type": "class_labels", "source": "l", "num_classes": 9},
    "text": {"type": "string", "source": "l"},
}
SCHEMA = Schema.from_dict({"features": FEATURES})
CLIPS = Schema.from_dict(
    {
        "record": "sequence_example",
        "steps": {
            "box": {"type": "float32", "source": "b", "shape": [2]},
            "tags": FEATURES["tags"],
            "text": FEATURES["text"],
        },
    }
)


def record(number):
    shape = (1 + number % 3, 2, 3)
    return {
        "sizes": np.arange(number, number + shape[0] * 6).astype(np.uint8).reshape(shape),
        "sizes/shape": np.array(shape, np.int64),
        "label": np.array(number % 2, np.int64),
        "tags": np.arange(number % 4, dtype=np.int64),
        "text": ("é" * (number % 5)).encode(),
    }


def clip(number):
    steps = range(number % 3)
    return {
        "box": Steps(np.arange(2 * len(steps), dtype=np.float32).reshape(-1, 2)),
        "tags": Steps(tuple(np.arange(step) for step in steps)),
        "text": Steps(tuple(b"x" * step for step in steps)),
    }


def write(path, records, schema=SCHEMA):
    writer = HDF5Sink().open(path, schema)
    for values in records:
        writer.write(values)
    writer.close()
    return path


def comparable(values):
    return {
        key: [*map(comparable_value, value.values)]
        if isinstance(value, Steps)
        else comparable_value(value)
        for key, value in values.items()
    }


def comparable_value(value):
    return value if isinstance(value, list) else (value.dtype.name, value.tolist())


@pytest.mark.parametrize(("schema", "make"), [(SCHEMA, record), (CLIPS, clip)])
@pytest.mark.parametrize("count", [0, 1, 150])  # more than are read at once
def test_records_come_back_in_order_and_by_their_numbers(tmp_path, schema, make, count):
    path = write(tmp_path / "a.h5", map(make, range(count)), schema)
    expected = [comparable(flatten_record(make(number))) for number in range(count)]
    read = [*HDF5Sink().read(path, schema)]
    assert [comparable(values) for _, values in read] == expected
    assert {offset for offset, _ in read} <= {None}
    records = HDF5Sink().records(path, schema)
    assert [comparable(values) for values in records] == expected
    assert [comparable(values) for values in records[5:140:45]] == expected[5:140:45]
    if count:
        assert comparable(records[-1]) == expected[-1]
    for number in (count, -count - 1):
        with pytest.raises(IndexError, match=f"got record {number}, expected one of {count}"):
            records[number]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.__delitem__("label"), "not readable as HDF5: .*label"),
        (
            lambda file: file["label"].resize(2, axis=0),
            "got columns of .2, 3. records, expected equal numbers",
        ),
    ],
)
def test_a_column_that_is_lost_or_short_is_found(tmp_path, damage, message):
    path = write(tmp_path / "a.h5", map(record, range(3)))
    with h5py.File(path, "r+") as file:
        label = file["label"][:]
        del file["label"]
        file.create_dataset("label", data=label, maxshape=(None,))
        damage(file)
    with pytest.raises(CorruptShard, match=message) as caught:
        list(HDF5Sink().read(path, SCHEMA))
    assert caught.value.offset is None


def test_what_is_no_hdf5_file_is_named_as_such(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"TFRecord" * 100)
    with pytest.raises(CorruptShard, match=r"^not readable as HDF5: "):
        HDF5Sink().records(tmp_path / "a.h5", SCHEMA)


@pytest.mark.parametrize("steps", [False, True])
def test_text_that_hdf5_would_cut_off_is_a_reject(steps):
    text = {"text": {"type": "string", "source": "l"}}
    parts = {"record": "sequence_example", "steps": text} if steps else {"features": text}
    schema = Schema.from_dict(parts)
    values = [b"whole", "aé\0b".encode()]
    with pytest.raises(Reject) as caught:
        HDF5Sink().check_record({"text": Steps(tuple(values)) if steps else values[1]}, schema)
    assert (caught.value.feature, str(caught.value)) == (
        "text",
        "encode: null_character: got 'aé\\x00b', which HDF5 would end at its null character; declare "
        "type: bytes, or build with --sinks tfrecord",
    )
    HDF5Sink().check_record({"text": Steps((values[0],)) if steps else values[0]}, schema)


@pytest.mark.parametrize("storage", ["gzip", "zstd"])
def test_what_decides_the_bytes(storage):
    number = {"type": "int64", "source": "x"}
    features = {"x": number, "y": {**number, "storage": storage}}
    versions = HDF5Sink().versions(Schema.from_dict({"features": features}))
    assert versions.pop("hdf5plugin", None) == (
        version("hdf5plugin") if storage == "zstd" else None
    )
    assert versions == {"h5py": h5py.__version__, "hdf5": h5py.version.hdf5_version}


def test_the_shards_of_a_split_are_joined(tmp_path):
    write(tmp_path / "a.h5", [record(0)])
    shards = ["a.h5"]
    joins = HDF5Sink().join(
        tmp_path / "train.h5", "train", SCHEMA, shards, lambda name: (tmp_path / name).open("rb")
    )
    assert joins is True
    with h5py.File(tmp_path / "train.h5") as file:
        assert list(file.attrs["shards"]) == shards


def test_a_storage_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    schema = Schema.from_dict(
        {"features": {"x": {"type": "int64", "source": "x", "storage": "zstd"}}}
    )
    with pytest.raises(OptionError) as caught:
        HDF5Sink().check(schema)
    assert str(caught.value) == (
        "storage: got 'zstd', which needs hdf5plugin: pip install 'pixelbeam[hdf5]'"
    )


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (
            {"a": FEATURES["label"], "a/b": FEATURES["label"]},
            "features.a/b: got 'a/b', which HDF5 cannot hold inside 'a'; rename one of them, or "
            "build with --sinks tfrecord",
        ),
        (
            {"a": FEATURES["tags"], "a/values": FEATURES["label"]},
            "features.a/values: got 'a/values', which HDF5 cannot hold inside 'a'; rename one of "
            "them, or build with --sinks tfrecord",
        ),
        (
            {"a//b": FEATURES["label"]},
            "features.a//b: got 'a//b', which cannot be a name in an HDF5 file; rename it, or build "
            "with --sinks tfrecord",
        ),
    ],
)
def test_keys_that_hdf5_has_no_place_for(features, message):
    with pytest.raises(SchemaError) as caught:
        HDF5Sink().check(Schema.from_dict({"features": features}))
    assert str(caught.value) == message
