from __future__ import annotations

import hashlib
import json
import os
import shutil

import h5py
import numpy as np
import pytest
from hdf5_datasets import RECORDS, build_all_kinds
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.pipeline.output.own_files import is_ours, remove_build
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import DatasetError
from pixelbeam.schemas.features.base import Steps
from pixelbeam.transforms.sinks.hdf5.sink import HDF5Sink
from pixelbeam.transforms.storage.output_folder import Folder
from support import contents, dataset_json, rejects_of

CLIPS = Schema.from_dict(
    {
        "record": "sequence_example",
        "context": {"label": {"type": "class_label", "source": "l", "num_classes": 3}},
        "steps": {"tokens": {"type": "int64", "source": "n", "shape": [None]}},
    }
)
SHARDS = [f"train-0000{index}-of-00003" for index in range(3)]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return build_all_kinds(tmp_path_factory.mktemp("hdf5"))


def tfrecord_examples(out):
    import tensorflow as tf

    paths = [str(out / f"{shard}.tfrecord") for shard in SHARDS]
    return [tf.train.Example.FromString(r.numpy()) for r in tf.data.TFRecordDataset(paths)]


def ragged(file, key, number):
    start, stop = file[f"{key}/offsets"][number : number + 2]
    return file[f"{key}/values"][start:stop]


def test_h5py_alone_reads_what_the_tfrecords_hold(out):
    examples = tfrecord_examples(out)
    assert len(examples) == RECORDS
    with h5py.File(out / "train.h5") as file:
        for number, example in enumerate(examples):
            held = example.features.feature
            for key in ("raw", "packed"):
                assert file[key][number].tobytes() == held[key].bytes_list.value[0]
            assert ragged(file, "ragged", number).tobytes() == held["ragged"].bytes_list.value[0]
            shape = file["ragged/shape"][number].tolist()
            assert shape == list(held["ragged/shape"].int64_list.value)
            for key in ("jpeg", "deep", "blob"):
                assert file[key][number].tobytes() == held[key].bytes_list.value[0]
            assert file["text/name"][number] == held["text/name"].bytes_list.value[0]
            assert [file["label"][number]] == list(held["label"].int64_list.value)
            for key in ("tags", "tokens"):
                assert ragged(file, key, number).tolist() == list(held[key].int64_list.value)
            assert file["box"][number].ravel().tolist() == list(held["box"].float_list.value)


def test_dataset_json_knows_the_file_over_the_shards(out):
    data = (out / "train.h5").read_bytes()
    assert dataset_json(out)["splits"]["train"]["files"] == {
        "hdf5": {
            "path": "train.h5",
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    }
    assert {"h5py", "hdf5"} <= dataset_json(out)["versions"].keys()


def test_the_virtual_file_holds_no_data_and_moves_with_its_shards(out, tmp_path, monkeypatch):
    with h5py.File(out / "train.h5") as file:
        assert file["raw"].is_virtual
        assert [source.file_name for source in file["raw"].virtual_sources()] == [
            f"{shard}.h5" for shard in SHARDS
        ]
        expected = file["raw"][:]
    shutil.copytree(out, tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    with h5py.File("moved/train.h5") as file:
        np.testing.assert_array_equal(file["raw"][:], expected)
        assert list(file.attrs["shards"]) == [f"{shard}.h5" for shard in SHARDS]
        assert list(file["label"].attrs["class_names"]) == ["a", "bé"]
        assert [axis.label for axis in file["raw"].dims] == ["record", "height", "width", "channel"]


def test_fill_values_of_a_missing_shard_stand_out(out, tmp_path):
    shutil.copytree(out, tmp_path / "out")
    os.unlink(tmp_path / "out" / f"{SHARDS[2]}.h5")
    with h5py.File(tmp_path / "out" / "train.h5") as file:
        assert file["label"][-1] == np.iinfo(np.int64).min
        assert np.isnan(file["box"][-1]).all()
        assert (len(file["jpeg"][-1]), file["text/name"][-1]) == (0, b"")


def is_plain(kind):
    """Whether a type is one that every HDF5 library reads: integers, floats, text, bytes of any length."""
    if isinstance(kind, h5py.h5t.TypeVlenID):
        return kind.get_super().equal(h5py.h5t.STD_U8LE)
    return isinstance(kind, h5py.h5t.TypeIntegerID | h5py.h5t.TypeFloatID | h5py.h5t.TypeStringID)


@pytest.mark.parametrize("name", ["train.h5", f"{SHARDS[0]}.h5"])
def test_only_plain_types_are_in_the_files(out, name):
    found = []

    def note(_, item):
        if isinstance(item, h5py.Dataset):
            found.append((item.name, is_plain(item.id.get_type())))
        for attribute in item.attrs:
            kind = h5py.h5a.open(item.id, attribute.encode()).get_type()
            found.append((f"{item.name} {attribute}", is_plain(kind)))

    with h5py.File(out / name) as file:
        note("/", file)
        file.visititems(note)
    assert len(found) > 30
    assert [place for place, plain in found if not plain] == []


def test_hdf5_alone(tmp_path, images, build_images):
    from pixelbeam.readers import load

    both, alone = (
        build_images(sinks[0], sinks=sinks) for sinks in (("tfrecord", "hdf5"), ("hdf5",))
    )
    files = contents(alone)
    assert {name for name in files if name.endswith(".tfrecord")} == set()
    same = {name: data for name, data in contents(both).items() if name.endswith(".h5")}
    assert {name: files[name] for name in same} == same
    with pytest.raises(
        DatasetError, match=r"split 'train' has no tfrecord files, only hdf5; build"
    ):
        load(alone, "train", source="tfrecord")
    pairs = zip(
        load(alone, "train", targets=[]),
        load(both, "train", targets=[]),
        strict=True,
    )
    for left, right in pairs:
        assert left.keys() == right.keys()
        for key in left:
            np.testing.assert_array_equal(left[key], right[key])


def test_text_that_hdf5_cannot_hold_is_a_reject_where_hdf5_is_written(tmp_path):
    texts = ["whole", "cut\0off"]
    rows = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    (tmp_path / "m.jsonl").write_text(rows)
    features = {"text": {"type": "string", "source": "text"}}
    schema = Schema.from_dict({"name": "texts", "version": "2", "features": features})
    found = {}
    for sinks in (("tfrecord",), ("tfrecord", "hdf5")):
        out = tmp_path / "_".join(sinks)
        some = MaxRejects(fraction=1.0)
        build(
            BuildOptions(str(tmp_path / "m.jsonl"), schema, str(out), sinks=sinks, max_rejects=some)
        )
        found[sinks] = dataset_json(out)
        assert (found[sinks]["schema"]["name"], found[sinks]["schema"]["version"]) == ("texts", "2")
    assert found["tfrecord",]["splits"]["train"]["num_records"] == 2
    assert found["tfrecord",]["rejects"]["count"] == 0
    assert found["tfrecord", "hdf5"]["splits"]["train"]["num_records"] == 1
    assert found["tfrecord", "hdf5"]["rejects"]["by_reason"] == {"null_character": 1}
    assert [(r["feature"], r["row"]) for r in rejects_of(out)] == [("text", 2)]
    with h5py.File(out / "train.h5") as file:
        assert file["text"][:].tolist() == [b"whole"]
        assert (file.attrs["name"], file.attrs["version"]) == ("texts", "2")


def test_two_builds_are_the_same_bytes(out, tmp_path):
    assert contents(build_all_kinds(tmp_path)) == contents(out)


def test_removing_a_build_leaves_files_of_others(out, tmp_path):
    shutil.copytree(out, tmp_path / "out")
    (tmp_path / "out" / "faces.h5").write_bytes(b"mine")
    remove_build(Folder(str(tmp_path / "out")))
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_file()] == ["faces.h5"]


@pytest.mark.parametrize(
    ("name", "beside", "expected"),
    [
        ("train.h5", ["train-00000-of-00001.h5"], True),
        ("train.h5", ["train-00000-of-00001.tfrecord"], False),
        ("train.h5", ["val-00000-of-00001.h5"], False),
        ("train-00000-of-00001.h5", [], True),
        ("train.tfrecord", [], False),
    ],
)
def test_which_files_are_ours(name, beside, expected):
    assert is_ours(name, [name, *beside]) == expected


def test_offsets_of_clips_go_on_over_the_shards(tmp_path):
    folder = Folder(str(tmp_path))
    shards = [[(1, 2), (3,)], [(4, 5, 6)]]
    for index, clips in enumerate(shards):
        writer = HDF5Sink().open(tmp_path / f"train-0000{index}-of-00002.h5", CLIPS)
        for clip in clips:
            writer.write(
                {
                    "label": np.array(0, np.int64),
                    "tokens": Steps(tuple(np.arange(step) for step in clip)),
                }
            )
        writer.close()
    names = [f"train-0000{i}-of-00002.h5" for i in range(2)]
    assert HDF5Sink().join(tmp_path / "train.h5", "train", CLIPS, names, folder.open)
    with h5py.File(tmp_path / "train.h5") as file:
        assert file["tokens/offsets"][:].tolist() == [0, 2, 3, 6]
        assert file["tokens/step_offsets"][:].tolist() == [0, 1, 3, 6, 10, 15, 21]
        assert file["tokens/values"][:].tolist() == [
            value for clips in shards for clip in clips for step in clip for value in range(step)
        ]
