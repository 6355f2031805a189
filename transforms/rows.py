"""The elements of the pipeline: small, frozen, and the only thing that is ever shuffled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ..schemas.errors import Reject
from .ledger import Ledger
from .path_keys import PathRoot, path_key

if TYPE_CHECKING:
    import apache_beam as beam

__all__ = [
    "InlineBytes",
    "ManifestRow",
    "RejectedRow",
    "RowFormat",
    "RowsRead",
    "Window",
    "reject_row",
]


@dataclass(frozen=True, slots=True)
class InlineBytes:
    """Stands in a row for bytes that stay in the manifest's own Parquet file.

    The file and the row are the ``ManifestRow``'s.

    Attributes:
        row_group: index of the row group in the file.
        batch: index of the batch inside the row group: the part of it that is read at once.
        index: position of the row in the batch.
        path: the path that stands beside the bytes (``{bytes, path}``), empty when there is none.
    """

    row_group: int
    batch: int
    index: int
    path: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """The frames of a clip that a row is about, where clips were cut into windows.

    Attributes:
        clip: the clip's key; all windows of a clip stay in one split.
        start: the first frame, counted in those that ``every`` and ``max_frames`` have left.
        stop: the one after the last.
    """

    clip: str
    start: int
    stop: int

    def __len__(self) -> int:
        """How many frames it has."""
        return self.stop - self.start

    @property
    def name(self) -> str:
        """What names the window: ``clip_0001[16:32]``."""
        return f"{self.clip}[{self.start}:{self.stop}]"

    @property
    def cells(self) -> dict[str, str]:
        """The window as it stands among the cells of a line of ``rejects.jsonl``."""
        return {"clip/key": self.clip, "clip/window": self.name}


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One line of a manifest, or what several became: a clip, or a window of one.

    Attributes:
        file: the manifest file, relative to the manifest's folder, with ``/``.
        row: where it stands in the file, from 1: the line on which it starts in text files (a header is
            line 1), the position in Parquet files and directories.
        values: the cells of the columns that the build needs, in the order of ``Manifest.columns``:
            ``str`` or ``None`` (missing or empty) from text, any JSON value from JSON lines and Parquet,
            ``InlineBytes`` for bytes that stay where they are.
        window: the frames of its clip that it is about; ``None`` where no clip was cut.
    """

    file: str
    row: int
    values: tuple[Any, ...]
    window: Window | None = None

    @property
    def location(self) -> str:
        """Where it stands, for people: ``rows.csv:12``."""
        return f"{self.file}:{self.row}"


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that did not become a record, and why.

    Attributes:
        file: see ``ManifestRow``.
        row: see ``ManifestRow``.
        key: what names the row (``RowFormat.key``), as far as that is known.
        reject: what is wrong with it.
        values: the cells by column, as far as they could be read.
        window: the row's window.
        counts: of what else is lost with the row, by the key that stands beside it in ``rejects.jsonl``.
    """

    file: str
    row: int
    key: str
    reject: Reject
    values: tuple[tuple[str, Any], ...] = ()
    window: Window | None = None
    counts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class RowFormat:
    """What the cells of a ``ManifestRow`` are.

    Attributes:
        columns: the columns in the order of ``ManifestRow.values``.
        key_column: the column whose value names the row: the join key, else the first path.
        key_is_path: whether that column holds paths, of which one file has many spellings.
        key_in_split: whether paths are relative to the folders of several manifests, each a split: then
            the same path names different files, and a key begins with the split.
        roots: the folder that paths are relative to, under ``""``; with ``key_in_split``, that of each split.
    """

    columns: tuple[str, ...]
    key_column: str | None
    key_is_path: bool = False
    key_in_split: bool = False
    roots: Mapping[str, PathRoot] = field(default_factory=dict)

    def cell(self, row: ManifestRow, column: str) -> Any:
        """A row's value in a column."""
        return row.values[self.columns.index(column)]

    def key(self, row: ManifestRow) -> str:
        """What names a row to people and to the hashes: its window, its key or path, else ``file:row``."""
        if row.window is not None:
            return row.window.name
        if self.key_column is not None:
            value = self.cell(row, self.key_column)
            if isinstance(value, InlineBytes):
                value = value.path
            if value not in (None, "") and isinstance(value, str | int):
                return self.path_key(row, str(value)) if self.key_is_path else str(value)
        return row.location

    def path_key(self, row: ManifestRow, path: str) -> str:
        """The one spelling of a path that a row has; see the function ``path_key``."""
        key = self.file_key(row, path)
        return f"{row.file.partition('/')[0]}/{key}" if self.key_in_split else key

    def file_key(self, row: ManifestRow, path: str) -> str:
        """The same without the split: equal of two datasets' rows that name a file in folders of their own."""
        root = row.file.partition("/")[0] if self.key_in_split else ""
        return path_key(path, self.roots.get(root))

    def relative(self, row: ManifestRow, path: str) -> str:
        """A path that a row has as it is relative to its folder, if it leads into it and is not yet."""
        root = self.roots.get(row.file.partition("/")[0] if self.key_in_split else "")
        key = path_key(path)
        inside = root.relative(key) if root is not None and key[:1] in "/." else key
        return path if inside == key else inside


def reject_row(row_format: RowFormat, row: ManifestRow, reject: Reject) -> RejectedRow:
    """The row with what is wrong with it."""
    return RejectedRow(
        file=row.file,
        row=row.row,
        key=row_format.key(row),
        # A copy: one that was raised would keep its traceback, and with it what the frames hold, alive.
        reject=reject.of(),
        values=tuple(zip(row_format.columns, row.values, strict=True)),
        window=row.window,
    )


class RowsRead(NamedTuple):
    """What the steps between the manifests and the splits give; a tuple, since Beam takes these apart.

    Attributes:
        rows: those that are still to become records.
        rejects: those that are not.
        counts: ints that add up to the rows that were seen.
        ledger: of clips, counts to be added up; see ``clips/frame_accounting.py``.
        dropped: of clips, the frames that were left out because something is wrong with them.
    """

    rows: beam.PCollection[ManifestRow]
    rejects: beam.PCollection[RejectedRow]
    counts: beam.PCollection[int]
    ledger: beam.PCollection[Ledger] | None = None
    dropped: beam.PCollection[RejectedRow] | None = None
