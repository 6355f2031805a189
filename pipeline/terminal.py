"""What is shown to people: text from strangers cannot steer the terminal."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    """The text with every character that is not printable escaped, line breaks aside.

    Terminals obey control characters, and file names, class names and cells may hold them.
    """
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
