"""Hashes: what decides a row's split, its shard and its order there.

Everything is a function of the row and the seed alone, so it is the same on any runner, in any order.
"""

from __future__ import annotations

import hashlib
from typing import Any

from apache_beam.coders import FastPrimitivesCoder

from .rows import InlineBytes, ManifestRow, Window
from .values.arrays.array_files import ArrayBlock

__all__ = ["order_of", "pack_row", "packed_cells", "shard_index", "stable_hash", "unpack_row"]

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


def order_of(seed: int, key: str, row: ManifestRow, block: ArrayBlock | None = None) -> bytes:
    """What rows are sorted by in their split: 20 bytes.

    The first eight are uniform and choose the shard. Rows whose bytes lie in one Parquet row group, or in
    one compressed chunk of an array file, share them, and after those the batch, so that each batch is
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
            return group + value.batch.to_bytes(4, "big") + own
    if block is not None:
        chunk = stable_hash(seed, "array chunk", block.file, block.name, block.chunk)
        return chunk + block.batch.to_bytes(4, "big") + own
    return own + bytes(_ORDER_BYTES - _HASH_BYTES)


def shard_index(order: bytes, num_shards: int) -> int:
    """The shard that an order belongs to: equal parts of the range of the hash."""
    return int.from_bytes(order[:_HASH_BYTES], "big") * num_shards >> (8 * _HASH_BYTES)


def pack_row(order: bytes, row: ManifestRow) -> bytes:
    """A row as it crosses the shuffle; packed rows sort by their order, then file, row and values.

    Args:
        order: what ``order_of`` gives for the row.
        row: the row.
    """
    # JSON and Arrow values are never tuples, so a tuple can stand for InlineBytes.
    values = [
        (v.row_group, v.batch, v.index, v.path) if isinstance(v, InlineBytes) else v
        for v in row.values
    ]
    fields: tuple[object, ...] = (row.file, row.row, values)
    if row.window is not None:  # nearly no row has one, so that others are no longer for it
        fields += ((row.window.clip, row.window.start, row.window.stop),)
    return order + bytes(_CODER.encode(fields))


def packed_cells(packed: bytes) -> list[Any]:
    """The cells of a packed row at half the cost of ``unpack_row``; ``InlineBytes`` are plain tuples."""
    cells: list[Any] = _CODER.decode(packed[_ORDER_BYTES:])[2]
    return cells


def unpack_row(packed: bytes) -> ManifestRow:
    """The inverse of ``pack_row``."""
    file, row, values, *window = _CODER.decode(packed[_ORDER_BYTES:])
    cells = tuple([InlineBytes(*v) if type(v) is tuple else v for v in values])
    return ManifestRow(file, row, cells, Window(*window[0]) if window else None)
