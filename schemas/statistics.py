"""Adding up summaries: what each record contributes to a split's statistics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["merge", "merge_all"]


def merge(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """Merges two summaries.

    Numbers are added, lists element by element, dicts key by key; a key that starts with ``min`` or
    ``max`` keeps the smaller or larger number. Associative, and exact for integers; floats are added
    in the order of the arguments, which the caller keeps fixed.
    """
    merged = dict(left)
    for key, value in right.items():
        merged[key] = _merge_value(key, merged[key], value) if key in merged else value
    return merged


def merge_all(summaries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Merges any number of summaries, from the first to the last."""
    total: dict[str, Any] = {}
    for summary in summaries:
        total = merge(total, summary)
    return total


def _merge_value(key: str, left: Any, right: Any) -> Any:
    if isinstance(left, dict):
        return merge(left, right)
    if isinstance(left, list):
        return [_merge_value(key, a, b) for a, b in zip(left, right, strict=True)]
    if key.startswith("min"):
        return min(left, right)
    if key.startswith("max"):
        return max(left, right)
    return left + right
