"""``pixelbeam verify``: re-reads a dataset and proves it whole, or says what is wrong and where."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from ...schemas.dataset.checksum import has_right_checksum
from ...schemas.dataset.file_names import DATASET_FILE, DROPPED_FILE, REJECTS_FILE, index_file
from ...schemas.dataset.index import read_index
from ...schemas.dataset.info import DatasetInfo, ShardFile, ShardInfo
from ...schemas.dataset.packages import describe_changes
from ...schemas.dataset.sink import CorruptShard, Sink
from ...schemas.errors import DatasetError, OptionError
from ...schemas.features.base import RecordValue, Steps
from ...schemas.plugins import PluginFailure
from ...schemas.schema import Schema
from ...transforms.sinks.check_records import check_record
from ...transforms.sinks.registry import addressed_sink, installed_sinks, naming_sink
from ...transforms.storage.output_folder import Folder
from ...transforms.storage.paths import check_filesystem, has_folder
from ..output.kept import kept_dataset
from ..output.own_files import COMMAND_FILE, is_ours, list_files

__all__ = ["STRAY", "Fault", "Verified", "verify"]

STRAY = f"{DATASET_FILE} does not know this file"
"""What is wrong with a file that has a name of ours and is none of the dataset's."""

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
        remarks: what is not wrong, and yet worth knowing, a sentence each.
    """

    files: int = 0
    records: int = 0
    faults: list[Fault] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


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
    if has_folder(directory) is False:
        got = "a file" if os.path.exists(directory) else "nothing"
        raise OptionError(f"{directory}: got {got}, expected a dataset's directory")
    folder = Folder(directory)
    text, hint = folder.read(DATASET_FILE), ""
    if (text is None or not has_right_checksum(text)) and kept_dataset(folder) is not None:
        hint = f"`pixelbeam repair {directory}` puts a copy of it in its place"
    if text is None and hint and not folder.exists(COMMAND_FILE):
        raise DatasetError(f"{directory}: no {DATASET_FILE}; {hint}")
    if text is None:
        raise DatasetError(
            f"{directory}: no {DATASET_FILE}, so this is not a published dataset; if a build into it was "
            "interrupted, run the same `pixelbeam build` command again"
        )
    verified = Verified(files=1)
    # A fault and not the end: what can still be read of the dataset is checked as well.
    if not has_right_checksum(text):
        fault = Fault(DATASET_FILE, "the checksum is wrong: the file is not as it was written")
        verified.faults.append(fault)
    try:
        info = DatasetInfo.loads(text, directory)
    except DatasetError as error:
        raise DatasetError(f"{error}; {hint}" if hint else str(error)) from None
    checker = _Checker(folder, info, quick)
    verified.remarks = describe_changes(info, checker.schema)
    verified.faults += checker.check_books()
    shards = [shard for split in info.splits.values() for shard in split.shards]
    with ThreadPoolExecutor(threads) as pool:
        for records, faults in pool.map(checker.check_shard, shards):
            verified.records += records
            verified.faults += faults
    verified.faults += checker.check_other_files()
    verified.files += len(info.files)
    return verified


class _Checker:
    """The checks of one dataset."""

    def __init__(self, folder: Folder, info: DatasetInfo, quick: bool):
        self._folder, self._info, self._quick = folder, info, quick
        self.schema: Schema = info.read_schema(folder.root)
        self._sizes = list_files(folder)
        self._used = {n for split in info.splits.values() for s in split.shards for n in s.files}

    def check_books(self) -> Iterator[Fault]:
        info = self._info
        records = sum(split.num_records for split in info.splits.values())
        if info.rows != records + info.rejects.count:
            message = f"{info.rows} rows, but {records} records and {info.rejects.count} rejects"
            yield Fault(DATASET_FILE, message)
        if sum(info.rejects.by_reason.values()) != info.rejects.count:
            yield Fault(DATASET_FILE, "the rejects by reason do not add up to all rejects")
        for name in sorted(self._used - installed_sinks().keys()) if not self._quick else ():
            yield Fault(
                DATASET_FILE,
                f"sink {name!r} is not installed here, so what its files hold was not read; install the "
                "package that offers it",
            )

    def check_other_files(self) -> Iterator[Fault]:
        """Checks the files that are no shards, and that there are no more than ``dataset.json`` lists."""
        shards = {name for name, file in self._info.named_files() if file.kind == "shard"}
        for name, file in self._info.files.items():
            if name in shards:
                continue
            yield from self._check_presence(name, file.bytes)
            if name in self._sizes and not self._quick:
                yield from self._check_hash(name, file.sha256)
        yield from self._check_reasons(REJECTS_FILE, self._info.rejects.by_reason)
        yield from self._check_reasons(DROPPED_FILE, self._info.dropped_frames.by_reason)
        for name in sorted(self._sizes.keys() - self._info.files.keys() - {DATASET_FILE}):
            if is_ours(name, self._sizes):
                yield Fault(name, STRAY)

    def check_shard(self, shard: ShardInfo) -> tuple[int, list[Fault]]:
        """Checks the files of a shard; returns the records that were read and what is wrong."""
        faults = [
            f for file in shard.files.values() for f in self._check_presence(file.path, file.bytes)
        ]
        if self._quick:
            return 0, faults
        present = {s: file for s, file in shard.files.items() if file.path in self._sizes}
        records, first = 0, None
        for sink in installed_sinks().values():  # the first of them is checked by the schema
            file = present.pop(sink.name, None)
            if file is None:
                continue
            number, found = self._check_records(shard, sink, file, first)
            records, faults = max(records, number), faults + found
            first = first or (sink, file)
        for file in present.values():  # of sinks that are not installed
            faults += self._check_hash(file.path, file.sha256)
        return records, faults

    def _check_records(
        self, shard: ShardInfo, sink: Sink, file: ShardFile, first: tuple[Sink, ShardFile] | None
    ) -> tuple[int, list[Fault]]:
        """Checks a file's records by the schema; those of a further format by the first one's alone.

        Args:
            shard: the shard.
            sink: the format of the file.
            file: the file.
            first: the format and file that were checked before it.
        """
        number, faults, offsets = 0, list[Fault](), list[int | None]()
        # Two formats hold the same records: what is checked against the schema once is only compared then.
        twins = None if first is None else self._values(*first)
        with self._folder.local(file.path) as path:
            with path.open("rb") as content:
                changed = _sha256(content) != file.sha256
            try:
                for offset, values in self._read(sink, path):
                    offsets.append(offset)
                    if first is None or twins is None:
                        messages = check_record(self.schema, values)
                    else:
                        messages = _compare(values, next(twins, {}), first[1].path)
                    said = islice(messages, _FAULTS_A_FILE - len(faults))
                    faults += [Fault(file.path, message, number, offset) for message in said]
                    number += 1
            except CorruptShard as corrupt:
                # A format that knows no offsets does not say which record it was reading either.
                at = None if corrupt.offset is None else number
                faults.append(Fault(file.path, str(corrupt), at, corrupt.offset))
            except PluginFailure as failure:
                faults.append(Fault(file.path, str(failure), number))
        # After a fault the count is no news.
        if not faults:
            faults += self._check_count(shard, file, number)
            is_addressed = sink == addressed_sink(shard.files)
            faults += self._check_index(file, offsets if is_addressed else None, number)
        return number, faults + ([Fault(file.path, _CHANGED)] if changed else [])

    def _values(self, sink: Sink, file: ShardFile) -> Iterator[Mapping[str, RecordValue]]:
        """The records of a file up to its first fault, which is reported where it is checked."""
        with self._folder.local(file.path) as path, suppress(CorruptShard, PluginFailure):
            for _, values in self._read(sink, path):
                yield values

    def _read(
        self, sink: Sink, path: Path
    ) -> Iterator[tuple[int | None, Mapping[str, RecordValue]]]:
        with naming_sink(sink.name):
            yield from sink.read(path, self.schema)

    def _check_count(self, shard: ShardInfo, file: ShardFile, number: int) -> Iterator[Fault]:
        if number != shard.num_records:
            yield Fault(file.path, f"got {number} records, expected {shard.num_records}")

    def _check_index(
        self, file: ShardFile, offsets: list[int | None] | None, number: int
    ) -> Iterator[Fault]:
        """Checks that the index has a row for each record, with where it lies in the file."""
        name = index_file(file.path.rpartition(".")[0])
        if name not in self._info.files or name not in self._sizes:
            return
        with self._folder.open(name) as content:
            try:
                table = read_index(content.read(), ["index", "offset"])
            except (pa.ArrowException, OSError) as error:
                yield Fault(name, f"cannot be read: {error}")
                return
        rows = table.column("index").to_pylist()
        if rows != list(range(number)):
            yield Fault(
                name, f"got rows for {len(rows)} records, expected one for each of {number}"
            )
        elif offsets is not None and table.column("offset").to_pylist() != offsets:
            yield Fault(name, f"the offsets are not those of {file.path}")

    def _check_presence(self, name: str, size: int | None) -> Iterator[Fault]:
        if name not in self._sizes:
            yield Fault(name, "missing")
        elif size is not None and self._sizes[name] != size:
            yield Fault(name, f"got {self._sizes[name]} bytes, expected {size}")

    def _check_hash(self, name: str, sha256: str) -> Iterator[Fault]:
        with self._folder.open(name) as content:
            if _sha256(content) != sha256:
                yield Fault(name, _CHANGED)

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


def _compare(
    values: Mapping[str, RecordValue], twin: Mapping[str, RecordValue], file: str
) -> Iterator[str]:
    """The keys whose values differ from those of the same record in the file of another format."""
    for key in sorted(values.keys() | twin.keys()):
        if key not in values or key not in twin or not _equal(values[key], twin[key]):
            yield f"{key!r}: differs from the same record of {file}"


def _equal(left: RecordValue, right: RecordValue) -> bool:
    if isinstance(left, Steps) and isinstance(right, Steps):
        pairs = zip(left.values, right.values, strict=False)
        return len(left.values) == len(right.values) and all(_equal(a, b) for a, b in pairs)
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left.dtype == right.dtype and left.tobytes() == right.tobytes()
    return type(left) is type(right) and bool(left == right)


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
