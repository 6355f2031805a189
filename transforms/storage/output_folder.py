"""Folders whose files appear whole or not at all, on local disks and on Beam's filesystems."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileSystem
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from ...schemas.dataset.file_names import STATE_FOLDER
from ...schemas.errors import OptionError
from .s3 import share_s3_client

__all__ = [
    "TEMPORARY_FOLDER",
    "Folder",
    "PublishedFile",
    "absolute",
    "check_filesystem",
    "is_local",
    "join_path",
    "lies_in",
    "real_folder",
    "real_path",
]

# A worker of a plain worker pool gets no pipeline options, and without any S3 refuses to work; with
# these it takes credentials and endpoint from the environment. Beam sets its own over them.
if FileSystems._pipeline_options is None:
    FileSystems.set_options(PipelineOptions([]))
share_s3_client()

_EXTRAS = {
    "gs": "on the launcher and the workers: pip install 'apache-beam[gcp]'",
    "file": "name files by their paths alone, without file://",
    "http": "download the files, and name them by their local paths",
    "https": "download the files, and name them by their local paths",
}
"""What to do where a filesystem is missing, by the scheme."""

_COPY_BYTES = 1 << 20
_READS_AT_ONCE = 16
TEMPORARY_FOLDER = f"{STATE_FOLDER}/tmp"  # noqa: S108 - inside the output folder


def is_local(path: str) -> bool:
    """Whether a path is on this machine's own filesystem."""
    return FileSystems.get_scheme(path) is None


def check_filesystem(path: str) -> None:
    """Checks that what a path's filesystem needs is installed.

    Raises:
        OptionError: with what to install.
    """
    scheme = FileSystems.get_scheme(path)
    if scheme is None:
        return
    if scheme == "s3" and find_spec("boto3") is None:
        raise OptionError(
            f"{path}: S3 needs boto3, which is not installed; on the launcher and the workers: "
            "pip install 'pixelbeam[s3]'"
        )
    try:
        FileSystems.get_filesystem(path)
    except ValueError as error:
        known = sorted(filter(None, (fs.scheme() for fs in FileSystem.get_all_subclasses())))
        if scheme in known:  # it lacks its options, as hdfs:// does
            raise OptionError(f"{path}: {error}") from None
        help_ = _EXTRAS.get(
            scheme.lower(), f"expected a local path or one of {'://, '.join(known)}://"
        )
        raise OptionError(f"{path}: no filesystem for {scheme}:// is installed; {help_}") from None


def absolute(path: str) -> str:
    """A path that means the same in any working directory."""
    return os.path.abspath(path) if is_local(path) else path


def lies_in(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it, however both are spelled; links are resolved.

    No path lies in the folder ``""``, which stands for none.
    """
    if not folder or is_local(path) != is_local(folder):
        return False
    if not is_local(path):
        return f"{path.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/")
    real = os.path.realpath(folder).rstrip(os.sep) + os.sep
    return f"{real_path(path)}{os.sep}".startswith(real)


def real_path(path: str) -> str:
    """``os.path.realpath`` with the folder's part remembered: thousands of files share it."""
    folder, name = os.path.split(path)
    real = os.path.join(real_folder(folder), name)
    return os.path.realpath(path) if name in ("", ".", "..") or os.path.islink(real) else real


@lru_cache(maxsize=4096)
def real_folder(folder: str) -> str:
    """``os.path.realpath`` of a folder, remembered."""
    return os.path.realpath(folder or ".")


def join_path(folder: str, name: str) -> str:
    """A file's path inside a folder; an absolute name or a URL stays what it is."""
    if not is_local(name) or os.path.isabs(name):
        return name
    return os.path.join(folder, name) if is_local(folder) else FileSystems.join(folder, name)


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
            else FileSystems.exists(self.path(name))
        )

    def size(self, name: str) -> int | None:
        """The size of a file in bytes, ``None`` when it is not there."""
        path = self.path(name)
        if is_local(self.root):
            return os.path.getsize(path) if os.path.isfile(path) else None
        found = FileSystems.match([path])[0].metadata_list
        return found[0].size_in_bytes if found else None

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, ``None`` when it is not there."""
        if is_local(self.root):
            try:
                return Path(self.path(name)).read_bytes()
            except FileNotFoundError:
                return None
        if not FileSystems.exists(self.path(name)):
            return None
        with FileSystems.open(
            self.path(name), compression_type=CompressionTypes.UNCOMPRESSED
        ) as file:
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
        if is_local(self.root):
            return open(self.path(name), "rb")
        path, plain = self.path(name), CompressionTypes.UNCOMPRESSED
        return cast(BinaryIO, FileSystems.open(path, compression_type=plain))

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
            except FileNotFoundError:
                return {}
        try:
            matches = FileSystems.match([FileSystems.join(top, "*")])
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
                found = FileSystems.match([FileSystems.join(self.root, "**")])[0].metadata_list
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

    def publish(self, local: Path, name: str) -> PublishedFile:
        """Moves a complete local file to its final name, durably; replaces what stands there."""
        with local.open("rb+") as file:
            digest = hashlib.sha256()
            while block := file.read(_COPY_BYTES):
                digest.update(block)
            size = file.tell()
            if is_local(self.root):
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
            FileSystems.delete(paths)

    def move(self, names: list[str], to: list[str]) -> None:
        """Gives files of the folder other names, durably; replaces what stands there."""
        sources, targets = [self.path(name) for name in names], [self.path(name) for name in to]
        if not is_local(self.root):
            if sources:
                FileSystems.rename(sources, targets)
            return
        for source, target in zip(sources, targets, strict=True):
            _rename(Path(source), Path(target))

    def _delete_remote(self, names: list[str]) -> None:
        patterns = [pattern for name in names for pattern in (name, f"{name}/**")]
        matches = FileSystems.match([self.path(pattern) for pattern in patterns])
        paths = [metadata.path for match in matches for metadata in match.metadata_list]
        if paths:
            FileSystems.delete(paths)
        # Object stores have no folders that could be left, others have.
        left = [self.path(name) for name in names if self.exists(name)]
        if left:
            FileSystems.delete(left)

    def _upload(self, local: Path, name: str) -> None:
        temporary = self.path(f"{TEMPORARY_FOLDER}/{uuid.uuid4().hex}")
        for folder in (self.path(TEMPORARY_FOLDER), os.path.dirname(self.path(name))):
            if not FileSystems.exists(folder):
                FileSystems.mkdirs(folder)
        with (
            local.open("rb") as source,
            FileSystems.create(temporary, compression_type=CompressionTypes.UNCOMPRESSED) as target,
        ):
            shutil.copyfileobj(source, target, _COPY_BYTES)
        FileSystems.rename([temporary], [self.path(name)])


def _rename(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
