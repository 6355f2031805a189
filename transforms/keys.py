"""Keys and hashes: what decides a row's split, its shard and its place there.

Everything is a function of the row and the seed alone, so it is the same on any runner, in any order.
"""

from __future__ import annotations

import hashlib
import posixpath
import unicodedata
from dataclasses import dataclass
from typing import Any

from apache_beam.coders import FastPrimitivesCoder

from .arrays.array_files import ArrayBlock
from .rows import InlineBytes, ManifestRow

__all__ = [
    "RowFormat",
    "order_of",
    "pack_row",
    "path_key",
    "shard_index",
    "stable_hash",
    "unpack_row",
]

_HASH_BYTES = 8
_ORDER_BYTES = 20
_CODER = FastPrimitivesCoder()


def stable_hash(seed: int, purpose: str, *parts: str | int) -> bytes:
    """Eight bytes that are uniform over all values of ``parts``.

    Args:
        seed: the build's ``--seed``.
        purpose: tells the hashes apart that are taken of the same parts.
        parts: what is hashed.
    """
    text = "\0".join([str(seed), purpose, *map(str, parts)])
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).digest()


@dataclass(frozen=True, slots=True)
class RowFormat:
    """What the cells of a ``ManifestRow`` are.

    Attributes:
        columns: the columns in the order of ``ManifestRow.values``.
        key_column: the column whose value names the row: the join key, else the first path.
        key_is_path: whether that column holds paths, of which one file has many spellings.
        key_in_split: whether paths are relative to the folders of several manifests, each a split: then
            the same path names different files, and a key begins with the split.
    """

    columns: tuple[str, ...]
    key_column: str | None
    key_is_path: bool = False
    key_in_split: bool = False

    def cell(self, row: ManifestRow, column: str) -> Any:
        """A row's value in a column."""
        return row.values[self.columns.index(column)]

    def key(self, row: ManifestRow) -> str:
        """What names a row to people and to the hashes: its key or path, else ``file:row``."""
        if self.key_column is not None:
            value = self.cell(row, self.key_column)
            if isinstance(value, InlineBytes):
                value = value.path
            if value not in (None, "") and isinstance(value, str | int):
                if not self.key_is_path:
                    return str(value)
                key = path_key(str(value))
                return f"{row.file.partition('/')[0]}/{key}" if self.key_in_split else key
        return f"{row.file}:{row.row}"


def path_key(path: str) -> str:
    r"""The one spelling of all that name the same file: ``./x.jpg``, ``a//../x.jpg``, ``.\x.jpg``.

    Backslashes separate folders, as where files are read; letters with accents are composed (NFC), since
    some filesystems decompose them and others take both for one. Symbolic links are not looked at, an
    absolute path stays one, and of a URL only the backslashes change: object stores have no folders.
    """
    # Nearly all paths are in order, and this tells it in a tenth of the time.
    if path.isascii() and not ("//" in path or "./" in path or "\\" in path or path[-1:] in "./"):
        return path
    text = path.replace("\\", "/")
    if "://" in text:
        return text
    normal = posixpath.normpath(unicodedata.normalize("NFC", text))
    return normal.replace("//", "/", 1)  # which POSIX lets stand at the start


def order_of(seed: int, key: str, row: ManifestRow, block: ArrayBlock | None = None) -> bytes:
    """A row's place in its split: 20 bytes that sort as the rows lie there.

    The first eight are uniform and choose the shard. Rows whose bytes lie in one Parquet row group, or in
    one compressed chunk of an array file, share them, and after those the window, so that each window is
    read once, by one task.

    Args:
        seed: the build's ``--seed``.
        key: what names the row.
        row: the row.
        block: what of an array file is read with the row, from ``ArrayOrder``.
    """
    own = stable_hash(seed, "order", key, row.row)
    for value in row.values:
        if isinstance(value, InlineBytes):
            group = stable_hash(seed, "row group", row.file, value.row_group)
            return group + value.window.to_bytes(4, "big") + own
    if block is not None:
        chunk = stable_hash(seed, "array chunk", block.file, block.name, block.chunk)
        return chunk + block.window.to_bytes(4, "big") + own
    return own + bytes(_ORDER_BYTES - _HASH_BYTES)


def shard_index(order: bytes, num_shards: int) -> int:
    """The shard that a place belongs to: equal parts of the range of the hash, in order."""
    return int.from_bytes(order[:_HASH_BYTES], "big") * num_shards >> (8 * _HASH_BYTES)


def pack_row(order: bytes, row: ManifestRow) -> bytes:
    """A row as it crosses the shuffle; packed rows sort by place, then file, row and values."""
    # JSON and Arrow values are never tuples, so a tuple can stand for InlineBytes.
    values = [
        (v.row_group, v.window, v.index, v.path) if isinstance(v, InlineBytes) else v
        for v in row.values
    ]
    return order + bytes(_CODER.encode((row.file, row.row, values)))


def unpack_row(packed: bytes) -> ManifestRow:
    """The inverse of ``pack_row``."""
    file, row, values = _CODER.decode(packed[_ORDER_BYTES:])
    cells = [InlineBytes(*v) if type(v) is tuple else v for v in values]
    return ManifestRow(file, row, tuple(cells))
