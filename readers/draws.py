"""Items at random of features that have any number of them: what is asked for, and how NumPy draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..schemas import Schema

__all__ = ["check_draw", "check_drawn", "draw_arrays", "explain_fewer"]

_FEWER = ("zeros", "repeat")


def check_draw(draw: Any, fewer: str | None) -> None:
    """Checks the arguments ``draw`` and ``fewer`` as far as that goes without a schema.

    Raises:
        ValueError: they have values that they cannot have, or do not go together.
    """
    if fewer not in (None, *_FEWER):
        expected = " or ".join(map(repr, _FEWER))
        raise ValueError(f"fewer: got {fewer!r}, expected {expected}, or None to refuse them")
    if draw is None:
        if fewer is not None:
            raise ValueError(f"fewer: got {fewer!r} without draw, expected both")
        return
    if not isinstance(draw, Mapping) or not draw:
        raise ValueError(f"draw: got {draw!r}, expected numbers by feature, such as {{'poses': 3}}")
    for name, count in draw.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"draw: got {count!r} for {name!r}, expected an integer of at least 1")


def check_drawn(schema: Schema, draw: Mapping[str, int] | None, *, of_steps: bool = True) -> None:
    """Checks that each feature that is drawn from has items: numbers, as many as a record has.

    Args:
        schema: the features that are read.
        draw: how many items, by feature.
        of_steps: whether step features of clips may be among them.

    Raises:
        ValueError: one is not there, or has no items.
    """
    fitting = [
        name
        for name, feature in schema.features.items()
        if (of_steps or name not in schema.steps)
        and feature.decoded.shape[:1] == (None,)
        and feature.decoded.is_numeric
        and not feature.is_image
    ]
    for name in draw or ():
        if name not in fitting:
            expected = f"some of {', '.join(fitting)}" if fitting else "none, for it has no such"
            raise ValueError(
                f"draw: got {name!r}, which is no feature of the dataset whose shape begins with null, "
                f"expected {expected}"
            )


def explain_fewer(name: str, count: int, fewer: str | None, record: str = "a record") -> str:
    """What is said of a record that has too few items to draw ``count`` of them."""
    if fewer == "repeat":
        return (
            f"draw: {record} has no item of {name!r} that could be repeated; fewer='zeros' fills it up, or "
            "leave such records out"
        )
    return (
        f"draw: {record} has fewer than {count} items of {name!r}; fewer='repeat' takes some of them several "
        "times, fewer='zeros' fills up"
    )


def draw_arrays(
    name: str,
    records: Sequence[NDArray[Any]],
    count: int,
    fewer: str | None,
    generator: np.random.Generator,
    numbers: Sequence[int] | NDArray[np.int64] | None = None,
) -> NDArray[Any]:
    """Items at random, none twice while there are others; see ``tf_data/draws.py`` for TensorFlow's.

    Args:
        name: the feature's, for what is said.
        records: the items ``[n, …]`` of each record.
        count: how many of each.
        fewer: what becomes of records that have fewer; see ``load``.
        generator: what chance is made of. From the same state, features that have equally many items in
            every record are drawn alike.
        numbers: those of the records in what they were read from, for what is said.

    Returns:
        ``[records, count, …]``.

    Raises:
        ValueError: a record has too few.
    """
    item, dtype = records[0].shape[1:], records[0].dtype
    drawn = np.zeros((len(records), count, *item), dtype)
    for row, items in enumerate(records):
        if len(items) < count and (fewer is None or (fewer == "repeat" and not len(items))):
            record = "a record" if numbers is None else f"record {numbers[row]}"
            raise ValueError(explain_fewer(name, count, fewer, record))
        order = generator.permutation(len(items))
        taken = np.resize(order, count) if fewer == "repeat" else order[:count]
        drawn[row, : len(taken)] = items[taken]
    return drawn
