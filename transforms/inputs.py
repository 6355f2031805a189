"""Reading the files that a manifest names: only those it may name, and trying again where that helps."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from ..schemas.errors import Reject
from .folders import is_local, join_path

__all__ = ["MAX_FILE_BYTES", "InputRoot"]

MAX_FILE_BYTES = 1 << 30
"""A file that is larger is no image; it is rejected before it fills the memory."""

_BLOCK_BYTES = 1 << 20
_TRIES = 4
_FIRST_WAIT_SECONDS = 0.5
# What says that the path is at fault, and how that is reported; anything else may pass.
_PATH_FAULTS = {
    errno.ENOENT: ("file_not_found", "no such file"),
    errno.EISDIR: ("not_a_file", "not a file"),
    errno.ENOTDIR: ("not_a_file", "not a file"),
    errno.EACCES: ("permission_denied", "no permission to read"),
    errno.EPERM: ("permission_denied", "no permission to read"),
    errno.ELOOP: ("bad_path", "a circle of symbolic links"),
    errno.ENAMETOOLONG: ("bad_path", "a path that is too long"),
    errno.EFBIG: ("file_too_large", "more than 1 GiB"),
}


@dataclass(frozen=True, slots=True)
class InputRoot:
    """The folder that a manifest's relative paths are relative to, and that its paths stay inside.

    Attributes:
        root: a local folder or a URL.
        allow_outside: whether paths may lead out of the folder.
        unreadable: what becomes of a row whose file is there and cannot be read even after several
            tries: ``reject``, or ``fail``, which fails the build.
        sleep: waits between tries; seconds.
    """

    root: str
    allow_outside: bool = False
    unreadable: str = "reject"
    sleep: Callable[[float], None] = time.sleep

    def read(self, written: str) -> bytes:
        """Reads a file.

        Args:
            written: the path as the manifest writes it; backslashes separate folders, as on Windows.

        Raises:
            Reject: stage ``load``: ``file_not_found``, ``not_a_file``, ``permission_denied``,
                ``bad_path``, ``outside_root``, ``file_too_large`` or ``unreadable``.
            OSError: the file is unreadable, and that is to fail the build.
        """
        path = self.locate(written)
        for attempt in range(_TRIES):
            if attempt:
                self.sleep(_FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
            try:
                return _read(path)
            except (OSError, BeamIOError) as error:
                failure = error
                self._raise_path_fault(error, path, written)
        if self.unreadable == "fail":
            raise failure
        message = f"{written!r} cannot be read: {failure}"
        raise Reject("load", "unreadable", message, path=written) from failure

    def locate(self, written: str) -> str:
        """The full path of what a manifest names.

        Raises:
            Reject: it is no path (``bad_path``), or leads out of the folder (``outside_root``).
        """
        if "\0" in written:
            message = f"got {written!r}, expected a path: it has a null character"
            raise Reject("load", "bad_path", message, path=written)
        path = join_path(self.root, written.replace("\\", "/"))
        if not self.allow_outside and not self._contains(path):
            message = (
                f"{written!r} leads out of the image root; name the folder that holds all images with "
                "--image_root, or trust the manifest with --allow_outside"
            )
            raise Reject("load", "outside_root", message, path=written)
        return path

    def _contains(self, path: str) -> bool:
        if is_local(self.root) and is_local(path):
            # With symbolic links resolved, so that none of them leads out either.
            return _real_path(path).startswith(_real_root(self.root))
        inside = path.startswith(self.root.rstrip("/") + "/")
        return inside and ".." not in path.split("/")

    def _raise_path_fault(self, error: Exception, path: str, written: str) -> None:
        """Raises a reject where trying again would not help."""
        number = getattr(error, "errno", None)
        if number is None and not is_local(path) and not FileSystems.exists(path):
            number = errno.ENOENT
        if number in _PATH_FAULTS:
            reason, said = _PATH_FAULTS[number]
            raise Reject("load", reason, f"{said}: {written!r}", path=written) from None


def _read(path: str) -> bytes:
    if is_local(path):
        found = os.stat(path)
        # Asked first: opening a named pipe would wait for ever, a device may never end.
        if not stat.S_ISREG(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, "not a regular file")
        if found.st_size > MAX_FILE_BYTES:
            raise OSError(errno.EFBIG, "too large")
        with open(path, "rb") as file:
            return file.read()
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        return _read_bounded(file)


def _read_bounded(file: BinaryIO) -> bytes:
    """Reads in blocks, since a read of n bytes asks for n bytes of memory at once."""
    blocks, size = [], 0
    while block := file.read(_BLOCK_BYTES):
        blocks.append(block)
        size += len(block)
        if size > MAX_FILE_BYTES:
            raise OSError(errno.EFBIG, "too large")
    return b"".join(blocks)


def _real_path(path: str) -> str:
    """``os.path.realpath`` with the folder's part remembered: thousands of files share it."""
    folder, name = os.path.split(path)
    real = os.path.join(_real_folder(folder), name)
    return os.path.realpath(path) if name in ("", ".", "..") or os.path.islink(real) else real


@lru_cache(maxsize=4096)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder or ".")


def _real_root(root: str) -> str:
    return _real_folder(root).rstrip(os.sep) + os.sep
