"""Folders whose files appear whole or not at all, on local disks and on Beam's filesystems."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from apache_beam.io.filesystem import BeamIOError, CompressionTypes

from ...schemas.dataset.file_names import STATE_FOLDER
from .paths import filesystems, is_local, join_path
from .streams import open_file

__all__ = ["TEMPORARY_FOLDER", "Folder", "PublishedFile"]

_COPY_BYTES = 1 << 20
_READS_AT_ONCE = 16
TEMPORARY_FOLDER = f"{STATE_FOLDER}/tmp"  # noqa: S108 - inside the output folder


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file under its final name: its name in the folder, size in bytes and SHA-256 in hex."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder whose files appear whole or not at all.

    Every file is written under a temporary name inside the state folder and then renamed. Names are
    relative, with ``/``.
    """

    root: str

    def path(self, name: str) -> str:
        """The full path of a file in the folder."""
        return join_path(self.root, name)

    def exists(self, name: str) -> bool:
        """Whether the file or folder is there."""
        return (
            os.path.exists(self.path(name))
            if is_local(self.root)
            else filesystems().exists(self.path(name))
        )

    def size(self, name: str) -> int | None:
        """The size of a file in bytes, ``None`` when it is not there."""
        path = self.path(name)
        if is_local(self.root):
            return os.path.getsize(path) if os.path.isfile(path) else None
        found = filesystems().match([path])[0].metadata_list
        return found[0].size_in_bytes if found else None

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, ``None`` when it is not there."""
        if is_local(self.root):
            try:
                return Path(self.path(name)).read_bytes()
            except FileNotFoundError:
                return None
        if not filesystems().exists(self.path(name)):
            return None
        with self.open(name) as file:
            return bytes(file.read())

    def read_all(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """What ``read`` gives for each of many files, in order; several at a time where each takes a while."""
        if is_local(self.root):
            yield from map(self.read, names)
            return
        left = iter(names)
        with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
            # A part at a time, so that neither tasks nor contents pile up.
            while some := list(islice(left, 4 * _READS_AT_ONCE)):
                yield from pool.map(self.read, some)

    def open(self, name: str) -> BinaryIO:
        """A file of the folder, to read from any place in it."""
        return open_file(self.path(name))

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """A local file with a file's content, for libraries that read nothing else."""
        if is_local(self.root):
            yield Path(self.path(name))
            return
        with tempfile.TemporaryDirectory() as folder, self.open(name) as source:
            path = Path(folder) / "file"
            with path.open("wb") as target:
                shutil.copyfileobj(source, target, _COPY_BYTES)
            yield path

    def sizes(self, folder: str = "") -> dict[str, int]:
        """The files directly in a sub-folder (default: the folder itself) with their sizes in bytes."""
        top = self.path(folder) if folder else self.root
        if is_local(self.root):
            try:
                with os.scandir(top) as entries:
                    return {
                        entry.name: entry.stat().st_size for entry in entries if entry.is_file()
                    }
            except (FileNotFoundError, NotADirectoryError):
                return {}
        try:
            matches = filesystems().match([filesystems().join(top, "*")])
        except BeamIOError:
            return {}
        prefix = top.rstrip("/") + "/"
        found = {
            m.path.removeprefix(prefix): m.size_in_bytes
            for match in matches
            for m in match.metadata_list
        }
        return {name: size for name, size in found.items() if "/" not in name}

    def folders(self) -> set[str]:
        """The sub-folders that lie directly in the folder."""
        if not is_local(self.root):
            prefix = self.root.rstrip("/") + "/"
            try:
                found = filesystems().match([filesystems().join(self.root, "**")])[0].metadata_list
            except BeamIOError:
                return set()
            names = (metadata.path.removeprefix(prefix) for metadata in found)
            return {name.partition("/")[0] for name in names if "/" in name}
        try:
            with os.scandir(self.root) as entries:
                return {entry.name for entry in entries if not entry.is_file()}
        except FileNotFoundError:
            return set()

    def is_empty(self) -> bool:
        """Whether there is nothing in the folder, or no folder."""
        if is_local(self.root):
            return not os.path.isdir(self.root) or not os.listdir(self.root)
        return not self.sizes() and not self.folders()

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A new local folder to write files in that ``publish`` then takes; gone at the end.

        It is inside the folder itself when that is local, so that publishing is a rename.
        """
        parent = None
        if is_local(self.root):
            parent = self.path(TEMPORARY_FOLDER)
            os.makedirs(parent, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=parent, prefix="task-", ignore_cleanup_errors=True
        ) as scratch:
            yield Path(scratch)

    def clear_scratch(self) -> None:
        """Deletes what attempts that died have left of theirs; on other machines' disks nobody can."""
        if is_local(self.root):
            self.delete([TEMPORARY_FOLDER])

    @property
    def has_locks(self) -> bool:
        """Whether ``lock`` keeps others out: object stores cannot."""
        return is_local(self.root)

    @contextmanager
    def lock(self, name: str) -> Iterator[bool]:
        """Holds a lock on a file of the folder, and says whether it does or another process has it.

        Where there are no locks, it always does.

        Raises:
            OSError: the file cannot be written.
        """
        if not self.has_locks:
            yield True
            return
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # The kernel lets go of it when the process ends, however it ends: no lock is ever left behind.
        with open(path, "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Who had it may just have finished, and deleted the file.
                held = os.path.exists(path) and os.path.samestat(
                    os.fstat(file.fileno()), os.stat(path)
                )
            except BlockingIOError:
                held = False
            yield held

    def publish(self, local: Path, name: str) -> PublishedFile:
        """Moves a complete local file to its final name, durably; replaces what stands there."""
        with local.open("rb+") as file:
            digest = hashlib.sha256()
            while block := file.read(_COPY_BYTES):
                digest.update(block)
            size = file.tell()
            if is_local(self.root):
                # Content before name: a crash must not leave the final name with no content behind it.
                os.fsync(file.fileno())
        if is_local(self.root):
            _rename(local, Path(self.path(name)))
        else:
            self._upload(local, name)
        return PublishedFile(name, size, digest.hexdigest())

    def write(self, name: str, data: bytes) -> PublishedFile:
        """Writes a whole file; see ``publish``."""
        with self.scratch() as scratch:
            local = scratch / "file"
            local.write_bytes(data)
            return self.publish(local, name)

    def delete(self, names: list[str]) -> None:
        """Deletes files and folders that are there, with all that is in the folders."""
        if not is_local(self.root):
            self._delete_remote(names)
            return
        for path in [self.path(name) for name in names if self.exists(name)]:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    def delete_files(self, names: list[str]) -> None:
        """Deletes files that are there, in order; without asking for each what it is, as ``delete`` does."""
        paths = [self.path(name) for name in names]
        if is_local(self.root):
            for path in paths:
                with suppress(FileNotFoundError):
                    os.unlink(path)
        elif paths:
            filesystems().delete(paths)

    def delete_empty(self, name: str) -> None:
        """Deletes a sub-folder if nothing lies in it."""
        if is_local(self.root):
            with suppress(OSError):
                os.rmdir(self.path(name))

    def move(self, names: list[str], to: list[str]) -> None:
        """Gives files of the folder other names, durably; replaces what stands there."""
        sources, targets = [self.path(name) for name in names], [self.path(name) for name in to]
        if not is_local(self.root):
            if sources:
                filesystems().rename(sources, targets)
            return
        for source, target in zip(sources, targets, strict=True):
            _rename(Path(source), Path(target))

    def _delete_remote(self, names: list[str]) -> None:
        patterns = [pattern for name in names for pattern in (name, f"{name}/**")]
        matches = filesystems().match([self.path(pattern) for pattern in patterns])
        paths = [metadata.path for match in matches for metadata in match.metadata_list]
        if paths:
            filesystems().delete(paths)
        # Object stores have no folders that could be left, others have.
        left = [self.path(name) for name in names if self.exists(name)]
        if left:
            filesystems().delete(left)

    def _upload(self, local: Path, name: str) -> None:
        # Under another name first, for not every filesystem shows a file only once it is whole.
        temporary = self.path(f"{TEMPORARY_FOLDER}/{uuid.uuid4().hex}")
        for folder in (self.path(TEMPORARY_FOLDER), os.path.dirname(self.path(name))):
            if not filesystems().exists(folder):
                filesystems().mkdirs(folder)
        with (
            local.open("rb") as source,
            filesystems().create(
                temporary, compression_type=CompressionTypes.UNCOMPRESSED
            ) as target,
        ):
            shutil.copyfileobj(source, target, _COPY_BYTES)
        filesystems().rename([temporary], [self.path(name)])


def _rename(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)
    # The new name is in the folder's own blocks, which are flushed apart from the file's.
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
