from __future__ import annotations

import h5py
import numpy as np
import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.features.base import Steps
from pixelbeam.transforms.sinks.hdf5.sink import HDF5Sink
from pixelbeam.transforms.sinks.hdf5.virtual_file import write_virtual

SCHEMA = Schema.from_dict(
    {
        "name": "things",
        "record": "sequence_example",
        "context": {
            "meta/box": {"type": "float32", "source": "b", "shape": [2]},
            "tags": {"type": "class_labels", "source": "l", "vocabulary": ["a", "b\0"]},
            "text": {"type": "string", "source": "t"},
            "deep": {
                "type": "image", "source": "p", "height": 2, "width": 3, "channels": 1,
                "encoding": "raw", "dtype": "uint16",
            },
        },
        "steps": {
            "words": {"type": "int64", "source": "w", "shape": [None]},
            "number": {"type": "int64", "source": "n"},
        },
    }
)  # fmt: skip
COUNTS = (3, 0, 2)
NAMES = [f"train-{number:05}-of-00003.h5" for number in range(3)]


def record(number):
    return {
        "meta/box": np.array([number, -number], np.float32),
        "tags": np.arange(number % 3, dtype=np.int64),
        "text": b"x" * number,
        "deep": np.full((2, 3, 1), number, np.uint16),
        "words": Steps(tuple(np.arange(step, dtype=np.int64) for step in range(number))),
        "number": Steps(np.arange(number, dtype=np.int64)),
    }


@pytest.fixture
def folder(tmp_path):
    number = 0
    for name, count in zip(NAMES, COUNTS, strict=True):
        shard = HDF5Sink().open(tmp_path / name, SCHEMA)
        for _ in range(count):
            shard.write(record(number))
            number += 1
        shard.close()
    return tmp_path


def join(folder, name="train.h5"):
    write_virtual(folder / name, "train", SCHEMA, NAMES, lambda name: (folder / name).open("rb"))
    return h5py.File(folder / name)


def test_the_shards_are_joined(folder):
    shard = HDF5Sink().open(folder / "whole.h5", SCHEMA)
    for number in range(5):
        shard.write(record(number))
    shard.close()
    seen = []

    def compare(path, whole):
        found = joined[path]
        labels = [axis.label for axis in whole.dims] if isinstance(whole, h5py.Dataset) else []
        if labels:
            np.testing.assert_array_equal(found[()], whole[()], path)
            assert found.dtype == whole.dtype
            # Offsets are data of the file's own; all else is in the shards.
            assert found.is_virtual != path.endswith("offsets")
            assert h5py.h5o.get_info(found.id).mtime == 0
            if found.is_virtual:
                assert [axis.label for axis in found.dims] == labels
                sources = found.virtual_sources()
                assert [(s.file_name, s.dset_name) for s in sources] == [
                    (name, f"/{path}") for name in NAMES if length(folder / name, path)
                ]
        assert dict_of(found) == dict_of(whole)
        seen.append(path)

    with join(folder) as joined, h5py.File(folder / "whole.h5") as whole:
        whole.visititems(compare)
        assert {path for path in seen if path.endswith("offsets")} == {
            "tags/offsets", "words/offsets", "words/step_offsets", "number/offsets",
        }  # fmt: skip
        names = ("format", "name", "schema")
        assert [joined.attrs[name] for name in names] == [whole.attrs[name] for name in names]
        assert sorted(joined.attrs) == ["format", "name", "schema", "shards", "split"]
        assert joined.attrs["split"] == "train"
        assert list(joined.attrs["shards"]) == NAMES


def length(file, path):
    with h5py.File(file) as opened:
        return len(opened[path])


def dict_of(found):
    names = ("feature", "type", "encoding", "class_names")
    return {name: np.array(found.attrs[name]).tolist() for name in names if name in found.attrs}


def test_the_same_shards_make_the_same_bytes(folder):
    join(folder, "a.h5").close()
    join(folder, "b.h5").close()
    assert (folder / "a.h5").read_bytes() == (folder / "b.h5").read_bytes()


def test_what_is_missing_stands_out(folder):
    with join(folder) as file:
        pass
    (folder / NAMES[0]).unlink()
    with h5py.File(folder / "train.h5") as file:
        assert np.isnan(file["meta/box"][:3]).all()
        assert file["meta/box"][3:].tolist() == [[3, -3], [4, -4]]
        assert file["tags/values"][0] == -(2**63)
        assert file["number/offsets"][:].tolist() == [0, 0, 1, 3, 6, 10]
        assert (file["text"][2], file["text"][3]) == (b"", b"xxx")
        assert file["deep"][0].max() == 0


def test_one_shard_alone(folder):
    def open_shard(name):
        return (folder / name).open("rb")

    write_virtual(folder / "train.h5", "train", SCHEMA, NAMES[:1], open_shard)
    with h5py.File(folder / "train.h5") as file:
        assert file["meta/box"][:].tolist() == [[0, 0], [1, -1], [2, -2]]
        assert list(file.attrs["shards"]) == NAMES[:1]
