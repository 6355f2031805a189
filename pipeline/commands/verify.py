"""``pixelbeam verify``: re-reads a dataset and proves it whole, or says what is wrong and where."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

import numpy as np

from ...schemas.dataset.checksum import has_right_checksum
from ...schemas.dataset.file_names import DATASET_FILE, DROPPED_FILE, REJECTS_FILE
from ...schemas.dataset.info import DatasetInfo, ShardFile, ShardInfo
from ...schemas.errors import DatasetError, OptionError
from ...schemas.features.base import RecordValue, Steps
from ...schemas.schema import Schema
from ...transforms.sinks.check_records import check_record
from ...transforms.sinks.hdf5.reader import read_hdf5_records
from ...transforms.sinks.tfrecord import CorruptShard, parse_record, read_frames
from ...transforms.storage.output_folder import Folder, check_filesystem, is_local
from ..output.own_files import is_ours

__all__ = ["Fault", "Verified", "verify"]

_FAULTS_A_FILE = 20
_CHANGED = "the SHA-256 is wrong: the file is not as it was published"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong.

    Attributes:
        file: the file's name in the dataset.
        message: what is wrong with it.
        record: the number of the record in the file, from 0, if one is at fault.
        offset: where that record begins, in bytes from the file's start.
    """

    file: str
    message: str
    record: int | None = None
    offset: int | None = None

    def __str__(self) -> str:
        where = "" if self.record is None else f": record {self.record}"
        where += "" if self.offset is None else f" at byte {self.offset}"
        return f"{self.file}{where}: {self.message}"


@dataclass(slots=True)
class Verified:
    """What was checked and found.

    Attributes:
        files: files that were checked.
        records: records that were read back; once, however many formats hold them.
        faults: all that is wrong, sorted by file.
    """

    files: int = 0
    records: int = 0
    faults: list[Fault] = field(default_factory=list)


def verify(directory: str, quick: bool = False, threads: int = 4) -> Verified:
    """Checks a published dataset.

    Every file's SHA-256 and size, every record's checksums, the records against the schema, every
    image by decoding it, the counts, and that rows are records plus rejects.

    Args:
        directory: the dataset's directory, local or on a filesystem of Beam's.
        quick: checks sizes and counts alone.
        threads: files that are read at the same time.

    Raises:
        DatasetError: the directory holds no ``dataset.json`` that can be read.
        OptionError: it is no directory, or what its filesystem needs is not installed.
    """
    check_filesystem(directory)
    if is_local(directory) and not os.path.isdir(directory):
        got = "a file" if os.path.exists(directory) else "nothing"
        raise OptionError(f"{directory}: got {got}, expected a dataset's directory")
    folder = Folder(directory)
    text = folder.read(DATASET_FILE)
    if text is None:
        raise DatasetError(
            f"{directory}: no {DATASET_FILE}, so this is not a published dataset; if a build into it was "
            "interrupted, run the same `pixelbeam build` command again"
        )
    verified = Verified(files=1)
    if not has_right_checksum(text):
        fault = Fault(DATASET_FILE, "the checksum is wrong: the file is not as it was written")
        verified.faults.append(fault)
    info = DatasetInfo.loads(text, directory)
    checker = _Checker(folder, info, quick)
    verified.faults += checker.check_books()
    shards = [shard for split in info.splits.values() for shard in split.shards]
    with ThreadPoolExecutor(threads) as pool:
        for records, faults in pool.map(checker.check_shard, shards):
            verified.records += records
            verified.faults += faults
    verified.files += sum(len(shard.files) for shard in shards)
    verified.faults += checker.check_other_files()
    verified.files += len(checker.other_files())
    return verified


class _Checker:
    """The checks of one dataset."""

    def __init__(self, folder: Folder, info: DatasetInfo, quick: bool):
        self._folder, self._info, self._quick = folder, info, quick
        self._schema: Schema = info.read_schema(folder.root)
        self._sizes = folder.sizes()

    def check_books(self) -> Iterator[Fault]:
        info = self._info
        records = sum(split.num_records for split in info.splits.values())
        if info.rows != records + info.rejects.count:
            message = f"{info.rows} rows, but {records} records and {info.rejects.count} rejects"
            yield Fault(DATASET_FILE, message)
        if sum(info.rejects.by_reason.values()) != info.rejects.count:
            yield Fault(DATASET_FILE, "the rejects by reason do not add up to all rejects")

    def other_files(self) -> list[tuple[str, str, int | None]]:
        """The files beside the shards: name, SHA-256, and size where it is known."""
        info = self._info
        files: list[tuple[str, str, int | None]] = []
        files.append((info.description.path, info.description.sha256, None))
        for split in info.splits.values():
            files += [(file.path, file.sha256, file.bytes) for file in split.files.values()]
        lists = filter(None, [info.rejects.file, info.dropped_frames.file])
        return files + [(file.path, file.sha256, file.bytes) for file in lists]

    def check_other_files(self) -> Iterator[Fault]:
        others = self.other_files()
        for name, sha256, size in others:
            yield from self._check_presence(name, size)
            if name in self._sizes and not self._quick and self._sha256(name) != sha256:
                yield Fault(name, _CHANGED)
        yield from self._check_reasons(REJECTS_FILE, self._info.rejects.by_reason)
        yield from self._check_reasons(DROPPED_FILE, self._info.dropped_frames.by_reason)
        known = {DATASET_FILE} | {name for name, _, _ in others} | set(self._shard_files())
        for name in sorted(self._sizes.keys() - known):
            if is_ours(name, self._sizes):
                yield Fault(name, f"{DATASET_FILE} does not know this file")

    def _shard_files(self) -> Iterator[str]:
        for split in self._info.splits.values():
            for shard in split.shards:
                yield from (file.path for file in shard.files.values())

    def _sha256(self, name: str) -> str:
        with self._folder.open(name) as file:
            return _HashingFile(file).finish()

    def check_shard(self, shard: ShardInfo) -> tuple[int, list[Fault]]:
        """Checks the files of a shard; returns the records that were read and what is wrong."""
        faults = [
            f for file in shard.files.values() for f in self._check_presence(file.path, file.bytes)
        ]
        present = {
            s: f for s, f in shard.files.items() if f.path in self._sizes and not self._quick
        }
        records = 0
        if "tfrecord" in present:
            records, found = self._check_frames(shard, present["tfrecord"])
            faults += found
        if "hdf5" in present:
            number, found = self._check_hdf5(shard, present)
            records, faults = max(records, number), faults + found
        return records, faults

    def _check_frames(self, shard: ShardInfo, file: ShardFile) -> tuple[int, list[Fault]]:
        number = 0
        faults: list[Fault] = []
        with self._folder.open(file.path) as opened:
            stream = _HashingFile(opened)
            try:
                for offset, data in read_frames(stream):
                    said = islice(self._check_record(data), _FAULTS_A_FILE - len(faults))
                    faults += [Fault(file.path, message, number, offset) for message in said]
                    number += 1
            except CorruptShard as corrupt:
                faults.append(Fault(file.path, str(corrupt), number, corrupt.offset))
            if not faults:
                faults += self._check_count(shard, file, number)
            if stream.finish() != file.sha256:
                faults.append(Fault(file.path, _CHANGED))
        return number, faults

    def _check_hdf5(self, shard: ShardInfo, files: dict[str, ShardFile]) -> tuple[int, list[Fault]]:
        """Checks an HDF5 file, and that the TFRecord file beside it holds the very same records."""
        file, number = files["hdf5"], 0
        faults: list[Fault] = []
        changed = self._sha256(file.path) != file.sha256
        twins = self._parsed(files["tfrecord"]) if "tfrecord" in files else None
        try:
            with self._folder.local(file.path) as path:
                for values in read_hdf5_records(path, self._schema):
                    faults += self._check_values(file, number, values, twins, len(faults))
                    number += 1
            if not faults:
                faults += self._check_count(shard, file, number)
        except ValueError as error:
            faults.append(Fault(file.path, str(error)))
        return number, faults + ([Fault(file.path, _CHANGED)] if changed else [])

    def _check_values(
        self,
        file: ShardFile,
        number: int,
        values: Mapping[str, RecordValue],
        twins: Iterator[Mapping[str, RecordValue]] | None,
        known: int,
    ) -> list[Fault]:
        messages: Iterable[str]
        messages = (
            check_record(self._schema, values)
            if twins is None
            else _compare(values, next(twins, {}))
        )
        return [Fault(file.path, said, number) for said in islice(messages, _FAULTS_A_FILE - known)]

    def _parsed(self, file: ShardFile) -> Iterator[Mapping[str, RecordValue]]:
        """The records of a TFRecord file up to its first fault, which is reported elsewhere."""
        with self._folder.open(file.path) as opened, suppress(CorruptShard, ValueError):
            for _, data in read_frames(opened):
                yield parse_record(data, self._schema.record)

    def _check_count(self, shard: ShardInfo, file: ShardFile, number: int) -> Iterator[Fault]:
        if number != shard.num_records:
            yield Fault(file.path, f"got {number} records, expected {shard.num_records}")

    def _check_presence(self, name: str, size: int | None) -> Iterator[Fault]:
        if name not in self._sizes:
            yield Fault(name, "missing")
        elif size is not None and self._sizes[name] != size:
            yield Fault(name, f"got {self._sizes[name]} bytes, expected {size}")

    def _check_record(self, data: bytes) -> Iterator[str]:
        try:
            values = parse_record(data, self._schema.record)
        except ValueError as error:
            yield str(error)
            return
        yield from check_record(self._schema, values)

    def _check_reasons(self, name: str, expected: Mapping[str, int]) -> Iterator[Fault]:
        """Counts the lines of a list of rejects."""
        if name not in self._sizes or self._quick:
            return
        by_reason: Counter[str] = Counter()
        with self._folder.open(name) as file:
            for number, line in enumerate(file, start=1):
                try:
                    by_reason[json.loads(line)["reason"]] += 1
                except (ValueError, KeyError, TypeError):
                    yield Fault(name, f"line {number} is not a reject")
        if by_reason != expected:
            yield Fault(name, f"the rejects differ from those that {DATASET_FILE} counts")


def _compare(values: Mapping[str, RecordValue], twin: Mapping[str, RecordValue]) -> Iterator[str]:
    """The keys whose values differ between two formats."""
    for key in sorted(values.keys() | twin.keys()):
        if key not in values or key not in twin or not _equal(values[key], twin[key]):
            yield f"{key!r}: differs from the same record of the TFRecord file"


def _equal(left: RecordValue, right: RecordValue) -> bool:
    if isinstance(left, Steps) and isinstance(right, Steps):
        pairs = zip(left.values, right.values, strict=False)
        return len(left.values) == len(right.values) and all(_equal(a, b) for a, b in pairs)
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left.dtype == right.dtype and left.tobytes() == right.tobytes()
    return type(left) is type(right) and bool(left == right)


class _HashingFile:
    """A file that is hashed while it is read."""

    def __init__(self, file: BinaryIO):
        self._file, self._digest = file, hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        return data

    def finish(self) -> str:
        """Reads what is left; the SHA-256 of the whole file."""
        while self.read(1 << 20):
            pass
        return self._digest.hexdigest()
