from __future__ import annotations

import hashlib
import json
from array import array

import h5py
import numpy as np
import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import SchemaError
from pixelbeam.schemas.features.base import Steps
from pixelbeam.transforms.sinks.hdf5 import writer
from pixelbeam.transforms.sinks.hdf5.sink import HDF5Sink

FEATURES = {
    "pixels": {"type": "image", "source": "p", "height": 4, "width": 5, "encoding": "raw"},
    "sizes": {"type": "image", "source": "p", "resize": "none", "encoding": "raw"},
    "image": {"type": "image", "source": "p", "resize": "none"},
    "label": {"type": "class_label", "source": "l", "vocabulary": ["a", "bé"]},
    "tags": {"type": "class_labels", "source": "l", "num_classes": 9},
    "box": {"type": "float32", "source": "l", "shape": [2, 2]},
    "text/name": {"type": "string", "source": "l"},
}
SCHEMA = Schema.from_dict({"name": "things", "version": "1.0.0", "features": FEATURES})


def record(number):
    noise = np.random.default_rng(number)
    shape = (3 + number % 3, 2 + number % 2, 3)
    return {
        "pixels": noise.integers(0, 256, (4, 5, 3), np.uint8),
        "sizes": noise.integers(0, 256, shape, np.uint8),
        "sizes/shape": np.array(shape, np.int64),
        "image": noise.bytes(number % 7 * 1000),
        "label": np.array(number % 2, np.int64),
        "tags": np.arange(number % 4, dtype=np.int64),
        "box": noise.random((2, 2), np.float32),
        "text/name": ("é" * (number % 5)).encode(),
    }


def write(path, records, schema=SCHEMA):
    path.parent.mkdir(parents=True, exist_ok=True)
    shard = HDF5Sink().open(path, schema)
    for values in records:
        shard.write(values)
    shard.close()
    return path


def test_h5py_alone_reads_every_value(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_BLOCK_BYTES", 10_000)
    monkeypatch.setattr(writer, "_BLOCK_RECORDS", 20)
    count = 70
    with h5py.File(write(tmp_path / "a.h5", map(record, range(count)))) as file:
        for number in range(count):
            expected = record(number)
            start, stop = file["sizes/offsets"][number : number + 2]
            pixels = file["sizes/values"][start:stop].reshape(file["sizes/shape"][number])
            np.testing.assert_array_equal(pixels, expected["sizes"])
            start, stop = file["tags/offsets"][number : number + 2]
            np.testing.assert_array_equal(file["tags/values"][start:stop], expected["tags"])
            assert file["image"][number].tobytes() == expected["image"]
            assert file["text/name"][number] == expected["text/name"]
            for key in ("pixels", "label", "box"):
                np.testing.assert_array_equal(file[key][number], expected[key])


def test_types_labels_and_attributes(tmp_path):
    with h5py.File(write(tmp_path / "train-00000-of-00001.h5", [record(0)])) as file:
        shown = {
            key: (str(file[key].dtype), file[key].shape, [axis.label for axis in file[key].dims])
            for key in ("pixels", "label", "box", "sizes/values", "tags/offsets")
        }
        assert shown == {
            "pixels": ("uint8", (1, 4, 5, 3), ["record", "height", "width", "channel"]),
            "label": ("int64", (1,), ["record"]),
            "box": ("float32", (1, 2, 2), ["record", "", ""]),
            "sizes/values": ("uint8", (6, 3), ["value", "channel"]),
            "tags/offsets": ("int64", (2,), [""]),
        }
        assert h5py.check_vlen_dtype(file["image"].dtype) == np.uint8
        assert h5py.check_string_dtype(file["text/name"].dtype).encoding == "utf-8"
        assert list(file["label"].attrs["class_names"]) == ["a", "bé"]
        assert (file["image"].attrs["type"], file["image"].attrs["encoding"]) == ("image", "jpeg")
        assert file.attrs["format"] == "pixelbeam/1"
        assert (file.attrs["name"], file.attrs["version"]) == ("things", "1.0.0")
        assert file.attrs["shard"] == "train-00000-of-00001"
        assert Schema.from_dict(json.loads(file.attrs["schema"])) == SCHEMA
        assert '"bé"' in file.attrs["schema"]
        assert file["pixels"].chunks is None


def test_many_class_names_fit(tmp_path):
    names = [f"class {number}" for number in range(22_000)]
    schema = Schema.from_dict(
        {"features": {"l": {"type": "class_label", "source": "l", "vocabulary": names}}}
    )
    with h5py.File(write(tmp_path / "a.h5", [{"l": np.array(1, np.int64)}], schema)) as file:
        assert list(file["l"].attrs["class_names"]) == names


def test_null_characters_in_class_names_are_shown(tmp_path):
    feature = {"type": "class_label", "source": "l", "vocabulary": ["a\0b"]}
    schema = Schema.from_dict({"features": {"l": feature}})
    with h5py.File(write(tmp_path / "a.h5", [], schema)) as file:
        assert list(file["l"].attrs["class_names"]) == ["a\u2400b"]
        assert Schema.from_dict(json.loads(file.attrs["schema"])) == schema
        assert "name" not in file.attrs


def test_a_shard_without_records(tmp_path):
    with h5py.File(write(tmp_path / "a.h5", [])) as file:
        assert (file["pixels"].shape, file["image"].shape) == ((0, 4, 5, 3), (0,))
        assert file["tags/offsets"][:].tolist() == [0]


def test_equal_records_make_equal_bytes(tmp_path):
    first = write(tmp_path / "a" / "s.h5", map(record, range(100)))
    littered = [np.full(size * 100, 255, np.uint8) for size in range(1, 300)]
    del littered  # memory that was used before must not show in the file
    second = write(tmp_path / "b" / "s.h5", map(record, range(100)))
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)}
    assert len(digests) == 1


def test_no_object_has_a_time(tmp_path):
    with h5py.File(write(tmp_path / "a.h5", [record(0)])) as file:
        found = [h5py.h5o.get_info(file.id).mtime]
        file.visititems(lambda _, item: found.append(h5py.h5o.get_info(item.id).mtime))
    assert set(found) == {0}


@pytest.mark.parametrize("storage", ["lzf", "gzip"])
def test_compressed_storages(tmp_path, storage):
    schema = Schema.from_dict(
        {"features": {"x": {"type": "int64", "source": "x", "shape": [100], "storage": storage}}}
    )
    values = [np.arange(number, number + 100) for number in range(1000)]
    path = write(tmp_path / "a.h5", ({"x": value} for value in values), schema)
    with h5py.File(path) as file:
        dataset = file["x"]
        assert (dataset.compression, dataset.shuffle, dataset.chunks) == (storage, True, (327, 100))
        np.testing.assert_array_equal(dataset[:], values)
    assert path.stat().st_size < 400_000


@pytest.mark.parametrize("storage", ["zstd", "blosc2"])
def test_storages_of_the_plugin(tmp_path, storage):
    pytest.importorskip("hdf5plugin", reason="hdf5plugin is not installed")
    schema = Schema.from_dict(
        {"features": {"x": {"type": "int64", "source": "x", "shape": [9], "storage": storage}}}
    )
    values = [np.arange(number, number + 9) for number in range(1000)]
    with h5py.File(write(tmp_path / "a.h5", ({"x": v} for v in values), schema)) as file:
        np.testing.assert_array_equal(file["x"][:], values)


def test_compressing_what_is_no_number_is_a_wrong_setting():
    declared = {"features": {"image": {**FEATURES["image"], "storage": "lzf"}}}
    with pytest.raises(SchemaError) as caught:
        Schema.from_dict(declared)
    assert str(caught.value) == (
        "features.image.storage: got 'lzf' for values that HDF5 does not compress, expected contiguous"
    )


CLIPS = Schema.from_dict(
    {
        "record": "sequence_example",
        "context": {"label": FEATURES["label"]},
        "steps": {
            "frames": FEATURES["image"],
            "pixels": FEATURES["pixels"],
            "tokens": {"type": "int64", "source": "n", "shape": [None], "ragged": True},
        },
    }
)


def test_clips_are_all_steps_and_offsets(tmp_path):
    clips = [
        {
            "label": np.array(1, np.int64),
            "frames": Steps((b"one", b"two two")),
            "pixels": Steps(tuple(record(n)["pixels"] for n in (1, 2))),
            "tokens": Steps((np.array([1, 2]), np.array([], np.int64))),
        },
        {
            "label": np.array(0, np.int64),
            "frames": Steps((b"three",)),
            "pixels": Steps((record(3)["pixels"],)),
            "tokens": Steps((np.array([3]),)),
        },
    ]
    with h5py.File(write(tmp_path / "a.h5", clips, CLIPS)) as file:
        assert [frame.tobytes() for frame in file["frames/values"]] == [
            b"one",
            b"two two",
            b"three",
        ]
        assert file["frames/offsets"][:].tolist() == [0, 2, 3]
        assert file["pixels/values"].shape == (3, 4, 5, 3)
        np.testing.assert_array_equal(file["pixels/values"][2], record(3)["pixels"])
        assert file["tokens/values"][:].tolist() == [1, 2, 3]
        assert file["tokens/step_offsets"][:].tolist() == [0, 2, 2, 3]
        assert file["tokens/offsets"][:].tolist() == [0, 2, 3]


def test_nothing_is_left_beside_the_file(tmp_path):
    write(tmp_path / "new" / "a.h5", map(record, range(3)))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.h5"]


def test_steps_in_one_array_are_the_bytes_of_steps_one_by_one(tmp_path):
    steps = {
        "pose": {"type": "float32", "source": "p", "shape": [2, 3]},
        "tokens": {"type": "int64", "source": "t", "shape": [None]},
        "boxes": {"type": "int64", "source": "b", "shape": [None, 4]},
    }
    schema = Schema.from_dict({"record": "sequence_example", "context": {}, "steps": steps})
    random = np.random.default_rng(0)
    records = [
        {
            "pose": random.random((count, 2, 3), np.float32),
            "tokens": random.integers(0, 9, (count, count % 3)),
            "boxes": random.integers(0, 9, (count, count % 3, 4)),
        }
        for count in range(1, 9)
    ]
    whole = write(
        tmp_path / "a" / "x.h5", [{k: Steps(v) for k, v in r.items()} for r in records], schema
    )
    single = write(
        tmp_path / "b" / "x.h5",
        [{k: Steps(tuple(v)) for k, v in r.items()} for r in records],
        schema,
    )
    assert whole.read_bytes() == single.read_bytes()
    with pytest.raises(TypeError, match=r"got float32 \(3, 2\), expected .*float32.* \(2, 3\)"):
        write(
            tmp_path / "c.h5",
            [{**records[0], "pose": Steps(np.zeros((1, 3, 2), np.float32))}],
            schema,
        )


@pytest.mark.parametrize(
    ("shape", "itemsize", "chunks", "starts"),
    [
        ((0, 5), 4, None, []),
        ((3,), 8, None, [0]),
        ((10, 2), 4, None, [0, 8]),  # 64 bytes a block
        ((9,), 64, None, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ((2, 100), 8, None, [0, 1]),  # a record of its own is larger
        ((10, 0), 4, None, [0]),  # nothing in a record
        ((70, 0), 4, None, [0, 64]),
        ((70,), 1, None, [0, 64]),
        ((20,), 8, (3,), [0, 6, 12, 18]),  # 8 records, which are 2 chunks and a part
        ((20,), 8, (8,), [0, 8, 16]),
        ((20,), 8, (9,), [0, 9, 18]),  # a chunk is larger than a block
    ],
)
def test_numbers_are_moved_in_blocks_of_whole_chunks(shape, itemsize, chunks, starts, monkeypatch):
    monkeypatch.setattr(writer, "_BLOCK_BYTES", 64)
    stops = [*starts[1:], shape[0]]
    expected = list(zip(starts, stops, strict=True)) if starts else []
    assert list(writer._blocks(shape, itemsize, chunks)) == expected


@pytest.mark.parametrize(
    ("lengths", "batches"),
    [
        ([], []),
        ([5], [[5]]),
        ([64, 1], [[64, 1]]),  # closed by the record that is over, not before it
        ([65, 1], [[65], [1]]),
        ([30, 30, 5, 1, 2], [[30, 30, 5], [1, 2]]),
        ([0] * 9, [[0] * 4, [0] * 4, [0]]),
        ([1] * 8, [[1] * 4, [1] * 4]),
        ([64, 1, 64, 0], [[64, 1], [64, 0]]),
        ([65, 65, 1], [[65], [65], [1]]),
    ],
)
def test_blobs_are_moved_in_batches(lengths, batches, monkeypatch):
    monkeypatch.setattr(writer, "_BLOCK_BYTES", 64)
    monkeypatch.setattr(writer, "_BLOCK_RECORDS", 4)
    assert list(writer._batch_lengths(array("q", lengths))) == batches


@pytest.mark.parametrize(
    ("schema", "key", "value", "message"),
    [
        (SCHEMA, "image", np.zeros(1), "got ndarray, expected bytes"),
        (SCHEMA, "label", np.array(1.0), r"got float64 \(\), expected int64 \(\)"),
        (SCHEMA, "box", np.zeros(2, np.float32), r"got float32 \(2,\), expected float32 \(2, 2\)"),
        (SCHEMA, "tags", np.zeros(2), r"got float64 \(\), expected int64 \(\)"),
        (CLIPS, "frames", b"one", "got bytes, expected Steps"),
    ],
)
def test_values_of_another_type_are_an_error(tmp_path, schema, key, value, message):
    shard = HDF5Sink().open(tmp_path / "a.h5", schema)
    with pytest.raises(TypeError, match=message):
        shard.write({**record(0), key: value})
