"""Every source gives its batches in one form, which is what the generated module parses."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hdf5_datasets import RECORDS
from pixelbeam.readers.options import ReadOptions
from pixelbeam.readers.published import open_dataset
from pixelbeam.readers.tf_data.description import make_description
from pixelbeam.readers.tf_data.sources import open_source, select_records

SOURCES = ["tfrecord", "hdf5"]
RAW = {"raw", "packed", "ragged"}


def opened(folder, name, context=None, **options):
    dataset = open_dataset(folder)
    selection = select_records(dataset, "train", name, ReadOptions(**options), context)
    return open_source(name, selection, dataset.schema, dataset.schema)


def assert_same(left, right):
    assert tf.type_spec_from_value(left) == tf.type_spec_from_value(right)
    pairs = (tf.nest.flatten(side, expand_composites=True) for side in (left, right))
    for a, b in zip(*pairs, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("name", SOURCES)
def test_batches_are_parsed_into_what_the_generated_module_gives(all_kinds, name):
    module = make_description(open_dataset(all_kinds).schema)
    files = sorted(map(str, all_kinds.glob("train-*.tfrecord")))
    serialized = list(tf.data.TFRecordDataset(files).batch(7))
    source = opened(all_kinds, name)
    assert source.decoded == (RAW if name == "hdf5" else set())
    batches = list(source.batches(7, drop_remainder=False))
    for batch, records in zip(batches, serialized, strict=True):
        parsed, expected = source.parse(batch), module.parse_example(records)
        pixels = module.decode(expected)
        for feature in source.decoded:
            expected[feature] = pixels[feature]
            expected.pop(f"{feature}/shape", None)
        assert parsed.keys() == expected.keys()
        for key, value in parsed.items():
            assert_same(value, expected[key])


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize(("drop", "sizes"), [(False, [8, 8, 8, 6]), (True, [8, 8, 8])])
def test_batches_of_an_epoch(all_kinds, name, drop, sizes):
    batches = opened(all_kinds, name).batches(8, drop_remainder=drop)
    assert [len(batch) for batch in batches] == sizes
    assert batches.element_spec.shape == [8 if drop else None]


@pytest.mark.parametrize("name", SOURCES)
def test_items_may_be_put_together_in_other_batches(all_kinds, name):
    source = opened(all_kinds, name)
    labels = [
        number
        for batch in source.batches(4, drop_remainder=False).unbatch().batch(9)
        for number in source.parse(batch)["label"].numpy()
    ]
    expected = [
        number
        for batch in source.batches(RECORDS, drop_remainder=False)
        for number in source.parse(batch)["label"].numpy()
    ]
    assert labels == expected
    assert len(labels) == RECORDS


def order(source, batches):
    pixels = [item for batch in batches for item in source.parse(batch)["raw"].numpy()]
    return [item if isinstance(item, bytes) else item.tobytes() for item in pixels]


def orders(source, epochs):
    batches = source.batches(8, drop_remainder=False)
    return [order(source, batches) for _ in range(epochs)]


@pytest.mark.parametrize("name", SOURCES)
def test_orders(all_kinds, name):
    (stored,) = orders(opened(all_kinds, name), 1)
    first, second = orders(opened(all_kinds, name, shuffle=True, seed=3), 2)
    assert sorted(first) == sorted(second) == sorted(stored)
    assert len({tuple(stored), tuple(first), tuple(second)}) == 3
    assert orders(opened(all_kinds, name, shuffle=True, seed=3), 2) == [first, second]


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("count", [3, 4])
def test_pipelines_read_files_or_records_of_their_own(all_kinds, name, count):
    selections = [
        select_records(
            open_dataset(all_kinds),
            "train",
            name,
            ReadOptions(),
            tf.distribute.InputContext(count, index, count),
        )
        for index in range(count)
    ]
    assert [len(selection.files) for selection in selections] == [1 if count == 3 else 3] * count
    assert [s.part for s in selections] == [
        None if count == 3 else (count, index) for index in range(count)
    ]
    assert sum(selection.count for selection in selections) == RECORDS
