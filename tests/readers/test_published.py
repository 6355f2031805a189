import subprocess
import sys

import pytest
import tensorflow as tf
from datasets import edit_info, write_dataset
from pixelbeam.readers import load
from pixelbeam.readers.published import explain_remote, is_remote, open_dataset
from pixelbeam.readers.tf_data.description import make_description
from pixelbeam.schemas import Int64, Schema
from pixelbeam.schemas.errors import DatasetError

SHARD = "train-00000-of-00001.tfrecord"


@pytest.fixture
def folder(tmp_path):
    schema = Schema(features={"n": Int64(source="n")})
    return write_dataset(tmp_path / "OUT", schema, {"train": [[{"n": 1}]], "val": [[{"n": 2}]]})


def fault(folder, split="train"):
    with pytest.raises(DatasetError) as caught:
        load(folder, split)
    return str(caught.value)


def test_no_such_directory(tmp_path):
    place = tmp_path / "nowhere"
    assert fault(place) == (
        f"{place}: no such directory, expected one that `pixelbeam build` has written"
    )


def test_a_file_instead_of_a_directory(tmp_path):
    said = "got a file, expected the directory of a dataset that `pixelbeam build` has written"
    for name, also in (("a.H5", "; HDF5Dataset and HDF5Records read HDF5 files"), ("a.csv", "")):
        (tmp_path / name).touch()
        assert fault(tmp_path / name) == f"{tmp_path / name}: {said}{also}"


def test_a_directory_that_is_not_published(folder):
    (folder / "dataset.json").unlink()
    assert fault(folder) == (
        f"{folder}: no dataset.json, so this is not a published dataset; if a build into it was "
        "interrupted, run the same `pixelbeam build` command again"
    )


def test_a_filesystem_that_tensorflow_does_not_know():
    assert fault("nosuch://bucket/OUT") == (
        f"nosuch://bucket/OUT: TensorFlow {tf.__version__} cannot read nosuch://; copy the dataset to a "
        "local directory, and read that"
    )


def test_an_unknown_split(folder):
    assert fault(folder, "test") == f"{folder}: no split 'test'; its splits are: train, val"


def test_a_missing_shard(folder):
    (folder / SHARD).unlink()
    assert fault(folder) == f"{folder}: {SHARD} is missing"
    assert len(list(load(folder, "val"))) == 1


def test_a_shard_of_another_size(folder):
    size = (folder / SHARD).stat().st_size
    (folder / SHARD).write_bytes(b"")
    assert fault(folder) == f"{folder}: {SHARD} was changed: got 0 bytes, expected {size}"


def test_a_description_that_was_changed_is_never_run(folder):
    marker = folder / "marker"
    with (folder / "feature_description.py").open("a") as file:
        file.write(f"open({str(marker)!r}, 'w')\n")
    assert fault(folder) == (
        f"{folder}: feature_description.py is not the file that was published: its SHA-256 differs "
        "from the one in dataset.json; restore it or build the dataset again"
    )
    assert not marker.exists()


def test_a_missing_description(folder):
    (folder / "feature_description.py").unlink()
    assert fault(folder) == f"{folder}: feature_description.py is missing"


def test_a_split_in_another_format_alone(folder):
    def rename(parsed):
        for shard in parsed["splits"]["train"]["shards"]:
            shard["files"]["hdf5"] = shard["files"].pop("tfrecord")

    edit_info(folder, rename)
    with pytest.raises(DatasetError) as caught:
        load(folder, "train", source="tfrecord")
    assert str(caught.value) == (
        f"{folder}: split 'train' has no tfrecord files, only hdf5; build it with --sinks tfrecord"
    )


def test_opens_what_was_published(folder):
    published = open_dataset(folder)
    assert (published.directory, list(published.schema.features)) == (str(folder), ["n"])
    published.check_description()
    assert make_description(published.schema).CLASS_NAMES == {}


def test_without_tensorflow_it_is_said_what_to_install():
    code = "import sys; sys.modules['tensorflow'] = None; from pixelbeam.readers import load"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: pixelbeam.readers needs TensorFlow: pip install 'pixelbeam[train]'"
    )


@pytest.mark.parametrize(
    ("place", "remote"), [("s3://data/out", True), ("/data/out", False), ("out", False)]
)
def test_only_urls_are_remote(place, remote):
    assert is_remote(place) is remote


def test_what_to_do_is_said_in_a_line():
    assert explain_remote("s3://data/out", "HDF5") == (
        "s3://data/out: HDF5 cannot read s3://; copy the dataset to a local directory, for instance with "
        "`aws s3 sync s3://data/out DIR` (pip install awscli), and read that"
    )
    assert explain_remote("hdfs://host/out", "TensorFlow 2.21.0") == (
        "hdfs://host/out: TensorFlow 2.21.0 cannot read hdfs://; copy the dataset to a local directory, "
        "and read that"
    )
