"""Which features and which records a training job takes, and what their order is made of."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..schemas import DatasetInfo, Schema
from ..schemas.dataset.packages import describe_changes

__all__ = [
    "check_features",
    "check_seed",
    "choose_features",
    "choose_rows",
    "select",
    "warn_of_packages",
    "warn_of_text",
]


def check_features(features: Sequence[str] | None) -> None:
    """Checks an argument ``features`` as far as that goes without a schema.

    Raises:
        ValueError: it is no list of names, or an empty one.
    """
    if isinstance(features, str):
        raise ValueError(f"features: got {features!r}, expected a list: [{features!r}]")
    if features is not None and not features:
        raise ValueError("features: got an empty list, expected at least one name, or None for all")


def check_seed(seed: Any) -> None:
    """Checks an argument ``seed``.

    Raises:
        ValueError: it is neither an integer nor ``None``.
    """
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, Integral)):
        raise ValueError(
            f"seed: got {seed!r}, expected an integer, or None for another order each run"
        )


def choose_features(
    schema: Schema, features: Sequence[str] | None, targets: Sequence[str] | None
) -> Schema:
    """The part of a schema that is read: what is asked for, else all but what describes a record.

    Text and bytes make Keras's ``fit`` fail, and are most often there to tell whose record it is, as are facts of
    images, and text of objects among the targets. Where nothing else is an input, or everything is asked
    for in one dict, they stay.

    Args:
        schema: the dataset's.
        features: what is asked for; ``None`` for the usual.
        targets: the features that are targets, if not those that the schema says.

    Raises:
        ValueError: there is no feature of a name that is asked for.
    """
    if features is not None:
        for name in features:
            if name not in schema.features:
                names = ", ".join(schema.features)
                raise ValueError(f"features: got {name!r}, expected some of {names}")
        return select(schema, features)
    if targets is not None and not targets:
        return schema
    chosen = schema.features.items()
    inputs = {n: f for n, f in chosen if not (f.is_target if targets is None else n in targets)}
    left = [name for name, feature in inputs.items() if feature.describes]
    if len(left) == len(inputs):
        left = []
    # Of objects they are targets, as all that an object has, and only where nobody says so.
    left += [
        n
        for n, f in chosen
        if f.describes and f.target is None and targets is None and n not in inputs
    ]
    return (
        select(schema, [name for name in schema.features if name not in left]) if left else schema
    )


def warn_of_text(schema: Schema, chosen: Schema, features: Sequence[str] | None) -> None:
    """Warns whoever called the caller of the text that ``choose_features`` has left out by itself."""
    left = [name for name in schema.features if name not in chosen.features]
    if features is not None or not left:
        return
    warnings.warn(
        f"left {', '.join(map(repr, left))} out, for a model takes no text and no facts of an image beside "
        "its inputs; features=[…] says which features to read, with these or without this warning",
        stacklevel=3,
    )


def warn_of_packages(info: DatasetInfo, schema: Schema) -> None:
    """Warns whoever called the caller of kinds and sinks that are from other versions of their packages."""
    for change in describe_changes(info, schema):
        warnings.warn(change, stacklevel=3)


def select(schema: Schema, names: Sequence[str]) -> Schema:
    """A schema with only the features of these names, in the schema's order."""
    parts = {
        part: {name: feature for name, feature in getattr(schema, part).items() if name in names}
        for part in ("declared", "context", "steps")
    }
    return schema.model_copy(update=parts)


def choose_rows(rows: Any, count: int) -> NDArray[np.int64] | None:
    """The numbers of the records that an argument ``rows`` stands for; ``None`` for all of them.

    Args:
        rows: a slice, numbers (negative ones count from the end), or a boolean for each record.
        count: how many records there are.

    Raises:
        ValueError: it is none of these, goes beyond the records, or leaves none of them.
    """
    if rows is None:
        return None
    kinds = "a slice, a list of whole numbers, or a boolean for each record"
    if isinstance(rows, slice):
        chosen = np.arange(count)[rows]
    else:
        chosen = np.asarray(rows)
        if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iub"):
            raise ValueError(f"rows: got {chosen.dtype} {chosen.shape}, expected {kinds}")
        if chosen.dtype == bool:
            if len(chosen) != count:
                raise ValueError(
                    f"rows: got {len(chosen)} booleans, expected one for each of {count} records"
                )
            chosen = np.flatnonzero(chosen)
        outside = chosen[(chosen < -count) | (chosen >= count)]
        if outside.size:
            raise ValueError(f"rows: got {outside[0]}, expected numbers of {count} records")
        chosen = np.where(chosen < 0, chosen + count, chosen)
    if not len(chosen):
        raise ValueError(f"rows: got none of {count} records, expected at least one")
    return chosen.astype(np.int64)
