"""What a manifest format is: the interface that each file in this folder implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from ....schemas.columns import check_column
from ....schemas.errors import ManifestError
from ...storage.streams import hash_file

__all__ = [
    "CELL_TOO_LARGE",
    "MALFORMED_ROW",
    "NOT_UTF8",
    "RANGE_BYTES",
    "Malformed",
    "ManifestFormat",
    "Part",
    "Projection",
    "Record",
    "check_names",
]

CELL_TOO_LARGE = "cell_too_large"
MALFORMED_ROW = "malformed_row"
NOT_UTF8 = "not_utf8"

RANGE_BYTES = 64 << 20
"""A file that is larger is read in ranges of about this many bytes, where its format allows it."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one task reads of a manifest file.

    Attributes:
        name: the file, as ``ManifestFile.name`` has it.
        path: the file, as the filesystem takes it.
        row: number of the first row in the part: a line in text files, a position in others.
        start: text files: byte at which the part starts, unzipped; Parquet: index of the row group.
        stop: text files: byte at which the part ends, -1 for the end of the file.
    """

    name: str
    path: str
    row: int = 1
    start: int = 0
    stop: int = -1


@dataclass(frozen=True, slots=True)
class Malformed:
    """Stands for a row's values where they cannot be read.

    Attributes:
        reason: the reject's code.
        message: what was got and what was expected.
        path: the image file at fault, where there is one.
        values: the cells by column, as far as they could be read.
    """

    reason: str
    message: str
    path: str = ""
    values: tuple[tuple[str, Any], ...] = ()


Record: TypeAlias = "tuple[int, tuple[Any, ...] | Malformed]"
"""A row's number and its values in the order of ``Projection.columns``."""


@dataclass(frozen=True, slots=True)
class Projection:
    """The columns that a build needs.

    Attributes:
        columns: their names, in the order of ``ManifestRow.values``.
        file_columns: those of them that hold paths of files or the files' bytes.
        late_columns: those that only the shard task looks at, so that large bytes of theirs can stay
            in the manifest until then.
    """

    columns: tuple[str, ...]
    file_columns: frozenset[str] = frozenset()
    late_columns: frozenset[str] = frozenset()

    def indices(self, present: Sequence[str], path: str) -> tuple[int, ...]:
        """Where the columns stand in a file that has the columns ``present``.

        Raises:
            ManifestError: the file at ``path`` lacks one.
        """
        for column in self.columns:
            check_column(column, present, path)
        return tuple(present.index(column) for column in self.columns)


class ManifestFormat(ABC):
    """A kind of manifest file.

    A format is a subclass in a file of its own: in ``transforms/manifests/formats/`` and listed in its
    ``__init__.py``, or in another package that names it as an entry point of the group ``pixelbeam.formats``.
    It is made without arguments, and holds no state but its settings.
    """

    endings: tuple[str, ...] = ()
    """How the names of its files end, in small letters, with the dot."""

    compressible: ClassVar[bool] = False
    """Whether a gzipped file of the format is read too."""

    optional_columns: ClassVar[bool] = False
    """Whether a row, and so a whole file, may leave columns out that others have."""

    unit: ClassVar[str] = "file"
    """What a ``ManifestFile`` of the format is, for people."""

    names_itself: ClassVar[bool] = False
    """Whether cells name arrays in the manifest's own file, so that paths are relative to its folder."""

    reads_others: ClassVar[bool] = False
    """Whether rows follow from more files than the one that is named, so that a look at that one is not enough
    to tell that nothing has changed."""

    def takes(self, path: str) -> bool:
        """Whether a file that ends like one of the format can be of it, by its path alone."""
        return True

    def recognizes(self, head: bytes) -> bool:
        """Whether a file is of this format, by its start; asked only where several have its ending.

        Args:
            head: at most the first ``HEAD_BYTES`` of the file, unzipped; never empty.
        """
        return True

    def inline_columns(self, path: str) -> tuple[str, ...]:
        """The columns of a file that can hold the bytes of images, by their type; none in most formats.

        Raises:
            ManifestError: the file cannot be read.
        """
        return ()

    def image_root(self, path: str) -> str | None:
        """The folder that paths in a file are relative to, where that is not the file's own; else ``None``.

        Raises:
            ManifestError: the file cannot be read.
        """
        return None

    def split_column(self, path: str) -> str | None:
        """The column that names the rows' splits, where a file says which they are; else ``None``.

        Raises:
            ManifestError: the file cannot be read.
        """
        return None

    def classes(self, path: str, column: str) -> dict[str | int, str] | None:
        """The classes that a file declares for a column, rows with them or not; else ``None``.

        Returns:
            Their names by what the file itself calls them, in the order that it gives them: by number where they
            are numbered.

        Raises:
            ManifestError: the file cannot be read.
        """
        return None

    @abstractmethod
    def columns(self, path: str) -> tuple[str, ...]:
        """The columns of a file, in its order, from its head or footer alone.

        Raises:
            ManifestError: the file or its header cannot be read.
        """

    @abstractmethod
    def parts(self, part: Part, size: int, range_bytes: int) -> list[Part]:
        """Divides a whole file, given as a part, into parts that together have each row once.

        Args:
            part: the whole file.
            size: the bytes of the file.
            range_bytes: about how many bytes a part should have where the file can be cut.
        """

    def identity(self, path: str) -> dict[str, Any]:
        """What tells a file's content from any other: what its rows are must follow from it.

        The bytes of the file and their SHA-256. A format whose rows are a folder's listing counts and
        hashes the listing instead.

        Raises:
            ManifestError: the file cannot be read.
        """
        return hash_file(path)

    @abstractmethod
    def records(self, part: Part, projection: Projection) -> Iterator[Record]:
        """Reads the rows of a part in order: one record for each row found, readable or not.

        Raises:
            BuildError: the file ends early or cannot be read any further.
        """


def check_names(names: Sequence[str], path: str) -> tuple[str, ...]:
    """The column names of a header.

    Raises:
        ManifestError: a name is empty, or stands there twice.
    """
    for position, name in enumerate(names, 1):
        if not name:
            raise ManifestError(
                f"{path}: column {position} of the header has no name, expected one "
                "(pandas writes such a column for the index: to_csv(…, index=False))"
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ManifestError(f"{path}: the header has the column {twice[0]!r} more than once")
    return tuple(names)
