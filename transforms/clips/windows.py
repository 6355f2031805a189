"""Windows of clips: how a row says which frames of a clip are its own, and how frames are counted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ...schemas.clips import Clips
from ...schemas.schema import Schema
from ..rows import RejectedRow

__all__ = [
    "CLIP",
    "WINDOW",
    "count_frames",
    "count_skipped",
    "count_windows",
    "parse_window",
    "window_columns",
    "with_frames",
    "write_window",
]

CLIP, WINDOW = "clip/key", "clip/window"
"""The columns that rows have once they are cut into windows.

The first names the clip, so that all its windows stay in one split; the second the window.
"""

_WINDOW = re.compile(r"\[(\d+):(\d+)\]$")


def window_columns(schema: Schema) -> tuple[str, ...]:
    """The columns that cutting into windows adds to a row."""
    return (CLIP, WINDOW) if schema.clips is not None and schema.clips.window else ()


def write_window(key: str, window: range) -> str:
    """A window's name: ``clip_0001[16:32]``, counted in frames that ``every`` has left."""
    return f"{key}[{window.start}:{window.stop}]"


def parse_window(written: str) -> tuple[int, int]:
    """The first frame of a window, and the one after its last."""
    match = _WINDOW.search(written)
    assert match is not None, written
    return int(match[1]), int(match[2])


def count_skipped(clips: Clips, count: int) -> dict[str, int]:
    """The frames, of so many, that ``every`` and ``max_frames`` leave out."""
    every = len(range(0, count, clips.every))
    skipped = {"skipped/every": count - every, "skipped/max_frames": every - len(clips.keep(count))}
    return {reason: number for reason, number in skipped.items() if number}


def count_windows(windows: Iterable[range], kept: int) -> dict[str, int]:
    """The frames, of so many, that windows hold more than once, and those that none holds."""
    held = [frame for window in windows for frame in window]
    distinct = len(set(held))
    counts = {"repeated": len(held) - distinct, "skipped/window": kept - distinct}
    return {reason: number for reason, number in counts.items() if number}


def count_frames(schema: Schema, cells: Mapping[str, Any]) -> int:
    """The frames of a row that was grouped or cut into windows; 0 for any other."""
    if schema.clips is None:
        return 0
    lists = [cells[column] for column in sorted(schema.frame_columns()) if column in cells]
    if schema.clips.key is not None:
        order = cells.get(schema.clips.order or "")
        found = [order, *lists] if schema.clips.order else lists
        return next((len(cell) for cell in found if isinstance(cell, list)), 0)
    window = cells.get(WINDOW)
    return 0 if window is None else len(range(*parse_window(window)))


def with_frames(rejected: RejectedRow, schema: Schema) -> RejectedRow:
    """A reject with the number of the frames that are lost with it."""
    if schema.clips is None or rejected.frames:
        return rejected
    return replace(rejected, frames=count_frames(schema, dict(rejected.values)))
