"""CSV and TSV with a header."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from ....schemas.errors import ManifestError
from .base import MALFORMED_ROW, NOT_UTF8, Malformed, Projection, Record, check_names
from .text import Body, Head, TextFormat, decode_line, read_lines

__all__ = ["CELL_CHARS", "Delimited", "split_cells"]

CELL_CHARS = 131072
"""The longest cell: what the ``csv`` module takes unless told otherwise.

Its limit is a global of the process, so it is left alone. It is also how far a quote that is never
closed is followed.
"""

_NO_LINE = (0, b"")
_EXCEL_LINE = re.compile(rb'"?(sep=.)"?\r?', re.IGNORECASE)
"""Where Excel looks for the separator of a CSV file, before its header."""


@dataclass(frozen=True)
class Delimited(TextFormat):
    """Cells between commas or tabs, quoted as RFC 4180 has it; the first line names the columns.

    Blank lines are skipped. A row that cannot be read is passed over, up to the next line.
    """

    delimiter: str
    joins_lines = b'"'

    @property
    def endings(self) -> tuple[str, ...]:  # type: ignore[override]  # follows from the delimiter
        """``.tsv`` between tabs, else ``.csv``."""
        return (".tsv",) if self.delimiter == "\t" else (".csv",)

    def body(self, head: Head, path: str) -> Body:  # noqa: D102
        lines = list(read_lines([head.text]))
        if lines and (line := _EXCEL_LINE.fullmatch(lines[0][1])):
            wanted = "tabs" if self.delimiter == "\t" else "commas"
            raise ManifestError(
                f"{path}: line 1: got {line[1].decode(errors='replace')!r}, which only Excel knows, expected "
                f"the header; remove the line, and put {wanted} between the cells"
            )
        # The header may go over several lines, if a name in quotes has a line break.
        left = iter(lines)
        number, cells = next(split_cells(left, self.delimiter), (1, None))
        if cells is None:
            raise ManifestError(f"{path}: nothing but blank lines, expected a header")
        if isinstance(cells, Malformed):
            raise ManifestError(f"{path}: line {number}: {cells.message}")
        header = lines[: len(lines) - len(list(left))]
        length = sum(len(line) + 1 for _, line in header)
        if length > len(head.text) and not head.whole:
            raise ManifestError(
                f"{path}: a header of more than {len(head.text)} bytes, expected fewer"
            )
        start = head.start + min(length, len(head.text))
        return Body(check_names(cells, path), start, 1 + len(header))

    def parse(  # noqa: D102
        self, lines: Iterator[tuple[int, bytes]], body: Body, projection: Projection, path: str
    ) -> Iterator[Record]:
        width, keep = len(body.columns), _keeper(projection.indices(body.columns, path))
        for number, cells in split_cells(lines, self.delimiter):
            if isinstance(cells, Malformed):
                yield number, cells
            elif len(cells) == width:
                values = keep(cells)
                # Most rows have no empty cell, and looking is quicker than building the tuple again.
                if "" in values:
                    values = tuple(value or None for value in values)
                yield number, values
            else:
                yield number, _wrong_width(cells, body.columns)


def _keeper(indices: Sequence[int]) -> Any:
    if len(indices) > 1:
        return itemgetter(*indices)
    return lambda cells: tuple(cells[index] for index in indices)


def _wrong_width(cells: list[str], columns: Sequence[str]) -> Malformed:
    return Malformed(
        MALFORMED_ROW,
        f"got {len(cells)} cells, expected {len(columns)}",
        values=tuple(zip(columns, cells, strict=False)),
    )


def split_cells(
    lines: Iterator[tuple[int, bytes]], delimiter: str
) -> Iterator[tuple[int, list[str] | Malformed]]:
    """Splits numbered lines into rows of cells, each with the number of the line it starts on.

    After a row that cannot be read it goes on with the very next line, even where a quote that is
    not closed would have swallowed it.
    """
    again: deque[tuple[int, bytes]] = deque()
    while (numbered := again.popleft() if again else next(lines, _NO_LINE)) is not _NO_LINE:
        number, line = numbered
        # Where nothing is quoted, str.split does what a CSV reader would, in less time.
        if b'"' in line:
            cells: list[str] | Malformed | None = _split_alone(line, delimiter)
            if cells is None:
                taken = _Taken(numbered, again, lines)
                cells = _split_joined(taken, delimiter)
                if isinstance(cells, Malformed) and cells.reason == MALFORMED_ROW:
                    # A stray quote takes in all lines up to the next one; they are rows of their own.
                    again.extendleft(reversed(taken.lines[1:]))
        else:
            cells = _split_plain(line, delimiter)
        if cells:
            yield number, cells


def _split_plain(line: bytes, delimiter: str) -> list[str] | Malformed:
    """The cells of a line without quotes; none when it is blank."""
    text = decode_line(line[:-1] if line.endswith(b"\r") else line)
    if isinstance(text, Malformed):
        return text
    if "\r" in text:
        return Malformed(MALFORMED_ROW, "got a carriage return inside the line, expected a newline")
    cells = text.split(delimiter)
    if len(cells) == 1 and not text.strip(" "):
        return []
    return _check_length(cells) if len(text) > CELL_CHARS else cells


def _split_alone(line: bytes, delimiter: str) -> list[str] | None:
    """The cells of a line with quotes that is a whole row: nearly all are, and it is quick."""
    text = decode_line(line)
    if isinstance(text, Malformed):
        return None
    try:
        return next(csv.reader((text,), delimiter=delimiter, strict=True))
    except csv.Error:
        return None


class _Taken:
    """The lines of one row, as ``csv.reader`` asks for them; remembers which it took."""

    def __init__(
        self,
        first: tuple[int, bytes],
        again: deque[tuple[int, bytes]],
        rest: Iterator[tuple[int, bytes]],
    ) -> None:
        self.lines = [first]
        self._first = True
        self._again, self._rest = again, rest

    def __iter__(self) -> _Taken:
        return self

    def __next__(self) -> str:
        if self._first:
            self._first = False
        else:
            self.lines.append(self._again.popleft() if self._again else next(self._rest))
        line = self.lines[-1][1]
        text = decode_line(line)
        if isinstance(text, str):
            return text + "\n"
        if text.reason == MALFORMED_ROW:
            raise csv.Error(text.message)
        # So that the row still ends where it ends; _check_text then says which byte it was.
        return line.decode(errors="surrogateescape") + "\n"


def _split_joined(taken: _Taken, delimiter: str) -> list[str] | Malformed:
    try:
        cells = next(csv.reader(taken, delimiter=delimiter, strict=True))
    except csv.Error as error:
        last = taken.lines[-1][0]
        until = f" (read up to line {last})" if len(taken.lines) > 1 else ""
        return Malformed(MALFORMED_ROW, f"not readable as a row: {error}{until}")
    return _check_text(cells) or _check_length(cells)


def _check_text(cells: list[str]) -> Malformed | None:
    """Finds the bytes that were let through so that the row could be split."""
    try:
        "".join(cells).encode()
    except UnicodeEncodeError as error:
        byte = ord(error.object[error.start]) & 0xFF  # as surrogateescape hides it
        return Malformed(NOT_UTF8, f"got byte 0x{byte:02x} in the row, expected UTF-8 text")
    return None


def _check_length(cells: list[str]) -> list[str] | Malformed:
    longest = max(map(len, cells))
    if longest <= CELL_CHARS:
        return cells
    return Malformed(
        MALFORMED_ROW, f"got a cell of {longest} characters, expected at most {CELL_CHARS}"
    )
