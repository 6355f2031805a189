"""Many small files beside a manifest: which of them are there, and what is in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from .....schemas.errors import BuildError
from ....storage.listings import list_folder
from ....storage.paths import waits_for_network
from ....storage.streams import READ_FAILURES, read_chunks

__all__ = ["FILE_BYTES", "SmallFiles", "split_path"]

FILE_BYTES = 16 << 20
"""A larger file is not read: it bounds the memory that a hostile one can ask for."""

_AT_ONCE = 32


class SmallFiles:
    """Reads files that may not be there; folders are listed once.

    That a file is not there is told from that it cannot be read by the listing, on any filesystem.
    """

    def __init__(self) -> None:
        self._listings: dict[str, frozenset[str]] = {}

    def has(self, path: str) -> bool:
        """Whether a file is there."""
        folder, name = split_path(path)
        if folder not in self._listings:
            self._listings[folder] = _list_names(folder)
        return name in self._listings[folder]

    def read(self, path: str) -> bytes | None:
        """What is in a file, or of one that is too large more than ``FILE_BYTES``; ``None`` if it is not there.

        Raises:
            BuildError: it cannot be read.
        """
        return _read(path) if self.has(path) else None

    def read_all(self, paths: Iterable[str]) -> Iterator[bytes | None]:
        """The same of many, in their order; several at once where reading waits for a network.

        Raises:
            BuildError: one cannot be read.
        """
        waiting: deque[Future[bytes | None]] = deque()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for path in paths:
                far = waits_for_network(path)
                while waiting and (not far or len(waiting) > _AT_ONCE):
                    yield waiting.popleft().result()
                if far:
                    self.has(path)  # here, so that no two threads list a folder
                    waiting.append(pool.submit(self.read, path))
                else:
                    yield self.read(path)
            while waiting:
                yield waiting.popleft().result()


def split_path(path: str) -> tuple[str, str]:
    """A file's folder and its name, also of a URL."""
    folder, _, name = path.rpartition("/")
    return folder, name


def _list_names(folder: str) -> frozenset[str]:
    try:
        return frozenset(list_folder(folder))
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except READ_FAILURES as error:
        raise BuildError(f"{folder}: cannot be read: {error}") from error


def _read(path: str) -> bytes:
    found = bytearray()
    for chunk in read_chunks(path):
        found += chunk
        if len(found) > FILE_BYTES:
            break
    return bytes(found)
