"""What is shown to people: only what we say, and nothing in it that steers the terminal."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

__all__ = ["own_terminal", "prepare_streams", "printable", "say", "unfailing"]


def printable(text: str) -> str:
    """A line with every character that is not printable escaped, line breaks too.

    Terminals obey control characters, and file names, class names and cells may hold them; with a line
    break in it a name could pass for a line of ours.
    """
    return text if text.isprintable() else "".join(map(_escape, text))


def _escape(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


class _Unfailing:
    """A text stream that never fails: one that is closed or full must not make a failure of a build."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, write: Callable[[], Any]) -> None:
        try:
            write()
        except OSError:
            # What is left in its buffer would fail again when the process ends.
            with suppress(OSError), open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())


def unfailing(stream: TextIO) -> TextIO:
    """A stream, of which what cannot be written is dropped without an error."""
    return cast(TextIO, _Unfailing(stream))


def say(text: str, stream: TextIO) -> None:
    """Prints lines, each ``printable``, to a stream that may be closed or full.

    Whoever joins lines of which one may hold a stranger's line break makes them ``printable`` first.
    """
    print("\n".join(map(printable, text.split("\n"))), file=unfailing(stream), flush=True)


def prepare_streams() -> None:
    """Sees to it that the standard streams are there, and take any text, whatever their encoding."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: what is opened next would get its number, and what is said
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w")  # noqa: SIM115 - lasts as long as we do
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, stream)


@contextmanager
def own_terminal(alone: bool) -> Iterator[TextIO]:
    """The standard error stream, kept from worker processes while the body runs.

    Worker processes log to the stream that they inherit. What goes wrong in them also comes back as an
    error, so their log is only asked for with ``--verbose``.

    Args:
        alone: whether worker processes are to be kept from it.
    """
    if not alone:
        yield unfailing(sys.stderr)
        return
    number = 2
    kept = os.dup(number)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
    try:
        encoding = sys.stderr.encoding
        with os.fdopen(os.dup(kept), "w", encoding=encoding, errors="backslashreplace") as terminal:
            yield unfailing(terminal)
            with suppress(OSError):
                terminal.flush()
    finally:
        os.dup2(kept, number)
        os.close(kept)
