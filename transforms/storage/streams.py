"""Opening manifest files, local or remote, gzipped or not, with bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Lock
from typing import Any, BinaryIO, cast

from apache_beam.io.aws.clients.s3.messages import S3ClientError
from apache_beam.io.filesystem import BeamIOError, CompressionTypes

from ...schemas.errors import BuildError, ManifestError, PixelbeamError
from .paths import filesystems, is_local

__all__ = [
    "CHUNK_BYTES",
    "GZIP_SUFFIX",
    "HEAD_BYTES",
    "READ_FAILURES",
    "RangeReader",
    "digest_file",
    "hash_file",
    "is_gzipped",
    "local_stamp",
    "open_file",
    "open_for_library",
    "read_chunks",
    "read_head",
    "read_tail",
]

GZIP_SUFFIX = ".gz"
CHUNK_BYTES = 1 << 20
_KEPT_OPEN = 64
HEAD_BYTES = 1 << 20
"""How much of a file is read to know its columns; a header must fit into it."""

READ_FAILURES = (OSError, BeamIOError, S3ClientError)
"""What reading fails with, wherever the file lies."""


def is_gzipped(path: str) -> bool:
    """Whether a file is gzipped, by its name."""
    return path.lower().endswith(GZIP_SUFFIX)


def open_file(path: str) -> BinaryIO:
    """Opens a file's bytes as they lie there, seekable."""
    if is_local(path):
        return open(path, "rb")
    plain = CompressionTypes.UNCOMPRESSED
    return cast(BinaryIO, filesystems().open(path, compression_type=plain))


def open_for_library(path: str) -> str | BinaryIO:
    """What h5py and NumPy open: the path of a local file, which they map into memory, else the open file.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    if not is_local(path):
        return open_file(path)
    if not stat.S_ISREG(os.stat(path).st_mode):  # opening a named pipe would wait for ever
        raise OSError("not a regular file")
    return path


def local_stamp(path: str) -> tuple[int, int] | None:
    """Size and modification time (ns) of a local file; ``None`` of a folder, and of what is elsewhere."""
    if not is_local(path) or not os.path.isfile(path):
        return None
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


@contextmanager
def _open_unzipped(path: str) -> Iterator[Any]:
    with closing(open_file(path)) as raw:
        if not is_gzipped(path):
            yield raw
            return
        # Beam's own unzipping expands 16 MiB of input at a time, whatever it expands to.
        with gzip.GzipFile(fileobj=raw, mode="rb") as unzipped:
            yield unzipped


@contextmanager
def _explained(path: str, error_type: type[PixelbeamError]) -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise error_type(f"{path}: truncated: the gzip stream ends before its end mark") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise error_type(f"{path}: not a whole gzip file: {error}") from error
    except OSError as error:
        raise error_type(f"{path}: cannot be read: {error.strerror or error}") from error


def read_head(path: str) -> tuple[bytes, bool]:
    """The first ``HEAD_BYTES`` of a file, unzipped, and whether they are all of it.

    Raises:
        ManifestError: the file cannot be read, or is empty.
    """
    head = bytearray()
    with _explained(path, ManifestError), _open_unzipped(path) as stream:
        while len(head) <= HEAD_BYTES and (chunk := _read_some(stream)):
            head += chunk
    if not head:
        raise ManifestError(f"{path}: an empty file, expected a manifest")
    return bytes(head[:HEAD_BYTES]), len(head) <= HEAD_BYTES


def read_tail(path: str) -> bytes:
    """The last ``HEAD_BYTES`` of a file as they lie there, or all of it.

    Raises:
        ManifestError: the file cannot be read.
    """
    with _explained(path, ManifestError), closing(open_file(path)) as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - HEAD_BYTES))
        return file.read()


def read_chunks(path: str, start: int = 0, stop: int = -1) -> Iterator[bytes]:
    """The bytes of a file from ``start`` up to ``stop`` (-1: its end), unzipped, in pieces.

    Raises:
        BuildError: the file cannot be read to that point.
    """
    left = stop - start if stop >= 0 else None
    with _explained(path, BuildError), _open_unzipped(path) as stream:
        stream.seek(start)
        while left != 0 and (chunk := _read_some(stream)):
            chunk = chunk[:left]
            left = None if left is None else left - len(chunk)
            yield chunk
    if left:
        raise BuildError(f"{path}: {left} bytes shorter than it was: it changed while being read")


def hash_file(path: str) -> dict[str, Any]:
    """The bytes of a file as it lies there, and their SHA-256.

    Raises:
        ManifestError: the file cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    with _explained(path, ManifestError), closing(open_file(path)) as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return {"bytes": size, "sha256": digest.hexdigest()}


class RangeReader:
    """Reads bytes out of the middle of files, some of which it keeps open; several threads may use it."""

    def __init__(self) -> None:
        self._descriptors: dict[str, int] = {}
        self._lock = Lock()

    def read(self, path: str, offset: int, size: int) -> bytes:
        """Bytes of a file from an offset on; fewer than asked for where it ends before.

        Raises:
            OSError: or another of ``READ_FAILURES``: the file cannot be read.
        """
        if is_local(path):
            return self._read_local(path, offset, size)
        with closing(open_file(path)) as file:
            # Beam's buffer would fetch 16 MiB for it.
            raw: Any = getattr(file, "raw", file)
            raw.seek(offset)
            blocks = []
            while size > 0 and (block := raw.read(size)):
                blocks.append(block)
                size -= len(block)
            return b"".join(blocks)

    def close(self) -> None:
        """Closes the files."""
        with self._lock:
            while self._descriptors:
                os.close(self._descriptors.popitem()[1])

    def _read_local(self, path: str, offset: int, size: int) -> bytes:
        descriptor = self._descriptors.get(path)
        if descriptor is not None:
            return os.pread(descriptor, size, offset)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return os.pread(descriptor, size, offset)
        finally:
            with self._lock:
                if len(self._descriptors) < _KEPT_OPEN and path not in self._descriptors:
                    self._descriptors[path] = descriptor
                else:
                    os.close(descriptor)


def digest_file(path: str) -> str:
    """The SHA-256, in hex, of the bytes of a file as it lies there.

    Raises:
        OSError: or another of ``READ_FAILURES``: the file cannot be read.
    """
    digest = hashlib.sha256()
    with closing(open_file(path)) as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _read_some(stream: Any) -> bytes:
    # One read of what lies beneath, so that what comes before a fault is handed out before it.
    read = getattr(stream, "read1", stream.read)
    return cast(bytes, read(CHUNK_BYTES))
