"""Elements are batched, decoded and repeated, and how many there are is known."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from datasets import write_dataset
from pixelbeam.readers.options import ReadOptions
from pixelbeam.readers.published import open_dataset
from pixelbeam.readers.tf_data.batching import count_batches, read_elements
from pixelbeam.readers.tf_data.inputs_targets import Elements
from pixelbeam.readers.tf_data.sources import open_source, select_records
from pixelbeam.schemas import Image, Int64, Schema

COUNT = 7
SCHEMA = Schema(
    features={
        "n": Int64(source="n"),
        "list": Int64(source="l", shape=(None,)),
        "any": Image(source="a", resize="longest_side", size=4, encoding="png"),
    }
)


def png(number):
    pixels = np.full((1 + number % 2, 2, 3), number, np.uint8)
    return tf.io.encode_png(pixels).numpy(), pixels


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    rows = [{"n": n, "list": str(list(range(n % 3))), "any": png(n)[0]} for n in range(COUNT)]
    return open_dataset(write_dataset(tmp_path_factory.mktemp("d"), SCHEMA, {"train": [rows]}))


@pytest.fixture
def read(dataset):
    """Reads chosen features of the dataset, with the number of records that is claimed."""

    def run(names=("n",), count=COUNT, **options):
        schema = Schema(features={name: SCHEMA.features[name] for name in names})
        options = ReadOptions(targets=[], **options)
        selection = select_records(dataset, "train", "tfrecord", options, None)
        source = open_source("tfrecord", selection, schema, SCHEMA)
        return read_elements(source, count, schema, Elements(dataset, "train", options), options)

    return run


@pytest.mark.parametrize(
    ("records", "options", "expected"),
    [
        (7, {}, 7),
        (0, {"batch_size": 3}, 0),
        (6, {"batch_size": 3}, 2),
        (7, {"batch_size": 3}, 3),
        (8, {"batch_size": 3}, 3),
        (7, {"batch_size": 3, "drop_remainder": True}, 2),
        (2, {"batch_size": 3, "drop_remainder": True}, 0),
    ],
)
def test_the_number_of_batches(records, options, expected):
    assert count_batches(records, ReadOptions(**options)) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"batch_size": 3}, [[0, 1, 2], [3, 4, 5], [6]]),
        ({"batch_size": 3, "drop_remainder": True}, [[0, 1, 2], [3, 4, 5]]),
        ({"batch_size": 4, "repeat": 2}, [[0, 1, 2, 3], [4, 5, 6]] * 2),
        ({}, list(range(7))),
        ({"repeat": 2}, [*range(7), *range(7)]),
    ],
)
def test_elements(read, options, expected):
    elements = read(**options)
    assert [element["n"].numpy().tolist() for element in elements] == expected
    assert elements.cardinality().numpy() == len(expected)


def test_repeat_for_ever(read):
    assert read(repeat=True).cardinality() == tf.data.INFINITE_CARDINALITY


def test_options_that_leave_no_batch(read):
    message = "^batch_size: got 8 with drop_remainder, which leaves nothing of 7 records$"
    with pytest.raises(ValueError, match=message):
        read(batch_size=8, drop_remainder=True)


@pytest.mark.parametrize("options", [{}, {"batch_size": 3}])
@pytest.mark.parametrize("count", [5, 12])
def test_an_epoch_of_another_number_is_an_error(read, options, count):
    with pytest.raises(tf.errors.FailedPreconditionError):
        list(read(count=count, **options))


def test_single_records_are_dense(read):
    for names in (("n", "list"), ("n", "list", "any")):  # decoded together, and one by one
        found = list(read(names))
        assert [element["n"].numpy() for element in found] == list(range(COUNT))
        for number, element in enumerate(found):
            assert list(element) == list(names)
            assert element["list"].numpy().tolist() == list(range(number % 3))
            if "any" in element:
                np.testing.assert_array_equal(element["any"], png(number)[1])


def test_batches_of_images_and_lists_are_ragged(read):
    (batch,) = read(("list", "any"), batch_size=7)
    assert batch["list"].to_list() == [list(range(n % 3)) for n in range(COUNT)]
    assert batch["any"].to_list() == [png(n)[1].tolist() for n in range(COUNT)]
