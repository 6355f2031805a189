"""What is shown to people: only what we say, and nothing in it that steers the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["own_terminal", "printable"]


def printable(text: str) -> str:
    """The text with every character that is not printable escaped, line breaks aside.

    Terminals obey control characters, and file names, class names and cells may hold them.
    """
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


@contextmanager
def own_terminal(alone: bool) -> Iterator[TextIO]:
    """The standard error stream, kept from worker processes while the body runs.

    Worker processes log to the stream that they inherit. What goes wrong in them also comes back as an
    error, so their log is only asked for with ``--verbose``.

    Args:
        alone: whether worker processes are to be kept from it.
    """
    if not alone:
        yield sys.stderr
        return
    number = 2
    kept = os.dup(number)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8") as terminal:
            yield terminal
    finally:
        os.dup2(kept, number)
        os.close(kept)
