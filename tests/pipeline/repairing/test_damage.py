"""What is damaged of a dataset."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pixelbeam.pipeline.output.kept import kept_dataset
from pixelbeam.pipeline.repairing import damage as damage_module
from pixelbeam.pipeline.repairing.damage import (
    Owners,
    describe_damage,
    find_damage,
    look_at_dataset,
)
from pixelbeam.schemas.dataset.checksum import BLANK, fill_checksum
from pixelbeam.schemas.dataset.info import DatasetInfo
from pixelbeam.schemas.errors import DatasetError
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.storage.output_folder import Folder

SHARD = "train-00000-of-00002"
COPY = ".pixelbeam/published/dataset.json"


@pytest.fixture
def out(build_images) -> Path:
    return build_images(sinks=("tfrecord", "hdf5"), shard_size=ShardSize(num_shards=2))


def flip(path: Path, at: int = 10) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_nothing_is_wrong_with_a_whole_dataset(out):
    text = (out / "dataset.json").read_bytes()
    dataset = look_at_dataset(Folder(str(out)))
    assert (dataset.info, dataset.text, dataset.damage) == (DatasetInfo.loads(text, ""), text, {})


def test_what_is_wrong_with_each_file(out, monkeypatch):
    flip(out / f"{SHARD}.tfrecord")
    (out / f"{SHARD}.h5").unlink()
    with (out / f"index/{SHARD}.idx").open("a") as file:
        file.write("x")
    size = (out / f"index/{SHARD}.idx").stat().st_size
    bad, digest = str(out / "train.h5"), damage_module.digest_file

    def fail(path):
        if path == bad:
            raise OSError(5, "Input/output error")
        return digest(path)

    monkeypatch.setattr(damage_module, "digest_file", fail)
    folder = Folder(str(out))
    info = look_at_dataset(folder).info
    expected = {
        f"index/{SHARD}.idx": f"got {size:,} bytes, expected {size - 1:,}",
        f"{SHARD}.h5": "missing",
        f"{SHARD}.tfrecord": "the SHA-256 is wrong",
        "train.h5": "cannot be read: Input/output error",
    }
    assert find_damage(folder, info) == expected
    assert list(find_damage(folder, info)) == sorted(expected)
    assert find_damage(folder, info, [f"{SHARD}.h5", "statistics.jsonl"]) == {
        f"{SHARD}.h5": "missing"
    }


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: path.write_bytes(b""), "the checksum is wrong"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "the checksum is wrong"),
        (flip, "the checksum is wrong"),
    ],
)
def test_a_damaged_dataset_json_is_what_its_copy_says(out, damage, fault):
    text = (out / "dataset.json").read_bytes()
    damage(out / "dataset.json")
    (out / "feature_description.py").unlink()
    dataset = look_at_dataset(Folder(str(out)))
    assert (dataset.info, dataset.text) == (DatasetInfo.loads(text, ""), text)
    assert dataset.damage == {"dataset.json": fault, "feature_description.py": "missing"}


@pytest.mark.parametrize("key", ["fingerprint", "checksum"])
def test_a_bit_that_is_flipped_in_what_names_the_dataset_is_no_other_dataset(out, key):
    text = (out / "dataset.json").read_text()
    value = json.loads(text)[key]
    other = ("0" if value[0] != "0" else "1") + value[1:]
    (out / "dataset.json").write_text(text.replace(value, other))
    assert look_at_dataset(Folder(str(out))).damage == {"dataset.json": "the checksum is wrong"}


def test_the_copy_of_another_dataset_is_not_taken(out):
    said = json.loads((out / "dataset.json").read_bytes()) | {"fingerprint": "other"}
    said["checksum"] = "1" * 64
    (out / "dataset.json").write_text(json.dumps(said))
    with pytest.raises(DatasetError) as caught:
        look_at_dataset(Folder(str(out)))
    assert str(caught.value) == (
        f"{out}: dataset.json is damaged, and the copy that is kept of it is of another dataset; build the "
        "dataset anew with --overwrite"
    )


def test_without_a_copy_a_damaged_dataset_json_is_the_end(out):
    flip(out / COPY)
    flip(out / "dataset.json")
    with pytest.raises(DatasetError) as caught:
        look_at_dataset(Folder(str(out)))
    assert str(caught.value) == (
        f"{out}: dataset.json is damaged, and there is no copy of it to repair it by; build the dataset anew "
        "with --overwrite"
    )


def test_the_copy_is_renewed_from_a_whole_dataset(out):
    """It may be lost, damaged, or that of a dataset that lay here before."""
    folder, text = Folder(str(out)), (out / "dataset.json").read_bytes()
    other = fill_checksum(b'{"checksum": "%s"}' % BLANK.encode())
    for damage in (
        lambda: (out / COPY).unlink(),
        lambda: flip(out / COPY),
        lambda: (out / COPY).write_bytes(other),
    ):
        damage()
        assert look_at_dataset(folder).damage == {}
        assert kept_dataset(folder) == text
    before = os.stat(out / COPY).st_ino
    look_at_dataset(folder)
    assert os.stat(out / COPY).st_ino == before  # nothing is written where nothing has changed


def test_which_files_belong_to_which_shard(out):
    owners = Owners.of(look_at_dataset(Folder(str(out))).info)
    shards = [f"train-0000{number}-of-00002" for number in range(2)]
    names = ("index/{}.parquet", "index/{}.idx", "{}.tfrecord", "{}.h5")
    assert owners.shards == {name.format(shard): shard for shard in shards for name in names}
    assert owners.joined == {"train.h5": ("train", "hdf5")}


def test_a_dataset_without_an_index_has_no_files_of_one(build_images):
    out = build_images(index="none", shard_size=ShardSize(num_shards=1))
    owners = Owners.of(look_at_dataset(Folder(str(out))).info)
    name = "train-00000-of-00001"
    assert (owners.shards, owners.joined) == ({f"{name}.tfrecord": name}, {})


def test_damage_is_described_up_to_a_number_of_files():
    damage = {"b": "missing", "a": "got 1 bytes, expected 2", "c": "missing"}
    assert describe_damage(damage, 3) == [
        "a: got 1 bytes, expected 2",
        "b: missing",
        "c: missing",
    ]
    assert describe_damage(damage, 1) == ["a: got 1 bytes, expected 2", "and 2 more"]
    assert describe_damage({}, 1) == []
