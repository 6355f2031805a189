"""Lists of ``path label`` lines without a header."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .base import MALFORMED_ROW, Malformed, Projection, Record
from .text import Body, Head, TextFormat, decode_line

__all__ = ["PathList", "split_line"]


@dataclass(frozen=True)
class PathList(TextFormat):
    r"""A path and a label a line, in the columns ``path`` and ``label``.

    Between the two stands a tab or, in a line without tabs, the line's last run of spaces: so
    paths may hold spaces, labels only behind a tab. Backslashes and quotes are characters like any
    other. A line of one word has no label.
    """

    endings = (".txt", ".lst")

    def body(self, head: Head, path: str) -> Body:  # noqa: D102
        return Body(("path", "label"), head.start)

    def parse(  # noqa: D102
        self, lines: Iterator[tuple[int, bytes]], body: Body, projection: Projection, path: str
    ) -> Iterator[Record]:
        indices = projection.indices(body.columns, path)
        for number, line in lines:
            text = decode_line(line.rstrip(b"\r"))
            if isinstance(text, Malformed):
                yield number, text
            elif text.strip(" \t"):
                yield number, _keep(split_line(text), indices)


def _keep(
    cells: tuple[str | None, str | None] | Malformed, indices: Sequence[int]
) -> tuple[str | None, ...] | Malformed:
    return cells if isinstance(cells, Malformed) else tuple(cells[i] for i in indices)


def split_line(text: str) -> tuple[str | None, str | None] | Malformed:
    """The path and the label of a line that is not blank."""
    if "\t" not in text:
        path, _, label = text.strip(" ").rpartition(" ")
        return (path.rstrip(" "), label) if path else (label, None)
    cells = text.split("\t")
    if len(cells) > 2:
        return Malformed(MALFORMED_ROW, f"got {len(cells)} cells between tabs, expected 2")
    return cells[0] or None, cells[1].strip(" ") or None
