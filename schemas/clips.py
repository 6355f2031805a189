"""``clips``: how rows, files and arrays become the steps of a ``sequence_example``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from .errors import Reject
from .features.base import Feature, SettingError
from .features.cell_text import is_missing, split_values

__all__ = ["Clips"]

_PATH_SEPARATOR = ";"  # which is rare in names of files, unlike commas and spaces


class Clips(BaseModel):
    """Which rows make a clip, and which of its frames are kept.

    What is left out is left out in this order: every n-th frame is kept, of these at most
    ``max_frames``, of which windows are taken.

    Attributes:
        key: rows with the same value in this column are the frames of one clip; without it each
            row is a clip.
        order: the column that the frames of a clip are ordered by: by number where all are numbers,
            otherwise by the text, digits in it by their value; without it, as the rows stand.
        every: keeps the first frame and every n-th after it.
        max_frames: keeps at most so many frames, the first ones.
        window: cuts a clip into records of so many frames.
        stride: frames from the start of a window to that of the next; ``window`` unless declared.
        min_frames: a clip with fewer frames is a reject, and a shorter last window is left out; 1 unless
            declared, with ``window`` a whole window.
        on_bad_frame: what a frame that cannot be read or decoded costs: its clip, or itself alone.
        on_duplicate: what two rows with the same place in a clip cost: the clip, or all but the first.
        on_gap: what missing numbers in the order cost: nothing (they are counted), or the clip.
        separator: what stands between the steps in text cells; semicolons between paths and commas,
            semicolons or white space between other values unless declared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str | None = Field(default=None, min_length=1)
    order: str | None = Field(default=None, min_length=1)
    every: int = Field(default=1, ge=1, strict=True)
    max_frames: int | None = Field(default=None, ge=1, strict=True)
    window: int | None = Field(default=None, ge=1, strict=True)
    stride: int | None = Field(default=None, ge=1, strict=True)
    min_frames: int | None = Field(default=None, ge=1, strict=True)
    on_bad_frame: Literal["reject", "drop"] = "reject"
    on_duplicate: Literal["reject", "drop"] = "reject"
    on_gap: Literal["keep", "reject"] = "keep"
    separator: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _check_grouping(self) -> Self:
        if self.key is None:
            if self.order is not None:
                raise SettingError("order", f"got {self.order!r} without key, expected both")
        elif self.key == self.order:
            raise SettingError("order", f"got {self.order!r}, which is the key, expected another")
        return self

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if self.stride is not None and self.window is None:
            raise SettingError("stride", f"got {self.stride} without window, expected both")
        for setting, most in (("window", self.window), ("max_frames", self.max_frames)):
            if most is not None and self.fewest > most:
                expected = f"expected at most {setting}, which is {most}"
                raise SettingError("min_frames", f"got {self.fewest}, {expected}")
        return self

    @property
    def fewest(self) -> int:
        """The frames that a record has at least."""
        return self.min_frames or self.window or 1

    def keep(self, count: int) -> range:
        """The frames, of so many, that ``every`` and ``max_frames`` leave."""
        return range(0, count, self.every)[: self.max_frames]

    def windows(self, kept: int) -> list[range]:
        """The windows of a clip, as positions among its kept frames; one of all without ``window``.

        Raises:
            Reject: stage ``clip``, ``too_few_frames``: there are less than ``min_frames``.
        """
        if kept < self.fewest:
            raise self.too_few(kept)
        if self.window is None:
            return [range(kept)]
        starts = range(0, kept, self.stride or self.window)
        every = (range(start, min(start + self.window, kept)) for start in starts)
        # A shorter window that lies within the one before it would hold nothing new.
        return [
            window
            for window in every
            if len(window) >= self.fewest
            and (len(window) == self.window or window.start == 0 or not self._covered(window))
        ]

    def split(self, value: Any, feature: Feature) -> list[Any]:
        """The steps in a cell: the items of a list, or what text holds between separators.

        Args:
            value: the cell; an empty one has no steps.
            feature: the step feature.
        """
        if is_missing(value):
            return []
        usual = _PATH_SEPARATOR if feature.reads_files else None
        return split_values(value, self.separator or usual)

    def too_few(self, count: int) -> Reject:
        """The reject of a clip with fewer than ``min_frames`` frames."""
        message = f"got {count} frames, expected at least {self.fewest}"
        return Reject("clip", "too_few_frames", message)

    def _covered(self, window: range) -> bool:
        assert self.window is not None
        before = window.start - (self.stride or self.window)
        return window.stop <= before + self.window
