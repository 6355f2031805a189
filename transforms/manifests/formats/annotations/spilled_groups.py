"""Bringing together what stands far apart in a file, in memory that does not grow with it.

Annotations are in any order, and not beside their image. They are put into files on the local disk, each in the
one that its group's key hashes to; then the files are read one after the other, and each is small.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from zlib import crc32

from typing_extensions import Self

__all__ = ["SpilledGroups", "count_buckets"]

_BUCKET_BYTES = 8 << 20
_MOST_BUCKETS = 512
_BUFFER_BYTES = 1 << 15
_dump = json.JSONEncoder(separators=(",", ":")).encode


def count_buckets(size: int) -> int:
    """Over how many files the groups of a file of ``size`` bytes are spread."""
    return min(size // _BUCKET_BYTES + 1, _MOST_BUCKETS)


class SpilledGroups:
    """Values by their groups' keys, on the local disk; use it in a ``with``.

    Args:
        buckets: the files that they are spread over; one of them is held in memory at a time.
    """

    def __init__(self, buckets: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pixelbeam-groups-")
        self._paths = [Path(self._folder.name) / str(number) for number in range(buckets)]
        # Not open files, of which a process may have few.
        self._buffers = [bytearray() for _ in range(buckets)]

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Deletes the files."""
        self._folder.cleanup()

    def add(self, key: str, value: Any) -> None:
        """Adds to a group a value that JSON can hold; the key has no tab and no line break."""
        line = f"{key}\t{_dump(value)}\n".encode()
        bucket = crc32(key.encode()) % len(self._buffers)
        self._buffers[bucket] += line
        if len(self._buffers[bucket]) > _BUFFER_BYTES:
            self._flush(bucket)

    def groups(self, at_least: int = 1) -> Iterator[list[Any]]:
        """The values of each group that has so many, in the order in which they were added.

        Nothing can be added any more.
        """
        for bucket, path in enumerate(self._paths):
            self._flush(bucket)
            # As bytes, which take a fraction of the memory of what is parsed from them.
            lines: dict[bytes, list[bytes]] = defaultdict(list)
            with path.open("rb") as spilled:
                for line in spilled:
                    key, _, value = line.partition(b"\t")
                    lines[key].append(value)
            path.unlink()
            for values in lines.values():
                if len(values) >= at_least:
                    yield json.loads(b"[%b]" % b",".join(values))

    def _flush(self, bucket: int) -> None:
        with self._paths[bucket].open("ab") as file:
            file.write(self._buffers[bucket])
        self._buffers[bucket] = bytearray()
