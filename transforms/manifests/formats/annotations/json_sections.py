"""One large JSON object whose arrays are read element by element, in one pass with bounded memory.

The elements are parsed by the standard library's own scanner, out of a text that is let go of as it is read.
``ijson`` parses as fast, but gives the elements of one array a pass, and COCO's file has three.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from .....schemas.errors import BuildError, PixelbeamError

__all__ = ["ELEMENT_CHARS", "Element", "Unreadable", "first_elements", "read_sections"]

ELEMENT_CHARS = 16 << 20
"""A longer element is not read: it bounds the memory that a hostile file can ask for."""


class Unreadable(NamedTuple):
    """Stands for an element that JSON could hold and nothing else can.

    Attributes:
        message: what was got.
    """

    message: str


Element: TypeAlias = "tuple[str, int, Any]"
"""The key of a section, an element's position in it from 1, and its value; 0 and the value of what is no array."""

_BLANKS = re.compile(r"[ \t\n\r]*")
# As far from the end of the text a fault may be nothing but that the text goes on.
_TOKEN_CHARS = 16


def read_sections(
    chunks: Iterable[bytes], path: str, error_type: type[PixelbeamError] = BuildError
) -> Iterator[Element]:
    """The elements of each array that is a value of the file's object, in the file's order.

    An empty array gives one element, at position 0.

    Args:
        chunks: the file's bytes in pieces of any size, from its start.
        path: the file, for messages.
        error_type: what is raised.

    Raises:
        PixelbeamError: the file is not one JSON object in UTF-8, has a key twice, ends early or goes on behind
            its end.
    """
    text = _Text(chunks, lambda message: error_type(f"{path}: {message}"))
    yield from _sections(text)
    if text.peek():
        raise text.fault("goes on behind its object, expected nothing there")


def first_elements(head: bytes) -> dict[str, Any] | None:
    """The first element of each section, as far as the start of a file shows them.

    Returns:
        ``None`` where it is not the start of one object: none, or one that others follow.
    """
    text = _Text([head], _HeadError)
    found: dict[str, Any] = {}
    try:
        for key, _, value in _sections(text):
            found.setdefault(key, value)
        return None if text.peek() else found
    except _HeadError:  # it goes on behind the head, or is broken there, which reading it will tell
        return found or None


class _HeadError(PixelbeamError):
    """The start of a file ends inside the object."""


def _sections(text: _Text) -> Iterator[Element]:
    text.expect("{", "an object")
    seen: set[str] = set()
    while text.peek() != "}":
        key = text.value("a key")
        if not isinstance(key, str):
            raise text.fault(f"got {key!r:.80} where a key should stand")
        if key in seen:
            raise text.fault(f"has the key {key!r:.80} twice, expected it once")
        seen.add(key)
        text.expect(":", f"what {key!r:.80} is")
        yield from _read_section(text, key)
        if text.peek() != "}":
            text.expect(",", f"a comma or the end behind {key!r:.80}")
    text.expect("}", "the end")


def _read_section(text: _Text, key: str) -> Iterator[Element]:
    if text.peek() != "[":
        yield key, 0, text.value(f"the value of {key!r:.80}")
        return
    text.expect("[", "an array")
    if text.peek() == "]":
        yield key, 0, []
    position = 0
    while text.peek() != "]":
        position += 1
        yield key, position, text.value(f"element {position} of {key!r:.80}")
        if text.peek() != "]":
            text.expect(",", f"a comma or the end behind element {position} of {key!r:.80}")
    text.expect("]", "the end of an array")


def _check_escapes(value: Any) -> Any:
    r"""Refuses halves of surrogate pairs, such as ``\ud800``, which are no text."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        return Unreadable(f"half of a surrogate pair ({error.object[error.start]!a})")
    return value


class _Text:
    """The part of a file that was read and is not yet parsed."""

    def __init__(self, chunks: Iterable[bytes], fault: Callable[[str], PixelbeamError]) -> None:
        self._chunks = iter(chunks)
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._scan = json.JSONDecoder().raw_decode
        self._held, self._at, self._ended = "", 0, False
        self.fault = fault

    def peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            found = _BLANKS.match(self._held, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._more():
                return ""

    def expect(self, character: str, what: str) -> None:
        """Steps over a character."""
        if self.peek() != character:
            raise self._described(what)
        self._at += 1

    def value(self, what: str) -> Any:
        """The next value."""
        if not self.peek():
            raise self._described(what)
        while True:
            try:
                value, end = self._scan(self._held, self._at)
            except json.JSONDecodeError as error:
                if self._is_whole(error) or not self._more():
                    raise self._not_json(what, error.msg) from None
            except (ValueError, RecursionError) as error:  # too many digits; nested too deep
                raise self._not_json(what, str(error)) from None
            else:
                # A number at the end may go on, also behind what could be its end: 1 of 1e9.
                rest = len(self._held) - end
                if rest < _TOKEN_CHARS and isinstance(value, int | float) and not self._ended:
                    self._more()
                    continue
                escapes = self._held.find("\\u", self._at, end) >= 0
                self._at = end
                return _check_escapes(value) if escapes else value

    def _is_whole(self, error: json.JSONDecodeError) -> bool:
        """Whether a fault is one whatever comes behind what was read."""
        open_string = error.msg.startswith("Unterminated string")
        return not open_string and error.pos < len(self._held) - _TOKEN_CHARS

    def _not_json(self, what: str, message: str) -> PixelbeamError:
        ended = ", or the file is truncated" if self._ended else ""
        return self.fault(f"{what} is not JSON{ended}: {message}")

    def _described(self, what: str) -> PixelbeamError:
        character = self.peek()
        got = repr(character) if character else "the end: it is truncated"
        return self.fault(f"got {got}, expected {what}")

    def _more(self) -> bool:
        """Reads on, at least as much as is held, so that a long value is not scanned again and again."""
        held = self._held[self._at :]
        if len(held) > ELEMENT_CHARS:
            raise self.fault(f"has an element of more than {ELEMENT_CHARS} characters")
        pieces, wanted = [held], max(len(held), 1)
        while wanted > 0 and not self._ended:
            chunk = next(self._chunks, None)
            self._ended = chunk is None
            try:
                pieces.append(self._decoder.decode(chunk or b"", final=self._ended))
            except UnicodeDecodeError as error:
                byte = error.object[error.start]
                raise self.fault(f"got byte 0x{byte:02x}, expected UTF-8 text") from None
            wanted -= len(pieces[-1])
        self._held, self._at = "".join(pieces), 0
        return len(self._held) > len(held)
