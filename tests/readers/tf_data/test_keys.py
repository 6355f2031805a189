from __future__ import annotations

import shutil

import numpy as np
import pytest
import tensorflow as tf
from clips import build_clips, clip_schema, pixels, png, write_rows
from hdf5_datasets import RECORDS, build_all_kinds
from pixelbeam.readers import Records, input_fn, load
from pixelbeam.schemas.errors import DatasetError
from pixelbeam.transforms.shards.plan_shards import ShardSize

SOURCES = ["tfrecord", "hdf5"]


@pytest.fixture(scope="module")
def labels(all_kinds):
    """Label and JPEG of each record by its key."""
    records = Records(all_kinds, "train", features=["label", "box"])
    return {
        records.origin(n)["key"]: (records[n]["label"], float(records[n]["box"].ravel()[-1]))
        for n in range(RECORDS)
    }


def read(dataset, labels):
    """The keys in order, each checked against what stands beside it."""
    found = []
    for batch, keys in dataset:
        for label, box, key in zip(batch["label"], batch["box"], keys, strict=True):
            name = key.numpy().decode()
            assert (int(label), float(box.numpy().ravel()[-1])) == labels[name]
            found.append(name)
    return found


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "options",
    [{}, {"shuffle": True}, {"shuffle": 5, "seed": 3}, {"drop_remainder": True}, {"repeat": 2}],
)
def test_each_record_has_its_key(all_kinds, labels, source, options):
    chosen = {"features": ["label", "box"], "targets": [], "source": source}
    found = read(load(all_kinds, "train", batch_size=7, keys=True, **chosen, **options), labels)
    if "drop_remainder" in options:
        assert len(set(found)) == 28
    else:
        assert sorted(found) == sorted([*labels] * options.get("repeat", 1))
    assert options or found == [*labels]


@pytest.mark.parametrize("source", SOURCES)
def test_inputs_and_targets_stay_what_they_are(all_kinds, source):
    options = {"features": ["packed", "label"], "batch_size": 8, "source": source}
    plain = load(all_kinds, "train", **options)
    keyed = load(all_kinds, "train", **options, keys=True)
    assert keyed.element_spec == (plain.element_spec, tf.TensorSpec([None], tf.string))
    assert keyed.cardinality() == plain.cardinality()
    for (images, classes), ((others, same), _) in zip(plain, keyed, strict=True):
        np.testing.assert_array_equal(images, others)
        np.testing.assert_array_equal(classes, same)


@pytest.mark.parametrize("source", SOURCES)
def test_record_by_record(all_kinds, labels, source):
    options = {"features": ["jpeg", "label"], "source": source, "keys": True}
    dataset = load(all_kinds, "train", **options)
    found = {key.numpy().decode(): int(label) for (_, label), key in dataset}
    assert found == {key: label for key, (label, _) in labels.items()}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("pipelines", [2, 5])
def test_pipelines_share_them(all_kinds, labels, source, pipelines):
    found = []
    options = {"features": ["label", "box"], "targets": [], "source": source, "keys": True}
    for index in range(pipelines):
        context = tf.distribute.InputContext(pipelines, index, pipelines)
        fn = input_fn(all_kinds, "train", batch_size=4, shuffle=True, seed=1, **options)
        found += read(fn(context), labels)
    assert sorted(found) == sorted(labels)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "options", [{"frames": 2, "sampling": "head"}, {"pad_to": "longest"}, {"buckets": [3]}, {}]
)
def test_clips_have_theirs(tmp_path, source, options):
    rows = []
    for clip, length in enumerate((2, 3, 5)):
        for frame in range(length):
            (tmp_path / f"{clip}_{frame}.png").write_bytes(png(clip, frame))
            path = f"{clip}_{frame}.png"
            rows.append({"path": path, "video": f"v{clip}", "frame": frame, "label": clip})
    schema = clip_schema(key="video", order="frame")
    manifest = write_rows(tmp_path / "m.csv", rows)
    build_clips(
        manifest,
        schema,
        tmp_path / "out",
        sinks=("tfrecord", "hdf5"),
        shard_size=ShardSize(num_shards=2),
    )
    dataset = load(tmp_path / "out", "train", batch_size=2, source=source, keys=True, **options)
    seen = {}
    for (frames, classes), keys in dataset:
        for clip, label, key in zip(frames, classes, keys, strict=True):
            seen[key.numpy().decode()] = int(label)
            np.testing.assert_array_equal(clip[0], pixels(int(label), 0))
    assert seen == {"v0": 0, "v1": 1, "v2": 2}


def test_without_an_index_it_is_refused(tmp_path):
    out = build_all_kinds(tmp_path, index="none")
    with pytest.raises(DatasetError, match="has no index, since it was built without"):
        load(out, "train", keys=True)


def test_an_index_that_is_not_the_files(all_kinds, tmp_path):
    shutil.copytree(all_kinds, tmp_path / "out")
    index = tmp_path / "out" / "index"
    other = (index / "train-00000-of-00003.parquet").read_bytes()
    (index / "train-00001-of-00003.parquet").write_bytes(other)
    with pytest.raises(tf.errors.OpError, match=r"00001-of-00003\.parquet is damaged: its SHA"):
        list(load(tmp_path / "out", "train", batch_size=4, features=["label", "box"], keys=True))
