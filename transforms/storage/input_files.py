"""Reading the files that a manifest names: only those it may name, and trying again where that helps."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import BinaryIO

from ...schemas.errors import OptionError, Reject
from .input_log import InputLog, InputState
from .paths import (
    absolute,
    check_filesystem,
    filesystems,
    is_local,
    join_path,
    real_folder,
    real_path,
    waits_for_network,
)
from .split_roots import SplitRoots
from .streams import READ_FAILURES, digest_file, open_file

__all__ = ["MAX_FILE_BYTES", "InputFiles"]

MAX_FILE_BYTES = 1 << 30
"""A file that is larger is no image; it is rejected before it fills the memory."""

_BLOCK_BYTES = 1 << 20
_HASHES_KEPT = 1024
_TRIES = 4
_FRESH_NS = 2_000_000_000  # the coarsest clock of a filesystem, FAT's
_FIRST_WAIT_SECONDS = 0.5
# What says that the path is at fault, and how that is reported; anything else may pass.
_PATH_ERRORS = {
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
class InputFiles:
    """The folder that a manifest's relative paths are relative to, and that its paths stay inside.

    Attributes:
        root: a local folder or a URL.
        allow_outside: whether paths may lead out of the folder.
        unreadable: what becomes of a row whose file is there and cannot be read even after several
            tries: ``reject``, or ``fail``, which fails the build.
        leave_out: a folder that is left out of the listings of frames: the one that is written to.
        sleep: waits between tries; seconds.
        log: takes down what each input file was when it was read.
        splits: where paths are relative to the folders of several manifests: those. Files are then read
            through ``of`` and ``find``, and ``root`` is only for people.
        prefix: of one of those manifests: what stands before its paths where they are noted.
    """

    root: str
    allow_outside: bool = False
    unreadable: str = "reject"
    leave_out: str = ""
    sleep: Callable[[float], None] = time.sleep
    log: InputLog | None = None
    splits: SplitRoots | None = None
    prefix: str = ""

    def of(self, file: str) -> InputFiles:
        """What reads the files that the rows of a manifest file name."""
        if self.splits is None:
            return self
        root, prefix = self.splits.find(file)[0], f"{file.partition('/')[0]}/"
        return replace(self, root=root, splits=None, prefix=prefix)

    def find(self, noted: str) -> tuple[InputFiles, str]:
        """What reads a file that was noted, and its path as the manifest writes it."""
        inputs = self.of(noted)
        return inputs, noted[len(inputs.prefix) :]

    def read(self, written: str) -> tuple[bytes, str]:
        """Reads a file.

        Args:
            written: the path as the manifest writes it; backslashes separate folders, as on Windows.

        Returns:
            Its content, and the SHA-256 of that in hex.

        Raises:
            Reject: stage ``load``: ``file_not_found``, ``not_a_file``, ``permission_denied``,
                ``bad_path``, ``outside_root``, ``no_filesystem``, ``file_too_large`` or ``unreadable``.
            OSError: the file is unreadable, and that is to fail the build.
        """
        try:
            data, state = self._read(written)
        except Reject as reject:
            if self.log is not None:
                # That it could not be read is noted as well: when it can be, the row's shard is built again.
                self.log.add(self.prefix + written, InputState(fault=reject.reason))
            raise
        sha256 = hashlib.sha256(data).hexdigest()
        if self.log is not None:
            self.log.add(self.prefix + written, replace(state, size=len(data), sha256=sha256))
        return data, sha256

    def _read(self, written: str) -> tuple[bytes, InputState]:
        path = self.locate(written)
        for attempt in range(_TRIES):
            if attempt:
                self.sleep(_FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
            try:
                return _read(path, stamped=self.log is not None)
            except READ_FAILURES as error:
                failure = error
                self._raise_path_fault(error, path, written)
        if self.unreadable == "fail":
            raise failure
        message = f"{written!r} cannot be read: {failure}"
        raise Reject("load", "unreadable", message, path=written) from failure

    @property
    def full_root(self) -> str:
        """The folder, spelled the same from any working directory."""
        return absolute(self.root) if self.splits is None else str(self.splits)

    @property
    def waits_for_network(self) -> bool:
        """Whether a look at a file takes a while, during which others could be looked at."""
        return waits_for_network(self.full_root)

    def note(self, path: str) -> None:
        """Takes down what an array file is, which others open and read in parts.

        Its content is hashed once in a process, unless it is larger than ``MAX_FILE_BYTES`` or not local.

        Args:
            path: from ``locate``.
        """
        full = absolute(path)
        if self.log is not None and (noted := self.prefix + full) not in self.log:
            state = replace(self.look(full, in_parts=True), array=True)
            if not state.fault and is_local(full) and 0 <= state.size <= MAX_FILE_BYTES:
                state = replace(state, sha256=_hash_once(full, state.size, state.mtime_ns))
            self.log.add(noted, state)

    def note_state(self, written: str, state: InputState) -> None:
        """Takes down what a file is that was looked at and not read.

        Args:
            written: the path as the manifest writes it.
            state: what it is, with the hash of its content.
        """
        if self.log is not None:
            self.log.add(self.prefix + written, state)

    def note_listing(self, written: str, names: Sequence[str]) -> None:
        """Takes down what a folder or glob was found to hold."""
        if self.log is not None:
            digest = hashlib.sha256("\0".join(names).encode("utf-8", "surrogatepass")).hexdigest()
            state = InputState(size=len(names), sha256=digest, listing=True)
            self.log.add(self.prefix + written, state)

    def look(self, written: str, *, read: bool = False, in_parts: bool = False) -> InputState:
        """What an input file is now; why it cannot be read is in ``fault``.

        Args:
            written: the path as the manifest writes it.
            read: whether to read it for its hash too.
            in_parts: whether it is an array file, which is never in memory as a whole: then it may be large,
                and its time counts even if it has only just been written.
        """
        try:
            path = self.locate(written)
        except Reject as reject:
            return InputState(fault=reject.reason)
        try:
            if read and in_parts and is_local(path):
                found = _check(path, sys.maxsize)
                return replace(_stamp(found, even_fresh=True), sha256=digest_file(path))
            if read:
                data, state = _read(path, stamped=True)
                return replace(state, size=len(data), sha256=hashlib.sha256(data).hexdigest())
            if not is_local(path):
                state = _remote_stamp(path)
                missing = state.stamp is None and _is_missing(path)
                return InputState(fault="file_not_found") if missing else state
            found = _check(path, sys.maxsize if in_parts else MAX_FILE_BYTES)
            # A file's size and time can be had of files that may not be read, too.
            if not os.access(path, os.R_OK):
                return InputState(fault="permission_denied")
            return _stamp(found, in_parts)
        except READ_FAILURES as error:
            return InputState(fault=_fault_of(error, path) or "unreadable")

    def locate(self, written: str) -> str:
        """The full path of what a manifest names.

        Raises:
            Reject: it is no path (``bad_path``), leads out of the folder (``outside_root``), or to where
                nothing can be read from here (``no_filesystem``).
        """
        if "\0" in written:
            message = f"got {written!r}, expected a path: it has a null character"
            raise Reject("load", "bad_path", message, path=written)
        path = join_path(self.root, written.replace("\\", "/"))
        try:
            check_filesystem(path)  # first: --allow_outside would be no help
        except OptionError as error:
            raise Reject("load", "no_filesystem", str(error), path=written) from None
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
            return real_path(path).startswith(real_folder(self.root).rstrip(os.sep) + os.sep)
        # Object stores take .. for a name like any other, yet what serves them may resolve it.
        inside = path.startswith(self.root.rstrip("/") + "/")
        return inside and ".." not in path.split("/")

    def _raise_path_fault(self, error: Exception, path: str, written: str) -> None:
        """Raises a reject where trying again would not help."""
        number = _errno_of(error, path)
        if number in _PATH_ERRORS:
            reason, said = _PATH_ERRORS[number]
            raise Reject("load", reason, f"{said}: {written!r}", path=written) from None


def _errno_of(error: Exception, path: str) -> int | None:
    number = getattr(error, "errno", None)
    # Beam's filesystems wrap the store's errors in one of their own, without a number.
    if number is None and not is_local(path) and _is_missing(path):
        return errno.ENOENT
    return number


def _is_missing(path: str) -> bool:
    try:
        return not filesystems().exists(path)
    except READ_FAILURES:
        return False


def _fault_of(error: Exception, path: str) -> str:
    number = _errno_of(error, path)
    return _PATH_ERRORS[number][0] if number in _PATH_ERRORS else ""


def _check(path: str, most: int = MAX_FILE_BYTES) -> os.stat_result:
    """What a local file is, if it is one that may be read."""
    found = os.stat(path)
    # Asked first: opening a named pipe would wait for ever, a device may never end.
    if not stat.S_ISREG(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "not a regular file")
    if found.st_size > most:
        raise OSError(errno.EFBIG, "too large")
    return found


def _stamp(found: os.stat_result, even_fresh: bool = False) -> InputState:
    # A file may be written again within the resolution of its time; without one, content decides.
    age = time.time_ns() - found.st_mtime_ns
    settled = even_fresh or age > _FRESH_NS
    return InputState(found.st_size, found.st_mtime_ns if settled else 0)


def _remote_stamp(path: str) -> InputState:
    """The etag or checksum, where the filesystem has one; a file that is missing is told by reading it."""
    try:
        return InputState(tag=str(filesystems().checksum(path) or ""))
    except (*READ_FAILURES, NotImplementedError):
        return InputState()


def _read(path: str, stamped: bool = False) -> tuple[bytes, InputState]:
    """A file's content, and what the file was before it was read, so that a change after it is seen."""
    if is_local(path):
        _check(path)
        with open(path, "rb") as file:
            state = _stamp(os.fstat(file.fileno()))
            return file.read(), state
    state = _remote_stamp(path) if stamped else InputState()
    with open_file(path) as file:
        return _read_bounded(file), state


@lru_cache(_HASHES_KEPT)
def _hash_once(path: str, size: int, mtime_ns: int) -> str:
    """The SHA-256 of a local file of that size and time; empty where it is another one meanwhile."""
    try:
        digest = digest_file(path)
        found = os.stat(path)
    except OSError:
        return ""
    return digest if (found.st_size, found.st_mtime_ns) == (size, mtime_ns) else ""


def _read_bounded(file: BinaryIO) -> bytes:
    """Reads in blocks, since a read of n bytes asks for n bytes of memory at once."""
    blocks, size = [], 0
    while block := file.read(_BLOCK_BYTES):
        blocks.append(block)
        size += len(block)
        if size > MAX_FILE_BYTES:
            raise OSError(errno.EFBIG, "too large")
    return b"".join(blocks)
