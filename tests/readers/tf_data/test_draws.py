from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from pixelbeam.readers.tf_data.draws import draw_features, draw_items, zip_seeds
from pixelbeam.readers.tf_data.keys import KEY

LENGTHS = (5, 3, 0, 7, 3)
VALUES = tf.range(sum(LENGTHS) * 2, dtype=tf.float32)
ITEMS = tf.RaggedTensor.from_row_lengths(tf.reshape(VALUES, [-1, 2]), LENGTHS)
FULL = tf.gather(ITEMS, [0, 1, 3, 4])  # without the row that has none


def seed(number):
    return tf.constant([number, 7], tf.int64)


def draw(items, count, fewer, number=0):
    return draw_items("poses", items, count, fewer, seed(number)).numpy()


def test_items_are_drawn_once_each_in_random_order():
    seen = [set() for _ in range(4)]
    for number in range(60):
        drawn = draw(FULL, 3, None, number)
        assert (drawn.shape, drawn.dtype) == ((4, 3, 2), np.float32)
        for row, found in enumerate(drawn[:, :, 0].tolist()):
            assert len(set(found)) == 3
            assert set(found) <= set(FULL[row].numpy()[:, 0].tolist())
            seen[row].add(tuple(found))
        np.testing.assert_array_equal(drawn[:, :, 1], drawn[:, :, 0] + 1)
    assert len(seen[1]) == len(seen[3]) == 6  # all orders of three
    assert {item for found in seen[2] for item in found} == set(FULL[2].numpy()[:, 0].tolist())


def test_each_item_is_drawn_equally_often():
    items = tf.RaggedTensor.from_row_lengths(tf.tile(tf.range(4), [2000]), [4] * 2000)
    counts = np.bincount(draw(items, 1, None)[:, 0])
    assert counts.min() > 420  # of 500 on average, with a deviation of 19


def test_rows_with_fewer_are_filled_up_with_zeros():
    drawn = draw(ITEMS, 4, "zeros")
    assert sorted(drawn[1, :3, 0].tolist()) == [10.0, 12.0, 14.0]
    assert not drawn[1, 3].any()
    assert not drawn[2].any()
    assert len(set(drawn[3, :, 0].tolist())) == 4


def test_rows_with_fewer_repeat_theirs_about_equally_often():
    drawn = draw(FULL, 7, "repeat")
    assert drawn.shape == (4, 7, 2)
    assert sorted(np.unique(drawn[1, :, 0], return_counts=True)[1].tolist()) == [2, 2, 3]
    assert len(set(drawn[2, :, 0].tolist())) == 7


@pytest.mark.parametrize(
    ("fewer", "message"),
    [
        (None, "fewer than 4 items of 'poses'"),
        ("repeat", "no item of 'poses' that could be repeated"),
    ],
)
def test_rows_with_too_few_are_an_error_unless_something_is_asked_for(fewer, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        draw(ITEMS, 4, fewer)


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        (["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"], r"\[by key:\] \[b.jpg c.jpg e.jpg\]"),
        (None, r"\[keys=True names it\]"),
    ],
)
def test_records_with_too_few_are_named_by_their_keys(keys, named):
    features = {"poses": ITEMS} | ({KEY: tf.constant(keys)} if keys else {})
    batches = tf.data.Dataset.from_tensors(features)
    drawn = batches.map(lambda batch: draw_features(batch, {"poses": 4}, None, seed(0)))
    with pytest.raises(tf.errors.InvalidArgumentError, match=named):
        next(iter(drawn))


def test_steps_with_too_few_name_their_clip():
    steps = tf.RaggedTensor.from_row_lengths(ITEMS, [1, 3, 1])
    batches = tf.data.Dataset.from_tensors({"each": steps, KEY: tf.constant(["u", "v", "w"])})
    drawn = batches.map(lambda batch: draw_features(batch, {"each": 3}, None, seed(0)))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[by key:\] \[v\]"):
        next(iter(drawn))


@pytest.mark.parametrize("fewer", [None, "repeat", "zeros"])
def test_the_static_shape_is_known(fewer):
    spec = tf.RaggedTensorSpec([8, None, 2], tf.float32, 1, tf.int32)

    @tf.function(input_signature=[spec])
    def traced(items):
        drawn = draw_items("poses", items, 3, fewer, seed(0))
        assert drawn.shape.as_list() == [8, 3, 2]
        return drawn

    traced.get_concrete_function()


def test_features_with_equally_many_items_are_drawn_alike_and_steps_each_for_itself():
    numbers = FULL.with_values(FULL.values[:, 0])
    steps = tf.RaggedTensor.from_row_lengths(FULL, [3, 1])
    features = {"poses": FULL, "numbers": numbers, "each": steps, "other": tf.range(4)}
    drawn = draw_features(features, {"poses": 3, "numbers": 2, "each": 2}, None, seed(5))
    np.testing.assert_array_equal(drawn["numbers"], drawn["poses"][:, :2, 0])
    assert drawn["each"].shape.as_list() == [2, None, 2, 2]
    np.testing.assert_array_equal(drawn["each"].values, drawn["poses"][:, :2])
    assert drawn["other"] is features["other"]


def test_random_numbers_are_others_in_each_batch_and_epoch_and_the_same_in_each_run():
    def read(number):
        dataset = zip_seeds(tf.data.Dataset.range(3), number)
        return [[tuple(s.tolist()) for _, s in dataset.as_numpy_iterator()] for _ in range(2)]

    first, second = read(1)
    assert len({*first, *second}) == 6
    assert read(1) == [first, second] != read(None)
