"""What was changed in a dataset's own files is found by every reader."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from datasets import edit_info
from pixelbeam.readers import HDF5Dataset, HDF5Records, input_fn, load
from pixelbeam.schemas.errors import DatasetError

NAMES = ["raw", "label"]
READERS = {
    "load of TFRecords": lambda out: load(out, "train", features=NAMES, source="tfrecord"),
    "load of HDF5": lambda out: load(out, "train", features=NAMES, source="hdf5"),
    "input_fn of TFRecords": lambda out: input_fn(out, "train", features=NAMES, source="tfrecord"),
    "input_fn of HDF5": lambda out: input_fn(out, "train", features=NAMES, source="hdf5"),
    "HDF5Dataset": lambda out: HDF5Dataset(
        out, "train", features={"raw": "input", "label": "target"}
    ),
    "HDF5Records": lambda out: HDF5Records(out, "train"),
    "HDF5Records of train.h5": lambda out: HDF5Records(out / "train.h5"),
}


@pytest.fixture(params=READERS)
def reader(request):
    return READERS[request.param]


@pytest.fixture
def out(all_kinds, tmp_path):
    return shutil.copytree(all_kinds, tmp_path / "out")


def fault(reader, out):
    with pytest.raises(DatasetError) as caught:
        reader(out)
    return str(caught.value)


def reverse_vocabulary(text):
    changed, count = re.subn(r'"a",(\s+)"bé"', r'"bé",\1"a"', text)
    assert count == 1
    return changed


def drop_shard(text):
    content = json.loads(text)
    train = content["splits"]["train"]
    train["num_records"] -= train["shards"].pop()["num_records"]
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def remove_checksum(text):
    changed, count = re.subn(r',\s+"checksum": "[0-9a-f]+"', "", text)
    assert count == 1
    return changed


@pytest.mark.parametrize("change", [reverse_vocabulary, drop_shard, remove_checksum])
def test_a_changed_dataset_json(reader, out, change):
    reader(out)
    path = out / "dataset.json"
    path.write_text(change(path.read_text()))
    assert fault(reader, out) == (
        f"{out}: dataset.json is not as it was published: its own checksum is wrong; restore it or build "
        "the dataset again"
    )


def test_a_shard_that_is_listed_twice(reader, out):
    def repeat(content):
        train = content["splits"]["train"]
        train["shards"].append(train["shards"][0])
        train["num_records"] += train["shards"][0]["num_records"]

    edit_info(out, repeat)
    assert fault(reader, out) == (
        f"{out}: dataset.json lists train-00000-of-00003.h5 twice, expected it once"
    )


def test_a_description_that_was_changed(reader, out):
    with (out / "feature_description.py").open("a") as file:
        file.write("CLASS_NAMES = {}\n")
    assert fault(reader, out) == (
        f"{out}: feature_description.py is not the file that was published: its SHA-256 differs from the "
        "one in dataset.json; restore it or build the dataset again"
    )


def test_a_description_that_is_missing(reader, out):
    (out / "feature_description.py").unlink()
    assert fault(reader, out) == f"{out}: feature_description.py is missing"


def test_shards_of_another_size(reader, out):
    sizes = {}
    for name in ("train-00001-of-00003.tfrecord", "train-00001-of-00003.h5"):
        with (out / name).open("ab") as file:
            sizes[name] = file.tell()
            file.write(b"\0")
    messages = [
        f"{out}: {n} was changed: got {size + 1} bytes, expected {size}"
        for n, size in sizes.items()
    ]
    assert fault(reader, out) in messages


def test_classes_are_those_of_dataset_json(all_kinds):
    schema = HDF5Records(all_kinds, "train").schema
    declared = json.loads((all_kinds / "dataset.json").read_text())["schema"]
    assert schema.to_dict() == declared
