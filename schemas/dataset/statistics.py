"""Adding up summaries: what each record contributes to a split's statistics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["add", "merge", "merge_all"]


def add(total: dict[str, Any], summary: dict[str, Any]) -> None:
    """Adds a summary to a total, in place: a total of many classes is not copied for each record.

    Numbers are added, lists element by element, dicts key by key; a key that starts with ``min`` or
    ``max`` keeps the smaller or larger number. Associative, and exact for integers; floats are added
    in the order of the calls, which the caller keeps fixed.
    """
    for key, value in summary.items():
        if key not in total:
            total[key] = _copy(value)
        elif isinstance(value, dict):
            add(total[key], value)
        else:
            total[key] = _add_value(key, total[key], value)


def merge(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """The total of two summaries; see ``add``."""
    return merge_all([left, right])


def merge_all(summaries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The total of any number of summaries, from the first to the last; see ``add``."""
    total: dict[str, Any] = {}
    for summary in summaries:
        add(total, summary)
    return total


def _add_value(key: str, left: Any, right: Any) -> Any:
    if isinstance(left, list):
        return [_add_value(key, a, b) for a, b in zip(left, right, strict=True)]
    if key.startswith(("min", "max")):
        return min(left, right) if key.startswith("min") else max(left, right)
    return left + right


def _copy(value: Any) -> Any:
    """A value that may be added to; lists and numbers are replaced, not changed."""
    return {key: _copy(item) for key, item in value.items()} if isinstance(value, dict) else value
