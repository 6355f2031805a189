"""Keys and hashes: what decides a row's split, its shard and its place there.

Everything is a function of the row and the seed alone, so it is the same on any runner, in any order.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apache_beam.coders import FastPrimitivesCoder

from .rows import InlineBytes, ManifestRow
from .storage.output_folder import absolute, is_local
from .values.arrays.array_files import ArrayBlock

__all__ = [
    "PathRoot",
    "RowFormat",
    "order_of",
    "pack_row",
    "packed_cells",
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
    # Written out for the one or two parts that every row has hashed: a join of a mapped list takes twice as long.
    match parts:
        case (only,):
            text = f"{seed}\0{purpose}\0{only}"
        case (first, second):
            text = f"{seed}\0{purpose}\0{first}\0{second}"
        case _:
            text = "\0".join([str(seed), purpose, *map(str, parts)])
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).digest()


@dataclass(frozen=True, slots=True)
class PathRoot:
    """The folder that paths are relative to, by the names that lead into it.

    Found once, where the build is started: a worker that sees the folder elsewhere has the same keys.

    Attributes:
        prefixes: how full paths into the folder begin, each with a slash at its end.
        real: the folder with its symbolic links resolved, which ``..`` starts from; empty of a URL.
    """

    prefixes: tuple[str, ...]
    real: str = ""

    @classmethod
    def find(cls, root: str) -> PathRoot:
        """The names of a folder on this machine, or of a URL.

        Args:
            root: the folder or URL.
        """
        if not is_local(root):
            return cls((f"{root.rstrip('/')}/",))
        names = [unicodedata.normalize("NFC", f(root)) for f in (absolute, os.path.realpath)]
        return cls(
            tuple(dict.fromkeys(f"/{name.strip('/')}/".replace("//", "/") for name in names)),
            names[1],
        )

    def relative(self, path: str) -> str:
        """A path as it is relative to the folder, if it leads into it; else the path itself.

        Args:
            path: in the one spelling that ``path_key`` gives it, or a URL.
        """
        full = path
        if self.real and (path == ".." or path.startswith("../")):
            full = posixpath.normpath(f"{self.real}/{path}").replace("//", "/", 1)
        full += "/"
        for prefix in self.prefixes:
            if full.startswith(prefix):
                return full[len(prefix) : -1] or "."
        return path


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
        """What names a row to people and to the hashes: its key or path, else ``file:row``."""
        if self.key_column is not None:
            value = self.cell(row, self.key_column)
            if isinstance(value, InlineBytes):
                value = value.path
            if value not in (None, "") and isinstance(value, str | int):
                return self.path_key(row, str(value)) if self.key_is_path else str(value)
        return f"{row.file}:{row.row}"

    def path_key(self, row: ManifestRow, path: str) -> str:
        """The one spelling of a path that a row has; see the function ``path_key``."""
        if not self.key_in_split:
            return path_key(path, self.roots.get(""))
        split = row.file.partition("/")[0]
        return f"{split}/{path_key(path, self.roots.get(split))}"

    def relative(self, row: ManifestRow, path: str) -> str:
        """A path that a row has as it is relative to its folder, if it leads into it and is not yet."""
        root = self.roots.get(row.file.partition("/")[0] if self.key_in_split else "")
        key = path_key(path)
        inside = root.relative(key) if root is not None and key[:1] in "/." else key
        return path if inside == key else inside


def path_key(path: str, root: PathRoot | None = None) -> str:
    r"""The one spelling of all that name the same file: ``./x.jpg``, ``a//../x.jpg``, ``.\x.jpg``.

    Backslashes separate folders, as where files are read; letters with accents are composed (NFC), since
    some filesystems decompose them and others take both for one. Of a path only its letters are looked
    at, not its symbolic links; of a URL outside the root only the backslashes change: object stores have
    no folders.

    Args:
        path: as a manifest has it.
        root: the folder that it is relative to. A path that leads into it, be it absolute or by ``..``, is
            relative to it then, so that no key depends on where the folder lies; others stay what they are.
    """
    # Nearly all paths are in order, and this tells it in a tenth of the time.
    if path.isascii() and not ("//" in path or "./" in path or "\\" in path or path[-1:] in "./"):
        return path if root is None or path[:1] != "/" else root.relative(path)
    text = path.replace("\\", "/")
    if "://" in text:
        inside = text if root is None else root.relative(text)
        key = text if inside == text else path_key(inside)
        return text if key[:1] == "/" or key[:3] == "../" else key
    # POSIX lets two slashes stand at the start.
    normal = posixpath.normpath(unicodedata.normalize("NFC", text)).replace("//", "/", 1)
    return normal if root is None or normal[:1] not in "/." else root.relative(normal)


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


def packed_cells(packed: bytes) -> list[Any]:
    """The cells of a packed row at half the cost of ``unpack_row``; ``InlineBytes`` are plain tuples."""
    cells: list[Any] = _CODER.decode(packed[_ORDER_BYTES:])[2]
    return cells


def unpack_row(packed: bytes) -> ManifestRow:
    """The inverse of ``pack_row``."""
    file, row, values = _CODER.decode(packed[_ORDER_BYTES:])
    cells = [InlineBytes(*v) if type(v) is tuple else v for v in values]
    return ManifestRow(file, row, tuple(cells))
