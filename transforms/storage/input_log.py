"""What the input files of a shard were when they were read: noted by its task, compared by later builds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields

from ...schemas.dataset.file_names import STATE_FOLDER

__all__ = ["INPUTS_FOLDER", "InputLog", "InputState", "ShardInputs"]

INPUTS_FOLDER = f"{STATE_FOLDER}/sources"
"""Stays beside a published dataset as a cache; it may be deleted at any time. To users they are sources."""


@dataclass(frozen=True, slots=True)
class InputState:
    """An input file: one that a row names, or the listing of a folder of frames.

    Attributes:
        size: in bytes, or the number of files in a listing; -1 where it is not known.
        mtime_ns: the modification time; 0 where there is none, or where it may hide a change: on a
            file so fresh that it could change again within the resolution of the filesystem's clock.
        tag: an object store's etag or checksum.
        sha256: of the content, or of the listing's names; empty for array files that are too large or too far
            away to be read for it.
        fault: the reason why it cannot be read.
        listing: whether it is a listing.
        array: whether it is an array file, which is noted by its full path.
    """

    size: int = -1
    mtime_ns: int = 0
    tag: str = ""
    sha256: str = ""
    fault: str = ""
    listing: bool = False
    array: bool = False

    @property
    def in_parts(self) -> bool:
        """Whether it is an array file that is read in parts alone: its content is not compared."""
        return not self.sha256 and not self.fault and not self.listing

    @property
    def stamp(self) -> tuple[int, int, str] | None:
        """What differs after a change, as far as it is seen without reading; ``None`` if nothing is."""
        if self.mtime_ns:
            return self.size, self.mtime_ns, self.tag
        # An etag is of the content, and a look at it does not tell the size.
        return (-1, 0, self.tag) if self.tag else None


class InputLog:
    """What a task notes while it reads; several threads add to it."""

    def __init__(self) -> None:
        self._states: dict[str, InputState] = {}

    def add(self, written: str, state: InputState) -> None:
        """Notes what an input file is. The first time counts: after it, a change would be one."""
        self._states.setdefault(written, state)

    def __contains__(self, written: str) -> bool:
        return written in self._states

    def take(self) -> dict[str, InputState]:
        """What was noted, by the path as the manifest writes it, sorted."""
        return dict(sorted(self._states.items()))


@dataclass(frozen=True, slots=True)
class ShardInputs:
    """The input files of a shard.

    Attributes:
        root: the folder that paths were relative to.
        states: by the path as the manifest writes it; of array files, the full path.
    """

    root: str
    states: Mapping[str, InputState]

    @staticmethod
    def path(name: str) -> str:
        """Where a shard's input files are noted in the output folder."""
        return f"{INPUTS_FOLDER}/{name}"

    def to_bytes(self) -> bytes:
        """JSON by columns, which a million files are read from in a second or two."""
        states = self.states.values()
        names = [field.name for field in fields(InputState)] if states else []
        columns = {name: [getattr(state, name) for state in states] for name in names}
        content = {"root": self.root, "paths": list(self.states), **columns}
        return json.dumps(content, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> ShardInputs:
        """The inverse of ``to_bytes``.

        Raises:
            ValueError: the data are not whole.
        """
        try:
            content = json.loads(data)
            content.setdefault(
                "array", [False] * len(content["paths"])
            )  # not noted in former versions
            columns = [content.get(field.name, ()) for field in fields(InputState)]
            states = map(InputState, *columns)
            return cls(content["root"], dict(zip(content["paths"], states, strict=True)))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not the input files of a shard: {error}") from error
