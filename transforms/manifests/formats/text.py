"""What the line-based formats share: lines with their numbers, and cutting a file into ranges."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from ...storage.streams import is_gzipped, read_chunks, read_head
from .base import (
    MALFORMED_ROW,
    NOT_UTF8,
    Malformed,
    ManifestFormat,
    Part,
    Projection,
    Record,
)
from .encodings import check_encoding

__all__ = ["LINE_BYTES", "Body", "Head", "TextFormat", "decode_line", "read_lines", "split_lines"]

LINE_BYTES = 16 << 20
"""A longer line is not read: it bounds the memory that a hostile file can ask for."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Head:
    """The start of a text file, without a byte order mark.

    Attributes:
        text: its bytes, unzipped.
        whole: whether the file ends where the head ends.
        start: the byte at which ``text`` starts: behind a byte order mark.
    """

    text: bytes
    whole: bool
    start: int


@dataclass(frozen=True, slots=True)
class Body:
    """What is known of a text file from its head.

    Attributes:
        columns: its columns.
        start: the byte behind the header, at which the rows start, unzipped.
        line: the number of the line that starts there.
        inside: JSON lines: the key of a line's object that has the row, empty for the line itself.
        is_array: JSON: whether the rows are the elements of an array; it is read in one task.
    """

    columns: tuple[str, ...]
    start: int
    line: int = 1
    inside: str = ""
    is_array: bool = False


class TextFormat(ManifestFormat):
    """A format in which a row is a line, or a few of them."""

    compressible = True

    joins_lines: ClassVar[bytes] = b""
    """The byte that may make one row of several lines; a file that has it is read in one task."""

    @abstractmethod
    def body(self, head: Head, path: str) -> Body:
        """What the head of a file says of it.

        Raises:
            ManifestError: its header cannot be read.
        """

    @abstractmethod
    def parse(
        self, lines: Iterator[tuple[int, bytes]], body: Body, projection: Projection, path: str
    ) -> Iterator[Record]:
        """Turns numbered lines into records.

        Args:
            lines: as ``read_lines`` gives them.
            body: what the head of the file says.
            projection: the columns to keep.
            path: the file, for messages.

        Raises:
            ManifestError: the file lacks a column.
        """

    def cut(self, chunks: Iterable[bytes], part: Part, body: Body) -> Iterator[tuple[int, bytes]]:
        """Cuts the bytes of a part into what ``parse`` takes; lines, if not said otherwise."""
        return read_lines(chunks, part.row)

    def columns(self, path: str) -> tuple[str, ...]:  # noqa: D102 - the interface's
        check_encoding(read_head(path)[0], path)
        return self._body(path).columns

    def parts(self, part: Part, size: int, range_bytes: int) -> list[Part]:  # noqa: D102
        body = self._body(part.path)
        rows = replace(part, row=body.line, start=body.start)
        if body.is_array or is_gzipped(part.path) or size <= range_bytes:
            return [rows]
        return split_lines(rows, range_bytes, self.joins_lines)

    def records(self, part: Part, projection: Projection) -> Iterator[Record]:  # noqa: D102
        body = self._body(part.path)
        lines = self.cut(read_chunks(part.path, part.start, part.stop), part, body)
        return self.parse(lines, body, projection, part.path)

    def _body(self, path: str) -> Body:
        text, whole = read_head(path)
        start = len(_BOM) if text.startswith(_BOM) else 0
        return self.body(Head(text[start:], whole, start), path)


def read_lines(chunks: Iterable[bytes], first: int = 1) -> Iterator[tuple[int, bytes]]:
    """Numbers the lines of a file, without the newline that ends each.

    A line longer than ``LINE_BYTES`` comes cut to one byte more than that.

    Args:
        chunks: the file's bytes in pieces of any size.
        first: the number of the first line.
    """
    number, held, size = first, [b""], 0
    for chunk in chunks:
        start, *rest = chunk.split(b"\n")
        if size <= LINE_BYTES:
            held.append(start)
            size += len(start)
        if rest:
            yield number, b"".join(held)[: LINE_BYTES + 1]
            last = rest.pop()
            yield from enumerate(rest, number + 1)
            number, held, size = number + 1 + len(rest), [last], len(last)
    if size:
        yield number, b"".join(held)[: LINE_BYTES + 1]


def split_lines(part: Part, range_bytes: int, joins_lines: bytes = b"") -> list[Part]:
    """Cuts a part into ranges of at least ``range_bytes`` that start and end with whole lines.

    The file is read once, to count the lines before each range.

    Args:
        part: the part to cut, from its start to the end of the file.
        range_bytes: a range ends with the line that reaches this size.
        joins_lines: when this byte occurs, lines are no rows, and the part stays as it is.
    """
    starts, line, position = [(part.start, part.row)], part.row, part.start
    for chunk in read_chunks(part.path, part.start):
        if joins_lines and joins_lines in chunk:
            return [part]
        counted = 0
        while (wanted := starts[-1][0] + range_bytes - 1 - position) < len(chunk):
            found = chunk.find(b"\n", max(wanted, counted))
            if found < 0:
                break
            line += chunk.count(b"\n", counted, found + 1)
            counted = found + 1
            starts.append((position + counted, line))
        line += chunk.count(b"\n", counted)
        position += len(chunk)
    stops = [start for start, _ in starts[1:]] + [position]
    return [
        replace(part, row=row, start=start, stop=stop)
        for (start, row), stop in zip(starts, stops, strict=True)
        if start < stop
    ]


def decode_line(line: bytes) -> str | Malformed:
    """A line as text, or why it is none: too long, not UTF-8, or with a NUL in it."""
    if len(line) > LINE_BYTES:
        return Malformed(
            MALFORMED_ROW, f"got a line of more than {LINE_BYTES} bytes, expected fewer"
        )
    if b"\0" in line:
        return Malformed(MALFORMED_ROW, f"got a NUL byte at byte {line.index(0) + 1} of the line")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        return Malformed(
            NOT_UTF8,
            f"got byte 0x{line[error.start]:02x} at byte {error.start + 1} of the line, "
            "expected UTF-8 text",
        )
