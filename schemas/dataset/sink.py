"""What a sink is: a file format that the records of a shard are written to and read back from.

A sink is one class in a file of its own, in ``transforms/sinks/`` or in a package that offers it under the entry
point group ``pixelbeam.sinks``. It knows one local file at a time: naming, hashing, uploading and publishing
files are not its business, and whoever hashes, verifies or reads them back asks it and names no format.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol

import numpy as np

from ..errors import PluginError
from ..features.base import FeatureValue, RecordValue, Steps
from ..plugins import SINKS, Plugin, find_plugins
from ..schema import Schema

__all__ = [
    "CorruptShard",
    "ShardWriter",
    "Sink",
    "flatten_record",
    "flatten_value",
    "offered_sinks",
]


_SUFFIX = re.compile(r"[a-z0-9][a-z0-9_-]*")


class CorruptShard(Exception):
    """A shard's file is not what was written.

    Attributes:
        offset: where the faulty record begins, in bytes from the file's start; ``None`` where the file as a
            whole is at fault, or the format knows no such place.
    """

    def __init__(self, offset: int | None, message: str):
        super().__init__(message)
        self.offset = offset


class ShardWriter(Protocol):
    """One shard's file while it is written."""

    def write(self, values: Mapping[str, RecordValue]) -> tuple[int, int] | None:
        """Appends a record.

        Returns:
            Where it lies in the file: the offset at which it begins, and its length, in bytes. ``None`` where
            the format has no such place.
        """

    def close(self) -> None:
        """Completes the file; without it the file is worthless and will be deleted."""


class Sink(ABC):
    """A file format.

    The same records have to give the same bytes, on any machine: no times, no names of hosts.

    Attributes:
        name: what ``--sinks`` and ``dataset.json`` call it.
        suffix: ending of its files, without the dot: lower-case letters, digits, ``_`` and ``-``; no other
            sink's.
        holds_examples: whether its files are TFRecords of what the generated module parses.
        has_addresses: whether ``ShardWriter.write`` tells where each record lies.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    holds_examples: ClassVar[bool] = False
    has_addresses: ClassVar[bool] = False

    def check(self, schema: Schema) -> None:  # noqa: B027 - everything goes, unless it says otherwise
        """Checks, before any work starts, that files of the format can hold what a schema declares.

        Raises:
            SchemaError: they cannot.
            OptionError: they need a package that is not installed.
        """

    def check_record(  # noqa: B027 - as before
        self, values: Mapping[str, RecordValue], schema: Schema
    ) -> None:
        """Checks that files of the format can hold a record as it is.

        Args:
            values: by Example key.
            schema: what they were encoded by.

        Raises:
            Reject: they cannot; the record is then written in no format.
        """

    def versions(self, schema: Schema) -> dict[str, str]:
        """The versions of the libraries that decide the format's bytes, by name; the package's own is known."""
        return {}

    @abstractmethod
    def open(self, path: Path, schema: Schema) -> ShardWriter:
        """Starts a shard's file.

        Args:
            path: a local file that does not exist yet.
            schema: the schema, its vocabularies filled in.
        """

    @abstractmethod
    def read(
        self, path: Path, schema: Schema
    ) -> Iterator[tuple[int | None, dict[str, RecordValue]]]:
        """The records of a shard's file, in order, few at a time in memory.

        Args:
            path: a local file.
            schema: the schema, its vocabularies filled in.

        Yields:
            Where the record begins, in bytes from the file's start, or ``None``; and its values as
            ``flatten_record`` leaves them.

        Raises:
            CorruptShard: the file is damaged.
        """

    def parse(
        self, data: bytes, offset: int, schema: Schema, keys: Container[str] | None = None
    ) -> dict[str, RecordValue]:
        """A record from the bytes at its address, as ``read`` gives it; asked only where ``has_addresses``.

        Without it, nothing is taken over from datasets of the format (``--reuse``).

        Args:
            data: as many as ``ShardWriter.write`` said, or fewer where the file ends before.
            offset: where they begin.
            schema: the schema, its vocabularies filled in.
            keys: of the values that are wanted; more may be given, and all are by default.

        Raises:
            CorruptShard: they are not a whole record.
        """
        raise NotImplementedError

    def records(self, path: Path, schema: Schema) -> Sequence[Mapping[str, RecordValue]]:
        """The records of a local shard's file by their number, as ``read`` gives them.

        Unless a sink knows better, all of them are read at once and kept in memory.

        Raises:
            CorruptShard: the file is damaged; that of a record may be raised when it is asked for.
        """
        return [values for _, values in self.read(path, schema)]

    def join(
        self,
        target: Path,
        split: str,
        schema: Schema,
        shards: Sequence[str],
        open_shard: Callable[[str], BinaryIO],
    ) -> bool:
        """Writes the file over all shards of a split, where the format has such files.

        Args:
            target: a local file that does not exist yet; it is published beside the shards.
            split: the split's name.
            schema: the schema, its vocabularies filled in.
            shards: the names of the shards' files, in order, at least one.
            open_shard: opens one of them for reading, wherever it lies.

        Returns:
            Whether there is such a file.
        """
        return False


def flatten_record(values: Mapping[str, RecordValue]) -> dict[str, RecordValue]:
    """A record in the one form that every sink reads it back in; see ``flatten_value``."""
    return {
        key: Steps(tuple(map(flatten_value, value.values)))
        if isinstance(value, Steps)
        else flatten_value(value)
        for key, value in values.items()
    }


def flatten_value(value: FeatureValue | np.generic) -> FeatureValue:
    """A value as it is read back: what ``tf.train.Feature`` can tell of it.

    Returns:
        Bytes as lists of bytes, raw pixels as a list of one little-endian string, numbers as int64 or float32
        arrays ``[n]``.
    """
    if isinstance(value, bytes):
        return [value]
    if isinstance(value, list):
        return value
    array: Any = np.asarray(value)
    if array.dtype.kind == "u":
        # What tf.train.Feature has no type for goes as bytes, in the order that tf.io.decode_raw takes for given.
        return [array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()]
    flat: FeatureValue = array.ravel()
    return flat


@cache
def offered_sinks(built_in: tuple[str, ...] = ()) -> Mapping[str, tuple[Sink, Plugin[Sink]]]:
    """The sinks of other packages by name, each with the package that it is from.

    Args:
        built_in: names that are taken.

    Raises:
        PluginError: one is broken, or has a name that is taken.
    """
    found: dict[str, tuple[Sink, Plugin[Sink]]] = {}
    plugins = find_plugins(SINKS, Sink, built_in)  # type: ignore[type-abstract]  # none is made of it
    for name, plugin in plugins.items():
        own, suffix = (getattr(plugin.offered, said, None) for said in ("name", "suffix"))
        if own != name:
            raise PluginError(
                f"{plugin}: got a sink with the name {own!r}, expected {name!r}, that of its entry point"
            )
        if not isinstance(suffix, str) or not _SUFFIX.fullmatch(suffix):
            raise PluginError(
                f"{plugin}: sink {name!r}: got the suffix {suffix!r}, expected letters, digits, _ and -, in "
                "lower case and without a dot"
            )
        try:
            found[name] = plugin.offered(), plugin
        except Exception as error:  # it lacks a method, or whatever a stranger's class raises
            raise PluginError(
                f"{plugin}: sink {name!r}: {type(error).__name__}: {error}"
            ) from error
    return found
