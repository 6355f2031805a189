from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from hdf5_datasets import RECORDS
from hypothesis import given, settings
from hypothesis import strategies as st
from pixelbeam.readers import HDF5Records, load
from pixelbeam.readers.published import explain_remote
from pixelbeam.schemas.errors import DatasetError

SHARD = "train-00001-of-00003.h5"


class Expected(list):
    def __repr__(self):  # hypothesis writes out arguments
        return "what the TFRecord reader gives"


@pytest.fixture(scope="module")
def expected(all_kinds):
    return Expected(
        {name: value.numpy() for name, value in features.items()}
        for features in load(all_kinds, "train", targets=[])
    )


def assert_equal(record, features):
    assert record.keys() == features.keys()
    for name, value in features.items():
        wanted = value.decode() if name == "text/name" else value
        np.testing.assert_array_equal(record[name], wanted, name)
        assert getattr(record[name], "dtype", None) == getattr(wanted, "dtype", None)


@pytest.mark.parametrize("path", [("",), ("train.h5",)])
def test_records_are_those_of_the_tfrecord_reader(all_kinds, expected, path):
    records = HDF5Records(all_kinds / path[0], None if path[0] else "train")
    assert len(records) == RECORDS
    for number, features in enumerate(expected):
        assert_equal(records[number], features)


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(st.integers(0, RECORDS - 1), max_size=40))
def test_any_rows_in_any_order(all_kinds, expected, rows):
    records = HDF5Records(all_kinds, "train")
    for record, row in zip(records.__getitems__(rows), rows, strict=True):
        assert_equal(record, expected[row])


def test_features_can_be_chosen(all_kinds, expected):
    records = HDF5Records(all_kinds, "train", features=["ragged", "label"])
    assert_equal(records[-1], {name: expected[-1][name] for name in ("ragged", "label")})
    with pytest.raises(DatasetError, match=r"no feature 'x'; its features are: 'raw', 'packed'"):
        HDF5Records(all_kinds, "train", features=["x"])


def test_out_of_range(all_kinds):
    records = HDF5Records(all_kinds, "train")
    with pytest.raises(IndexError, match="got record 30 of 30"):
        records[RECORDS]
    with pytest.raises(IndexError, match="got rows -1 to 2 of 30"):
        records.read([2, -1])


def test_no_open_file_is_pickled(all_kinds, expected):
    records = HDF5Records(all_kinds, "train")
    assert_equal(records[3], expected[3])
    copy = pickle.loads(pickle.dumps(records))
    assert_equal(copy[4], expected[4])


def test_a_forked_child_opens_files_of_its_own(all_kinds, expected):
    records = HDF5Records(all_kinds, "train")
    assert_equal(records[3], expected[3])
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            parents = records._table._open
            assert_equal(records[5], expected[5])
            status = int(records._table._open is parents)
        finally:
            os.write(writing, b"done")
            os._exit(status)
    assert os.read(reading, 4) == b"done"
    assert os.waitpid(child, 0)[1] == 0


def test_threads_read_at_the_same_time(all_kinds, expected):
    records = HDF5Records(all_kinds, "train")
    rows = [np.random.default_rng(seed).permutation(RECORDS) for seed in range(40)]
    with ThreadPoolExecutor(8) as pool:
        for order, batch in zip(rows, pool.map(records.read, rows), strict=True):
            np.testing.assert_array_equal(batch["packed"], [expected[r]["packed"] for r in order])
            assert batch["text/name"] == [expected[r]["text/name"].decode() for r in order]


def test_pytorch_takes_records_as_they_are(all_kinds, expected):
    data = pytest.importorskip("torch.utils.data", reason="PyTorch is not installed")
    records = HDF5Records(all_kinds, "train", features=["raw", "label"])
    for workers in (0, 2):
        context = "spawn" if workers else None
        loader = data.DataLoader(
            records, batch_size=8, num_workers=workers, multiprocessing_context=context
        )
        batches = list(loader)
        assert [len(batch["label"]) for batch in batches] == [8, 8, 8, 6]
        for name in ("raw", "label"):
            got = np.concatenate([batch[name].numpy() for batch in batches])
            np.testing.assert_array_equal(got, [features[name] for features in expected])


def test_grain_takes_records_as_they_are(all_kinds, expected):
    grain = pytest.importorskip("grain", reason="Grain is not installed")
    records = HDF5Records(all_kinds, "train", features=["raw", "label"])
    batches = list(grain.MapDataset.source(records).shuffle(seed=1).batch(10))
    assert sorted(np.concatenate([batch["label"] for batch in batches]).tolist()) == sorted(
        int(features["label"]) for features in expected
    )
    raw = {row.tobytes() for batch in batches for row in batch["raw"]}
    assert raw == {features["raw"].tobytes() for features in expected}


def test_neither_tensorflow_nor_beam_is_loaded(all_kinds):
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['tensorflow', 'keras', 'apache_beam', 'pixelbeam.transforms']))\n"
        "from pixelbeam.readers import HDF5Records\n"
        f"print(len(HDF5Records({str(all_kinds)!r}, 'train')[0]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert (done.stdout, done.stderr) == ("12\n", "")


# Files of others


def test_files_of_others_are_read_as_they_are(tmp_path):
    noise = np.random.default_rng(0)
    values = {
        "plain": noise.integers(0, 256, (50, 7, 5), np.uint8),
        "big_endian": noise.integers(0, 99, (50, 3)).astype(">i4"),
        "chunked": noise.random((50, 4)),
        "bool": noise.integers(0, 2, 50).astype(bool),
        "fixed_text": np.array([b"a", b"bc"] * 25),
        "pair": np.array([(1, 2.5)] * 50, [("x", "i4"), ("y", "f8")]),
    }
    with h5py.File(tmp_path / "faces.h5", "w", userblock_size=512) as file:
        for name, value in values.items():
            chunks = (8, 4) if name == "chunked" else None
            file.create_dataset(name, data=value, chunks=chunks)
        file.create_dataset("text", data=["ä", "b"] * 25, dtype=h5py.string_dtype())
    rows = noise.permutation(50)[:20]
    batch = HDF5Records(tmp_path / "faces.h5").read(rows)
    for name, value in values.items():
        np.testing.assert_array_equal(batch[name], value[rows], name)
        assert batch[name].dtype == value.dtype.newbyteorder("=")
    assert list(batch["text"]) == [["ä", "b"][row % 2].encode() for row in rows]


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip", "chunks": (1, 64, 64)},
        {"compression": "gzip", "chunks": (7, 64, 64), "shuffle": True},
        {"compression": "gzip", "chunks": (7, 16, 64)},
        {"compression": "gzip", "chunks": (500, 30, 7), "shuffle": True},
        {"compression": "lzf", "chunks": (500, 30, 7)},
        {"compression": "gzip", "chunks": (7, 30, 7), "fletcher32": True},
        {"chunks": True},
        {"chunks": (7, 64, 64)},
        {"compression": "gzip", "chunks": (3, 64, 64), "fletcher32": True},
        {"compression": "lzf", "chunks": (3, 64, 64)},
        {"chunks": (50, 8, 8)},
        {"chunks": (50, 30, 7), "dtype": ">u2"},
    ],
)
def test_chunked_and_compressed(tmp_path, options):
    values = np.random.default_rng(0).integers(
        0, 50, (1200, 64, 64), np.uint16
    )  # not held in memory
    with h5py.File(tmp_path / "faces.h5", "w") as file:
        file.create_dataset("data", data=values, **options)
    records = HDF5Records(tmp_path / "faces.h5", features=["data"])
    rows = np.random.default_rng(1).integers(0, 1200, 100)
    np.testing.assert_array_equal(records.read(rows)["data"], values[rows])


@pytest.mark.parametrize("chunks", [(4, 64, 64), (4, 30, 7)])
@pytest.mark.parametrize("compression", ["gzip", "lzf", None])
def test_chunks_that_were_never_written(tmp_path, chunks, compression):
    with h5py.File(tmp_path / "faces.h5", "w") as file:
        shape = (1200, 64, 64)
        data = file.create_dataset(
            "data", shape, "u2", chunks=chunks, compression=compression, fillvalue=7
        )
        data[8:12] = 1
    batch = HDF5Records(tmp_path / "faces.h5").read([0, 9, 1199])["data"]
    assert batch.reshape(3, -1).min(1).tolist() == batch.reshape(3, -1).max(1).tolist() == [7, 1, 7]


def test_several_files_are_one_sequence(tmp_path):
    values = np.arange(40).reshape(20, 2)
    for number in range(4):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file["data"] = values[number * 5 : number * 5 + 5]
    records = HDF5Records([tmp_path / f"{number}.h5" for number in range(4)])
    rows = np.random.default_rng(0).permutation(20)
    np.testing.assert_array_equal(records.read(rows)["data"], values[rows])


def test_virtual_files_of_others(tmp_path):
    values = np.arange(20).reshape(10, 2)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = values
    layout = h5py.VirtualLayout((5, 2), values.dtype)
    layout[:] = h5py.VirtualSource("a.h5", "data", (10, 2))[::2]
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    np.testing.assert_array_equal(
        HDF5Records(tmp_path / "v.h5").read([4, 1])["data"], values[[8, 2]]
    )
    (tmp_path / "a.h5").unlink()
    with pytest.raises(
        DatasetError, match=r"v\.h5: a\.h5 is missing, which holds a part of '/data'"
    ):
        HDF5Records(tmp_path / "v.h5")


def test_virtual_files_of_others_with_the_whole_of_a_dataset(tmp_path):
    values = np.arange(20).reshape(10, 2)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = values
    layout = h5py.VirtualLayout((2, 10, 2), values.dtype)
    layout[1] = h5py.VirtualSource("a.h5", "data", (10, 2))
    layout[0] = h5py.VirtualSource("a.h5", "data", (10, 2))
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    found = HDF5Records(tmp_path / "v.h5").read([1, 0])["data"]
    np.testing.assert_array_equal(found, [values, values])
    for change in ({"data": values[:9]}, {"other": values}):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.update(change)
        with pytest.raises(
            DatasetError, match=r"v\.h5: a\.h5 was changed: expected 'data' of at least 20 values"
        ):
            HDF5Records(tmp_path / "v.h5")


def test_what_is_wrong_with_a_file_of_others(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["data"], file["labels"] = np.zeros((5, 2)), np.zeros(4)
    with pytest.raises(ValueError, match=r"features: missing, expected some of the datasets of .*"):
        HDF5Records(tmp_path / "f.h5")
    with pytest.raises(DatasetError, match=r"no dataset 'x'; its datasets are: 'data', 'labels'"):
        HDF5Records(tmp_path / "f.h5", features=["x"])
    with pytest.raises(DatasetError, match=r"different lengths: 'data' has 5, 'labels' has 4"):
        HDF5Records(tmp_path / "f.h5", features=["data", "labels"])


# What is not whole


@pytest.fixture
def damaged(all_kinds, tmp_path):
    return shutil.copytree(all_kinds, tmp_path / "out")


def opening_fails(path, split=None):
    with pytest.raises(DatasetError) as caught:
        HDF5Records(path, split)
    return str(caught.value)


def test_a_missing_shard(damaged):
    (damaged / SHARD).unlink()
    assert opening_fails(damaged, "train") == f"{damaged}: {SHARD} is missing"
    assert opening_fails(damaged / "train.h5") == f"{damaged}: {SHARD} is missing"
    (damaged / "dataset.json").unlink()
    assert opening_fails(damaged / "train.h5") == (
        f"{damaged / 'train.h5'}: {SHARD} is missing, which holds a part of it; HDF5 would give fill "
        "values"
    )


def test_a_truncated_shard(damaged):
    size = (damaged / SHARD).stat().st_size
    os.truncate(damaged / SHARD, size - 100)
    message = f"{damaged}: {SHARD} was changed: got {size - 100} bytes, expected {size}"
    assert opening_fails(damaged, "train") == message
    assert opening_fails(damaged / "train.h5") == message
    assert opening_fails(damaged / SHARD).startswith(f"{damaged / SHARD}: not a whole HDF5 file: ")


def test_a_directory_that_is_not_published(damaged):
    (damaged / "dataset.json").unlink()
    assert opening_fails(damaged, "train").startswith(f"{damaged}: no dataset.json, so this is not")


def test_no_such_directory(tmp_path):
    place = tmp_path / "nowhere"
    assert opening_fails(place, "train") == (
        f"{place}: no such directory, expected one that `pixelbeam build` has written"
    )


def test_a_writer_that_was_killed(tmp_path):
    code = (
        "import os, h5py, numpy\n"
        "file = h5py.File('killed.h5', 'w', libver='latest')\n"
        "file['data'] = numpy.zeros((100, 100))\n"
        "file.flush()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path)
    assert opening_fails(tmp_path / "killed.h5").startswith(
        f"{tmp_path / 'killed.h5'}: not a whole HDF5 file: "
    )


def test_a_file_that_ends_before_its_chunks(tmp_path):
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (1200, 64, 64), "u2", chunks=(4, 30, 7))[:] = 1
        places = [
            file["data"].id.get_chunk_info(n) for n in range(file["data"].id.get_num_chunks())
        ]
    os.truncate(path, max(place.byte_offset for place in places))
    assert opening_fails(path).startswith(f"{path}: ")


def test_a_damaged_chunk(tmp_path):
    values = np.random.default_rng(0).integers(0, 50, (1200, 64, 64), np.uint16)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        data = file.create_dataset("data", data=values, chunks=(1, 64, 64), compression="gzip")
        place = data.id.get_chunk_info(5)
    with open(tmp_path / "f.h5", "rb+") as file:
        file.seek(place.byte_offset + place.size // 2)
        file.write(b"\xff" * 64)
    records = HDF5Records(tmp_path / "f.h5")
    assert records.read([4])["data"].shape == (1, 64, 64)
    with pytest.raises(DatasetError, match=r"cannot read: a chunk of '/data' is damaged: "):
        records.read([5])


def test_other_faults_of_the_call(all_kinds, tmp_path):
    with pytest.raises(ValueError, match="split: missing, expected the name of a split"):
        HDF5Records(all_kinds)
    with pytest.raises(ValueError, match="split: got 'train' with"):
        HDF5Records(all_kinds / "train.h5", "train")
    with pytest.raises(DatasetError, match=r"no split 'val'; its splits are: train"):
        HDF5Records(all_kinds, "val")
    with pytest.raises(DatasetError, match=r"gone\.h5: no such file"):
        HDF5Records(tmp_path / "gone.h5")


@pytest.mark.parametrize(
    ("path", "split"),
    [("s3://data/out", "train"), ("s3://data/out/train.h5", None), (["s3://data/a.h5"], None)],
)
def test_files_that_are_not_local_are_to_be_copied(path, split):
    place = path if isinstance(path, str) else path[0]
    with pytest.raises(DatasetError) as caught:
        HDF5Records(path, split)
    assert str(caught.value) == explain_remote(place, "HDF5")
