"""Where the steps of a clip come from: lists of cells, folders and globs, animated images, arrays.

A source of steps has a length and gives one step at a time, so that no more than one frame of it is ever
decoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...schemas.errors import Reject
from ...schemas.images.files import PILLOW_ERRORS, Opened, open_frame, open_image
from ..manifests.formats.class_folders import is_image_name
from ..storage.input_files import InputFiles
from ..storage.listings import find_inside, is_hidden

__all__ = [
    "Animation",
    "ListedSteps",
    "SomeSteps",
    "StepSource",
    "common_length",
    "list_frames",
    "natural_key",
]

_DIGITS = re.compile(r"(\d+)")


class StepSource(Protocol):
    """The values of a step feature, before they are encoded."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, step: int) -> Any:
        """One of them, counted from 0.

        Raises:
            Reject: it cannot be read.
        """

    def read_steps(self, steps: Sequence[int]) -> NDArray[Any] | None:
        """Several steps at once, ``[len(steps), …]``, where they are numbers of one shape.

        Args:
            steps: at least one, in rising order.

        Returns:
            ``None`` where they are not, or one of them cannot be read: ``source[step]`` tells which.
        """

    def describe(self, step: int) -> str:
        """The file, or part of one, that a step comes from; empty where it comes from the manifest."""


@dataclass(frozen=True, slots=True)
class ListedSteps:
    """Steps that a row lists.

    Attributes:
        cells: a cell for each.
        resolve: gives the value that a cell stands for.
    """

    cells: Sequence[Any]
    resolve: Callable[[Any], Any]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.cells)

    def __getitem__(self, step: int) -> Any:
        """See ``StepSource``."""
        return self.resolve(self.cells[step])

    def read_steps(self, steps: Sequence[int]) -> NDArray[Any] | None:
        """See ``StepSource``: of cells that are numbers or lists of numbers."""
        cells = [self.cells[step] for step in steps]
        if not isinstance(cells[0], list | int | float):
            return None
        try:
            array = np.array(cells)
        except ValueError:  # lists of different lengths
            return None
        return array if array.dtype.kind in "biuf" else None

    def describe(self, step: int) -> str:
        """The path that the cell holds."""
        cell = self.cells[step]
        return cell if isinstance(cell, str) else ""


@dataclass(frozen=True, slots=True)
class SomeSteps:
    """Some steps of a source, as a source of their own.

    Attributes:
        source: has them all.
        chosen: which of them, in rising order.
    """

    source: StepSource
    chosen: Sequence[int]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.chosen)

    def __getitem__(self, step: int) -> Any:
        """See ``StepSource``."""
        return self.source[self.chosen[step]]

    def read_steps(self, steps: Sequence[int]) -> NDArray[Any] | None:
        """See ``StepSource``."""
        return self.source.read_steps([self.chosen[step] for step in steps])

    def describe(self, step: int) -> str:
        """What the source says of it."""
        return self.source.describe(self.chosen[step])


class Animation:
    """The frames of an animated GIF, WebP or PNG, or the pages of a TIFF.

    Frames have to be asked for in order: going back starts from the first one again.
    """

    def __init__(self, data: bytes, written: str, max_pixels: int):
        self._written, self._max_pixels = written, max_pixels
        self._opened = open_image(data, max_pixels)

    def __len__(self) -> int:
        """How many frames the file has; 1 for a still image."""
        return self._count

    def __getitem__(self, step: int) -> Opened | bytes:
        """One frame; a still image is its file, so that it is decoded as any other is.

        Raises:
            Reject: stage ``decode``: ``corrupt_image``, ``decompression_bomb`` or ``unsupported_pixels``.
        """
        if self._count == 1 and not self._hidden:
            return self._opened.data
        try:
            return open_frame(self._opened, step + self._hidden, self._max_pixels)
        except Reject as reject:
            raise reject.of(path=self._written) from None
        except PILLOW_ERRORS as error:
            message = f"{type(error).__name__}: {error}"
            raise Reject("decode", "corrupt_image", message, path=self._written) from error

    def read_steps(self, steps: Sequence[int]) -> NDArray[Any] | None:
        """See ``StepSource``: frames are decoded one at a time."""
        return None

    def describe(self, step: int) -> str:
        """The file."""
        return self._written

    @cached_property
    def _count(self) -> int:
        try:
            return int(getattr(self._opened.image, "n_frames", 1)) - self._hidden
        except PILLOW_ERRORS as error:
            message = f"its frames cannot be counted: {type(error).__name__}: {error}"
            raise Reject("decode", "corrupt_image", message, path=self._written) from error

    @property
    def _hidden(self) -> int:
        """An animated PNG may begin with a picture for viewers that show only one."""
        image = self._opened.image
        return int(bool(image.info.get("default_image")) and getattr(image, "n_frames", 1) > 1)


def common_length(sources: Mapping[str, StepSource]) -> int:
    """The number of steps that sources, by the names of their features, all have; 0 without any.

    Raises:
        Reject: stage ``clip``, ``unequal_lengths``.
    """
    lengths = {name: len(source) for name, source in sources.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{count} steps of {name!r}" for name, count in lengths.items())
        message = f"got {listed}, expected as many of each; or declare some of them as ragged: true"
        raise Reject("clip", "unequal_lengths", message)
    return next(iter(lengths.values()), 0)


def list_frames(inputs: InputFiles, written: str) -> list[str] | None:
    """The frames in a folder, or those that a glob names, in natural order.

    Args:
        inputs: where paths are relative to.
        written: the path as the manifest writes it.

    Returns:
        The frames' paths as a manifest would write them; ``None`` where it is a single file's.

    Raises:
        Reject: stage ``load``: ``no_frames``, ``bad_path`` or ``outside_root``.
    """
    path = inputs.locate(written)
    found = find_inside(path, inputs.leave_out, _is_frame)
    if found is None:
        return None
    frames = [_as_written(path, name, written) for name in sorted(found, key=natural_key)]
    inputs.note_listing(written, frames)
    if not frames:
        raise Reject("load", "no_frames", f"there are no images in {written!r}", path=written)
    return frames


def natural_key(text: str) -> tuple[tuple[str | int, ...], str]:
    """What sorts text with its digits by value: ``f2``, ``f10``; equal ones by the text itself."""
    parts = _DIGITS.split(text)
    return tuple(int(part) if index % 2 else part for index, part in enumerate(parts)), text


def _is_frame(name: str) -> bool:
    return is_image_name(name) and not is_hidden(name)


def _as_written(path: str, found: str, written: str) -> str:
    """The path of a file found at or below ``path``, relative to what ``written`` is relative to."""
    return found.removeprefix(path.removesuffix(written.replace("\\", "/")))
