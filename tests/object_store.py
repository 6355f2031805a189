"""An object store in memory, ``memory://…``: a filesystem behind a scheme, without folders."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, ClassVar

from apache_beam.io.filesystem import CompressionTypes, FileMetadata, FileSystem

__all__ = ["MemoryFileSystem"]


class MemoryFileSystem(FileSystem):
    """Its files are those of the class; ``folders`` are what ``mkdirs`` was asked for."""

    files: ClassVar[dict[str, bytes]] = {}
    folders: ClassVar[list[str]] = []

    @classmethod
    def scheme(cls) -> str:
        return "memory"

    def join(self, basepath: str, *paths: str) -> str:
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path: str) -> tuple[str, ...]:
        return tuple(path.rsplit("/", 1))

    def has_dirs(self) -> bool:
        return False

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        for path, content in self.files.items():
            if path.startswith(dir_or_prefix):
                yield FileMetadata(path, len(content))

    def open(
        self, path: str, mime_type: str = "", compression_type: str = CompressionTypes.AUTO
    ) -> Any:
        assert compression_type == CompressionTypes.UNCOMPRESSED
        if path not in self.files:
            raise OSError("404")
        return io.BytesIO(self.files[path])

    def create(
        self, path: str, mime_type: str = "", compression_type: str = CompressionTypes.AUTO
    ) -> Any:
        assert compression_type == CompressionTypes.UNCOMPRESSED
        return _Created(path)

    def mkdirs(self, path: str) -> None:
        self.folders.append(path)

    def exists(self, path: str) -> bool:
        return path in self.files

    def metadata(self, path: str) -> FileMetadata:
        return FileMetadata(path, len(self.files[path]))

    def checksum(self, path: str) -> str:
        if path not in self.files:
            raise OSError("404")
        return f"etag-{len(self.files[path])}"

    def rename(self, source_file_names: list[str], destination_file_names: list[str]) -> None:
        for source, target in zip(source_file_names, destination_file_names, strict=True):
            self.files[target] = self.files.pop(source)

    def delete(self, paths: list[str]) -> None:
        for path in paths:
            del self.files[path]

    def _unused(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    copy = size = last_updated = _unused


class _Created(io.BytesIO):
    """A file that is there once it is closed."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def close(self) -> None:
        MemoryFileSystem.files[self._path] = self.getvalue()
        super().close()
