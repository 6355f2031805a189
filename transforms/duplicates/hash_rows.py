"""The hashes of rows before there are shards, for builds that decide something by them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.transforms.window import GlobalWindows

from ...schemas.errors import Reject
from ...schemas.schema import Schema
from ..manifests.embedded_bytes import attach_inline
from ..row_order import pack_row, unpack_row
from ..rows import ManifestRow
from ..shards.encode_rows import EncodedRow, RowEncoder, encode_rows
from ..shards.library_versions import check_versions, codec_versions
from ..shards.thread_pool import RowPool
from ..storage.split_roots import SplitRoots
from .fingerprints import Bucket, Buckets, Fingerprints
from .record_numbers import Records

__all__ = ["HashRows", "RowHasher", "images_of"]

_BLOCK_BYTES = 1 << 16
_NO_ORDER = bytes(20)


@dataclass(frozen=True, slots=True)
class RowHasher:
    """Finds what the index would say of rows, by building their images as the shard task does.

    Attributes:
        encoder: the build's; its schema's vocabularies need not be known.
        manifest_root: the folder that manifest file names are relative to, or those of several.
        number: the number that rows are known by; rows of one number are none of each other's twins.
        buckets: where hashes meet.
    """

    encoder: RowEncoder
    manifest_root: str | SplitRoots
    number: Callable[[ManifestRow], int]
    buckets: Buckets

    def hash(self, rows: Sequence[ManifestRow], pool: RowPool) -> Iterator[tuple[Bucket, bytes]]:
        """Entries of the rows by bucket; a row that cannot be read has none, and the build says why.

        Args:
            rows: some rows, of each manifest file in their order.
            pool: runs the decoding.
        """
        encoder = RowEncoder(
            images_of(self.encoder.schema),
            self.encoder.row_format,
            self.encoder.inputs,
            index=True,
        )
        numbers: list[int] = []
        known: list[ManifestRow] = []
        for row in rows:
            with suppress(Reject):  # it has no group, and is rejected where rows are split
                numbers.append(self.number(row))
                known.append(row)
        attached = attach_inline(iter(known), encoder.row_format.columns, self.manifest_root)
        outcomes = encode_rows(encoder, attached, pool)
        said = [outcome.indexed if isinstance(outcome, EncodedRow) else {} for outcome in outcomes]
        for place, name in enumerate(encoder.schema.features):
            of_feature = [found.get(name, {}) for found in said]
            yield from self.buckets.divide(
                place, _fingerprints(of_feature, np.array(numbers, np.uint64))
            )


def images_of(schema: Schema) -> Schema:
    """The schema's features that are read from files."""
    features = {name: feature for name, feature in schema.features.items() if feature.reads_files}
    return Schema(features=features, on_unreadable=schema.on_unreadable)


def _fingerprints(said: Sequence[Any], numbers: Records) -> Fingerprints:
    hashes = [found.get("dhash") for found in said]
    return Fingerprints.of(
        [found.get("source_sha256") for found in said],
        np.array([value or 0 for value in hashes], np.uint64),
        np.array([value is not None for value in hashes], bool),
        numbers,
    )


class HashRows(beam.PTransform):
    """Hashes the images of rows, many at a time.

    Takes ``ManifestRow``; returns ``(bucket, block of entries)``. Rows are shuffled before they are read, in
    blocks of up to 64 KiB, so that a manifest in one file occupies all workers.

    Args:
        hasher: hashes them.
        threads: threads that do so.
        row_seconds: the time limit of one.
    """

    def __init__(self, hasher: RowHasher, threads: int, row_seconds: float):
        super().__init__()
        self._do_fn = _HashFn(hasher, threads, row_seconds)

    def expand(self, rows: beam.PCollection[ManifestRow]) -> beam.PCollection[tuple[Bucket, bytes]]:
        """Wires ``RowHasher``."""
        return (
            rows
            | "PackRows" >> beam.ParDo(_PackFn()).with_output_types(list[bytes])
            | "SpreadRows" >> beam.Reshuffle()
            | "HashRows" >> beam.ParDo(self._do_fn).with_output_types(tuple[Bucket, bytes])
        )


class _PackFn(beam.DoFn):
    def start_bundle(self) -> None:
        self._block: list[bytes] = []
        self._bytes = 0

    def process(self, row: ManifestRow) -> Iterator[list[bytes]]:
        packed = pack_row(_NO_ORDER, row)
        self._block.append(packed)
        self._bytes += len(packed)
        if self._bytes >= _BLOCK_BYTES:
            yield self._block
            self.start_bundle()

    def finish_bundle(self) -> Iterator[Any]:
        if self._block:
            yield GlobalWindows.windowed_value(self._block)


class _HashFn(beam.DoFn):
    def __init__(self, hasher: RowHasher, threads: int, row_seconds: float):
        self._hasher, self._threads, self._row_seconds = hasher, threads, row_seconds
        self._versions = codec_versions()

    def setup(self) -> None:
        check_versions(codec_versions(), self._versions)
        self._pool = RowPool(self._threads, self._row_seconds)

    def teardown(self) -> None:
        self._pool.close()

    def process(self, block: Iterable[bytes]) -> Iterator[tuple[Bucket, bytes]]:
        rows = sorted(map(unpack_row, block), key=lambda row: (row.file, row.row))
        yield from self._hasher.hash(rows, self._pool)
