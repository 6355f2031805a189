from __future__ import annotations

import shutil

import numpy as np
import pytest
import tensorflow as tf
from datasets import edit_info
from hdf5_datasets import RECORDS, SCHEMA
from pixelbeam.readers import HDF5Records, input_fn, load
from pixelbeam.schemas.errors import DatasetError


def assert_same(left, right):
    pairs = (tf.nest.flatten(side, expand_composites=True) for side in (left, right))
    for a, b in zip(*pairs, strict=True):
        assert (type(a), a.dtype, a.shape) == (type(b), b.dtype, b.shape)
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": 7},
        {"batch_size": 7, "drop_remainder": True, "targets": []},
        {"batch_size": 4, "repeat": 2, "one_hot": True},
        {"batch_size": 8, "scaling": "[0,1]", "image_dtype": "float16"},
        {"scaling": "standardize", "channels_first": True},
    ],
)
def test_elements_are_those_of_the_tfrecord_reader(all_kinds, options):
    options = {"features": list(SCHEMA.features), **options}
    expected, got = (load(all_kinds, "train", source=s, **options) for s in ("tfrecord", "hdf5"))
    assert got.cardinality() == expected.cardinality()
    elements = list(got)
    assert len(elements) == len(expected)
    for left, right in zip(elements, expected, strict=True):
        assert_same(left, right)


@pytest.mark.parametrize("source", ["tfrecord", "hdf5"])
@pytest.mark.parametrize("options", [{}, {"scaling": "[0,1]", "one_hot": True}])
def test_drop_remainder_makes_the_batch_size_static(all_kinds, source, options):
    options = {"batch_size": 7, "drop_remainder": True, "targets": [], "source": source, **options}
    dataset = load(all_kinds, "train", **options)
    sizes = {name: spec.shape[0] for name, spec in dataset.element_spec.items()}
    assert sizes == dict.fromkeys(sizes, 7)
    assert list(sizes) == list(SCHEMA.features)
    assert [batch["raw"].shape[0] for batch in dataset] == [7] * (RECORDS // 7)


@pytest.mark.parametrize("source", ["tfrecord", "hdf5"])
def test_lists_of_items_of_one_shape_say_so(all_kinds, source):
    options = {"features": ["boxes", "tokens"], "targets": [], "source": source}
    batched = load(all_kinds, "train", batch_size=8, **options).element_spec
    assert batched["boxes"] == tf.RaggedTensorSpec([None, None, 4], tf.float32, 1, tf.int32)
    assert batched["tokens"] == tf.RaggedTensorSpec([None, None], tf.int64, 1, tf.int32)
    alone = load(all_kinds, "train", batch_size=None, **options).element_spec
    assert alone["boxes"] == tf.TensorSpec([None, 4], tf.float32)
    assert [
        one["boxes"].shape for one in load(all_kinds, "train", batch_size=None, **options).take(3)
    ] == [(len(one), 4) for one in stored_boxes(all_kinds)[:3]]


def stored_boxes(folder):
    return [record["boxes"] for record in HDF5Records(folder, "train")]


RAW = {"features": ["raw"], "targets": []}  # tells the records apart, and is traced in no time


def keys(dataset):
    return [row.tobytes() for batch in dataset for row in batch["raw"].numpy()]


def test_shuffling(all_kinds):
    options = {"source": "hdf5", "batch_size": 8, **RAW, "shuffle": True}
    stored = keys(load(all_kinds, "train", source="hdf5", batch_size=8, **RAW))
    dataset = load(all_kinds, "train", seed=5, **options)
    first, second = keys(dataset), keys(dataset)
    assert sorted(first) == sorted(second) == sorted(stored)
    assert len({tuple(stored), tuple(first), tuple(second)}) == 3
    again = load(all_kinds, "train", seed=5, **options)
    assert (keys(again), keys(again)) == (first, second)
    assert keys(load(all_kinds, "train", **options)) != first


@pytest.mark.parametrize("count", [3, 7])
@pytest.mark.parametrize("shuffle", [False, True])
def test_pipelines_share_the_records(all_kinds, count, shuffle):
    fn = input_fn(all_kinds, "train", source="hdf5", batch_size=4, **RAW, shuffle=shuffle, seed=1)
    parts = [keys(fn(tf.distribute.InputContext(count, index, count))) for index in range(count)]
    everything = keys(load(all_kinds, "train", batch_size=8, **RAW))
    assert sorted(key for part in parts for key in part) == sorted(everything)
    assert len(everything) == RECORDS


def test_a_missing_shard(all_kinds, tmp_path):
    out = shutil.copytree(all_kinds, tmp_path / "out")
    (out / "train-00002-of-00003.h5").unlink()
    with pytest.raises(DatasetError) as caught:
        load(out, "train", source="hdf5")
    assert str(caught.value) == f"{out}: train-00002-of-00003.h5 is missing"


def test_what_is_there_is_read(all_kinds, tmp_path):
    out = shutil.copytree(all_kinds, tmp_path / "out")
    expected = keys(load(out, "train", source="hdf5", batch_size=8, **RAW))
    assert keys(load(out, "train", batch_size=8, **RAW)) == expected  # TFRecords

    def keep_hdf5(content):
        for shard in content["splits"]["train"]["shards"]:
            (out / shard["files"].pop("tfrecord")["path"]).unlink()

    edit_info(out, keep_hdf5)
    assert keys(load(out, "train", batch_size=8, **RAW)) == expected
    assert keys(input_fn(out, "train", batch_size=8, **RAW)()) == expected
    with pytest.raises(DatasetError, match="split 'train' has no tfrecord files, only hdf5"):
        load(out, "train", source="tfrecord")


def test_an_unknown_source(all_kinds):
    with pytest.raises(ValueError, match="source: got 'zarr', expected 'tfrecord' or 'hdf5'"):
        load(all_kinds, "train", source="zarr")
