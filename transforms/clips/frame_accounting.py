"""The books of frames: what became of each frame of each clip.

Counts by name: ``seen`` frames were found; ``repeated`` are further uses of them in other windows;
``in_records`` and ``in_rejects`` are where they ended; ``skipped/…`` were left out as declared (``every``,
``max_frames``, ``window``), ``dropped/…`` because of a fault, by its reason. They balance::

    seen + repeated = in_records + in_rejects + all skipped + all dropped

``missing`` and ``clips_with_gaps`` count what was not there, and stand beside the balance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ...schemas.dataset.info import DroppedInfo, FramesInfo, GapsInfo, ShardFile
from ...schemas.errors import BuildError
from ...schemas.schema import Schema
from ..rows import RejectedRow
from ..shards.encode_rows import EncodedRow

__all__ = ["FrameAccounting", "frames_of"]


def frames_of(schema: Schema, outcome: EncodedRow | RejectedRow) -> dict[str, int]:
    """What a row adds to its shard's counts.

    The frames of a reject are in its line of ``rejects.jsonl``; here they count as seen where nothing
    before the shard has looked at them.
    """
    if isinstance(outcome, EncodedRow):
        if not outcome.dropped:
            return outcome.frames
        reasons = Counter(frame.reason for frame in outcome.dropped)
        return {**outcome.frames, **{f"dropped/{reason}": n for reason, n in reasons.items()}}
    counted = schema.clips is None or schema.clips.key or schema.clips.window
    return {"seen": outcome.frames} if outcome.frames and not counted else {}


@dataclass(frozen=True, slots=True)
class FrameAccounting:
    """All counts of a build.

    Attributes:
        counts: by name, added up over the plan and the shards.
        in_rejects: frames that are lost with their clips.
        dropped: dropped frames by reason, as their own file lists them.
    """

    counts: Mapping[str, int]
    in_rejects: int
    dropped: Mapping[str, int]

    def balance(self) -> None:
        """Checks that each frame is accounted for.

        Raises:
            BuildError: one is not.
        """
        seen = self.counts.get("seen", 0) + self.counts.get("repeated", 0)
        kept = self.counts.get("in_records", 0) + self.in_rejects
        skipped, dropped = sum(self._part("skipped").values()), sum(self.dropped.values())
        if seen != kept + skipped + dropped:
            raise BuildError(
                f"{seen} frames, but {kept} in records and rejects, {skipped} skipped and {dropped} dropped"
            )

    def describe(self, file: ShardFile | None) -> FramesInfo:
        """The ``frames`` of ``dataset.json``.

        Args:
            file: the list of the dropped frames, where there are any.
        """
        count = self.counts.get
        return FramesInfo(
            seen=count("seen", 0),
            repeated=count("repeated", 0),
            in_records=count("in_records", 0),
            in_rejects=self.in_rejects,
            skipped=self._part("skipped"),
            dropped=DroppedInfo(
                count=sum(self.dropped.values()),
                by_reason=dict(sorted(self.dropped.items())),
                file=file,
            ),
            gaps=GapsInfo(clips=count("clips_with_gaps", 0), missing=count("missing", 0)),
        )

    def _part(self, part: str) -> dict[str, int]:
        prefix = f"{part}/"
        return {
            name.removeprefix(prefix): count
            for name, count in sorted(self.counts.items())
            if name.startswith(prefix)
        }
