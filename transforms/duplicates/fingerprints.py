"""What twins are found by: of each record the hashes of what it was made from, cut into blocks by bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...schemas.dataset.index import IndexLayout, read_index
from ...schemas.images.hash_bands import HashBands, has_structure
from ...schemas.schema import Schema
from .record_numbers import Records

__all__ = [
    "CONTENT",
    "CONTENT_ENTRY",
    "HASH_ENTRY",
    "Bucket",
    "Buckets",
    "FileColumns",
    "Fingerprints",
    "file_columns",
    "read_fingerprints",
]

Bucket = tuple[int, int, int]
"""The number of a feature, a band of the perceptual hash or ``CONTENT``, and a part of its values."""

CONTENT = -1
CONTENT_ENTRY = np.dtype([("content", "<u8", 2), ("record", "<u8")])
HASH_ENTRY = np.dtype([("hash", "<u8"), ("record", "<u8")])

_HEX_DIGITS = 32  # of a SHA-256: 128 bits of it tell any number of files apart
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio spreads neighbouring values
_ROWS_A_PART = 1 << 13
_MOST_PARTS = 1 << 10  # at 10^10 rows a bucket has 240 MB
_BLOCK_BYTES = 900  # what crosses a shuffle stays under 1 KiB


@dataclass(frozen=True, slots=True)
class FileColumns:
    """The columns of the index that say what a feature was read from.

    Attributes:
        feature: the feature's name.
        source: the column of the path; ``None`` where a record has many, as clips have.
        sha256: that of the file's hash, or the hashes of the steps' files.
        dhash: that of the perceptual hash; ``None`` where there is none, or one for each step.
    """

    feature: str
    source: str | None
    sha256: str
    dhash: str | None

    @property
    def names(self) -> list[str]:
        """The columns of the hashes."""
        return [name for name in (self.sha256, self.dhash) if name is not None]


def file_columns(schema: Schema) -> list[FileColumns]:
    """The columns of each feature that is read from files, in the schema's order."""
    said: dict[str, dict[str, str]] = {}
    for column in IndexLayout(schema).columns:
        if column.says in ("source", "source_sha256", "dhash"):
            of_feature = said.setdefault(column.feature, {})
            of_feature[column.says] = column.name
            if column.is_list:
                of_feature.pop("source", None)
                of_feature.pop("dhash", None)
    return [
        FileColumns(name, columns.get("source"), columns["source_sha256"], columns.get("dhash"))
        for name, columns in said.items()
        if "source_sha256" in columns
    ]


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """The hashes of some records' values of a feature.

    Attributes:
        contents: 128 bits of the SHA-256 of what each was read from, as two numbers ``[n, 2]``.
        content_records: the records that these are of; others were read from nothing that is known.
        hashes: the perceptual hashes of those that have some structure.
        hash_records: the records that these are of.
        num_plain: how many have too little structure for their hash to tell them from others.
    """

    contents: NDArray[np.uint64]
    content_records: Records
    hashes: NDArray[np.uint64]
    hash_records: Records
    num_plain: int

    @classmethod
    def of(
        cls,
        contents: list[str | None],
        hashes: NDArray[np.uint64],
        is_hash: NDArray[np.bool_],
        records: Records,
    ) -> Fingerprints:
        """Those of records whose hashes are known or not.

        Args:
            contents: the SHA-256 in hex, or ``None``.
            hashes: the perceptual hashes.
            is_hash: which of these are.
            records: the records' numbers.
        """
        known = np.array([content is not None for content in contents], bool)
        digits = "".join(content[:_HEX_DIGITS] for content in contents if content is not None)
        numbers = np.frombuffer(bytes.fromhex(digits), ">u8").reshape(-1, 2).astype(np.uint64)
        kept = is_hash & has_structure(hashes)
        num_plain = int(np.count_nonzero(is_hash & ~kept))
        return cls(numbers, records[known], hashes[kept], records[kept], num_plain)


def read_fingerprints(data: bytes, columns: FileColumns, records: Records) -> Fingerprints:
    """Those of a shard.

    Args:
        data: the content of its index file.
        columns: the feature's.
        records: the numbers of its records.

    Raises:
        pyarrow.ArrowException: the file is damaged.
    """
    table = read_index(data, columns.names)
    contents = table.column(columns.sha256).to_pylist()
    if pa.types.is_list(table.schema.field(columns.sha256).type):
        contents = [_hash_steps(steps) for steps in contents]
    if columns.dhash is None:
        none = np.zeros(len(records), np.uint64)
        return Fingerprints.of(contents, none, none.astype(bool), records)
    found = table.column(columns.dhash)
    hashes = pc.fill_null(found, 0).to_numpy()  # with nulls, Arrow gives floats
    return Fingerprints.of(contents, hashes, pc.is_valid(found).to_numpy(), records)


def _hash_steps(steps: list[str | None] | None) -> str | None:
    """One hash of those of a clip's steps; ``None`` where one of them is not known, or there is none."""
    if not steps or any(step is None for step in steps):
        return None
    return hashlib.sha256("\n".join(map(str, steps)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Buckets:
    """Where fingerprints meet that may be those of twins.

    Attributes:
        bands: of the perceptual hash; ``None`` where only equal contents are looked for.
        num_rows: the rows of the dataset, from which it follows how many parts a band has.
    """

    bands: HashBands | None
    num_rows: int

    def divide(self, feature: int, found: Fingerprints) -> Iterator[tuple[Bucket, bytes]]:
        """Blocks of entries, ``CONTENT_ENTRY`` or ``HASH_ENTRY``, each with the bucket that it belongs to."""
        entries = np.empty(len(found.content_records), CONTENT_ENTRY)
        entries["content"], entries["record"] = found.contents, found.content_records
        yield from self._divide(feature, CONTENT, entries, found.contents[:, 0])
        if self.bands is None:
            return
        entries = np.empty(len(found.hash_records), HASH_ENTRY)
        entries["hash"], entries["record"] = found.hashes, found.hash_records
        for band in range(len(self.bands)):
            oriented, _ = self.bands.orient(found.hashes, band)
            values = oriented & self.bands.masks[band]
            yield from self._divide(feature, band, entries, values)

    def _divide(
        self, feature: int, band: int, entries: NDArray[Any], values: NDArray[np.uint64]
    ) -> Iterator[tuple[Bucket, bytes]]:
        bits = min(self.num_rows // _ROWS_A_PART, _MOST_PARTS - 1).bit_length()
        # A shift by all 64 bits would be none at all.
        mixed = (values * _MIX) >> np.uint64(64 - bits) if bits else np.zeros_like(values)
        order = np.argsort(mixed, kind="stable")
        starts = np.flatnonzero(np.diff(mixed[order], prepend=np.uint64(1 << 63)))
        most = _BLOCK_BYTES // entries.dtype.itemsize
        for rows in np.split(order, starts[1:]) if len(order) else ():
            bucket = (feature, band, int(mixed[rows[0]]))
            for start in range(0, len(rows), most):
                yield bucket, entries[rows[start : start + most]].tobytes()
