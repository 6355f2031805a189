"""Naming an array in a file, or a part of it: ``videos.h5::/clip_0001/frames[3]``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ....schemas.features.source import ARRAY_MARK

__all__ = ["ArrayReference", "parse_reference", "suggest_reference"]

_WHOLE_FILES = (".npy",)
_FILES_OF_ARRAYS = (".h5", ".hdf5", ".hdf", ".he5", ".mat", ".npz")
_REFERENCE = re.compile(
    rf"(?P<file>.+?\.(?:h5|hdf5|hdf|he5|mat|npy|npz)){ARRAY_MARK}(?P<name>.*?)"
    r"(?:\[(?P<columns>:, ?)?"
    r"(?:(?P<index>-?\d+)|(?P<start>-?\d*):(?P<stop>-?\d*)|(?P<keys>[^\[\]=]+)=(?P<key>.*))\])?",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class ArrayReference:
    """An array in a file, or a part of it.

    Attributes:
        written: the reference as it was written.
        file: the file's path as it was written.
        name: of the array in the file; empty where the file is one array (``.npy``).
        index: the one row that is meant, from 0; negative from the end.
        rows: the rows that are meant, ``[start:stop]``.
        key: the rows that are meant are those where another array of the file has a value: that
            array's name, and the value as text.
        columns: whether these are columns rather than rows, so counted along the second axis.
    """

    written: str
    file: str
    name: str
    index: int | None = None
    rows: slice | None = None
    key: tuple[str, str] | None = None
    columns: bool = False


def parse_reference(text: str) -> ArrayReference | None:
    """The array that text names; ``None`` where it names none.

    ``FILE::NAME`` is an array, ``[17]`` behind it one row of it, ``[0:16]`` a range of rows, and
    ``[ids=tabby]`` the rows at which the array ``ids`` of the same file holds ``tabby``; with ``:,``
    before, as in ``[:,17]``, columns. The file's name has to end in .h5, .hdf5, .hdf, .he5, .mat, .npy
    or .npz.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        return None
    index = int(match["index"]) if match["index"] else None
    rows = slice(*(int(end) if end else None for end in (match["start"], match["stop"])))
    return ArrayReference(
        text,
        match["file"],
        match["name"],
        index,
        rows if match["start"] is not None else None,
        (match["keys"], match["key"]) if match["keys"] else None,
        match["columns"] is not None,
    )


def suggest_reference(text: str) -> str:
    """How to name the array in a file that is named alone; empty where text names no such file."""
    path = text.strip()
    if path.lower().endswith(_WHOLE_FILES):
        return f"to read an array write '{path}{ARRAY_MARK}'"
    if path.lower().endswith(_FILES_OF_ARRAYS):
        return f"to read an array write '{path}{ARRAY_MARK}NAME', with its name in the file"
    return ""
