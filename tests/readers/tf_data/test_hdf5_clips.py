from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from clips import FRAME, LABEL, NUMBER, clip_schema
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.readers import HDF5Records, input_fn, load
from pixelbeam.transforms.shards.plan_shards import ShardSize
from support import make_image

LENGTHS = (3, 1, 8, 5, 6, 2, 4)
RAW = {"type": "image", "source": "path", "encoding": "raw"}
SCHEMA = clip_schema(
    {"label": LABEL, "tags": {"type": "class_labels", "source": "tags", "num_classes": 9}},
    {
        "frames": {**FRAME, "resize": "crop", "upscale": True},
        "raw": {**RAW, "height": 6, "width": 8, "storage": "gzip"},
        "mixed": {**RAW, "resize": "longest_side", "size": 16},
        "number": NUMBER,
        "pair": {"type": "float32", "source": "pair", "shape": [2]},
        "tokens": {"type": "int64", "source": "tokens", "shape": [None]},
        "boxes": {"type": "float32", "source": "boxes", "shape": [None, 2]},
        "text": {"type": "string", "source": "path"},
        "sound": {"type": "float32", "source": "sound", "ragged": True},
    },
)


TEXT = {"features": ["text"], "targets": []}  # tells the clips apart, and is traced in no time


def make_clip(folder, clip, length):
    """The manifest's row of a clip, whose frames are written to the folder."""
    for frame in range(length):
        make_image(folder / f"{clip}-{frame}.png", clip * 10 + frame)
    return {
        "path": [f"{clip}-{frame}.png" for frame in range(length)],
        "frame": list(range(length)),
        "label": "ab"[clip % 2],
        "tags": list(range(clip % 3)),
        "pair": [[clip, frame] for frame in range(length)],
        "tokens": [list(range(frame % 3)) for frame in range(length)],
        "boxes": [[[clip, frame + box] for box in range(frame % 3)] for frame in range(length)],
        "sound": [0.5] * (clip % 4),
    }


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    rows = [make_clip(folder, clip, length) for clip, length in enumerate(LENGTHS)]
    (folder / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = BuildOptions(
        manifest=str(folder / "m.jsonl"),
        schema=SCHEMA,
        output=str(folder / "out"),
        sinks=("tfrecord", "hdf5"),
        shard_size=ShardSize(num_shards=3),
    )
    build(options)
    return folder / "out"


def assert_same(left, right):
    pairs = (tf.nest.flatten(side, expand_composites=True) for side in (left, right))
    for a, b in zip(*pairs, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"frames": 2, "channels_first": True, "image_dtype": "float16"},
        {"batch_size": 3, "drop_remainder": True, "scaling": "[0,1]"},
        {"batch_size": 7, "frames": 4, "scaling": "standardize", "one_hot": True},
        {"batch_size": 4, "frames": 4, "sampling": "random", "seed": 3, "mask": True, "repeat": 2},
        {"batch_size": 3, "frames": 4, "sampling": "window", "seed": 3, "mask": True},
        {"batch_size": 2, "pad_to": 5, "repeat": 2},
        {"batch_size": 2, "pad_to": "longest", "mask": True, "buckets": [4]},
        {"batch_size": 2, "buckets": [2, 6], "drop_remainder": True},
    ],
)
def test_clips_are_those_of_the_tfrecord_reader(clips, options):
    expected, got = (
        load(clips, "train", source=source, targets=[], **options)
        for source in ("tfrecord", "hdf5")
    )
    assert got.element_spec == expected.element_spec
    assert got.cardinality() == expected.cardinality()
    pairs = list(zip(got, expected, strict=True))
    assert pairs
    for left, right in pairs:
        assert_same(left, right)


def test_shuffled_clips(clips):
    options = {"source": "hdf5", "batch_size": 7, **TEXT, "shuffle": True}
    dataset = load(clips, "train", seed=1, **options)
    epochs = [next(iter(dataset))["text"].to_list() for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1])
    assert epochs[0] != epochs[1]
    again = load(clips, "train", seed=1, **options)
    assert [next(iter(again))["text"].to_list() for _ in range(2)] == epochs


def texts(dataset):
    return [text for batch in dataset for text in batch["text"].to_list()]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("count", [2, 5])
def test_pipelines_share_the_clips(clips, shuffle, count):
    fn = input_fn(clips, "train", source="hdf5", batch_size=2, **TEXT, shuffle=shuffle, seed=1)
    parts = [texts(fn(tf.distribute.InputContext(count, index, count))) for index in range(count)]
    everything = texts(load(clips, "train", batch_size=7, **TEXT))
    assert sorted(clip for part in parts for clip in part) == sorted(everything)


@pytest.mark.parametrize("path", [("",), ("train.h5",)])
def test_records_of_clips(clips, path):
    records = HDF5Records(clips / path[0], None if path[0] else "train")
    expected = list(load(clips, "train", batch_size=1, targets=[]))
    assert len(records) == len(expected) == len(LENGTHS)
    for record, batch in zip(records.__getitems__(range(len(records))), expected, strict=True):
        assert record.keys() == batch.keys()
        assert record["text"] == [text.decode() for text in batch["text"].to_list()[0]]
        assert [tokens.tolist() for tokens in record["tokens"]] == batch["tokens"].to_list()[0]
        assert [image.tolist() for image in record["mixed"]] == batch["mixed"].to_list()[0]
        for name in ("frames", "raw", "number", "pair", "label", "tags", "sound"):
            np.testing.assert_array_equal(record[name], batch[name][0])


@pytest.mark.parametrize("source", ["tfrecord", "hdf5"])
@pytest.mark.parametrize("features", [["label", "number"], ["label"]])
def test_only_the_features_asked_for_are_read(clips, source, features):
    options = {"source": source, "batch_size": 4, "targets": []}
    everything = list(load(clips, "train", **options))
    some = list(load(clips, "train", features=features, **options))
    assert [sorted(batch) for batch in some] == [features] * len(everything)
    for got, expected in zip(some, everything, strict=True):
        assert_same(got, {name: expected[name] for name in features})
