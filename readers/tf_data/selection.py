"""What one input pipeline reads of a split."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Selection"]


@dataclass(frozen=True)
class Selection:
    """The records that one input pipeline reads, and in which order.

    Attributes:
        files: the paths of the files that they are in, in order.
        count: how many they are.
        record_bytes: the size of one of them in its file, on average.
        part: ``(count, index)`` where it reads one record in every ``count``; otherwise ``None``.
        shuffle: ``False`` for the stored order, ``True`` for a new one each epoch; a number is the most records
            that a source which can only read in order may hold to draw from.
        seed: makes the orders the same in each run; ``None`` for others.
    """

    files: list[str]
    count: int
    record_bytes: float
    part: tuple[int, int] | None = None
    shuffle: bool | int = False
    seed: int | None = None

    @property
    def deterministic(self) -> bool:
        """Whether two reads give the same records in the same order."""
        return self.seed is not None or self.shuffle is False
