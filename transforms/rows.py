"""The elements of the pipeline: small, frozen, and the only thing that is ever shuffled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["InlineBytes", "ManifestRow", "RejectedRow"]


@dataclass(frozen=True, slots=True)
class InlineBytes:
    """Stands in a row for bytes that stay in the manifest's own Parquet file.

    The file and the row are the ``ManifestRow``'s.

    Attributes:
        row_group: index of the row group in the file.
        window: index of the window inside the row group: the part of it that is read at once.
        index: position of the row in the window.
        path: the path that stands beside the bytes (``{bytes, path}``), empty when there is none.
    """

    row_group: int
    window: int
    index: int
    path: str = ""


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One line of a manifest.

    Attributes:
        file: the manifest file, relative to the manifest's folder, with ``/``.
        row: where it stands in the file, from 1: the line on which it starts in text files (a header is
            line 1), the position in Parquet files and directories.
        values: the cells of the columns that the build needs, in the order of ``Manifest.columns``:
            ``str`` or ``None`` (missing or empty) from text, any JSON value from JSON lines and Parquet,
            ``InlineBytes`` for bytes that stay where they are.
    """

    file: str
    row: int
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that did not become a record, and why; the fields are those of ``Reject``.

    Attributes:
        values: the cells by column, as far as they could be read.
        frames: of a clip, the frames that are lost with it.
    """

    file: str
    row: int
    key: str
    stage: str
    reason: str
    message: str
    feature: str = ""
    path: str = ""
    values: tuple[tuple[str, Any], ...] = ()
    frames: int = 0
