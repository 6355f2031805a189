"""Records of a table by their numbers, as the tensors that parsing gives."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from pixelbeam.readers.record_table import Ragged
from pixelbeam.readers.tf_data.selection import Selection
from pixelbeam.readers.tf_data.table_source import TableSource
from pixelbeam.schemas import Schema

IMAGE = {"type": "image", "source": "a", "encoding": "raw"}
NUMBERS = {
    "n": {"type": "int64", "source": "n"},
    "list": {"type": "float32", "source": "l", "shape": [None]},
    "text": {"type": "string", "source": "t"},
}
EXAMPLES = {
    "raw": {**IMAGE, "height": 2, "width": 1},
    "any": {**IMAGE, "resize": "longest_side", "size": 4},
    **NUMBERS,
}
SCHEMA = Schema.from_dict({"features": EXAMPLES})
CLIPS = Schema.from_dict(
    {
        "record": "sequence_example",
        "clips": {"key": "clip", "order": "frame"},
        "context": {"n": NUMBERS["n"]},
        "steps": {
            "raw": EXAMPLES["raw"],
            "list": NUMBERS["list"],
            "number": {"type": "int64", "source": "m"},
        },
    }
)


class Table:
    """Values of all records, of which ``read`` gives some."""

    def __init__(self, length, values=None):
        self._length, self._values = length, values

    def __len__(self):
        return self._length

    def read(self, rows):
        return self._values(np.asarray(rows)) if self._values else {"n": np.asarray(rows)}


def opened(length=10, **how):
    schema = Schema.from_dict({"features": {"n": NUMBERS["n"]}})
    table = Table(length)
    return TableSource(lambda: table, schema, Selection([], length, 1.0, **how))


def epoch(batches):
    return [batch.numpy().tolist() for batch in batches]


@pytest.mark.parametrize(
    ("length", "part", "drop", "expected"),
    [
        (10, None, False, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]),
        (10, None, True, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (8, None, False, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (3, None, True, []),
        (0, None, False, []),
        (10, (2, 1), False, [[1, 3, 5, 7], [9]]),
        (10, (3, 2), False, [[2, 5, 8]]),
    ],
)
def test_numbers_in_stored_order(length, part, drop, expected):
    batches = opened(length, part=part).batches(4, drop)
    assert epoch(batches) == expected
    assert batches.element_spec == tf.TensorSpec([4 if drop else None], tf.int64)


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("part", [None, (2, 1)])
def test_numbers_in_new_orders(part, drop):
    rows = list(range(20) if part is None else range(1, 20, 2))
    batches = opened(20, part=part, shuffle=True, seed=5).batches(4, drop)
    assert batches.element_spec == tf.TensorSpec([4 if drop else None], tf.int64)
    first, second = epoch(batches), epoch(batches)
    whole, rest = divmod(len(rows), 4)
    assert [len(batch) for batch in first] == [4] * whole + [rest] * (rest > 0 and not drop)
    assert first != second
    again = opened(20, part=part, shuffle=True, seed=5).batches(4, drop)
    assert [epoch(again), epoch(again)] == [first, second]
    if not drop:
        for order in (first, second):
            numbers = [number for batch in order for number in batch]
            assert sorted(numbers) == rows
            assert numbers != rows


def test_values_of_examples():
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 1, 3)
    flat = np.arange(24, dtype=np.uint8).reshape(8, 3)
    texts = np.empty(2, object)
    texts[:] = [b"a", b""]

    def values(rows):
        assert rows.tolist() == [4, 2]
        return {
            "raw": pixels,
            "any": Ragged(flat, np.array([6, 2])),
            "any/shape": np.array([[2, 3, 3], [1, 2, 3]]),
            "n": np.array([7, 8]),
            "list": Ragged(np.array([1.5, 2.5], np.float32), np.array([0, 2])),
            "text": texts,
        }

    table = Table(5, values)
    source = TableSource(lambda: table, SCHEMA, Selection([], 5, 1.0))
    assert (source.decoded, source.most_parses) == ({"raw", "any"}, 4)
    parsed = source.parse(tf.constant([4, 2], tf.int64))
    assert parsed.keys() == {"raw", "any", "n", "list", "text"}
    np.testing.assert_array_equal(parsed["raw"], pixels, strict=True)
    assert parsed["any"].to_list() == [
        flat[:6].reshape(2, 3, 3).tolist(),
        flat[6:].reshape(1, 2, 3).tolist(),
    ]
    assert parsed["any"].shape.as_list() == [2, None, None, 3]
    assert parsed["n"].numpy().tolist() == [7, 8]
    assert (parsed["list"].to_list(), parsed["list"].row_splits.dtype) == (
        [[], [1.5, 2.5]],
        tf.int32,
    )
    assert parsed["text"].numpy().tolist() == [b"a", b""]


def test_values_of_clips():
    """Raw pixels of steps are strings, for some steps are chosen while they are encoded."""
    pixels = np.arange(18, dtype=np.uint8).reshape(3, 2, 1, 3)
    lengths = np.array([2, 0, 1])

    def values(rows):
        lists = Ragged(np.array([1, 2, 3], np.float32), np.array([1, 0, 2]))
        return {
            "n": rows * 2,
            "raw": Ragged(pixels, lengths),
            "list": Ragged(lists, lengths),
            "number": Ragged(np.array([5, 6, 7]), lengths),
        }

    table = Table(3, values)
    source = TableSource(lambda: table, CLIPS, Selection([], 3, 1.0))
    assert source.decoded == frozenset()
    parsed = source.parse(tf.constant([0, 1, 2], tf.int64))
    assert parsed["n"].numpy().tolist() == [0, 2, 4]
    first, second, third = (frame.tobytes() for frame in pixels)
    assert parsed["raw"].to_list() == [[first, second], [], [third]]
    assert parsed["list"].to_list() == [[[1.0], []], [], [[2.0, 3.0]]]
    assert parsed["number"].to_list() == [[5, 6], [], [7]]
    splits = {name: parsed[name].row_splits.dtype for name in ("raw", "list", "number")}
    assert splits == {"raw": tf.int64, "list": tf.int32, "number": tf.int64}


@pytest.mark.parametrize(("drop", "size"), [(True, 4), (False, None)])
def test_shapes_say_the_size_of_full_batches(drop, size):
    source = opened(10)
    parsed = source.batches(4, drop).map(source.parse)
    assert parsed.element_spec == {"n": tf.TensorSpec([size], tf.int64)}
