from __future__ import annotations

import re

import numpy as np
import pytest
from pixelbeam.readers.draws import check_draw, check_drawn, draw_arrays
from pixelbeam.schemas import Schema

RECORDS = [np.arange(n * 2, dtype=np.float32).reshape(n, 2) + 100 * n for n in (5, 3, 7)]
ITEMS = {"type": "float32", "source": "a", "shape": [None, 2]}
ONE = {"type": "int64", "source": "n"}
CLASSES = {"type": "class_labels", "source": "c", "num_classes": 3}
EXAMPLES = Schema.from_dict({"features": {"poses": ITEMS, "n": ONE, "tags": CLASSES}})
NUMBER = Schema.from_dict({"features": {"n": ONE}})
CLIPS = Schema.from_dict(
    {
        "record": "sequence_example",
        "context": {"all": ITEMS},
        "steps": {"each": ITEMS, "n": ONE},
    }
)


def places(drawn, records):
    """Which items of each record were drawn, by the first number of each."""
    return [[int(x) for x in (d - r[0])[:, 0] / 2] for d, r in zip(drawn, records, strict=True)]


def test_items_are_drawn_once_each_in_random_order():
    seen = [set(), set(), set()]
    for seed in range(60):
        drawn = draw_arrays("poses", RECORDS, 3, None, np.random.default_rng(seed))
        assert (drawn.shape, drawn.dtype) == ((3, 3, 2), np.float32)
        for row, found in enumerate(places(drawn, RECORDS)):
            assert len(set(found)) == 3
            assert set(found) <= set(range(len(RECORDS[row])))
            seen[row].add(tuple(found))
    assert len(seen[1]) == 6  # all orders of three
    assert {place for found in seen[2] for place in found} == set(range(7))


def test_the_same_state_draws_the_same_of_equally_many_items():
    others = [items[:, 0].astype(np.int64) for items in RECORDS]
    poses = draw_arrays("poses", RECORDS, 3, None, np.random.default_rng(4))
    numbers = draw_arrays("numbers", others, 2, None, np.random.default_rng(4))
    np.testing.assert_array_equal(numbers, poses[:, :2, 0])


def test_fewer_items_are_filled_up_or_repeated_or_refused():
    zeros = draw_arrays("poses", RECORDS[1:2], 5, "zeros", np.random.default_rng(0))
    assert sorted(places(zeros[:, :3], RECORDS[1:2])[0]) == [0, 1, 2]
    assert not zeros[:, 3:].any()
    repeated = draw_arrays("poses", RECORDS[1:2], 7, "repeat", np.random.default_rng(0))
    (found,) = places(repeated, RECORDS[1:2])
    assert sorted(found.count(place) for place in range(3)) == [2, 2, 3]
    message = (
        "draw: a record has fewer than 4 items of 'poses'; fewer='repeat' takes some of them several times, "
        "fewer='zeros' fills up"
    )
    with pytest.raises(ValueError, match=re.escape(message) + "$"):
        draw_arrays("poses", RECORDS, 4, None, np.random.default_rng(0))
    named = re.escape(message.replace("a record", "record 17")) + "$"
    with pytest.raises(ValueError, match=named):
        draw_arrays("poses", RECORDS, 4, None, np.random.default_rng(0), [30, 17, 4])


def test_nothing_can_be_repeated_of_none():
    none = [np.empty((0, 2), np.float32)]
    assert draw_arrays("poses", none, 2, "zeros", np.random.default_rng(0)).tolist() == [
        [[0, 0], [0, 0]]
    ]
    with pytest.raises(ValueError, match="no item of 'poses' that could be repeated"):
        draw_arrays("poses", none, 2, "repeat", np.random.default_rng(0))


@pytest.mark.parametrize(
    ("draw", "fewer", "message"),
    [
        (3, None, "draw: got 3, expected numbers by feature, such as {'poses': 3}"),
        ({}, None, "draw: got {}, expected numbers by feature, such as {'poses': 3}"),
        ({"poses": 0}, None, "draw: got 0 for 'poses', expected an integer of at least 1"),
        ({"poses": True}, None, "draw: got True for 'poses', expected an integer of at least 1"),
        (None, "zeros", "fewer: got 'zeros' without draw, expected both"),
        (
            {"poses": 1},
            "wrap",
            "fewer: got 'wrap', expected 'zeros' or 'repeat', or None to refuse them",
        ),
    ],
)
def test_wrong_arguments_are_refused(draw, fewer, message):
    with pytest.raises(ValueError, match=re.escape(message) + "$"):
        check_draw(draw, fewer)


def test_items_are_drawn_from_lists_of_numbers_alone():
    check_drawn(EXAMPLES, {"poses": 1})
    check_drawn(CLIPS, {"all": 1, "each": 1})
    for schema, name, of_steps, expected in (
        (EXAMPLES, "tags", True, "some of poses"),
        (EXAMPLES, "other", True, "some of poses"),
        (CLIPS, "each", False, "some of all"),
        (NUMBER, "n", True, "none, for it has no such"),
    ):
        message = (
            f"draw: got {name!r}, which is no feature of the dataset whose shape begins with null, "
            f"expected {expected}"
        )
        with pytest.raises(ValueError, match=re.escape(message) + "$"):
            check_drawn(schema, {name: 1}, of_steps=of_steps)
