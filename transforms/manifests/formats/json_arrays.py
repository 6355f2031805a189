"""JSON arrays, cut into their elements with bounded memory, however they are laid out in lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ....schemas.errors import BuildError
from .text import LINE_BYTES

__all__ = ["is_array", "read_elements", "whole_elements"]

_ARRAY = re.compile(rb"\s*\[\s*[{\]]")
# A string as a whole, so that what it holds is not taken for structure; a lone quote is one that
# goes on behind what is there.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|["\[\]{},]', re.DOTALL)


def is_array(head: bytes) -> bool:
    """Whether a file is an array of objects, by its start; a JSON line may start with ``[1`` too."""
    return bool(_ARRAY.match(head))


def read_elements(chunks: Iterable[bytes], path: str) -> Iterator[tuple[int, bytes]]:
    """Numbers the elements of an array from 1.

    An element of more than ``LINE_BYTES`` comes cut to one byte more than that.

    Args:
        chunks: the file's bytes in pieces of any size, from its start.
        path: the file, for messages.

    Raises:
        BuildError: the file ends inside the array, or goes on behind it.
    """
    cutter = _Cutter(path)
    for chunk in chunks:
        yield from cutter.cut(chunk)
        if cutter.is_done and cutter.held.strip():
            raise BuildError(f"{path}: goes on behind its array, expected nothing there")
    if not cutter.is_done:
        raise BuildError(f"{path}: truncated: it ends inside element {cutter.number} of its array")


def whole_elements(head: bytes) -> list[tuple[int, bytes]]:
    """The elements that end in the start of a file, numbered."""
    return list(_Cutter("").cut(head))


class _Cutter:
    def __init__(self, path: str) -> None:
        self._path = path
        self.held = b""
        self.number = 1
        self._scanned = self._depth = 0

    @property
    def is_done(self) -> bool:
        return self._depth < 0

    def cut(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """The elements that end in a chunk; depth 1 is inside the array, -1 behind it."""
        self.held += chunk
        if self.is_done:
            return
        begin = 0
        for found in _TOKEN.finditer(self.held, self._scanned):
            token = found[0]
            if token == b'"':
                self._scanned = found.start()
                break
            self._scanned = found.end()
            if token in (b"[", b"{"):
                self._depth += 1
                begin = found.end() if self._depth == 1 else begin
            elif token in (b"]", b"}"):
                self._depth -= self._depth > 1 or token == b"]"
            ends = self._depth == 0 or (token == b"," and self._depth == 1)
            if ends:
                element, begin = self.held[begin : found.start()], found.end()
                yield self.number, element.strip()[: LINE_BYTES + 1]
                self.number += 1
            if self._depth == 0:
                self._depth = -1
                break
        else:
            self._scanned = len(self.held)
        if len(self.held) - self._scanned > LINE_BYTES:
            raise BuildError(
                f"{self._path}: element {self.number} of its array has a string of more than "
                f"{LINE_BYTES} bytes, or one without an end"
            )
        # What is longer than a line may be is let go of, all but enough to tell that it was.
        rest = self.held[begin : self._scanned][: LINE_BYTES + 1]
        self.held, self._scanned = rest + self.held[self._scanned :], len(rest)
