"""Whether input files are still what they were when a shard was built from them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

from ...schemas.errors import Reject
from ..storage.input_files import InputFiles
from ..storage.input_log import InputLog, InputState, ShardInputs
from ..values.step_sources import list_frames

__all__ = ["CHECKS", "InputCheck"]

CHECKS = ("stat", "content")
"""How input files are compared: by size and modification time (etag on object stores), or by content."""

_LOOKS_AT_ONCE = 32
_BLOCK = 256


@dataclass(frozen=True, slots=True)
class InputCheck:
    """Compares input files with what was noted of them.

    Attributes:
        inputs: reads them.
        by: one of ``CHECKS``. Even by ``stat``, content decides where size and time cannot: when the
            time alone differs, and when the images' root is another one. Array files whose content was not
            noted are always compared by size and time; under another root all of them are others.
    """

    inputs: InputFiles
    by: str = "stat"

    def changed(self, noted: ShardInputs) -> list[str]:
        """The paths, as the manifest writes them, of those that are not what they were."""
        return [written for written, state in self._compare(noted) if state is None]

    def renew(self, noted: ShardInputs) -> ShardInputs | None:
        """The same files as they are noted now; ``None`` when one of them has changed."""
        states: dict[str, InputState] = {}
        for written, state in self._compare(noted):
            if state is None:
                return None
            states[written] = state
        return ShardInputs(self.inputs.full_root, states)

    def _compare(self, noted: ShardInputs) -> Iterator[tuple[str, InputState | None]]:
        moved = noted.root != self.inputs.full_root
        slow = self.inputs.waits_for_network
        items = iter(noted.states.items())
        # Local look-ups cost less than handing them to a thread, so a thread gets many.
        size = 1 if slow else _BLOCK
        workers = _LOOKS_AT_ONCE if slow else os.cpu_count() or 1
        with ThreadPoolExecutor(workers) as pool:
            while some := list(islice(items, size * workers * 4)):
                blocks = [dict(some[start : start + size]) for start in range(0, len(some), size)]
                for block in pool.map(lambda block: self._compare_block(block, moved), blocks):
                    yield from block

    def _compare_block(
        self, block: Mapping[str, InputState], moved: bool
    ) -> list[tuple[str, InputState | None]]:
        return [(written, self._same(written, state, moved)) for written, state in block.items()]

    def _same(self, written: str, noted: InputState, moved: bool) -> InputState | None:
        """What a file is now, if it is what it was."""
        if noted.listing:
            return noted if self._list(written) == noted else None
        # Whether a file can be read that could not is only seen by reading it.
        doubtful = noted.fault == "unreadable"
        in_parts = noted.array or noted.in_parts
        inputs, path = self.inputs.find(written)
        now = inputs.look(path, read=doubtful, in_parts=in_parts)
        if noted.fault or now.fault:
            return noted if noted.fault == now.fault else None
        same = noted.stamp is not None and now.stamp == noted.stamp
        if in_parts and (
            moved or not noted.sha256
        ):  # its full path was noted, below the former root
            return noted if same and not moved else None
        if same and not moved and self.by == "stat":
            return noted
        if now.size not in (-1, noted.size):
            return None
        now = replace(inputs.look(path, read=True, in_parts=in_parts), array=noted.array)
        return now if now.sha256 == noted.sha256 else None

    def _list(self, written: str) -> InputState:
        log = InputLog()
        try:
            inputs, path = self.inputs.find(written)
            list_frames(replace(inputs, log=log), path)
        except Reject as reject:
            return InputState(fault=reject.reason)
        return log.take().get(written, InputState())
