"""What became of each frame of each clip: the accounts that frames are counted in, and their balance.

``SEEN`` frames were found; ``REPEATED`` are further uses of them in other windows; ``IN_RECORDS`` are those in
records, and those that are lost with a row stand beside it in ``rejects.jsonl``. Frames under ``SKIPPED`` were
left out as declared (``every``, ``max_frames``, ``window``), those under ``DROPPED`` because of a fault, by its
reason. They balance::

    seen + repeated = in_records + in_rejects + all skipped + all dropped

``MISSING`` and ``CLIPS_WITH_GAPS`` count what was not there, and stand beside the balance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...schemas.clips import Clips
from ...schemas.dataset.info import DroppedInfo, FramesInfo, GapsInfo, ShardFile
from ...schemas.errors import BuildError
from ...schemas.schema import Schema
from ..ledger import Ledger
from ..rows import RejectedRow, Window

__all__ = [
    "CLIPS_WITH_GAPS",
    "DROPPED",
    "FRAMES",
    "IN_RECORDS",
    "MISSING",
    "REPEATED",
    "SEEN",
    "SKIPPED",
    "FrameAccounting",
    "count_frames",
    "count_lost",
    "count_rejected",
    "count_skipped",
    "count_windows",
    "with_frames",
]

SEEN, REPEATED, IN_RECORDS = "seen", "repeated", "in_records"
SKIPPED, DROPPED = "skipped", "dropped"
"""What stands before the accounts of frames that were left out: ``skipped/every``."""
MISSING, CLIPS_WITH_GAPS = "missing", "clips_with_gaps"

FRAMES = "frames"
"""The key under which a line of ``rejects.jsonl`` counts the frames that are lost with the row."""


def count_skipped(clips: Clips, count: int) -> Ledger:
    """The frames, of so many, that ``every`` and ``max_frames`` leave out."""
    every, ledger = len(range(0, count, clips.every)), Ledger()
    ledger.add(f"{SKIPPED}/every", count - every)
    ledger.add(f"{SKIPPED}/max_frames", every - len(clips.keep(count)))
    return ledger


def count_windows(windows: Iterable[range], kept: int) -> Ledger:
    """The frames, of so many, that windows hold more than once, and those that none holds."""
    held, ledger = [frame for window in windows for frame in window], Ledger()
    distinct = len(set(held))
    ledger.add(REPEATED, len(held) - distinct)
    ledger.add(f"{SKIPPED}/window", kept - distinct)
    return ledger


def count_frames(schema: Schema, cells: Mapping[str, Any], window: Window | None = None) -> int:
    """The frames of a row that was grouped or cut into windows; 0 for any other.

    Args:
        schema: the schema.
        cells: of the row, by column.
        window: of the row.
    """
    if schema.clips is None:
        return 0
    if schema.clips.key is None:
        return 0 if window is None else len(window)
    lists = [cells[column] for column in sorted(schema.frame_columns()) if column in cells]
    found = [cells.get(schema.clips.order), *lists] if schema.clips.order else lists
    return next((len(cell) for cell in found if isinstance(cell, list)), 0)


def with_frames(rejected: RejectedRow, frames: int) -> RejectedRow:
    """A reject with the number of the frames that are lost with it."""
    return replace(rejected, counts=((FRAMES, frames),) if frames else ())


def count_lost(rejected: RejectedRow, schema: Schema) -> RejectedRow:
    """A reject with the number of the frames that are lost with it, where it does not have it yet."""
    if schema.clips is None or rejected.counts:
        return rejected
    return with_frames(rejected, count_frames(schema, dict(rejected.values), rejected.window))


def count_rejected(schema: Schema, rejected: RejectedRow) -> Ledger:
    """What a row that a shard's task rejects adds to the shard's ledger.

    Its frames are in its line of ``rejects.jsonl``; they count as seen where nothing before the shard has
    looked at them.
    """
    ledger = Ledger()
    if schema.clips is not None and not schema.clips.key and not schema.clips.window:
        ledger.add(SEEN, dict(rejected.counts).get(FRAMES, 0))
    return ledger


@dataclass(frozen=True, slots=True)
class FrameAccounting:
    """All counts of a build.

    Attributes:
        ledger: of the plan and all shards.
        in_rejects: frames that are lost with their clips.
        dropped: dropped frames by reason, as their own file lists them.
    """

    ledger: Ledger
    in_rejects: int
    dropped: Mapping[str, int]

    def balance(self) -> None:
        """Checks that each frame is accounted for.

        Raises:
            BuildError: one is not.
        """
        seen = self.ledger[SEEN] + self.ledger[REPEATED]
        kept = self.ledger[IN_RECORDS] + self.in_rejects
        skipped, dropped = sum(self.ledger.under(SKIPPED).values()), sum(self.dropped.values())
        if seen != kept + skipped + dropped:
            raise BuildError(
                f"{seen} frames, but {kept} in records and rejects, {skipped} skipped and {dropped} dropped"
            )

    def describe(self, file: ShardFile | None) -> FramesInfo:
        """The ``frames`` of ``dataset.json``.

        Args:
            file: the list of the dropped frames, where there are any.
        """
        return FramesInfo(
            seen=self.ledger[SEEN],
            repeated=self.ledger[REPEATED],
            in_records=self.ledger[IN_RECORDS],
            in_rejects=self.in_rejects,
            skipped=self.ledger.under(SKIPPED),
            dropped=DroppedInfo(
                count=sum(self.dropped.values()),
                by_reason=dict(sorted(self.dropped.items())),
                file=file,
            ),
            gaps=GapsInfo(clips=self.ledger[CLIPS_WITH_GAPS], missing=self.ledger[MISSING]),
        )
