from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def memory_files() -> Iterator[dict[str, bytes]]:
    """The files of the store behind ``memory://``, by their addresses; empty before a test."""
    from object_store import MemoryFileSystem

    MemoryFileSystem.folders.clear()
    MemoryFileSystem.files.clear()
    yield MemoryFileSystem.files
    MemoryFileSystem.files.clear()
